"""Verbs that draw figures, write reports, and print the config's schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Options, verbs

Further = Annotated[
    list[str] | None,
    typer.Option(help="Of the tables that not every cohort has, one the run has (trust, ...); repeat"),
]


@verbs.command()
def figures(
    cohort: Path,
    model: Path,
    target: Path,
    options: Options,
    further: Further = None,
) -> None:
    """Draw a cohort's figures into the folder TARGET."""
    from vfprog.config import PlotsConfig
    from vfprog.plots.figures import draw_figures

    section = PlotsConfig.model_validate_json(options)
    draw_figures(cohort, model, target, section, further or [])


@verbs.command()
def report(
    cohort: Path,
    model: Path,
    models: Path,
    options: Options,
    further: Further = None,
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
        further or [],
        report=ReportConfig.model_validate(sections["report"]),
        plots=PlotsConfig.model_validate(sections["plots"]),
        rates=RatesConfig.model_validate(sections["rates"]),
    )


@verbs.command()
def model_figures(model: Path, target: Path, options: Options) -> None:
    """Draw a model's figures, from the tables in its folder, into the folder TARGET."""
    from vfprog.config import PlotsConfig
    from vfprog.plots.models import draw_model_figures

    draw_model_figures(model, target, PlotsConfig.model_validate_json(options))


@verbs.command()
def models_report(
    models: Path,
    target: Path,
    model: Annotated[list[str], typer.Option(help="NAME=FOLDER of a model's tables and figures; repeat")],
    options: Options,
    cohort: Annotated[list[str] | None, typer.Option(help="Cohort that has a report; repeat")] = None,
    sweep: Annotated[Path | None, typer.Option(help="sweep.csv, where the run has a sweep")] = None,
    run: Annotated[str, typer.Option(help="The run's name")] = "",
) -> None:
    """Write the pages of the models: their comparison (TARGET, from MODELS.csv) and one for each beside it."""
    from vfprog.config import PlotsConfig
    from vfprog.report.models import write_models_report

    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in model)}
    section = PlotsConfig.model_validate_json(options)
    write_models_report(run, folders, models, cohort or [], target, section, sweep)


@verbs.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors (kept as config/schema.json)."""
    from vfprog.config import json_schema

    print(json_schema(), end="")
