# Models of archetypes: their names, the weights of every visit, how many are worth having, whether they come out again.

ARCHETYPES = [name for name, model in cfg.models.items() if model.kind == "archetypes"]
ARCHETYPE_TABLES = [
    "archetypes.csv",
    "archetypes_weights.parquet",
    "archetypes_number.csv",
    "archetypes_stability.csv",
    "archetypes_interpolation.parquet",
]
KIND_TABLES["archetypes"] = ARCHETYPE_TABLES


def weighed_cohorts(wildcards):
    """The cohorts whose fields are weighed; none for a model of images."""
    return (
        [] if cfg.models[name_and_fold(wildcards)[0]].on_images else list(cfg.cohorts)
    )


rule archetypes:
    input:
        visits=lambda wc: visits_of(network_cohorts(wc)),
        splits=lambda wc: splits_of(network_cohorts(wc)),
        cohorts=lambda wc: visits_of(weighed_cohorts(wc)),
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
    output:
        expand(f"{RUN}/models/{{{{model}}}}/{{table}}", table=ARCHETYPE_TABLES),
    log:
        f"{RUN}/logs/{{model}}-archetypes.log",
    wildcard_constraints:
        model=one_of(ARCHETYPES),
    threads: cfg.compute.threads.train
    resources:
        gpu=1,
    params:
        visits=lambda wc, input: many("visits", input.visits),
        splits=lambda wc, input: many("splits", input.splits),
        cohorts=lambda wc, input: many("cohort", input.cohorts),
        model=f"{RUN}/models/{{model}}",
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.train,
        code=code_digest("archetypes"),
    shell:
        "vfprog archetypes {output} --model {params.model} {params.visits} {params.splits} {params.cohorts}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"
