"""Detection of progression: AUC by score, time to detection, and the share of eyes flagged."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vfprog.plots.labels import DETECTION_SCORES, score_label
from vfprog.plots.style import MUTED, PALETTE


def scores_in_order(scores: set[str]) -> list[str]:
    """Scores in the order they are shown, unknown ones last by name."""
    known = [s for s in DETECTION_SCORES if s in scores]
    return known + sorted(scores - set(known))


def plot_detection(detection: pd.DataFrame, ax: Axes) -> Axes:
    """AUC with intervals: a row a score, a colour a number of visits; rows of ``detection.csv``.

    Crosses are the AUC on shuffled visits, which tells whether a score sees the level.
    """
    order = scores_in_order(set(detection["score"]))
    visits = sorted(pd.unique(detection["n_visits"]))
    offsets = np.linspace(-0.25, 0.25, len(visits)) if len(visits) > 1 else [0.0]
    for i, (n, offset) in enumerate(zip(visits, offsets, strict=True)):
        rows, colour = detection[detection["n_visits"] == n], PALETTE[i % len(PALETTE)]
        at = [order.index(s) + offset for s in rows["score"]]
        around = [rows["auc"] - rows["auc_lower"], rows["auc_upper"] - rows["auc"]]
        ax.errorbar(rows["auc"], at, xerr=around, fmt="o", ms=3.5, lw=1, color=colour, label=f"{n} visits")
        ax.plot(rows["auc_shuffled"], at, "x", ms=4, color=colour)
    ax.axvline(0.5, color=MUTED, ls=":", lw=1)
    ax.set_yticks(range(len(order)), [score_label(s) for s in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("AUC (\N{MULTIPLICATION SIGN}: on shuffled visits)")
    return ax


def plot_times(times: pd.DataFrame, ax: Axes) -> Axes:
    """Share of progressing eyes flagged by number of visits, at 95 % specificity; rows of ``time_to_detection.csv``."""
    for i, score in enumerate(scores_in_order(set(times["score"]))):
        line = times[times["score"] == score].sort_values("n_visits")
        dashes = "-" if i < len(PALETTE) else "--"
        ax.plot(line["n_visits"], line["flagged"], dashes, color=PALETTE[i % len(PALETTE)], marker="o", ms=3,
                label=score_label(score))  # fmt: skip
    ax.axhline(0.05, color=MUTED, ls=":", lw=1)
    ax.set(xlabel="Visits", ylabel="Progressing eyes flagged", ylim=(0, 1))
    ax.set_xticks(sorted(pd.unique(times["n_visits"])))
    return ax


def plot_flagged(flagged: pd.DataFrame, ax: Axes) -> Axes:
    """Share of all eyes flagged after some years, with intervals; rows of ``flagged.csv``.

    Crosses are the share with time running backwards.
    """
    years = sorted(pd.unique(flagged["years"]))
    scores = scores_in_order(set(flagged["score"]))
    offsets = np.linspace(-0.12, 0.12, len(scores)) if len(scores) > 1 else [0.0]
    for i, (score, offset) in enumerate(zip(scores, offsets, strict=True)):
        rows = flagged[flagged["score"] == score]
        at = [years.index(y) + offset for y in rows["years"]]
        around = [rows["flagged"] - rows["lower"], rows["upper"] - rows["flagged"]]
        ax.errorbar(
            at,
            rows["flagged"],
            yerr=around,
            fmt="o",
            ms=3.5,
            lw=1,
            color=PALETTE[i],
            label=score_label(score),
        )
        ax.plot(at, rows["reversed"], "x", ms=4, color=PALETTE[i])
    ax.axhline(0.05, color=MUTED, ls=":", lw=1)
    ax.set_xticks(range(len(years)), [f"{y:g} years" for y in years])
    ax.set(ylabel="Eyes flagged (\N{MULTIPLICATION SIGN}: reversed in time)", xlim=(-0.5, len(years) - 0.5))
    ax.set_ylim(bottom=0)
    return ax
