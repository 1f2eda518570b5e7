"""The manifold of two latents: what the decoder makes of a grid of prior quantiles."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from vfprog.plots.canvas import Canvas
from vfprog.plots.gallery import WIDTH, in_rows, values_of


def draw_manifold(manifold: pd.DataFrame, canvas: Canvas) -> Figure:
    """Decoded rows over a grid of prior quantiles of two latents, as a map of their plane; the second rises upwards.

    ``manifold`` as in ``manifold.parquet``: ``first, second`` (the latents' numbers), ``p_first, p_second``
    (quantiles of N(0, 1)), ``x_1..x_N``.
    """
    across, up = np.unique(manifold["p_first"]), np.unique(manifold["p_second"])
    ordered = manifold.sort_values(["p_second", "p_first"], ascending=[False, True])
    height = canvas.aspect * WIDTH * 0.85 / len(across) * len(up) + 0.6
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    ax = canvas.mosaic(in_rows(values_of(ordered), len(across)), figure.subplots())
    ax.set_xticklabels([quantile_label(p) for p in across])
    ax.set_xlabel(f"z{manifold['first'].iloc[0]} (prior SD = 1)")
    if len(up) > 1:
        ax.set_yticklabels([quantile_label(p) for p in up[::-1]])
        ax.set_ylabel(f"z{manifold['second'].iloc[0]} (prior SD = 1)")
    canvas.colorbar([ax])
    return figure


def quantile_label(p: float) -> str:
    """A latent's value at a quantile of N(0, 1), to one decimal."""
    value = round(float(norm.ppf(p)), 1) + 0.0
    return f"{value:.1f}".replace("-", "\N{MINUS SIGN}")
