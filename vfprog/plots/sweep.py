"""A sweep over beta and latent size: the rate-distortion curve, and what it costs and brings."""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.plots.style import INK, MUTED, PALETTE

WIDTH = 10.0  # inches
OVER_BETA = {
    "evidence": "Evidence (nats a row)",
    "active_units": "Latents in use",
    "retest_mae": "Retest error (dB)",
    "forecast_mae": "Forecast error (dB)",
}


def draw_sweep(table: pd.DataFrame) -> Figure:
    """``models/sweep.csv``: distortion over rate, then evidence, latents in use and errors over beta."""
    shown = {name: label for name, label in OVER_BETA.items() if table[name].notna().any()}
    figure = Figure(figsize=(WIDTH, 7.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.5, 1], squeeze=False)[:, 0]
    curve = plot_rate_distortion(table, above.subplots())
    for ax, (name, label) in zip(below.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        plot_over_beta(table, name, ax)
        ax.set_ylabel(label)
    handles, labels = curve.get_legend_handles_labels()
    curve.legend(handles, labels, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def plot_rate_distortion(table: pd.DataFrame, ax: Axes) -> Axes:
    """Distortion over rate, a line a latent size through the means over seeds, a dot a model.

    The ELBO is minus their sum: it is the same along the dotted lines, and higher towards the lower left (Alemi et al.
    2018, ICML, "Fixing a broken ELBO").
    """
    sizes = table.groupby("latent_dim")
    # Labels of sizes whose points coincide stand around them, not upon one another.
    places = cycle([(6, 5), (6, -11), (-24, -4)])
    for colour, (size, rows), place in zip(_colours(table), sizes, islice(places, len(sizes)), strict=True):
        ax.plot(rows["rate"], rows["distortion"], "o", ms=3, color=colour, alpha=0.6)
        mean = rows.groupby("beta")[["rate", "distortion"]].mean()
        ax.plot(mean["rate"], mean["distortion"], color=colour, label=f"{size} latents")
        for beta, (rate, distortion) in mean.iterrows():
            ax.annotate(
                f"β {beta:g}",
                (rate, distortion),
                place,
                textcoords="offset points",
                color=colour,
                fontsize="x-small",
            )
    chosen = table[table["chosen"]]
    ax.plot(
        chosen["rate"].mean(), chosen["distortion"].mean(), "o", ms=13, mfc="none", mec=INK, label="Chosen"
    )
    _iso_elbo(table, ax)
    ax.set(xlabel="Rate: KL (nats a row)", ylabel="Distortion (nats a row)")
    return ax


def _iso_elbo(table: pd.DataFrame, ax: Axes) -> None:
    """Lines of equal ELBO through the range of the models."""
    x, y = np.array(ax.get_xlim()), ax.get_ylim()
    for i, elbo in enumerate(np.linspace(table["elbo"].min(), table["elbo"].max(), 5)):
        ax.plot(x, -elbo - x, ":", color=MUTED, lw=0.8, zorder=0, label="Equal ELBO" if i == 0 else None)
    ax.set(xlim=tuple(x), ylim=y)


def plot_over_beta(table: pd.DataFrame, name: str, ax: Axes) -> Axes:
    """A column over beta, on a logarithmic axis: means over seeds, their standard errors, a dot a model."""
    for colour, (_, rows) in zip(_colours(table), table.groupby("latent_dim"), strict=True):
        ax.plot(rows["beta"], rows[name], "o", ms=2.5, color=colour, alpha=0.5)
        of_beta = rows.groupby("beta")[name].agg(["mean", "sem"]).fillna({"sem": 0.0})
        ax.errorbar(of_beta.index, of_beta["mean"], yerr=of_beta["sem"], color=colour, lw=1.2)
    chosen = table[table["chosen"]]
    ax.plot(chosen["beta"].mean(), chosen[name].mean(), "o", ms=10, mfc="none", mec=INK)
    ax.set_xscale("log")
    ticks = np.sort(table["beta"].unique())
    ax.set_xticks(ticks, [f"{beta:g}" for beta in ticks])
    ax.minorticks_off()
    ax.set_xlabel("β, weight of the log-likelihood")
    return ax


def _colours(table: pd.DataFrame) -> list[str]:
    sizes = table["latent_dim"].nunique()
    return [PALETTE[i % len(PALETTE)] for i in range(sizes)]
