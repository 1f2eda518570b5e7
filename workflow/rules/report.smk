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


def retest_of(wildcards):
    """The denoising table of a cohort with retests."""
    return (
        [f"{RUN}/{wildcards.cohort}/retest.csv"] if wildcards.cohort in RETESTS else []
    )


def detection_of(wildcards):
    """The detection tables of a cohort with known truth."""
    return [
        f"{RUN}/{wildcards.cohort}/{table}"
        for table in DETECTION_TABLES
        if wildcards.cohort in DETECTED
    ]


def rates_truth_of(wildcards):
    """The table of rates against known truth."""
    return (
        [f"{RUN}/{wildcards.cohort}/rates_truth.csv"]
        if wildcards.cohort in KNOWN
        else []
    )


def trust_of(wildcards):
    """The checks of the posterior, where the config asks for them."""
    return [
        f"{RUN}/{wildcards.cohort}/{table}"
        for table in TRUST_TABLES
        if wildcards.cohort in cfg.trust.cohorts
    ]


def further_loss_of(wildcards):
    """What further loss of a cohort's eyes would look like, where the config asks for it."""
    asked = bool(cfg.report.further_loss)
    return [f"{RUN}/{wildcards.cohort}/further_loss.parquet"] if asked else []


def further_tables(wildcards):
    """The tables that not every cohort has, as options: a file left from an earlier config is not read."""
    return " ".join(
        [
            many("split", split_of(wildcards)),
            many("retest", retest_of(wildcards)),
            many("detection", detection_of(wildcards)[:1]),
            many("rates-truth", rates_truth_of(wildcards)),
            many("trust", trust_of(wildcards)[:1]),
        ]
    )


rule figures:
    input:
        expand(f"{RUN}/{{{{cohort}}}}/{{table}}", table=COHORT_TABLES),
        split_of,
        retest_of,
        detection_of,
        rates_truth_of,
        trust_of,
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
        further=further_tables,
        cohort=f"{RUN}/{{cohort}}",
        model=MODEL,
        code=code_digest("figures"),
    shell:
        "vfprog figures {params.cohort} {params.model} {params.cohort}/figures {params.further}"
        " --options {params.options:q} 2>&1 | tee {log} >&2"


rule report:
    input:
        expand(f"{RUN}/{{{{cohort}}}}/{{table}}", table=COHORT_TABLES),
        split_of,
        retest_of,
        detection_of,
        rates_truth_of,
        trust_of,
        further_loss_of,
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
        further=further_tables,
        further_loss=lambda wc: many("further-loss", further_loss_of(wc)),
        cohort=f"{RUN}/{{cohort}}",
        model=MODEL,
        code=code_digest("report"),
    shell:
        "vfprog report {params.cohort} {params.model} {input.models} {params.further} {params.further_loss}"
        " --options {params.options:q} 2>&1 | tee {log} >&2"
