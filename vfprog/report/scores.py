"""The evaluation in tables and in words: every method beside the baselines, ties called ties."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from vfprog.plots.evaluation import against, overall
from vfprog.plots.labels import BASELINE, BASELINES, HORIZONS, METRICS, SEVERITIES, in_order, method_label
from vfprog.plots.results import MIN_PATIENTS
from vfprog.report.blocks import Cell, Table, headers
from vfprog.report.format import count, estimate, number, percent, quantity

WORSE = 0.02  # dB above the mean of past visits, from which a cell is listed
COVERAGE_LIMITS = (0.85, 0.95)  # of the 90 % interval, outside which a cell is listed
CELLS_LISTED = 6
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


def own_table(evaluation: pd.DataFrame, differences: pd.DataFrame, method: str) -> Table:
    """The report's own method for every number of first visits, beside the mean of past visits."""
    scores = evaluation[(evaluation["horizon"] == "all") & (evaluation["severity"] == "all")]
    values = scores.set_index(["n_first", "method", "metric"])["value"]
    apart = {(r.baseline, r.n_first, r.metric): r for r in _own(differences, method) if _whole(r)}
    rows = []
    for n in sorted(pd.unique(scores["n_first"])):
        error, ratio = apart.get((BASELINE, n, "mae")), apart.get(("median_shifted_mean", n, "crps"))
        texts = [
            number(values.get((n, BASELINE, "mae"), math.nan)),
            number(values.get((n, method, "mae"), math.nan)),
            "" if error is None else estimate(error.value, error.lower, error.upper, 3),
            "" if ratio is None else _ratio(ratio),
            number(values.get((n, method, "coverage90"), math.nan), 3),
        ]
        rows.append([Cell(text, css="n") for text in (count(n), *texts)])
    caption = (
        f"{method_label(method)}, the method of this report, by first visits given: MAE beside that of the mean of "
        "past visits, CRPS as a ratio to the calibrated mean's, coverage of the 90 % interval"
    )
    labels = ("First visits", "MAE of the mean (dB)", "MAE (dB)", "Difference (dB)", "CRPS ratio", "Coverage")
    return Table(caption, headers(*labels), rows)


def _own(differences: pd.DataFrame, method: str) -> Iterable[Any]:
    return _records(differences[differences["method"] == method])


def _whole(score: Any) -> bool:
    return bool(score.horizon == "all" and score.severity == "all")


def _ratio(score: Any) -> str:
    """A ratio and its interval, which is left out where that of the difference is."""
    bounds = (math.nan, math.nan) if math.isnan(score.lower) else (score.ratio_lower, score.ratio_upper)
    return estimate(score.ratio, bounds[0], bounds[1], 3)


def worst_cells(evaluation: pd.DataFrame, differences: pd.DataFrame, method: str) -> list[str]:
    """Where the report's own method is worse than the mean of past visits, and where its intervals miscover.

    Every cell of the tables is looked at, however it is cut; they overlap, and chance alone puts some here.
    """
    apart = against(differences)
    apart = apart[(apart["method"] == method) & (apart["metric"] == "mae")]
    coverage = evaluation[(evaluation["method"] == method) & (evaluation["metric"] == "coverage90")]
    worse = apart[apart["value"] > WORSE].sort_values("value", ascending=False)
    low, high = COVERAGE_LIMITS
    off = coverage[(coverage["value"] < low) | (coverage["value"] > high)]
    off = off.iloc[(off["value"] - 0.9).abs().argsort()[::-1]]
    found = []
    if len(apart):
        found.append(
            f"Its MAE is more than {WORSE:g} dB above that of the mean of past visits in {_of(worse, apart)}"
            f"{_listed(worse, lambda r: f'+{number(r.value, 3)} dB')}."
        )
    if len(coverage):
        found.append(
            f"Its 90 % interval covers less than {percent(low)} or more than {percent(high)} in {_of(off, coverage)}"
            f"{_listed(off, lambda r: percent(r.value, 1))}."
        )
    return found


def _of(some: pd.DataFrame, all_of_them: pd.DataFrame) -> str:
    return f"{count(len(some))} of {quantity(len(all_of_them), 'cell')} of the tables"


def _listed(cells: pd.DataFrame, value: Callable[[Any], str]) -> str:
    """The first few cells in words with their values; nothing where there are none."""
    if cells.empty:
        return ""
    severities = SEVERITIES | LOCATION_SEVERITIES
    words = []
    for r in _records(cells.head(CELLS_LISTED)):
        where = [f"given {quantity(r.n_first, 'visit')}"]
        where += [HORIZONS[r.horizon] + " ahead"] if r.horizon != "all" else []
        where += [severities[r.severity]] if r.severity != "all" else []
        words.append(f"{', '.join(where)} ({value(r)}, {quantity(r.n_eyes, 'eye')})")
    first = "" if len(cells) <= CELLS_LISTED else f" the {CELLS_LISTED} worst,"
    return f":{first} {'; '.join(words)}"


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
