"""The index page: every value it shows, formatted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vfprog import columns as c
from vfprog.config import CohortConfig, RatesConfig
from vfprog.plots.evaluation import at_shown_firsts
from vfprog.plots.labels import BASELINES, FORECASTS, method_label
from vfprog.plots.results import MIN_PATIENTS, Results
from vfprog.plots.retest import in_words
from vfprog.report.blocks import Cell, Fact, Header, Picture, Section, Table, embedded, headers
from vfprog.report.detection import detection_content
from vfprog.report.eyes_table import eyes_table, eyes_text
from vfprog.report.format import (
    count,
    number,
    percent,
    plain,
    quantity,
)
from vfprog.report.model_scores import score_cell, shown_columns
from vfprog.report.quality import quality_section
from vfprog.report.rates import rates_content
from vfprog.report.scores import (
    evaluated,
    further_tables,
    own_table,
    pivot,
    score_tables,
    standings,
    verdict,
    worst_cells,
)
from vfprog.report.trust import trust_content

SURELY = 0.95  # posterior probability from which an eye is counted as worsening

ALT = {
    "fields": "Field maps of example eyes: first, middle and last visit, underlying field and forecast",
    "series": "Mean TD of example eyes over the years with rate and forecast, and their latent paths",
    "rates": "Rates against least-squares slopes; rates from three visits under other priors; error and coverage "
    "against the truth where it is known",
    "training": "Training curves: ELBO of training and validation, reconstruction, KL, learning rate",
    "reconstructions": "Fields measured, decoded by the model, and the difference",
    "latents": "Fields in latent space coloured by mean TD, and the variance each latent carries",
    "evaluation": "Forecast scores by method with 95 % intervals; the tables hold the same numbers",
    "detection": "Detection by score: AUC with 95 % intervals, progressing eyes flagged by visits, eyes flagged",
    "trust": "Rank ECDFs of starts, slopes and rate; rates against NUTS; scatter of tests drawn and measured",
    "retest": "Error of one field's estimate against the mean of the eye's other fields, by method",
}


@dataclass(frozen=True)
class IndexPage:
    """What ``index.html.j2`` shows."""

    title: str
    attribution: str
    sections: list[Section]
    eyes: Table
    eyes_text: list[str]


def index_page(
    name: str,
    cohort: CohortConfig,
    results: Results,
    figures_dir: Path,
    models: pd.DataFrame,
    rates: RatesConfig,
    pages: int,
) -> IndexPage:
    """Context of the index page; ``pages`` is the number of eye pages, ``models`` as in ``models.csv``."""
    sections = [
        _summary(results, rates, figures_dir),
        quality_section(results),
        _rates(results, figures_dir),
        _model(name, results, models, figures_dir),
        _evaluation(results, figures_dir),
        *_detection(results, figures_dir),
        *_retest(results, figures_dir),
        *_trust(results, figures_dir),
        _latent_space(figures_dir),
    ]
    return IndexPage(
        title=cohort.title or f"Cohort {name}",
        attribution=cohort.attribution,
        sections=sections,
        eyes=eyes_table(results, pages),
        eyes_text=eyes_text(len(results.rates), pages),
    )


def picture(figures_dir: Path, name: str) -> Picture:
    """A figure of the cohort, embedded."""
    return embedded(figures_dir / f"{name}.svg", ALT[name])


def _summary(results: Results, rates: RatesConfig, figures_dir: Path) -> Section:
    table, qc = results.rates, results.qc
    worsening = int((table["p_worsening"] > SURELY).sum())
    progressing = int(table["progressing"].sum())
    n = len(table)
    facts = [
        Fact("Patients", count(table[c.PATIENT].nunique())),
        Fact("Eyes with a rate", count(n)),
        Fact("Fields used", f"{count(qc['included_fields'])} of {count(qc['fields'])} read"),
        Fact("Visits an eye, median", plain(float(table["n_visits"].median()))),
        Fact("Years followed, median", number(table["years_followed"].median(), 1)),
        Fact("Rate of mean TD, median", f"{number(table['rate'].median())} dB/year"),
    ]
    if results.split is not None:
        parts = results.split["part"].value_counts()
        names = {"train": "Training", "validation": "Validation", "test": "Test"}
        facts += [
            Fact(f"{name} patients", count(parts[part])) for part, name in names.items() if part in parts
        ]
        if c.FOLD in results.split:
            facts.append(Fact("Folds of patients", count(results.split[c.FOLD].max())))
    text = [
        f"{quantity(worsening, 'eye')} of {count(n)} ({percent(worsening / n)}) "
        f"{'is' if worsening == 1 else 'are'} worsening with a posterior probability above {SURELY:.2f}.",
        f"{quantity(progressing, 'eye')} ({percent(progressing / n)}) {'is' if progressing == 1 else 'are'} "
        f"flagged as progressing: the probability of progression, at a prevalence of "
        f"{percent(rates.prevalence)}, is above the threshold for its visits. The thresholds aim at "
        f"flagging {percent(rates.false_positives)} of stable eyes, simulated with noise, wander and visit effects, "
        "after so many visits so far apart.",
        FORECASTS[results.trajectories.attrs["method"]],
        "Example eyes: mean TD on the left, on the right the latents that say most of each. "
        + ("A path rests on all fields of the eye; the points" if results.latent_paths else "The points")
        + " are single fields, which say little of a latent and are drawn to 0.",
    ]
    pictures = [picture(figures_dir, "series"), picture(figures_dir, "fields")]
    return Section("summary", "Summary", text, facts, pictures=pictures)


def _rates(results: Results, figures_dir: Path) -> Section:
    text, tables = rates_content(results)
    return Section("rates", "Rates", text, tables=tables, pictures=[picture(figures_dir, "rates")])


def _model(name: str, results: Results, models: pd.DataFrame, figures_dir: Path) -> Section:
    card = results.card
    training = card["training"]
    facts = [
        Fact("Model", f"{card['model']}, {card['latent_dim']} latents"),
        Fact("Trajectory method", str(results.trajectories.attrs["method"])),
        Fact("\N{GREEK SMALL LETTER BETA}, weight of the log-likelihood", plain(card["beta"])),
        Fact("Seed", str(card["seed"])),
        Fact("Trained on", f"{quantity(training['fields'], 'field')} of {quantity(training['eyes'], 'eye')}"),
        Fact("Simulated series", count(training["population_series"])),
        Fact("Best epoch", f"{training['best_epoch']} of {training['epochs']}"),
        Fact("Validation ELBO", f"{number(training['elbo_validation'], 1)} nats a series"),
        Fact("Training time", f"{number(training['seconds'], 0)} s on {card['device']}"),
    ]
    tables = [
        _card_table(
            "Prior of rates (weights by pattern of loss and pace; means in dB/year; variance of tests and wander "
            "relative to the noise table; weights by how visits stray, dB squared; share of visits shifted)",
            card["rate_prior"],
        ),
        _card_table("Residual process (log or logit scale, but learning and offset in dB)", card["residual"]),
    ]
    shown = shown_columns(models)
    heads = [Header("Model"), *(Header(label, help=meaning) for label, _, meaning in shown.values())]
    rows = [
        [Cell(str(one["model"])), *(score_cell(one, name) for name in shown)] for _, one in models.iterrows()
    ]
    caption = "Models of this run (evidence, ELBO, gap, rate, distortion: nats a field of held-out patients)"
    return Section(
        "model",
        "Model",
        [card["data"], learned_from(name, card["calibrated_on"], evaluated=not results.evaluation.empty)],
        facts,
        [Table(caption, heads, rows)],
        [picture(figures_dir, "training")],
        [table for table in tables if table.rows],
    )


def learned_from(name: str, cohorts: list[str], *, evaluated: bool) -> str:
    """Where a cohort's rate prior and predictive quantiles come from, and what that asks of it."""
    learned = f"The prior of rates and the predictive quantiles come from {_listed(cohorts)}"
    if name in cohorts:
        return f"{learned}: from patients of this cohort, none of whom the model that learned from them is scored on."
    check = (
        "the coverage in the evaluation below is the check that they hold here"
        if evaluated
        else "no eye has enough visits to check that they hold here"
    )
    return f"{learned}. They were learned elsewhere, not from this cohort: {check}."


def _listed(names: list[str]) -> str:
    return f"the cohort{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _card_table(caption: str, values: dict[str, Any]) -> Table:
    rows = [[Cell(name.replace("_", " ")), Cell(plain(value), css="n")] for name, value in values.items()]
    return Table(caption, headers("Quantity", "Value"), rows)


def _evaluation(results: Results, figures_dir: Path) -> Section:
    evaluation, differences = results.evaluation, results.differences
    pictures = [picture(figures_dir, "evaluation")]
    if evaluation.empty or differences.empty:
        text = ["No eye of this cohort has enough visits to hold some back and forecast them."]
        return Section("evaluation", "Evaluation of forecasts", text, pictures=pictures)
    method = results.trajectories.attrs["method"]
    shown, apart = at_shown_firsts(evaluation), at_shown_firsts(differences)
    text = [
        "Every later visit of an eye is forecast from its first visits and compared with what was measured, "
        f"{scored_by(results.split)}: {evaluated(shown)}. Intervals are 95 % bootstrap intervals "
        f"over patients, left out below {MIN_PATIENTS} of them. A method that does not beat the mean of the past "
        "visits forecasts nothing.",
        f"The calibrated mean (in the tables: {method_label('median_shifted_mean')}) is the mean of past visits "
        "moved to the median that later tests of training patients have at its level: the fair comparison for a "
        "method whose point forecast is a calibrated median.",
        *verdict(apart, method),
        *worst_cells(evaluation, differences, method),
    ]
    compared = [own_table(evaluation, differences, method)]
    compared += [standings(apart, baseline) for baseline in BASELINES]
    return Section(
        "evaluation",
        "Evaluation of forecasts",
        text,
        tables=[t for t in (*compared, *score_tables(shown, apart)) if t.rows],
        pictures=pictures,
        details=further_tables(shown, apart, results.published),
    )


def scored_by(split: pd.DataFrame | None) -> str:
    """Which model scores whom, in words."""
    if split is None or c.FOLD not in split:
        return "on patients that no model saw"
    return f"each patient by a model trained without them (cross-validation in {split[c.FOLD].max()} folds)"


def _detection(results: Results, figures_dir: Path) -> list[Section]:
    """A section where eyes were followed long enough, or the truth is known, else none."""
    text, tables, details = detection_content(results)
    if not tables:
        return []
    pictures = [picture(figures_dir, "detection")]
    return [
        Section(
            "detection", "Detection of progression", text, tables=tables, pictures=pictures, details=details
        )
    ]


def _retest(results: Results, figures_dir: Path) -> list[Section]:
    """A section where the cohort holds retests, else none."""
    if results.retest is None or results.retest.empty:
        return []
    text = [
        "The fields of an eye were taken so close in time that the eye did not change. Each estimate from "
        "one field is compared with the mean of the eye's other fields: less is better."
    ]
    scores = in_words(results.retest).assign(shown="all")
    columns = {"all": "Mean absolute difference (dB)"}
    methods = list(scores["method"])
    table = pivot(scores, "shown", columns, "Denoising of single fields", methods=methods)
    return [Section("retest", "Retests", text, tables=[table], pictures=[picture(figures_dir, "retest")])]


def _trust(results: Results, figures_dir: Path) -> list[Section]:
    """A section where the posterior was checked, else none."""
    if results.trust is None:
        return []
    text, tables, details = trust_content(results.trust)
    pictures = [picture(figures_dir, "trust")]
    return [
        Section("trust", "Trust in the trajectories", text, tables=tables, pictures=pictures, details=details)
    ]


def _latent_space(figures_dir: Path) -> Section:
    text = [
        "A latent is used where it tells fields apart; where the posterior of one field stays as wide as the prior "
        "(a variance of 1) it carries nothing. Decoded fields are smoother than measured ones: the difference "
        "is mostly the noise of the test."
    ]
    pictures = [picture(figures_dir, "latents"), picture(figures_dir, "reconstructions")]
    return Section("latents", "Latent space and reconstructions", text, pictures=pictures)
