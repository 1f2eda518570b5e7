"""The latent space of a cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vfprog.plots.style import MUTED, TD_MAP, UNTESTED

RASTER_FROM = 2000  # points; beyond this a bitmap keeps the file small


def latent_variance(latents: pd.DataFrame, dim: int) -> pd.DataFrame:
    """What each latent (1..dim) knows, in units of its prior variance.

    ``between`` is the variance of the posterior means, by which the latent tells fields apart; ``within`` the
    mean posterior variance, which stays unknown. An unused latent has 0 and 1.
    """
    means = latents[[f"z_{k}" for k in range(1, dim + 1)]].to_numpy()
    sds = latents[[f"z_{k}_sd" for k in range(1, dim + 1)]].to_numpy()
    return pd.DataFrame(
        {"latent": np.arange(1, dim + 1), "between": means.var(axis=0), "within": (sds**2).mean(axis=0)}
    )


def plot_latent_space(latents: pd.DataFrame, mtd: np.ndarray, dim: int, ax: Axes) -> Axes:
    """Fields in the plane of the two latents whose means vary most, coloured by mean TD (dB)."""
    variance = latent_variance(latents, dim).sort_values("between", ascending=False)
    first, second = variance["latent"].iloc[[0, min(1, dim - 1)]]
    points = ax.scatter(
        latents[f"z_{first}"],
        latents[f"z_{second}"],
        c=mtd,
        cmap=TD_MAP,
        s=12,
        edgecolor=MUTED,
        lw=0.2,
        rasterized=len(latents) > RASTER_FROM,
    )
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.colorbar(points, ax=ax, label="Mean TD (dB)")
    ax.set(
        xlabel=f"z{first} (prior SD = 1)", ylabel=f"z{second} (prior SD = 1)", title="Fields in latent space"
    )
    return ax


def plot_latent_variance(latents: pd.DataFrame, dim: int, ax: Axes) -> Axes:
    """What each latent knows: variance between fields, and variance left within one field's posterior."""
    variance = latent_variance(latents, dim)
    ax.bar(variance["latent"], variance["between"], label="Between fields (posterior means)")
    ax.bar(
        variance["latent"],
        variance["within"],
        bottom=variance["between"],
        color=UNTESTED,
        label="Within one field's posterior",
    )
    ax.set_xticks(variance["latent"])
    ax.set(xlabel="Latent", ylabel="Variance (prior = 1)", title="Use of the latents")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return ax
