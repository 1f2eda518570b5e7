"""Archetypes: what they are, how eyes move between them, how many are worth having, and mixtures of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.io import read_table
from vfprog.plots.canvas import read_canvas
from vfprog.plots.gallery import WIDTH, values_of
from vfprog.plots.style import GRID, INK, MUTED, PALETTE

ACROSS = 4  # archetypes in a row
EYES_SHOWN = 4
LEAST_VISITS = 6  # of an eye shown
METHODS = {"deep": "Deep archetypes", "linear": "Linear archetypes", "pca": "Principal components"}
# Prefixes of the columns of archetypes_number.csv.
ERRORS = {"": "Error of held-out rows", "next_": "Error of the eye's next field (dB)"}
MARKERS = {"deep": "o", "linear": "s", "pca": "^"}
AGAINST = {"seed": "Another seed, same rows", "half": "Other rows (halves)"}


def draw_archetypes(folder: Path, options: PlotsConfig) -> Figure:
    """The archetypes from best to worst, each with the classical defect nearest and its weight in held-out rows."""
    table, canvas = read_table(folder / "archetypes.csv"), read_canvas(folder, options)
    deep = -(-len(table) // ACROSS)
    width = WIDTH / ACROSS
    figure = Figure(figsize=(WIDTH, deep * (width * canvas.aspect * 0.8 + 0.7)), layout="constrained")
    axes = figure.subplots(deep, ACROSS, squeeze=False).ravel()
    for ax, (_, row), values in zip(axes, table.iterrows(), values_of(table), strict=False):
        canvas.draw(values, ax, title=archetype_title(row))
    for ax in axes[len(table) :]:
        ax.axis("off")
    canvas.colorbar(axes.tolist())
    return figure


def archetype_title(row: pd.Series) -> str:
    """Number, name and use of an archetype: a row of ``archetypes.csv``."""
    use = f"weight {100 * row['mean_weight']:.0f} %, largest {100 * row['largest_weight']:.0f} %"
    if pd.isna(row["name"]):
        return f"Archetype {row['archetype']:.0f}\n{use}"
    close = "" if pd.isna(row["correlation"]) else f" (r = {row['correlation']:.2f})"
    return f"{row['archetype']:.0f}: {row['name']}{close}\n{use}"


def draw_trajectories(folder: Path, options: PlotsConfig) -> Figure:
    """Eyes that moved most: their visits in the simplex and the weights over time."""
    table, weights = (read_table(folder / name) for name in ("archetypes.csv", "archetypes_weights.parquet"))
    if c.PATIENT not in weights:
        return draw_spread(table, weights)
    eyes = most_moved(weights)
    if not eyes:
        figure = Figure(figsize=(WIDTH, 0.6))
        figure.text(0.01, 0.5, f"No trajectories: no eye has {LEAST_VISITS} visits.", va="center")
        return figure
    figure = Figure(figsize=(WIDTH, 2.5 * len(eyes) + 0.6), layout="constrained")
    axes = figure.subplots(len(eyes), 2, squeeze=False, width_ratios=[1, 2])
    for (left, right), (title, eye) in zip(axes, eyes.items(), strict=True):
        plot_simplex(mixture(eye), table, left)
        plot_weights(eye, table, right)
        right.set_title(title)
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
    return figure


def draw_spread(table: pd.DataFrame, weights: pd.DataFrame) -> Figure:
    """Held-out rows that are no visits, in the simplex."""
    figure = Figure(figsize=(WIDTH / 2, WIDTH / 2), layout="constrained")
    ax = plot_vertices(table, figure.subplots())
    x, y = (mixture(weights) @ corners(len(table))).T
    ax.scatter(x, y, s=18, color=PALETTE[0])
    return figure


def most_moved(weights: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Eyes whose weights changed most between the first and the last third of their visits, by a title each.

    Eyes go by a number, never by an identifier.
    """
    groups = [
        eye for _, eye in weights.groupby(["cohort", *c.EYE_KEY], sort=False) if len(eye) >= LEAST_VISITS
    ]
    moved = sorted(groups, key=moved_by, reverse=True)[:EYES_SHOWN]
    return {
        f"Eye {i} of those that moved most ({eye['cohort'].iloc[0]}, {len(eye)} visits)": eye
        for i, eye in enumerate(moved, start=1)
    }


def moved_by(eye: pd.DataFrame) -> float:
    """Half the sum of absolute changes of mean weights: the share of the mixture that was exchanged."""
    w, third = mixture(eye), len(eye) // 3
    return float(np.abs(w[-third:].mean(axis=0) - w[:third].mean(axis=0)).sum() / 2)


def mixture(table: pd.DataFrame) -> np.ndarray:
    """The columns ``w_1..w_K``: (row, archetype)."""
    return table[[name for name in table if str(name).startswith("w_")]].to_numpy(float)


def corners(archetypes: int) -> np.ndarray:
    """Corners of a regular polygon, the first at the top and the others clockwise: (archetype, 2)."""
    angle = 2 * np.pi * np.arange(archetypes) / archetypes
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def plot_vertices(table: pd.DataFrame, ax: Axes) -> Axes:
    """The simplex laid flat as a polygon, a corner an archetype, called by its number."""
    at = corners(len(table))
    ax.fill(*at.T, fc="none", ec=MUTED, lw=0.8)
    for number, (x, y) in zip(table["archetype"], at, strict=True):
        ax.text(1.15 * x, 1.15 * y, str(number), ha="center", va="center", color=INK)
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def plot_simplex(weights: np.ndarray, table: pd.DataFrame, ax: Axes) -> Axes:
    """Visits of an eye (visit, archetype) in order, the last one filled."""
    x, y = (weights @ corners(len(table))).T
    plot_vertices(table, ax)
    ax.plot(x, y, color=MUTED, lw=0.8, zorder=1)
    ax.scatter(x[:-1], y[:-1], s=14, fc="white", ec=PALETTE[0], zorder=2)
    ax.scatter(x[-1:], y[-1:], s=30, color=PALETTE[0], zorder=3)
    return ax


def plot_weights(eye: pd.DataFrame, table: pd.DataFrame, ax: Axes) -> Axes:
    """Weights over an eye's years, one upon the other, best archetype below."""
    names = [f"{row['archetype']}: {row['name']}" for _, row in table.iterrows()]
    ax.stackplot(eye[c.YEARS], mixture(eye).T, labels=names, colors=shades(len(table)), lw=0)
    ax.set(xlabel="Years", ylabel="Weight", xlim=(eye[c.YEARS].min(), eye[c.YEARS].max()), ylim=(0, 1))
    return ax


def shades(number: int) -> list[str]:
    """A colour an archetype; the best one is pale, for it is what is seen most."""
    return [GRID, *sns.color_palette("colorblind" if number < 11 else "husl", number - 1).as_hex()]


def draw_number(folder: Path, options: PlotsConfig) -> Figure:
    """Error of held-out rows by number of archetypes, and how well archetypes come out again."""
    number, stability = (
        read_table(folder / name) for name in ("archetypes_number.csv", "archetypes_stability.csv")
    )
    scored = [prefix for prefix in ERRORS if f"{prefix}error" in number]
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots(1, len(scored) + 1, squeeze=False)[0]
    for ax, prefix in zip(axes, scored, strict=False):
        plot_number(number, prefix, ax)
    plot_stability(stability, axes[-1])
    return figure


def plot_number(number: pd.DataFrame, prefix: str, ax: Axes) -> Axes:
    """Mean absolute error by number of archetypes and method, with 95 % intervals; ``prefix`` of ``ERRORS``."""
    for i, (method, label) in enumerate(METHODS.items()):
        rows = number[number["method"] == method].sort_values("archetypes")
        error = rows[f"{prefix}error"]
        reach = [error - rows[f"{prefix}lower"], rows[f"{prefix}upper"] - error]
        at = rows["archetypes"] + 0.12 * (i - 1)
        ax.errorbar(at, error, yerr=reach, fmt=f"-{MARKERS[method]}", ms=5, lw=1.2, label=label)
    ax.set_xticks(sorted(number["archetypes"].unique()))
    ax.set(xlabel="Archetypes\n(components: one fewer, and the mean)", ylabel=ERRORS[prefix])
    ax.legend()
    return ax


def plot_stability(stability: pd.DataFrame, ax: Axes) -> Axes:
    """Correlation of each archetype with its partner in another training."""
    if stability.empty:
        ax.text(0.5, 0.5, "Not trained again (repeats: 0)", ha="center", va="center", transform=ax.transAxes)
        ax.axis("off")
        return ax
    for against, label in AGAINST.items():
        rows = stability[stability["against"] == against]
        mean = f"{label}: mean {rows['correlation'].mean():.2f}"
        marker = MARKERS["deep" if against == "seed" else "linear"]
        ax.plot(rows["archetype"], rows["correlation"], marker, ms=6, label=mean, alpha=0.8)
    ax.axhline(0, color=GRID, lw=1)
    ax.set_xticks(sorted(stability["archetype"].unique()))
    lowest = min(0.0, stability["correlation"].min())
    ax.set(xlabel="Archetype", ylabel="Correlation with its partner", ylim=(lowest - 0.05, 1.05))
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.14))
    return ax


def draw_mixtures(folder: Path, options: PlotsConfig) -> Figure:
    """Held-out rows at both ends, and between them what is decoded along the straight line in the simplex."""
    table, canvas = read_table(folder / "archetypes_interpolation.parquet"), read_canvas(folder, options)
    paths = [path_pictures(rows) for _, rows in table.groupby("path")]
    pictures = np.stack(paths)
    across = pictures.shape[1]
    height = len(paths) * canvas.aspect * WIDTH * 0.83 / across + 0.5
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    ax = canvas.mosaic(pictures, figure.subplots())
    steps = np.sort(table["share"].dropna().unique())
    ax.set_xticklabels(["measured", *(f"{100 * share:.0f} %" for share in steps), "measured"])
    canvas.colorbar([ax])
    return figure


def path_pictures(rows: pd.DataFrame) -> np.ndarray:
    """One path: the measured start, the decoded way, the measured end: (picture, location)."""
    way, ends = rows[rows["share"].notna()], rows[rows["end"].notna()]
    start, end = values_of(ends.sort_values("end"))
    return np.concatenate([start[None], values_of(way.sort_values("share")), end[None]])
