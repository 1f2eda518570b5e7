# Checks of the trajectories' posterior, of the cohorts named under `trust`.


rule trust:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        expand(f"{RUN}/{{{{cohort}}}}/{{table}}", table=FURTHER["trust"]),
    log:
        f"{RUN}/logs/{{cohort}}-trust.log",
    wildcard_constraints:
        cohort="|".join(cfg.trust.cohorts) or "none",
    threads: cfg.compute.threads.evaluate
    params:
        # Not which cohorts are checked: to add one is no reason to check another again.
        options=cfg.trust.model_dump_json(exclude={"cohorts"}),
        model=MODEL,
        seed=cfg.seed,
        device=cfg.compute.device,
        torch_threads=cfg.compute.threads.evaluate,
        code=code_digest("trust"),
    shell:
        "vfprog trust {output} --visits {input.visits} --model {params.model} --options {params.options:q}"
        " --seed {params.seed} --device {params.device} --threads {params.torch_threads} 2>&1 | tee {log} >&2"
