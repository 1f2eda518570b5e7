"""The models of a run side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vfprog.plots.style import MUTED, PALETTE

WIDTH = 10.0  # inches
# Columns of models.csv, in the order of the panels; intervals where the table has <column>_lower and _upper.
PANELS = {
    "evidence": "Evidence (nats a row)\nmore is better",
    "kl": "Rate: KL (nats a row)",
    "distortion": "Distortion (nats a row)\nless is better",
    "retest_mae": "Retest error (dB)\nless is better",
    "forecast_mae": "Forecast error (dB)\nless is better",
    "c2st_accuracy": "Two-sample accuracy\n0.5 is best",
}


def draw_comparison(models: pd.DataFrame) -> Figure:
    """A panel a column of ``models.csv``, a row a model; panels in which no model has a value are left out."""
    shown = [name for name in PANELS if name in models and models[name].notna().any()]
    across = 3
    deep = -(-len(shown) // across)
    height = (0.23 * len(models) + 0.9) * deep
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(deep, across, squeeze=False, sharey=True)
    for ax, name in zip(axes.ravel(), shown, strict=False):
        plot_column(models, name, ax)
    for ax in axes.ravel()[len(shown) :]:
        ax.axis("off")
    return figure


def plot_column(models: pd.DataFrame, column: str, ax: Axes) -> Axes:
    """One column of ``models.csv`` as points, with intervals where the table has them; a model without stays empty."""
    at = np.arange(len(models))
    value = models[column].to_numpy(float)
    stem = column.removesuffix("_accuracy")
    if {f"{stem}_lower", f"{stem}_upper"} <= set(models):
        reach = [value - models[f"{stem}_lower"], models[f"{stem}_upper"] - value]
        ax.errorbar(value, at, xerr=reach, fmt="o", ms=4, lw=1)
    else:
        ax.plot(value, at, "o", ms=4, color=PALETTE[0])
    if column == "c2st_accuracy":
        ax.axvline(0.5, color=MUTED, ls=":", lw=1)
    ax.set_yticks(at, list(models["model"]))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.set_xlabel(PANELS[column])
    return ax
