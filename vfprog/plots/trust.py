"""Checks of the trajectories' posterior: rank ECDFs, agreement with NUTS, tests drawn beside those measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.plots.style import GRID, INK, PALETTE

GROUPS = {"z_start": "Latents at the start", "z_slope": "Slopes of the latents", "rate": "Rate of mean TD"}
NOISE = {"known": "noise of tests known", "looked_up": "looked up, as in use"}
STATISTICS = {
    "residual_sd": "SD of residuals (dB)",
    "skewness": "Skewness of residuals",
    "neighbour_correlation": "Correlation of neighbours' residuals",
    "visit_sd": "SD of visits' means about the line (dB)",
}
AGREEING = 0.1  # most that agreeing means (in SDs) and SDs (relative) differ


def draw_trust(sbc: pd.DataFrame, nuts: pd.DataFrame, predictive: pd.DataFrame, width: float) -> Figure:
    """All checks in six panels; the tables as in ``sbc.csv``, ``nuts.csv`` and ``predictive_checks.csv``."""
    figure = Figure(figsize=(width, 6), layout="constrained")
    above, below = figure.subplots(2, 3)
    for ax, group in zip(above, GROUPS, strict=True):
        plot_ranks(sbc[sbc["group"] == group], ax).set_title(GROUPS[group])
    above[0].legend(loc="upper right")
    above[0].set_ylabel("ECDF of ranks, less uniform")
    plot_nuts(nuts, below[0])
    for ax, statistic in zip(below[1:], ("residual_sd", "skewness"), strict=True):
        plot_predictive(predictive[predictive["statistic"] == statistic], ax).set_ylabel(
            STATISTICS[statistic]
        )
    below[1].legend(loc="upper right")
    return figure


def plot_ranks(sbc: pd.DataFrame, ax: Axes) -> Axes:
    """ECDF differences of a group's quantities in their band; one line each, coloured by how the noise is known."""
    for (noise, colour), line in zip(zip(NOISE, PALETTE, strict=False), ("-", "--"), strict=True):
        for i, (_, rows) in enumerate(sbc[sbc["noise"] == noise].groupby("quantity")):
            label = NOISE[noise] if i == 0 else None
            ax.step(rows["share"], rows["difference"], line, color=colour, lw=0.9, where="post", label=label)
    band = sbc.drop_duplicates("share").sort_values("share")
    ax.fill_between(band["share"], band["lower"], band["upper"], color=GRID, step="post", zorder=0)
    ax.set_xlabel("Rank of the truth, share of draws")
    return ax


def plot_nuts(nuts: pd.DataFrame, ax: Axes) -> Axes:
    """Each eye's rate: how far the batched posterior's mean and SD are from NUTS's; the box holds those that agree."""
    colours = np.where(nuts["agrees"], PALETTE[0], PALETTE[1])
    ax.fill_between([-AGREEING, AGREEING], 1 - AGREEING, 1 + AGREEING, color=GRID, zorder=0)
    ax.scatter(nuts["mean_apart"], nuts["sd_ratio"], c=colours, s=18)
    ax.set_title(f"Against NUTS: {int(nuts['agrees'].sum())} of {len(nuts)} eyes agree")
    ax.set_xlabel("Difference of mean rate (SDs)")
    ax.set_ylabel("Ratio of SDs")
    return ax


def plot_predictive(predictive: pd.DataFrame, ax: Axes) -> Axes:
    """A statistic by band of level: measured, and the 95 % interval of tests drawn from the model."""
    at = np.arange(len(predictive))
    middle = predictive["replicated"]
    reach = [middle - predictive["lower"], predictive["upper"] - middle]
    ax.errorbar(at, middle, reach, fmt="none", ecolor=PALETTE[0], elinewidth=4, label="drawn, 95 %")
    ax.plot(at, predictive["measured"], "o", color=INK, ms=4, label="measured")
    ax.set_xticks(at, [band_label(band) for band in predictive["band"]], rotation=30, ha="right")
    ax.set_xlabel("Level (dB)")
    return ax


def band_label(band: str) -> str:
    """A band of level as the table names it, in words."""
    low, _, high = band.partition(" to ")
    words = f"below {high}" if low == "-inf" else f"above {low}" if high == "inf" else band
    return words.replace("-", "\N{MINUS SIGN}")
