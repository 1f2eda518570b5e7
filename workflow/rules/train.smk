# Training of the networks, and the two fitting stages after it.

TRAINING_VISITS = visits_of(LEARNED)
TRAINING_SPLITS = splits_of(LEARNED)


rule train:
    input:
        visits=lambda wc: visits_of(network_cohorts(wc)),
        splits=lambda wc: splits_of(network_cohorts(wc)),
    output:
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
        history=f"{RUN}/models/{{model}}/history.csv",
    log:
        f"{RUN}/logs/{{model}}-train.log",
    wildcard_constraints:
        model=TRAINED,
    threads: cfg.compute.threads.train
    resources:
        gpu=1,
    params:
        # Not what is sought in its space later: to seek more is no reason to train again.
        options=lambda wc: MODELS[name_and_fold(wc)[0]].model_dump_json(
            exclude={"search", "seeds"}
        ),
        fold=lambda wc: name_and_fold(wc)[1],
        visits=lambda wc, input: many("visits", input.visits),
        splits=lambda wc, input: many("splits", input.splits),
        structure=lambda wc: many("structure", structures(network_cohorts(wc))),
        benchmarks=many("benchmark", BENCHMARKS),
        checkpoint=f"{RUN}/.checkpoints/{{model}}.pt",
        seed=seed_of,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.train,
        code=code_digest("train"),
    shell:
        "vfprog train {output} {params.visits} {params.splits} {params.structure} {params.benchmarks}"
        " --checkpoint {params.checkpoint}"
        " --options {params.options:q} --fold {params.fold} --seed {params.seed} --device {params.device}"
        " --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule adopt:
    input:
        lambda wc: [cfg.models[wc.model].folder / file for file in MODEL_FILES],
    output:
        expand(f"{RUN}/models/{{{{model}}}}/{{file}}", file=MODEL_FILES),
    log:
        f"{RUN}/logs/{{model}}-adopt.log",
    wildcard_constraints:
        model=GIVEN,
    params:
        source=lambda wc: cfg.models[wc.model].folder,
        target=f"{RUN}/models/{{model}}",
        code=code_digest("adopt"),
    shell:
        "vfprog adopt {params.source:q} {params.target} {wildcards.model} 2>&1 | tee {log} >&2"


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
    wildcard_constraints:
        model=SERIES,
    threads: cfg.compute.threads.fit
    resources:
        gpu=1,
    params:
        options=json_of(trajectory=cfg.trajectory, rates=cfg.rates),
        name=lambda wc: name_and_fold(wc)[0],
        visits=many("visits", TRAINING_VISITS),
        splits=many("splits", TRAINING_SPLITS),
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.fit,
        code=code_digest("calibrate"),
    shell:
        "vfprog calibrate {output} {params.visits} {params.splits} --name {params.name}"
        " --options {params.options:q} --seed {params.seed} --device {params.device}"
        " --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule card:
    input:
        f"{RUN}/models/{{model}}/architecture.json",
    output:
        f"{RUN}/models/{{model}}/card.json",
    log:
        f"{RUN}/logs/{{model}}-card.log",
    wildcard_constraints:
        model=SINGLE,
    params:
        name=lambda wc: name_and_fold(wc)[0],
        code=code_digest("card"),
    shell:
        "vfprog card {input} {output} {params.name} 2>&1 | tee {log} >&2"
