# Guided models: what their head knows, searches and ways in their latent space, and what further loss would look like.

GUIDED = [name for name, model in cfg.models.items() if model.kind == "guided"]
GUIDED_TABLES = [
    "guided_scores.csv",
    "guided_latents.parquet",
    "guided_paths.parquet",
    "guided_interpolation.parquet",
]
KIND_TABLES["guided"] = GUIDED_TABLES


rule guided_space:
    input:
        visits=lambda wc: visits_of(network_cohorts(wc)),
        splits=lambda wc: splits_of(network_cohorts(wc)),
        weights=f"{RUN}/models/{{model}}/weights.safetensors",
        architecture=f"{RUN}/models/{{model}}/architecture.json",
    output:
        f"{RUN}/models/{{model}}/guided_space.json",
    log:
        f"{RUN}/logs/{{model}}-guided-space.log",
    wildcard_constraints:
        model=one_of(GUIDED),
    threads: cfg.compute.threads.evaluate
    params:
        visits=lambda wc, input: many("visits", input.visits),
        splits=lambda wc, input: many("splits", input.splits),
        model=f"{RUN}/models/{{model}}",
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("guided-space"),
    shell:
        "vfprog guided-space {output} --model {params.model} {params.visits} {params.splits} --seed {params.seed}"
        " --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule guided:
    input:
        visits=lambda wc: visits_of(network_cohorts(wc)),
        splits=lambda wc: splits_of(network_cohorts(wc)),
        space=f"{RUN}/models/{{model}}/guided_space.json",
    output:
        expand(f"{RUN}/models/{{{{model}}}}/{{table}}", table=GUIDED_TABLES),
    log:
        f"{RUN}/logs/{{model}}-guided.log",
    wildcard_constraints:
        model=one_of(GUIDED),
    threads: cfg.compute.threads.evaluate
    params:
        options=lambda wc: json_of(
            search=cfg.models[name_and_fold(wc)[0]].search, evaluation=cfg.evaluation
        ),
        visits=lambda wc, input: many("visits", input.visits),
        splits=lambda wc, input: many("splits", input.splits),
        model=f"{RUN}/models/{{model}}",
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("guided"),
    shell:
        "vfprog guided {output} --model {params.model} {params.visits} {params.splits} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


if cfg.report.further_loss:

    rule further_loss:
        input:
            paths=f"{RUN}/{{cohort}}/trajectories.nc",
            visits=f"{RUN}/{{cohort}}/visits.parquet",
            rates=f"{RUN}/{{cohort}}/rates.csv",
            space=f"{RUN}/models/{cfg.report.further_loss}/guided_space.json",
        output:
            f"{RUN}/{{cohort}}/further_loss.parquet",
        log:
            f"{RUN}/logs/{{cohort}}-further-loss.log",
        threads: cfg.compute.threads.evaluate
        params:
            options=json_of(
                search=cfg.models[cfg.report.further_loss].search, report=cfg.report
            ),
            model=f"{RUN}/models/{cfg.report.further_loss}",
            device=cfg.compute.device,
            torch_threads=cfg.compute.threads.evaluate,
            code=code_digest("further-loss"),
        shell:
            "vfprog further-loss {output} --model {params.model} --paths {input.paths} --visits {input.visits}"
            " --rates {input.rates} --options {params.options:q} --device {params.device}"
            " --threads {params.torch_threads} 2>&1 | tee {log} >&2"
