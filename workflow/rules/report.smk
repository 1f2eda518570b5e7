# Figures and the HTML report. A change of plot options reruns only these.

FIGURES = [
    "fields",
    "series",
    "rates",
    "training",
    "reconstructions",
    "latents",
    "evaluation",
    "detection",
    "retest",
    "trust",
]
COHORT_TABLES = [
    "visits.parquet",
    "qc.json",
    "quarantine.csv",
    "typicality.csv",
    "latents.parquet",
    "trajectories.nc",
    "rates.csv",
    "rates_regions.csv",
    "rates_locations.parquet",
    "prior_sensitivity.csv",
    "forecasts.parquet",
    "forecasts_md.csv",
    "evaluation.csv",
    "differences.csv",
    "published.csv",
    "flagged.csv",
]


def further_of(wildcards):
    """Which tables that not every cohort has, this one has: a file left from an earlier config is not read."""
    has = {
        "split": LEARNED,
        "retest": RETESTS,
        "rates_truth": KNOWN,
        "detection": DETECTED,
        "trust": cfg.trust.cohorts,
        "further_loss": cfg.cohorts if cfg.report.further_loss else [],
    }
    return [name for name in FURTHER if wildcards.cohort in has[name]]


def further_tables(wildcards):
    """The files of these."""
    names = [table for name in further_of(wildcards) for table in FURTHER[name]]
    return [f"{RUN}/{wildcards.cohort}/{table}" for table in names]


rule figures:
    input:
        expand(f"{RUN}/{{{{cohort}}}}/{{table}}", table=COHORT_TABLES),
        further_tables,
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
        further=lambda wc: many("further", further_of(wc)),
        cohort=f"{RUN}/{{cohort}}",
        model=MODEL,
        code=code_digest("figures"),
    shell:
        "vfprog figures {params.cohort} {params.model} {params.cohort}/figures {params.further}"
        " --options {params.options:q} 2>&1 | tee {log} >&2"


rule report:
    input:
        expand(f"{RUN}/{{{{cohort}}}}/{{table}}", table=COHORT_TABLES),
        further_tables,
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
        further=lambda wc: many("further", further_of(wc)),
        cohort=f"{RUN}/{{cohort}}",
        model=MODEL,
        code=code_digest("report"),
    shell:
        "vfprog report {params.cohort} {params.model} {input.models} {params.further}"
        " --options {params.options:q} 2>&1 | tee {log} >&2"
