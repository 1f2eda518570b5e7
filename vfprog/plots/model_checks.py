"""Checks of a model: how tight its bounds are, what each latent carries, its noise, its samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.plots.style import GRID, INK, MUTED, PALETTE
from vfprog.plots.trust import band_label

WIDTH = 10.0  # inches
ACTIVE, IDLE = PALETTE[0], GRID


def draw_tightness(evidence: pd.DataFrame) -> Figure:
    """The ELBO and the importance-weighted bounds, what each gains on the ELBO, and its effective sample size.

    ``evidence`` as in ``evidence.csv``: a row a bound, ``draws`` 0 the ELBO.
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    level, gain, size = figure.subplots(1, 3)
    plot_bounds(evidence, level)
    plot_gain(evidence, gain)
    plot_sample_size(evidence, size)
    return figure


def plot_bounds(evidence: pd.DataFrame, ax: Axes) -> Axes:
    """Each bound with its 95 % interval over patients, nats a row."""
    at = np.arange(len(evidence))
    reach = [evidence["mean"] - evidence["lower"], evidence["upper"] - evidence["mean"]]
    ax.errorbar(at, evidence["mean"], reach, fmt="o", ms=4, lw=1)
    ax.set_title("Bounds, 95 % intervals")
    _name_bounds(evidence, ax)
    ax.set_ylabel("nats a row")
    return ax


def plot_gain(evidence: pd.DataFrame, ax: Axes) -> Axes:
    """What each bound gains on the ELBO, with its interval: where it no longer rises, the evidence is reached."""
    at = np.arange(len(evidence))
    reach = [evidence["gain"] - evidence["gain_lower"], evidence["gain_upper"] - evidence["gain"]]
    ax.errorbar(at, evidence["gain"], reach, fmt="o-", ms=4, lw=1)
    ax.axhline(0, color=MUTED, ls=":", lw=1)
    ax.set_title("Gain on the ELBO of the same rows")
    _name_bounds(evidence, ax)
    ax.set_ylabel("nats a row")
    return ax


def _name_bounds(evidence: pd.DataFrame, ax: Axes) -> None:
    names = ["ELBO" if draws == 0 else f"{draws}" for draws in evidence["draws"]]
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.4, len(names) - 0.6)
    ax.set_xlabel("Draws of the bound")


def plot_sample_size(evidence: pd.DataFrame, ax: Axes) -> Axes:
    """Effective sample size of the importance weights by draws; on the line every draw counts."""
    weighted = evidence[evidence["draws"] > 0]
    ax.plot(weighted["draws"], weighted["draws"], color=MUTED, ls=":", lw=1, label="every draw counts")
    ax.plot(weighted["draws"], weighted["ess"], "o-", ms=4, lw=1, label="mean over rows")
    ax.set(xscale="log", yscale="log", xlabel="Draws of the bound", title="Effective sample size")
    ax.legend(loc="upper left")
    return ax


def plot_kl_by_latent(health: pd.DataFrame, ax: Axes) -> Axes:
    """KL of each latent, largest first, those not in use pale. ``latent, kl, active``."""
    ordered = health.sort_values("kl", ascending=False)
    at = np.arange(len(ordered))
    active = ordered["active"].to_numpy(bool)
    ax.bar(at, ordered["kl"], color=np.where(active, ACTIVE, IDLE))
    ax.set_xticks(at, [str(k) for k in ordered["latent"]])
    title = f"Information in each latent: {int(active.sum())} of {len(active)} in use"
    ax.set(xlabel="Latent", ylabel="KL (nats a row)", title=title)
    ax.grid(axis="x", visible=False)
    return ax


def draw_health(health: pd.DataFrame, pit: pd.DataFrame) -> Figure:
    """What each latent carries, and whether the noise about f(z) is that of the records."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    plot_kl_by_latent(health, left)
    plot_pit(pit, right)
    return figure


def plot_pit(pit: pd.DataFrame, ax: Axes) -> Axes:
    """Probability integral transform of held-out values by level of f(z), dB; flat at 1 where calibrated.

    ``pit`` as in ``pit.csv``: ``band, lower, upper, share, ks``.
    """
    ax.axhline(1, color=MUTED, ls=":", lw=1)
    for i, (band, rows) in enumerate(pit.groupby("band", sort=False)):
        edges = [*rows["lower"], rows["upper"].iloc[-1]]
        name = "all" if band == "all" else f"{band_label(str(band))} dB"
        colour, width = (INK, 1.8) if band == "all" else (PALETTE[(i - 1) % len(PALETTE)], 1.0)
        label = f"{name} (largest distance {rows['ks'].iloc[0]:.2f})"
        ax.stairs(rows["share"], edges, color=colour, lw=width, label=label)
    ax.set(xlabel="Where a held-out value falls in its distribution", ylabel="Density", ylim=(0, None))
    ax.set_title("Probability integral transform")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def draw_samples(samples: pd.DataFrame, indices: dict[str, str]) -> Figure:
    """Indices of rows drawn from the model against those of held-out ones, and how locations go together in both.

    ``samples`` as in ``samples.csv``: ``statistic, at, held_out, drawn, ks``; ``indices`` names its indices.
    """
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    *panels, last = figure.subplots(1, len(indices) + 1, squeeze=False)[0]
    for ax, (name, label) in zip(panels, indices.items(), strict=True):
        plot_quantiles(samples[samples["statistic"] == name], label, ax)
    plot_correlation(samples[samples["statistic"] == "correlation"], last)
    return figure


def plot_quantiles(quantiles: pd.DataFrame, label: str, ax: Axes) -> Axes:
    """Quantiles of an index, drawn against held out; on the line the two distributions are the same."""
    ends = (
        quantiles[["held_out", "drawn"]].to_numpy().min(),
        quantiles[["held_out", "drawn"]].to_numpy().max(),
    )
    ax.plot(ends, ends, color=MUTED, ls=":", lw=1)
    ax.plot(quantiles["held_out"], quantiles["drawn"], "o", ms=4)
    ax.set(xlabel=f"{label}, held out", ylabel=f"{label}, drawn")
    ax.set_title(f"Quantiles; largest distance {quantiles['ks'].iloc[0]:.2f}")
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def plot_correlation(correlation: pd.DataFrame, ax: Axes) -> Axes:
    """Mean correlation of two locations by their distance, in spacings of the grid."""
    for name, label, marker in (("held_out", "held out", "o-"), ("drawn", "drawn", "s--")):
        ax.plot(correlation["at"], correlation[name], marker, ms=4, lw=1.2, label=label)
    ax.set(
        xlabel="Distance (spacings of the grid)", ylabel="Mean correlation", title="How locations go together"
    )
    ax.set_xticks(correlation["at"])
    ax.legend(loc="upper right")
    return ax
