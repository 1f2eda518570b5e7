# Forecasts, and how good they are on patients that no model saw.


rule forecast:
    input:
        paths=f"{RUN}/{{cohort}}/trajectories.nc",
        card=f"{MODEL}/card.json",
    output:
        fields=f"{RUN}/{{cohort}}/forecasts.parquet",
        means=f"{RUN}/{{cohort}}/forecasts_md.csv",
    log:
        f"{RUN}/logs/{{cohort}}-forecast.log",
    threads: cfg.compute.threads.fit
    params:
        options=json_of(trajectory=cfg.trajectory, forecast=cfg.forecast),
        model=MODEL,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.fit,
        code=code_digest("forecast"),
    shell:
        "vfprog forecast {output} --paths {input.paths} --model {params.model} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule evaluate:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        split=split_of,
        cards=lambda wc: cards_of(scorers(wc)),
    output:
        scores=f"{RUN}/{{cohort}}/evaluation.csv",
        differences=f"{RUN}/{{cohort}}/differences.csv",
        published=f"{RUN}/{{cohort}}/published.csv",
    log:
        f"{RUN}/logs/{{cohort}}-evaluate.log",
    threads: cfg.compute.threads.evaluate
    params:
        options=json_of(trajectory=cfg.trajectory, evaluation=cfg.evaluation),
        split=lambda wc: many("split", split_of(wc)),
        model=lambda wc: many("model", scorers(wc)),
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("evaluate"),
    shell:
        "vfprog evaluate {output} --visits {input.visits} {params.split} {params.model}"
        " --options {params.options:q} --seed {params.seed} --device {params.device}"
        " --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule retest:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        f"{RUN}/{{cohort}}/retest.csv",
    log:
        f"{RUN}/logs/{{cohort}}-retest.log",
    wildcard_constraints:
        cohort="|".join(RETESTS) or "none",
    threads: cfg.compute.threads.evaluate
    params:
        options=cfg.evaluation.model_dump_json(),
        model=MODEL,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("retest"),
    shell:
        "vfprog retest {output} --visits {input.visits} --model {params.model} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"
