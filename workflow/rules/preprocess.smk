# From a cohort's source to visits.parquet, quality control and the split by patient.


rule simulate:
    input:
        lambda wc: cfg.cohorts[wc.cohort].simulate.paths,
    output:
        fields=f"{RUN}/{{cohort}}/source/fields.csv",
        truth=f"{RUN}/{{cohort}}/source/truth.parquet",
        courses=f"{RUN}/{{cohort}}/source/courses.parquet",
    log:
        f"{RUN}/logs/{{cohort}}-simulate.log",
    wildcard_constraints:
        cohort="|".join(SIMULATED) or "none",
    params:
        options=lambda wc: cfg.cohorts[wc.cohort].simulate.model_dump_json(),
        seed=cfg.seed,
        code=code_digest("simulate"),
    shell:
        "vfprog simulate {output} --options {params.options:q} --seed {params.seed} 2>&1 | tee {log} >&2"


rule fetch:
    output:
        f"{RUN}/{{cohort}}/source/{{file}}",
    log:
        f"{RUN}/logs/{{cohort}}-fetch-{{file}}.log",
    wildcard_constraints:
        cohort="|".join(FETCHED) or "none",
    params:
        # No digest of the code: an edit of the package is no reason to fetch a verified file again.
        options=lambda wc: cfg.cohorts[wc.cohort].download.model_dump_json(),
    shell:
        "vfprog fetch {output} --options {params.options:q} 2>&1 | tee {log} >&2"


rule preprocess:
    input:
        sources,
        joined,
    output:
        visits=f"{RUN}/{{cohort}}/visits.parquet",
        qc=f"{RUN}/{{cohort}}/qc.json",
        quarantine=f"{RUN}/{{cohort}}/quarantine.csv",
    log:
        f"{RUN}/logs/{{cohort}}-preprocess.log",
    params:
        options=lambda wc: cfg.cohorts[wc.cohort].model_dump_json(
            exclude={"title", "attribution"}
        ),
        source=lambda wc: many("source", sources(wc)),
        code=code_digest("preprocess"),
    shell:
        "vfprog preprocess {output} {params.source} --name {wildcards.cohort} --options {params.options:q} 2>&1 | tee {log} >&2"


rule split:
    input:
        f"{RUN}/{{cohort}}/visits.parquet",
    output:
        f"{RUN}/{{cohort}}/split.csv",
    log:
        f"{RUN}/logs/{{cohort}}-split.log",
    params:
        options=cfg.split.model_dump_json(),
        seed=cfg.seed,
        code=code_digest("split"),
    shell:
        "vfprog split {input} {output} --options {params.options:q} --seed {params.seed} 2>&1 | tee {log} >&2"
