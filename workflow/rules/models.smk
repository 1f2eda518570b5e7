# Pictures of what the models make, their figures and pages.

# What the figures of every model are drawn from; KIND_TABLES holds what a kind has beside it.
MODEL_TABLES = [
    "architecture.json",
    "history.csv",
    "assessment.json",
    "evidence.csv",
    "health.csv",
    "pit.csv",
    "samples.csv",
    "gallery.parquet",
    "manifold.parquet",
    "canvas.json",
]
# Where there are folds, a model's page shows the first of them: no patient of its held-out fields was seen.
SHOWN_MODELS = {name: without_their_patients(name)[0] for name in cfg.models}


def figure_tables(wildcards):
    """The tables behind a model's figures."""
    kind = cfg.models[name_and_fold(wildcards)[0]].kind
    tables = MODEL_TABLES + KIND_TABLES.get(kind, [])
    return [f"{RUN}/models/{wildcards.model}/{table}" for table in tables]


rule pictures:
    input:
        unpack(held_out_of),
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
    output:
        gallery=f"{RUN}/models/{{model}}/gallery.parquet",
        manifold=f"{RUN}/models/{{model}}/manifold.parquet",
        canvas=f"{RUN}/models/{{model}}/canvas.json",
    log:
        f"{RUN}/logs/{{model}}-pictures.log",
    threads: cfg.compute.threads.evaluate
    params:
        held_out=held_out_options,
        model=f"{RUN}/models/{{model}}",
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("pictures"),
    shell:
        "vfprog pictures {output} --model {params.model} {params.held_out} --seed {params.seed}"
        " --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule model_figures:
    input:
        figure_tables,
    output:
        directory(f"{RUN}/models/{{model}}/figures"),
    log:
        f"{RUN}/logs/{{model}}-figures.log",
    params:
        options=cfg.plots.model_dump_json(),
        model=f"{RUN}/models/{{model}}",
        code=code_digest("model-figures"),
    shell:
        "vfprog model-figures {params.model} {output} --options {params.options:q} 2>&1 | tee {log} >&2"


rule models_report:
    input:
        figures=[f"{folder}/figures" for folder in SHOWN_MODELS.values()],
        models=f"{RUN}/models.csv",
        sweep=SWEEP,
    output:
        f"{RUN}/models/report/index.html",
    log:
        f"{RUN}/logs/models-report.log",
    params:
        options=cfg.plots.model_dump_json(),
        run=cfg.run,
        model=many(
            "model", [f"{name}={folder}" for name, folder in SHOWN_MODELS.items()]
        ),
        cohort=many("cohort", REPORTED),
        sweep=many("sweep", SWEEP),
        code=code_digest("models-report"),
    shell:
        "vfprog models-report {input.models} {output} --run {params.run} {params.model} {params.cohort} {params.sweep}"
        " --options {params.options:q} 2>&1 | tee {log} >&2"
