# Two-view models: information curve, and held-out scores against ridge regression, by cross-validation over patients.

TWO_VIEWS = [name for name, model in cfg.models.items() if model.kind == "two_view"]
BOTTLENECK_TABLES = [
    "bottleneck_curve.csv",
    "bottleneck_scores.csv",
    "bottleneck_example.parquet",
]
KIND_TABLES["two_view"] = BOTTLENECK_TABLES


rule bottleneck:
    input:
        visits=lambda wc: visits_of(network_cohorts(wc)),
    output:
        expand(f"{RUN}/models/{{{{model}}}}/{{table}}", table=BOTTLENECK_TABLES),
    log:
        f"{RUN}/logs/{{model}}-bottleneck.log",
    wildcard_constraints:
        model=one_of(TWO_VIEWS),
    threads: cfg.compute.threads.train
    resources:
        gpu=1,
    params:
        options=lambda wc: json_of(
            model=cfg.models[name_and_fold(wc)[0]], evaluation=cfg.evaluation
        ),
        visits=lambda wc, input: many("visits", input.visits),
        structure=lambda wc: many("structure", structures(network_cohorts(wc))),
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.train,
        code=code_digest("bottleneck"),
    shell:
        "vfprog bottleneck {output} {params.visits} {params.structure} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"
