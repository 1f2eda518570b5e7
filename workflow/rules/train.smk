# Training of the networks, the two fitting stages after it, and the models' health.

TRAINING_VISITS = expand(f"{RUN}/{{cohort}}/visits.parquet", cohort=LEARNED)
TRAINING_SPLITS = expand(f"{RUN}/{{cohort}}/split.csv", cohort=LEARNED)


rule train:
    input:
        visits=TRAINING_VISITS,
        splits=TRAINING_SPLITS,
    output:
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
        history=f"{RUN}/models/{{model}}/history.csv",
    log:
        f"{RUN}/logs/{{model}}-train.log",
    threads: cfg.compute.threads.train
    resources:
        gpu=1,
    params:
        options=lambda wc: cfg.models[wc.model].model_dump_json(),
        visits=many("visits", TRAINING_VISITS),
        splits=many("splits", TRAINING_SPLITS),
        checkpoint=f"{RUN}/.checkpoints/{{model}}.pt",
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.train,
        code=code_digest("train"),
    shell:
        "vfprog train {output} {params.visits} {params.splits} --checkpoint {params.checkpoint}"
        " --options {params.options:q} --seed {params.seed} --device {params.device}"
        " --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule calibrate:
    input:
        visits=TRAINING_VISITS,
        splits=TRAINING_SPLITS,
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
    output:
        f"{RUN}/models/{{model}}/card.json",
    log:
        f"{RUN}/logs/{{model}}-calibrate.log",
    threads: cfg.compute.threads.fit
    resources:
        gpu=1,
    params:
        options=json_of(trajectory=cfg.trajectory, rates=cfg.rates),
        visits=many("visits", TRAINING_VISITS),
        splits=many("splits", TRAINING_SPLITS),
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.fit,
        code=code_digest("calibrate"),
    shell:
        "vfprog calibrate {output} {params.visits} {params.splits} --name {wildcards.model}"
        " --options {params.options:q} --seed {params.seed} --device {params.device}"
        " --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule models:
    input:
        cards=expand(f"{RUN}/models/{{model}}/card.json", model=cfg.models),
        visits=TRAINING_VISITS,
        splits=TRAINING_SPLITS,
        retests=expand(f"{RUN}/{{cohort}}/visits.parquet", cohort=RETESTS),
    output:
        f"{RUN}/models.csv",
    log:
        f"{RUN}/logs/models.log",
    threads: cfg.compute.threads.evaluate
    params:
        options=cfg.evaluation.model_dump_json(),
        model=many("model", expand(f"{RUN}/models/{{model}}", model=cfg.models)),
        visits=many("visits", TRAINING_VISITS),
        splits=many("splits", TRAINING_SPLITS),
        retests=lambda wc, input: many("retests", input.retests),
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("models"),
    shell:
        "vfprog models {output} {params.model} {params.visits} {params.splits} {params.retests}"
        " --options {params.options:q} --seed {params.seed} --device {params.device}"
        " --threads {params.torch_threads} 2>&1 | tee {log} >&2"
