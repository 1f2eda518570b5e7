"""Verbs that draw figures, write reports, and print the config's schema."""

from __future__ import annotations

import json
from pathlib import Path

from vfprog.cli.app import Detection, Options, RatesTruth, Retest, Split, Trust, verbs


@verbs.command()
def figures(
    cohort: Path,
    model: Path,
    target: Path,
    options: Options,
    split: Split = None,
    retest: Retest = None,
    detection: Detection = None,
    rates_truth: RatesTruth = None,
    trust: Trust = None,
) -> None:
    """Draw a cohort's figures into the folder TARGET."""
    from vfprog.config import PlotsConfig
    from vfprog.plots.figures import draw_figures

    section = PlotsConfig.model_validate_json(options)
    draw_figures(
        cohort,
        model,
        target,
        section,
        split=split,
        retest=retest,
        detection=detection,
        rates_truth=rates_truth,
        trust=trust,
    )


@verbs.command()
def report(
    cohort: Path,
    model: Path,
    models: Path,
    options: Options,
    split: Split = None,
    retest: Retest = None,
    detection: Detection = None,
    rates_truth: RatesTruth = None,
    trust: Trust = None,
) -> None:
    """Write a cohort's HTML report: report/index.html and a page for each eye."""
    from vfprog.config import CohortConfig, PlotsConfig, RatesConfig, ReportConfig
    from vfprog.report.render import write_report

    sections = json.loads(options)
    write_report(
        cohort.name,
        CohortConfig.model_validate(sections["cohort"]),
        cohort,
        model,
        models,
        split=split,
        retest=retest,
        detection=detection,
        rates_truth=rates_truth,
        trust=trust,
        report=ReportConfig.model_validate(sections["report"]),
        plots=PlotsConfig.model_validate(sections["plots"]),
        rates=RatesConfig.model_validate(sections["rates"]),
    )


@verbs.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors (kept as config/schema.json)."""
    from vfprog.config import json_schema

    print(json_schema(), end="")
