# Detection of progression: scored where the truth is known, and the share of eyes flagged in every cohort.

DETECTED = [
    name
    for name, cohort in cfg.cohorts.items()
    if cohort.produce != "visits"
    and (cohort.stable_twin or (cohort.simulate and not cohort.simulate.stable))
]


def truth_of(wildcards):
    """What says which eyes progress: the visits of the cohort's stable twin, and the rates it was simulated with.

    Simulated anew from a table of true fields, all of its eyes progress that the table says do.
    """
    cohort = cfg.cohorts[wildcards.cohort]
    files = {}
    if cohort.stable_twin:
        files["twin"] = f"{RUN}/{cohort.stable_twin}/visits.parquet"
    if cohort.simulate and not cohort.simulate.truth or not files:
        files["truth"] = f"{RUN}/{wildcards.cohort}/source/truth.parquet"
    return files


rule detect:
    input:
        unpack(truth_of),
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        expand(f"{RUN}/{{{{cohort}}}}/{{table}}", table=FURTHER["detection"]),
    log:
        f"{RUN}/logs/{{cohort}}-detect.log",
    wildcard_constraints:
        cohort="|".join(DETECTED) or "none",
    threads: cfg.compute.threads.evaluate
    params:
        options=json_of(rates=cfg.rates, evaluation=cfg.evaluation),
        truth=lambda wc: " ".join(
            many(name, [file]) for name, file in truth_of(wc).items()
        ),
        structure=structure_of,
        model=MODEL,
        seed=cfg.seed,
        code=code_digest("detect"),
    shell:
        "vfprog detect {output} --visits {input.visits} {params.truth} {params.structure} --model {params.model}"
        " --options {params.options:q} --seed {params.seed} 2>&1 | tee {log} >&2"


rule flagged:
    input:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        card=f"{MODEL}/card.json",
    output:
        f"{RUN}/{{cohort}}/flagged.csv",
    log:
        f"{RUN}/logs/{{cohort}}-flagged.log",
    params:
        options=json_of(rates=cfg.rates, evaluation=cfg.evaluation),
        structure=structure_of,
        model=MODEL,
        seed=cfg.seed,
        code=code_digest("flagged"),
    shell:
        "vfprog flagged {output} --visits {input.visits} {params.structure} --model {params.model}"
        " --options {params.options:q} --seed {params.seed} 2>&1 | tee {log} >&2"
