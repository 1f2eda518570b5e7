# Figures and the HTML report. A change of plot options reruns only these.

FIGURES = [
    "fields",
    "series",
    "training",
    "reconstructions",
    "latents",
    "evaluation",
    "retest",
]
COHORT_TABLES = [
    "visits.parquet",
    "qc.json",
    "quarantine.csv",
    "latents.parquet",
    "trajectories.nc",
    "rates.csv",
    "forecasts.parquet",
    "forecasts_md.csv",
    "evaluation.csv",
    "differences.csv",
    "published.csv",
]


def tables(wildcards):
    """Every table that a cohort's figures and report show."""
    retest = ["retest.csv"] if wildcards.cohort in RETESTS else []
    return [f"{RUN}/{wildcards.cohort}/{name}" for name in COHORT_TABLES + retest]


rule figures:
    input:
        tables,
        f"{MODEL}/card.json",
        f"{MODEL}/history.csv",
    output:
        report(
            expand(f"{RUN}/{{{{cohort}}}}/figures/{{figure}}.svg", figure=FIGURES),
            category="{cohort}",
            caption="../captions/figure.rst",
        ),
    log:
        f"{RUN}/logs/{{cohort}}-figures.log",
    params:
        options=cfg.plots.model_dump_json(),
        cohort=f"{RUN}/{{cohort}}",
        model=MODEL,
        code=code_digest("figures"),
    shell:
        "vfprog figures {params.cohort} {params.model} {params.cohort}/figures --options {params.options:q} 2> {log}"


rule report:
    input:
        tables,
        figures=expand(f"{RUN}/{{{{cohort}}}}/figures/{{figure}}.svg", figure=FIGURES),
        card=f"{MODEL}/card.json",
        models=f"{RUN}/models.csv",
    output:
        f"{RUN}/{{cohort}}/report/index.html",
    log:
        f"{RUN}/logs/{{cohort}}-report.log",
    params:
        options=lambda wc: json_of(
            cohort=cfg.cohorts[wc.cohort],
            report=cfg.report,
            plots=cfg.plots,
            rates=cfg.rates,
        ),
        cohort=f"{RUN}/{{cohort}}",
        model=MODEL,
        code=code_digest("report"),
    shell:
        "vfprog report {params.cohort} {params.model} {input.models} --options {params.options:q} 2> {log}"
