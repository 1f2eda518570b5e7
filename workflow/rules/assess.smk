# Every trained model held to rows that it never saw, and every cohort's fields to the model behind its rates.

TESTED_MODELS = [
    folder
    for model in [*cfg.models, *AGAIN]
    for folder in without_their_patients(model)
]
ASSESSMENT = [
    "assessment.json",
    "evidence.csv",
    "health.csv",
    "pit.csv",
    "samples.csv",
    "samples.parquet",
]


rule assess:
    input:
        unpack(held_out_of),
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
        retests=visits_of(RETESTS),
    output:
        expand(f"{RUN}/models/{{{{model}}}}/{{file}}", file=ASSESSMENT),
    log:
        f"{RUN}/logs/{{model}}-assess.log",
    threads: cfg.compute.threads.evaluate
    params:
        held_out=held_out_options,
        retests=lambda wc, input: many("retests", input.retests),
        model=f"{RUN}/models/{{model}}",
        name=name_in_config,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("assess"),
    shell:
        "vfprog assess {output} --model {params.model} --name {params.name} {params.held_out} {params.retests}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule models:
    input:
        [f"{folder}/assessment.json" for folder in TESTED_MODELS],
    output:
        f"{RUN}/models.csv",
    log:
        f"{RUN}/logs/models.log",
    params:
        code=code_digest("models"),
    shell:
        "vfprog models {output} {input} 2>&1 | tee {log} >&2"


rule typical:
    input:
        visits=TRAINING_VISITS,
        splits=TRAINING_SPLITS,
        weights=f"{MODEL}/weights.safetensors",
        architecture=f"{MODEL}/architecture.json",
    output:
        f"{MODEL}/typical.json",
    log:
        f"{RUN}/logs/typical.log",
    threads: cfg.compute.threads.evaluate
    params:
        visits=many("visits", TRAINING_VISITS),
        splits=many("splits", TRAINING_SPLITS),
        model=MODEL,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("typical"),
    shell:
        "vfprog typical {output} --model {params.model} {params.visits} {params.splits}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule typicality:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        typical=f"{MODEL}/typical.json",
    output:
        f"{RUN}/{{cohort}}/typicality.csv",
    log:
        f"{RUN}/logs/{{cohort}}-typicality.log",
    threads: cfg.compute.threads.evaluate
    params:
        model=MODEL,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("typicality"),
    shell:
        "vfprog typicality {output} --visits {input.visits} --model {params.model}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"
