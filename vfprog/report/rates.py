"""Rates in tables and in words: of an eye's regions, against the truth where it is known, and the prior's part."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from vfprog.plots.labels import ESTIMATORS, KINDS_OF_EYES, REGIONS
from vfprog.plots.rates import kinds_in_order
from vfprog.plots.results import Results
from vfprog.report.blocks import Cell, Map, Table, headers, row
from vfprog.report.format import MINUS, estimate, interval, number, percent, probability, quantity
from vfprog.report.structure import structure_words
from vfprog.report.svg import FieldMaps

PER_DECADE = 10.0  # rates of locations are drawn in dB per ten years, whose whole numbers say enough
MILESTONES = (12, 22)
PRIOR_NAMES = {0.5: "halved", 1.0: "as fitted", 2.0: "doubled"}  # by prior_scale


def rates_content(results: Results) -> tuple[list[str], list[Table]]:
    """Text and tables of the section on rates."""
    text = [
        "A rate is the slope of a line through the true field at the eye's visits. It is drawn towards those of other "
        "eyes where visits are few, and is the least-squares slope where they are many. Fields also wander over the "
        "years, so not all of a rate goes on: what lasts of it stands beside it, and years until a mean TD go by that. "
        "The prior of rates was fitted to UWHVF's 2,782 eyes and to the training patients together.",
        *structure_words(results.rates),
        *_sensitivity_words(results.prior_sensitivity),
    ]
    tables = [_sensitivity_table(results.prior_sensitivity)] if len(results.prior_sensitivity) else []
    truth = results.rates_truth
    if truth is None or truth.empty:
        return text, tables
    return [*text, *_truth_words(truth)], [_truth_table(truth), *tables]


def _truth_words(truth: pd.DataFrame) -> list[str]:
    """Where rates are better or worse than least squares, eyes that lose fast apart."""
    sentences = [
        "The truth is known here: the true rate over n visits is the least-squares slope of the true mean TD over "
        "them. Intervals resample persons."
    ]
    own = truth[truth["estimator"] == "vfprog"]
    for n in sorted(pd.unique(own["n_visits"])):
        cells = own[own["n_visits"] == n].set_index("eyes").to_dict("index")
        said = [
            f"{KINDS_OF_EYES[kind]} {_standing(cells[kind])}"
            for kind in kinds_in_order(truth)
            if kind in cells
        ]
        sentences.append(
            f"After {n} visits the rate's RMSE less that of the least-squares slope: {'; '.join(said)}."
        )
    return [*sentences, *_second_view_words(truth)]


def _second_view_words(truth: pd.DataFrame) -> list[str]:
    """What the nerve fibre layer does to the error of rates, for better or worse."""
    rmse = truth[truth["eyes"] == "all"].pivot_table(index="n_visits", columns="estimator", values="rmse")
    if "fields_alone" not in rmse:
        return []
    said = [
        f"{number(row['vfprog'], 3)} after {n} visits, {number(row['fields_alone'], 3)} from fields alone"
        for n, row in rmse.iterrows()
    ]
    return [f"With the nerve fibre layer the rate's RMSE is {'; '.join(said)} (dB/year)."]


def _standing(cell: dict[str, float]) -> str:
    """A paired difference of RMSE with its interval, and what it says."""
    lower, upper = cell["difference_lower"], cell["difference_upper"]
    word = "better" if upper < 0 else "worse" if lower > 0 else "a tie"
    if math.isnan(lower):
        word = "too few persons to say"
    return f"{estimate(cell['difference'], lower, upper)} ({word})"


def _truth_table(truth: pd.DataFrame) -> Table:
    rows = []
    for kind in kinds_in_order(truth):
        for r in truth[truth["eyes"] == kind].to_dict("records"):
            numbers = [
                estimate(r["rmse"], r["rmse_lower"], r["rmse_upper"]),
                number(r["bias"]),
                percent(r["coverage90"]),
                percent(r["coverage95"]),
                number(r["width90"]),
                str(r["n_eyes"]),
            ]
            name = f"{KINDS_OF_EYES[kind]}, {r['n_visits']} visits"
            rows.append([*row(name, ESTIMATORS[r["estimator"]]), *(Cell(text, css="n") for text in numbers)])
    labels = headers(
        *("Eyes", "Rate by", "RMSE (dB/year), 95 % interval", "Bias", "In the 90 % interval"),
        *("In the 95 % interval", "Width of the 90 % interval", "Eyes"),
    )
    return Table("Rates against the truth", labels, rows)


def _sensitivity_words(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    rate = table.pivot_table(index=["patient_id", "eye"], columns="prior_scale", values="rate")
    change = (rate.sub(rate[1.0], axis=0)).abs().mean()
    return [
        f"What the prior has of a rate shows best with few visits: from the first three of "
        f"{quantity(len(rate), 'eye')}, "
        f"its paces halved move the rate by {number(change[0.5])} dB/year on average, doubled by "
        f"{number(change[2.0])} dB/year."
    ]


def _sensitivity_table(table: pd.DataFrame) -> Table:
    rows = []
    for scale in PRIOR_NAMES:
        part = table[table["prior_scale"] == scale]
        width = (part["rate_upper"] - part["rate_lower"]).mean()
        cells = [number(part["rate"].median()), number(part["rate"].std()), number(width)]
        cells.append(percent((part["p_worsening"] > 0.95).mean()))
        rows.append([Cell(PRIOR_NAMES[scale]), *(Cell(text, css="n") for text in cells)])
    labels = headers(
        *("Prior of rates", "Rate, median (dB/year)", "SD over eyes", "Width of the 95 % interval"),
        "Surely worsening",
    )
    return Table("Rates from the first three visits under other priors", labels, rows)


def regions_table(regions: pd.DataFrame) -> Table:
    """Rates of an eye's regions; rows of ``rates_regions.csv``."""
    rows = []
    for r in regions.to_dict("records"):
        spread = "" if math.isnan(r["rate"]) else interval(r["rate_lower"], r["rate_upper"])
        cells = [f"{number(r['rate'])} {spread}".strip(), probability(r["p_worsening"])]
        cells += [probability(r[name]) for name in ("p_faster_0_5", "p_faster_1", "p_faster_2")]
        cells += [number(r["ls_slope"]), str(r["n_locations"])]
        rows.append([Cell(REGIONS[r["region"]]), *(Cell(text, css="n") for text in cells)])
    labels = headers(
        *("Region", "Rate (dB/year), 95 % interval", "P(worsening)"),
        *(f"P(< {MINUS}{rate})" for rate in ("0.5", "1", "2")),
        *("Least squares", "Locations"),
    )
    caption = (
        "Rates by region (sectors of the optic disc after Garway-Heath); least squares after visits that stray as "
        "wholes and what first fields lack are taken out"
    )
    return Table(caption, labels, rows)


def milestones(rate: pd.Series) -> list[tuple[str, str, str]]:
    """Rows of an eye's table: when its mean TD reaches each milestone."""
    rows = []
    for md in MILESTONES:
        median, lower, upper = (rate[f"years_to_{md}_{name}"] for name in ("median", "lower", "upper"))
        within = ", ".join(
            f"{probability(rate[f'p_reaches_{md}_in_{years}'])} within {years} years" for years in (5, 10)
        )
        said = "reached" if median == 0 else f"{_years(median)} ({_years(lower)} to {_years(upper)})"
        said = "beyond 50" if np.isinf(lower) else said
        rows.append(
            (
                f"Years until a mean TD of {MINUS}{md} dB",
                said,
                f"at the lasting rate; median, 90 % interval; {within}",
            )
        )
    return rows


def _years(value: float) -> str:
    return "beyond 50" if np.isinf(value) else number(value, 0 if value >= 10 else 1)


def rate_map(rates: np.ndarray, side: str, drawer: FieldMaps) -> Map:
    """Map of the rates of an eye's locations, (location,) dB/year."""
    return Map(drawer.draw(rates * PER_DECADE, side, "Rate of each location", "rate"), "dB per ten years")
