"""Two views: the information curve, scores against ridge regression, and the predicted view beside the measured one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.io import read_table
from vfprog.plots.fields import CELL, field_colorbar, plot_field
from vfprog.plots.style import INK, MUTED, PALETTE, FieldKind

WIDTH = 10.0  # inches
GAINS = {
    "gain": "over a normal with full covariance",
    "gain_independent": "over normals location by location",
}
METHODS = {
    "bottleneck": "Bottleneck",
    "ridge": "Ridge regression",
    "ridge_shifted": "Ridge, moved to its median",
    "mean": "Mean of the training rows",
}
THICKNESS = (0, 160)  # micrometres, of a sector of the nerve fibre layer: healthy ones reach about 145
COLUMNS = ("Seen", "Measured", "Predicted", "Width of 90 % interval")


def draw_information(folder: Path, options: PlotsConfig) -> Figure:
    """Information curve, held-out error of each method, and its coverage."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    curve, error, coverage = figure.subplots(1, 3, width_ratios=[1.7, 1, 1])
    scores = read_table(folder / "bottleneck_scores.csv")
    plot_information(read_table(folder / "bottleneck_curve.csv"), curve)
    plot_scores(scores[scores["metric"] == "mae"], error).set(
        xlabel="Mean absolute error (dB)", title=against_ridge(scores)
    )
    plot_scores(scores[scores["metric"] == "coverage90"], coverage).axvline(0.9, color=MUTED, lw=0.8, ls="--")
    coverage.set(xlabel="Coverage of the 90 % interval", yticklabels=[])
    return figure


def plot_information(curve: pd.DataFrame, ax: Axes) -> Axes:
    """Gain against rate, a point for each beta, over either marginal model; bars are 95 % intervals."""
    for (name, label), colour, marker in zip(GAINS.items(), PALETTE, "os", strict=False):
        ax.errorbar(
            curve["rate"],
            curve[name],
            yerr=_reach(curve, name),
            xerr=_reach(curve, "rate"),
            color=colour,
            marker=marker,
            ms=4,
            elinewidth=0.8,
            label=label,
        )
    ax.axhline(0, color=MUTED, lw=0.8)
    top = curve[[f"{name}_upper" for name in GAINS]].max(axis=1)
    for rate, gain, beta in zip(curve["rate"], top, curve["beta"], strict=True):
        ax.annotate(
            f"β {beta:g}", (rate, gain), (0, 3), textcoords="offset points", ha="center", fontsize="small"
        )
    size = f"{curve['n_rows'].iloc[0]} rows of {curve['n_patients'].iloc[0]} patients"
    ax.set(
        xlabel="Rate: KL, a bound on what is kept of the view seen (nats)",
        ylabel="Gain (nats a row)",
        title=size,
    )
    ax.margins(y=0.12)
    ax.legend(loc="best")
    return ax


def plot_scores(scores: pd.DataFrame, ax: Axes) -> Axes:
    """One metric of each method, with its 95 % interval, the bottleneck on top."""
    names = [name for name in METHODS if name in set(scores["method"])]
    rows = scores.set_index("method").loc[names]
    at = np.arange(len(names))
    colours = [PALETTE[1] if name == "bottleneck" else INK for name in names]
    ax.hlines(at, rows["lower"], rows["upper"], colors=colours)
    ax.scatter(rows["value"], at, c=colours, s=22, zorder=3)
    ax.set_yticks(at, [METHODS[name] for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return ax


def against_ridge(scores: pd.DataFrame) -> str:
    """How the bottleneck's error stands to that of the better ridge regression, in words."""
    best = better_ridge(scores)
    words = {"beats": "Beats ridge", "ties with": "Ties with ridge", "loses to": "Loses to ridge"}[
        best["verdict"]
    ]
    apart = [f"{best[name]:+.2f}" for name in ("difference", "difference_lower", "difference_upper")]
    return f"{words}: {apart[0]} dB ({apart[1]} to {apart[2]})".replace("-", "\N{MINUS SIGN}")


def better_ridge(scores: pd.DataFrame) -> pd.Series:
    """Mean absolute error of the better of the two ridge regressions, a row of the table."""
    errors = scores[scores["metric"] == "mae"].set_index("method")
    return errors.loc[["ridge", "ridge_shifted"]].sort_values("value").iloc[0]


def draw_views(folder: Path, options: PlotsConfig) -> Figure:
    """Examples, one a row: what was seen, what was measured, its prediction, and how wide the interval is."""
    table = read_table(folder / "bottleneck_example.parquet")
    examples = list(table.groupby("example"))
    explained = table.loc[table["view"] == "explained", [c.X, c.Y]]
    across, down = np.ptp(explained.to_numpy(), axis=0) + CELL
    figure = Figure(figsize=(WIDTH, (0.2 + 2.0 * down / across) * len(examples) + 0.3), layout="constrained")
    axes = figure.subplots(len(examples), len(COLUMNS), squeeze=False)
    for row, (_, example) in zip(axes, examples, strict=True):
        seen, explained = (example[example["view"] == view] for view in ("seen", "explained"))
        eye = explained[c.EYE].iloc[0]
        xy = explained[[c.X, c.Y]].to_numpy()
        plot_seen(seen, row[0], eye, options)
        width = explained["upper"] - explained["lower"]
        panels: list[tuple[pd.Series, FieldKind]] = [
            (explained["value"], "td"),
            (explained["median"], "td"),
            (width, "width"),
        ]
        for (values, kind), ax in zip(panels, row[1:], strict=True):
            plot_field(values.to_numpy(), xy, ax, kind=kind, eye=eye, options=options)
    for ax, title in zip(axes[0], COLUMNS, strict=True):
        ax.set_title(title, loc="center")
    field_colorbar(axes[:, :3].ravel().tolist(), "td", options)
    field_colorbar(axes[:, 3].tolist(), "width", options)
    return figure


def plot_seen(seen: pd.DataFrame, ax: Axes, eye: str, options: PlotsConfig) -> Axes:
    """The view seen: a map where it is of the field, bars where not; other inputs stand beneath the map in words."""
    mapped = seen[seen[c.LOCATION].notna()]
    others = seen[seen[c.LOCATION].isna()]
    if mapped.empty:
        ax.barh(np.arange(len(others)), others["value"], color=PALETTE[0])
        ax.set(xlim=THICKNESS, xlabel="Thickness (micrometres)")
        ax.set_yticks(np.arange(len(others)), others["name"].tolist())
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        return ax
    plot_field(mapped["value"].to_numpy(), mapped[[c.X, c.Y]].to_numpy(), ax, eye=eye, options=options)
    words = ", ".join(
        f"{name.replace('_', ' ')} {value:.1f}"
        for name, value in zip(others["name"], others["value"], strict=True)
    )
    ax.text(0.5, -0.02, words, transform=ax.transAxes, ha="center", va="top", color=MUTED, fontsize="small")
    return ax


def _reach(table: pd.DataFrame, name: str) -> np.ndarray:
    """Distances to the interval's ends: (2, row)."""
    return np.stack([table[name] - table[f"{name}_lower"], table[f"{name}_upper"] - table[name]])
