"""Rates: what shrinkage does to least-squares slopes, what the prior does, and how far rates are from the truth."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.plots.labels import ESTIMATORS, KINDS_OF_EYES, SHORT_YEARS
from vfprog.plots.results import Results
from vfprog.plots.style import MUTED, PALETTE

SIZE = (10.0, 3.4)  # inches, of one row of panels
SPREAD = 0.64  # of the points of one kind of eye, as a share of the way to the next
FEW, MANY = 5, 10  # visits: up to the first few, from the second many


def draw_rates(results: Results) -> Figure:
    """Shrinkage and the prior's part in a row; where the truth is known, error and coverage in a second."""
    known = results.rates_truth is not None and not results.rates_truth.empty
    figure = Figure(figsize=(SIZE[0], SIZE[1] * (1 + known)), layout="constrained")
    axes = figure.subplots(1 + known, 2, squeeze=False)
    plot_shrinkage(results.rates, axes[0, 0])
    plot_prior_sensitivity(results.prior_sensitivity, axes[0, 1])
    if results.rates_truth is not None and known:
        plot_rate_errors(results.rates_truth, axes[1, 0])
        plot_rate_coverage(results.rates_truth, axes[1, 1])
    return figure


def plot_shrinkage(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Rates against least-squares slopes of mean TD, by number of visits; rows of ``rates.csv``.

    Eyes followed for less than ``SHORT_YEARS`` are left out: slopes over weeks run to tens of dB/year.
    """
    shown = rates[rates["md_slope"].notna() & (rates["years_followed"] >= SHORT_YEARS)]
    n = shown["n_visits"]
    groups = {
        f"up to {FEW} visits": n <= FEW,
        f"{FEW + 1} to {MANY - 1}": (n > FEW) & (n < MANY),
        f"{MANY} and more": n >= MANY,
    }
    for colour, (label, chosen) in zip(PALETTE, groups.items(), strict=False):
        rows = shown[chosen]
        if rows.empty:
            continue
        ax.plot(rows["md_slope"], rows["rate"], "o", ms=3, alpha=0.7, color=colour, label=label)
    ax.axline((0, 0), slope=1, color=MUTED, ls=":", lw=1)
    ax.set(
        xlabel="Least-squares slope (dB/year), eyes followed half a year",
        ylabel="Rate (dB/year)",
        title="Few visits shrink",
    )
    if shown.empty:
        ax.text(0.5, 0.5, "No eye was followed for half a year.", ha="center", transform=ax.transAxes)
    else:
        ax.legend()
    return ax


def plot_prior_sensitivity(table: pd.DataFrame, ax: Axes) -> Axes:
    """Rates from three visits under the prior halved and doubled, against the usual; ``prior_sensitivity.csv``."""
    if table.empty:
        ax.text(0.5, 0.5, "No eye has three visits.", ha="center", transform=ax.transAxes)
        ax.axis("off")
        return ax
    by_scale = table.pivot_table(index=["patient_id", "eye"], columns="prior_scale", values="rate")
    for colour, (scale, label) in zip(
        PALETTE[3:], ((0.5, "prior halved"), (2.0, "prior doubled")), strict=False
    ):
        ax.plot(by_scale[1.0], by_scale[scale], "o", ms=3, alpha=0.7, color=colour, label=label)
    ax.axline((0, 0), slope=1, color=MUTED, ls=":", lw=1)
    ax.set(
        xlabel="Rate from the first three visits (dB/year)",
        ylabel="Under another prior (dB/year)",
        title="What the prior does to three visits",
    )
    ax.legend()
    return ax


def plot_rate_errors(truth: pd.DataFrame, ax: Axes) -> Axes:
    """RMSE with intervals by kind of eye, number of visits and estimator; rows of ``rates_truth.csv``."""
    for label, rows, at, colour in _groups(truth):
        around = [rows["rmse"] - rows["rmse_lower"], rows["rmse_upper"] - rows["rmse"]]
        ax.errorbar(at, rows["rmse"], yerr=around, fmt="o", ms=3.5, lw=1, color=colour, label=label)
    ax.set(ylabel="RMSE of the rate (dB/year)", title="Error against the truth")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    return _name_kinds(truth, ax)


def plot_rate_coverage(truth: pd.DataFrame, ax: Axes) -> Axes:
    """Coverage of 90 % intervals, in the order of :func:`plot_rate_errors`."""
    for _, rows, at, colour in _groups(truth):
        ax.plot(at, rows["coverage90"], "o", ms=3.5, color=colour)
    ax.axhline(0.9, color=MUTED, ls=":", lw=1)
    ax.set(ylabel="Coverage of the 90 % interval", title="Intervals against the truth", ylim=(0, 1.02))
    return _name_kinds(truth, ax)


def kinds_in_order(truth: pd.DataFrame) -> list[str]:
    """Kinds of eyes that the table holds, in the order they are shown."""
    return [kind for kind in KINDS_OF_EYES if kind in set(truth["eyes"])]


def _groups(truth: pd.DataFrame) -> list[tuple[str, pd.DataFrame, list[float], str]]:
    """Label, rows, positions and colour of each estimator and number of visits."""
    order, groups = kinds_in_order(truth), []
    shown = [
        (n, e)
        for n in sorted(pd.unique(truth["n_visits"]))
        for e in ESTIMATORS
        if e in set(truth["estimator"])
    ]
    for i, (n, e) in enumerate(shown):
        rows = truth[(truth["n_visits"] == n) & (truth["estimator"] == e)]
        at = [order.index(kind) + SPREAD * ((i + 0.5) / len(shown) - 0.5) for kind in rows["eyes"]]
        groups.append((f"{ESTIMATORS[e]}, {n} visits", rows, at, PALETTE[i % len(PALETTE)]))
    return groups


def _name_kinds(truth: pd.DataFrame, ax: Axes) -> Axes:
    order = kinds_in_order(truth)
    ax.set_xticks(range(len(order)), [KINDS_OF_EYES[kind] for kind in order])
    ax.grid(axis="x", visible=False)
    return ax
