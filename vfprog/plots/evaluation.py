"""Scores of forecasts, with 95 % patient-bootstrap intervals and a baseline beside every method."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from vfprog.plots.labels import BASELINE, HORIZONS, METRICS, SEVERITIES, in_order, method_label
from vfprog.plots.results import evenly_spaced
from vfprog.plots.style import INK, MUTED, PALETTE

OFF_SCALE = 1.0  # dB; a method this far from the mean of past visits would squeeze all others together
LOG_FROM = 2.5  # ratio of largest to smallest score from which a log axis reads better
SHOWN_FIRST = (3, 5, 7)  # numbers of first visits that tables and panels of single numbers show


def at_shown_firsts(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of a score table for the numbers of first visits that are shown one by one.

    Those of ``SHOWN_FIRST`` that were evaluated, else the first, the middle and the last one.
    """
    firsts = sorted(pd.unique(scores["n_first"]))
    shown = [n for n in firsts if n in SHOWN_FIRST] or [firsts[i] for i in evenly_spaced(len(firsts), 3)]
    return scores[scores["n_first"].isin(shown)]


def overall(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of a score table for all horizons and severities of one metric."""
    return scores[(scores["metric"] == metric) & (scores["horizon"] == "all") & (scores["severity"] == "all")]


def against(differences: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """The differences from one baseline; ``differences`` as in ``differences.csv``."""
    return differences[differences["baseline"] == baseline]


def plot_estimates(
    estimates: pd.DataFrame, by: str, ax: Axes, *, methods: list[str] | None = None, legend: str = "{}"
) -> Axes:
    """Values with intervals: a row a method, a colour a value of ``by``. No estimates, no axes.

    Parameters
    ----------
    estimates : DataFrame
        ``method, value, lower, upper`` and the column ``by``; one row each.
    methods : list of str, optional
        Rows from the top; default those of ``estimates``. Axes drawn side by side share them.
    legend : str
        How a value of ``by`` reads in the legend.
    """
    if estimates.empty:  # no cell of the table had enough values
        ax.axis("off")
        return ax
    methods = methods or in_order(set(estimates["method"]))
    groups = list(pd.unique(estimates[by]))
    offsets = np.linspace(-0.25, 0.25, len(groups)) if len(groups) > 1 else [0.0]
    for group, offset in zip(groups, offsets, strict=True):
        rows = estimates[estimates[by] == group].set_index("method")
        at = [methods.index(m) + offset for m in rows.index]
        around = [rows["value"] - rows["lower"], rows["upper"] - rows["value"]]
        ax.errorbar(rows["value"], at, xerr=around, fmt="o", ms=3.5, lw=1, label=legend.format(group))
    ax.set_yticks(range(len(methods)), [method_label(m) for m in methods])
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return ax


def plot_scores(evaluation: pd.DataFrame, metric: str, ax: Axes) -> Axes:
    """One metric over all horizons by method and number of first visits.

    ``evaluation`` as in ``evaluation.csv``. Methods without the metric (a point forecast has no coverage)
    keep an empty row.
    """
    scores = overall(evaluation, metric)
    methods = in_order(set(evaluation["method"]))
    plot_estimates(scores, "n_first", ax, methods=methods, legend="given the first {} visits")
    ax.set_xlabel(METRICS[metric])
    if metric == "coverage90":
        ax.axvline(0.9, color=MUTED, ls=":", lw=1)
    else:
        _log_where_wide(scores, ax)
    return ax


def _log_where_wide(estimates: pd.DataFrame, ax: Axes) -> None:
    """A log axis where the best and the worst score would else hide the differences among the good ones."""
    if len(estimates) and estimates["value"].max() > LOG_FROM * estimates["value"].min():
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())


def near_baseline(differences: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Methods whose MAE is everywhere within 1 dB of the mean of past visits', and the others."""
    rows = against(differences)
    rows = rows[(rows["metric"] == "mae") & (rows["severity"] == "all")]
    furthest = rows["value"].abs().groupby(rows["method"]).max()
    near = in_order(set(furthest.index[furthest < OFF_SCALE]))
    return near, in_order(set(furthest.index) - set(near))


def plot_differences(differences: pd.DataFrame, n_first: int, ax: Axes) -> Axes:
    """MAE minus that of the mean of past visits, by horizon, given the first ``n_first`` visits.

    Left of zero is better. Only methods near the baseline have a row: see :func:`near_baseline`.
    """
    near, _ = near_baseline(differences)
    cell = {"baseline": BASELINE, "metric": "mae", "severity": "all", "n_first": n_first}
    rows = differences[
        (differences[list(cell)] == pd.Series(cell)).all(axis=1) & differences["method"].isin(near)
    ]
    horizons = pd.CategoricalDtype(list(HORIZONS), ordered=True)
    rows = rows.astype({"horizon": horizons}).sort_values("horizon", kind="stable").astype({"horizon": str})
    plot_estimates(rows.replace({"horizon": HORIZONS}), "horizon", ax, methods=near, legend="{} ahead")
    ax.axvline(0, color=INK, lw=0.8)
    ax.set(xlabel="MAE \N{MINUS SIGN} baseline's (dB)", title=f"Given the first {n_first} visits")
    return ax


def plot_by_first(scores: pd.DataFrame, methods: list[str], ax: Axes, *, intervals: bool = False) -> Axes:
    """MAE, or its difference from a baseline, of ``methods`` over the number of first visits given.

    ``scores`` are rows of ``evaluation.csv``, or of ``differences.csv`` with one baseline; intervals are shaded.
    """
    rows = overall(scores, "mae")
    for i, method in enumerate(methods):
        line = rows[rows["method"] == method].sort_values("n_first")
        colour, dashes = PALETTE[i % len(PALETTE)], "-" if i < len(PALETTE) else "--"
        given, label = line["n_first"], method_label(method)
        ax.plot(given, line["value"], dashes, color=colour, marker="o", ms=3, lw=1.2, label=label)
        if intervals:
            ax.fill_between(given, line["lower"], line["upper"], color=colour, alpha=0.12, lw=0)
    ax.set(xlabel="First visits given", xticks=sorted(pd.unique(rows["n_first"])))
    return ax


def plot_severity(evaluation: pd.DataFrame, methods: list[str], ax: Axes) -> Axes:
    """MAE of ``methods`` by severity of the eye at its first visits, for the fewest first visits."""
    n_first = evaluation["n_first"].min()
    cell = {"metric": "mae", "horizon": "all", "n_first": n_first}
    rows = evaluation[(evaluation[list(cell)] == pd.Series(cell)).all(axis=1)]
    shown = [s for s in SEVERITIES if s in set(rows["severity"])]
    rows = rows.set_index("severity").loc[shown].reset_index().replace({"severity": SEVERITIES})
    rows = rows[rows["method"].isin(methods)]
    plot_estimates(rows, "severity", ax, methods=methods)
    _log_where_wide(rows, ax)
    ax.set(xlabel=METRICS["mae"], title=f"By severity, given the first {n_first} visits")
    return ax


def plot_published(published: pd.DataFrame, ax: Axes) -> Axes:
    """MAE of visits 4, 6 and 8 forecast from the first 3; ``published`` as in ``published.csv``."""
    plot_estimates(published, "visit", ax, legend="visit {}")
    _log_where_wide(published, ax)
    ax.set(xlabel=METRICS["mae"], title="Forecast from the first 3 visits")
    return ax
