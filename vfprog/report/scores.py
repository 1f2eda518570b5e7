"""The evaluation in tables and in words: every method beside the baselines, ties called ties."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from vfprog.plots.evaluation import against, overall
from vfprog.plots.labels import BASELINES, HORIZONS, METRICS, SEVERITIES, in_order, method_label
from vfprog.plots.results import MIN_PATIENTS
from vfprog.report.blocks import Cell, Table, headers
from vfprog.report.format import count, estimate, quantity

SIZES = {"n_visits": "visits", "n_eyes": "eyes", "n_patients": "patients"}
LOCATION_SEVERITIES = {
    ">-5": "locations above \N{MINUS SIGN}5 dB",
    "-5..-15": "locations \N{MINUS SIGN}5 to \N{MINUS SIGN}15 dB",
    "<-15": "locations below \N{MINUS SIGN}15 dB",
}


def pivot(
    scores: pd.DataFrame,
    by: str,
    columns: dict,
    caption: str,
    digits: int = 2,
    *,
    methods: list[str] | None = None,
) -> Table:
    """Methods in rows, the values of ``by`` in columns, "value [95 % interval]" in cells, counts at the foot.

    Parameters
    ----------
    scores : DataFrame
        ``method, value, lower, upper, n_eyes, n_patients``, perhaps ``n_visits``, and the column ``by``; one
        row a cell.
    columns : dict
        Values of ``by`` in order, and their headings; those without a row are left out.
    methods : list of str, optional
        Rows from the top; default all methods in their usual order.
    """
    shown = {value: label for value, label in columns.items() if value in set(scores[by])}
    cells = {(s.method, getattr(s, by)): s for s in _records(scores)}
    rows = []
    for method in methods or in_order(set(scores["method"])):
        found = [cells.get((method, value)) for value in shown]
        texts = ["" if s is None else estimate(s.value, s.lower, s.upper, digits) for s in found]
        rows.append([Cell(method_label(method)), *(Cell(t, css="n") for t in texts)])
    sizes = {column: name for column, name in SIZES.items() if column in scores}
    largest = scores.groupby(by)[list(sizes)].max()
    feet = [" / ".join(count(n) for n in largest.loc[value]) for value in shown]
    rows.append([Cell(" / ".join(sizes.values()).capitalize()), *(Cell(t, css="n") for t in feet)])
    return Table(caption, headers("Method", *shown.values()), rows)


def _records(scores: pd.DataFrame) -> Iterable[Any]:
    """Rows whose columns are attributes."""
    return scores.itertuples(index=False)


def by_first(scores: pd.DataFrame, metric: str, caption: str, digits: int = 2) -> Table:
    """One metric over all horizons and severities, a column a number of first visits."""
    firsts = sorted(pd.unique(scores["n_first"]))
    return pivot(
        overall(scores, metric), "n_first", {n: f"First {n} visits" for n in firsts}, caption, digits
    )


def score_tables(evaluation: pd.DataFrame, differences: pd.DataFrame) -> list[Table]:
    """The two tables to read first: MAE, and its difference from the mean of past visits."""
    caption = "MAE minus that of the mean of past visits (dB); below zero is better"
    return [
        by_first(evaluation, "mae", "Mean absolute error of TD (dB) of all later visits"),
        by_first(against(differences), "mae", caption, 3),
    ]


def further_tables(
    evaluation: pd.DataFrame, differences: pd.DataFrame, published: pd.DataFrame
) -> list[Table]:
    """Other metrics, then MAE and differences by horizon and severity, then the published comparison."""
    tables = [
        by_first(evaluation, metric, METRICS[metric], 3 if metric == "coverage90" else 2)
        for metric in ("crps", "coverage90", "md_mae", "interval_score")
    ]
    differences, severities = against(differences), SEVERITIES | LOCATION_SEVERITIES
    for n in sorted(pd.unique(evaluation["n_first"])):
        given = f"given the first {n} visits"
        horizon = evaluation[_mae(evaluation, n) & (evaluation["severity"] == "all")]
        difference = differences[_mae(differences, n) & (differences["severity"] == "all")]
        severity = evaluation[_mae(evaluation, n) & (evaluation["horizon"] == "all")]
        tables += [
            pivot(horizon, "horizon", HORIZONS, f"MAE by time ahead, {given} (dB)"),
            pivot(
                difference, "horizon", HORIZONS, f"MAE minus that of the mean, by time ahead, {given} (dB)", 3
            ),
            pivot(severity, "severity", severities, f"MAE by severity at the first visits, {given} (dB)"),
        ]
    visits = {n: f"Visit {n}" for n in sorted(pd.unique(published["visit"]))}
    caption = "Published comparison: MAE (dB) of single visits forecast from the first 3"
    tables.append(pivot(published, "visit", visits, caption))
    return [table for table in tables if len(table.headers) > 1]


def _mae(scores: pd.DataFrame, n_first: int) -> pd.Series:
    return (scores["metric"] == "mae") & (scores["n_first"] == n_first)


def verdict(differences: pd.DataFrame, method: str) -> list[str]:
    """Whether ``method``, the report's own, beats the baselines: a sentence a number of first visits."""
    rows = overall(differences, "mae")
    sentences = []
    for n, given in rows[rows["method"] == method].groupby("n_first"):
        by_baseline = {r.baseline: r for r in _records(given)}
        parts = [
            f"{_standing(r.lower, r.upper).format(BASELINES[name])} ({_difference(r)})"
            for name in BASELINES
            if (r := by_baseline.get(name))  # the method may be a baseline itself
        ]
        sentences.append(
            f"Given the first {n} visits, {method_label(method)} (the method of this report) "
            f"{', and '.join(parts)}."
        )
    return sentences


def _standing(lower: float, upper: float) -> str:
    if math.isnan(lower):
        return f"cannot be judged against {{}} with fewer than {MIN_PATIENTS} patients"
    return "errs less than {}" if upper < 0 else "errs more than {}" if lower > 0 else "ties with {}"


def _difference(score: Any) -> str:
    """A difference in MAE, and whether its interval, where it has one, includes zero."""
    text = f"{estimate(score.value, score.lower, score.upper, 3)} dB"
    if math.isnan(score.lower):
        return text
    return f"{text}, the interval {'includes' if score.lower <= 0 <= score.upper else 'excludes'} zero"


def standings(differences: pd.DataFrame, baseline: str) -> Table:
    """Which methods beat a baseline, tie with it or lose to it, by number of first visits.

    Numbers of first visits with too few patients for an interval have no row.
    """
    scores = overall(against(differences, baseline), "mae").dropna(subset="lower")
    rows = []
    for n, given in scores.groupby("n_first"):
        better, worse = given["upper"] < 0, given["lower"] > 0
        groups = [given.loc[rule, "method"] for rule in (better, ~better & ~worse, worse)]
        rows.append([Cell(f"First {n} visits"), *(Cell(_names(g) or "none") for g in groups)])
    labels = ("Given", "Better (interval below zero)", "Tie (interval includes zero)", "Worse")
    return Table(f"MAE against {BASELINES[baseline]}", headers(*labels), rows)


def _names(methods: pd.Series) -> str:
    return "; ".join(map(method_label, in_order(set(methods))))


def evaluated(evaluation: pd.DataFrame) -> str:
    """How much data the evaluation rests on, in words."""
    rows = overall(evaluation, "mae")
    best = rows.sort_values(["n_visits", "n_first"], ascending=[False, True]).iloc[0]
    return (
        f"{quantity(best['n_visits'], 'later visit')} of {quantity(best['n_eyes'], 'eye')} of "
        f"{quantity(best['n_patients'], 'patient')} given the first {best['n_first']} visits"
    )
