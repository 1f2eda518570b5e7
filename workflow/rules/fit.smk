# Latents and trajectories of a cohort's eyes, and their rates.


rule fit:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        latents=f"{RUN}/{{cohort}}/latents.parquet",
        paths=f"{RUN}/{{cohort}}/trajectories.nc",
    log:
        f"{RUN}/logs/{{cohort}}-fit.log",
    threads: cfg.compute.threads.fit
    params:
        options=cfg.trajectory.model_dump_json(),
        model=MODEL,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.fit,
        code=code_digest("fit"),
    shell:
        "vfprog fit {output} --visits {input.visits} --model {params.model} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"


rule rates:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        f"{RUN}/{{cohort}}/rates.csv",
        f"{RUN}/{{cohort}}/rates_regions.csv",
        f"{RUN}/{{cohort}}/rates_locations.parquet",
        f"{RUN}/{{cohort}}/prior_sensitivity.csv",
    log:
        f"{RUN}/logs/{{cohort}}-rates.log",
    params:
        options=cfg.rates.model_dump_json(),
        structure=structure_of,
        model=MODEL,
        seed=cfg.seed,
        code=code_digest("rates"),
    shell:
        "vfprog rates {output} --visits {input.visits} {params.structure} --model {params.model} --options {params.options:q}"
        " --seed {params.seed} 2>&1 | tee {log} >&2"


rule rates_truth:
    input:
        true_fields_of,
        joined,
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        f"{RUN}/{{cohort}}/rates_truth.csv",
    log:
        f"{RUN}/logs/{{cohort}}-rates-truth.log",
    wildcard_constraints:
        cohort="|".join(KNOWN) or "none",
    params:
        options=lambda wc: json_of(cohort=cfg.cohorts[wc.cohort], rates=cfg.rates),
        truth=lambda wc: many("truth", true_fields_of(wc)),
        structure=structure_of,
        model=MODEL,
        seed=cfg.seed,
        code=code_digest("rates-truth"),
    shell:
        "vfprog rates-truth {output} --visits {input.visits} {params.truth} {params.structure} --model {params.model}"
        " --options {params.options:q} --seed {params.seed} 2>&1 | tee {log} >&2"
