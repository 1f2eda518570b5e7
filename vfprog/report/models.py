"""Pages of the models: how they compare, and one page for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vfprog.config import PlotsConfig
from vfprog.io import read_json, read_table, write_text
from vfprog.plots.compare import draw_comparison
from vfprog.plots.models import MODEL_FIGURES
from vfprog.plots.style import save_figure, style
from vfprog.report.archetypes import archetypes_section
from vfprog.report.blocks import Cell, Fact, Header, Section, Table, embedded
from vfprog.report.bottleneck import bottleneck_section
from vfprog.report.environment import environment
from vfprog.report.format import count, number, plain, quantity
from vfprog.report.guided import guided_section
from vfprog.report.model_scores import score_cell, shown_columns
from vfprog.report.model_words import KINDS, OPTIONS, ROWS
from vfprog.report.seeds import seeds_section
from vfprog.report.sweep import sweep_section

# What a kind's page shows beside its figures; each function takes the model's folder.
MODEL_SECTIONS: dict[str, list[Callable[[Path], Section]]] = {
    "archetypes": [archetypes_section],
    "two_view": [bottleneck_section],
    "guided": [guided_section],
}


@dataclass(frozen=True)
class Link:
    """A link of a page's navigation."""

    text: str
    href: str


@dataclass(frozen=True)
class ModelsPage:
    """What ``models.html.j2`` shows."""

    title: str
    links: list[Link]
    warnings: list[str]
    text: list[str]
    sections: list[Section]
    help: list[Header] = field(default_factory=list)


@dataclass(frozen=True)
class Model:
    """A model of the run: its name, the folder of its tables, its section of the config, its training."""

    name: str
    folder: Path
    options: dict[str, Any]
    training: dict[str, Any]
    warnings: list[str]

    @property
    def page(self) -> str:
        """Name of its page."""
        return f"{self.name}.html"

    @property
    def rows(self) -> str:
        """The rows that it explains: a key of ``ROWS``."""
        return self.options.get("views") or self.options.get("data", "fields")

    @property
    def words(self) -> str:
        """What it is, in a few words."""
        options = self.options
        parts = [] if options["kind"] == "field" else [options["kind"].replace("_", " ")]
        parts += [options["likelihood"].replace("_", " ")] if "likelihood" in options else []
        parts += ["censored at the floor"] if options.get("floor") == "censored" else []
        parts += [f"{options['guide']} guide"] if "guide" in options else []
        parts += [] if options["decoder_hidden"] else ["linear decoder"]
        return ", ".join(parts)


def read_model(folder: Path, name: str) -> Model:
    """A model from its files."""
    content = read_json(folder / "architecture.json")
    warnings = read_json(folder / "assessment.json")["warnings"]
    return Model(name, folder, content["options"], content["training"], warnings)


def write_models_report(
    run: str,
    folders: dict[str, Path],
    models_table: Path,
    cohorts: list[str],
    target: Path,
    plots: PlotsConfig,
    sweep: Path | None = None,
) -> None:
    """Write ``<model>.html`` of every model, the comparison's figures and then ``index.html`` into ``target``'s folder.

    Pages of models that the run no longer has are removed. The models' figures must be there already
    (:func:`vfprog.plots.models.draw_model_figures`).

    Parameters
    ----------
    run : str
        The run's name.
    folders : dict
        By model the folder of its tables: ``results/<run>/models/<model>``, or that of a fold.
    models_table : Path
        ``models.csv``.
    cohorts : list of str
        Cohorts that have a report, to link to.
    target : Path
        ``index.html``.
    sweep : Path or None
        ``sweep.csv``, where the run has a sweep: a section of the comparison.
    """
    folder, trainings = target.parent, read_table(models_table)
    table = trainings.drop_duplicates("model")  # the run's own seed comes first
    models = [read_model(path, name) for name, path in folders.items()]
    template = environment().get_template("models.html.j2")
    for model in models:
        page = model_page(model, rows_of([model], table).iloc[0])
        write_text(template.render(page=page), folder / model.page)
    for stale in set(folder.glob("*.html")) - {target, *(folder / model.page for model in models)}:
        stale.unlink()
    groups = by_rows(models)
    with style(plots):
        for rows, group in groups.items():
            if len(group) > 1:
                compared = draw_comparison(rows_of(group, table).reset_index())
                save_figure(compared, folder / f"comparison-{rows}.svg")
    page = comparison_page(run, groups, table, cohorts, folder)
    if trainings["model"].duplicated().any():
        page.sections.append(seeds_section(trainings))
    if sweep is not None:
        page.sections.append(sweep_section(read_table(sweep), folder / "sweep.svg", plots))
    write_text(template.render(page=page), target)


def by_rows(models: list[Model]) -> dict[str, list[Model]]:
    """Models that explain the same rows, which alone compare, by what these are."""
    groups: dict[str, list[Model]] = {}
    for model in models:
        groups.setdefault(model.rows, []).append(model)
    return groups


def comparison_page(
    run: str, groups: dict[str, list[Model]], table: pd.DataFrame, cohorts: list[str], figures_dir: Path
) -> ModelsPage:
    """Models of the same rows side by side; ``table`` as in ``models.csv``."""
    alt = "Evidence, rate, distortion, errors and two-sample accuracy of each model; the table holds the same numbers"
    sections = [
        Section(
            rows,
            ROWS[rows],
            tables=[comparison_table(group, table)],
            pictures=[embedded(figures_dir / f"comparison-{rows}.svg", alt)] if len(group) > 1 else [],
        )
        for rows, group in groups.items()
    ]
    text = [
        "Scored on rows of patients, or images, that no model saw. Evidence, rate and distortion are nats a row and "
        "compare within a table only, where the rows are the same. They are of recorded cells (1 dB; at or below the "
        "floor at the floor), so that likelihoods compare.",
    ]
    links = [Link(f"Cohort {name}", f"../../{name}/report/index.html") for name in cohorts]
    warnings = [
        f"{model.name}: {words}" for group in groups.values() for model in group for words in model.warnings
    ]
    meanings = [Header(label, help=meaning) for label, _, meaning in shown_columns(table).values()]
    return ModelsPage(f"Models of run {run}", links, warnings, text, sections, meanings)


def comparison_table(models: list[Model], table: pd.DataFrame) -> Table:
    """A row a model; columns in which none has a value are left out."""
    rows = rows_of(models, table)
    shown = shown_columns(rows)
    cells = [
        [
            Cell(model.name, href=model.page),
            Cell(model.words),
            *(score_cell(row, name) for name in shown),
        ]
        for model, (_, row) in zip(models, rows.iterrows(), strict=True)
    ]
    heads = [Header("Model"), Header("What it is"), *(Header(label) for label, _, _ in shown.values())]
    return Table(f"Models of {ROWS[models[0].rows].lower()}", heads, cells)


def rows_of(models: list[Model], table: pd.DataFrame) -> pd.DataFrame:
    """The models' rows of ``models.csv``, indexed by their names, in the order of ``models``."""
    return table.set_index("model").loc[[model.name for model in models]]


def model_page(model: Model, row: pd.Series) -> ModelsPage:
    """One model: what was trained on what, its scores, its figures. ``row`` of ``models.csv``."""
    kind = model.options["kind"]
    sections = [about(model), scores(row)]
    sections += [make(model.folder) for make in MODEL_SECTIONS.get(kind, [])]
    sections += [
        Section(
            shown.name,
            shown.title,
            [shown.text],
            pictures=[embedded(model.folder / "figures" / f"{shown.name}.svg", shown.title)],
        )
        for shown in MODEL_FIGURES[kind]
    ]
    return ModelsPage(f"Model {model.name}", [Link("All models", "index.html")], model.warnings, [], sections)


def about(model: Model) -> Section:
    """What the model is, and what it learnt from."""
    options, training = model.options, model.training
    facts = [
        Fact("Kind", KINDS[options["kind"]]),
        Fact("Explains", ROWS[model.rows]),
        Fact("Latents", count(options["latent_dim"])),
        *(Fact(label, plain(options[name]) or "none") for name, label in OPTIONS.items() if name in options),
        Fact("\N{GREEK SMALL LETTER BETA}, weight of the log-likelihood", plain(options["train"]["beta"])),
        Fact("Seed", str(training["seed"])),
        Fact("Best epoch", f"{training['best_epoch']} of {training['epochs']}"),
        Fact("Training time", f"{number(training['seconds'], 0)} s on {training['device']}"),
    ]
    return Section("about", "About", [learnt_from(training)], facts)


def learnt_from(training: dict[str, Any]) -> str:
    """What the networks learnt from, in words."""
    if training.get("images"):
        return (
            f"Learnt from {quantity(training['images'], 'image')}; images of its test part were never seen."
        )
    simulated = training["population_series"]
    beside = f", and {quantity(simulated, 'simulated row')} beside them" if simulated else ""
    left_out = (
        f" This is the model that left fold {training['fold']} of the patients out; its scores are over all folds."
        if training["fold"]
        else ""
    )
    return (
        f"Learnt from {quantity(training['fields'], 'field')} of {quantity(training['eyes'], 'eye')} of "
        f"{quantity(training['patients'], 'training patient')} ({', '.join(training['cohorts'])}){beside}. Its test "
        f"patients were never seen.{left_out}"
    )


def scores(row: pd.Series) -> Section:
    """The model's row of ``models.csv``, each number with its meaning."""
    shown = shown_columns(row.to_frame().T)
    cells = [
        [Cell(label), score_cell(row, name), Cell(meaning)] for name, (label, _, meaning) in shown.items()
    ]
    heads = [Header("Quantity"), Header("Value"), Header("Meaning")]
    return Section("scores", "Scores", tables=[Table("Scores on held-out rows", heads, cells)])
