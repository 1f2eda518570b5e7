"""How a model was trained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vfprog.plots.style import MUTED

# A row is what a model learns from: a series, a field, an image. Training series are mostly simulated and of other
# lengths than the validation patients': the two ELBOs have different levels by nature, so each has axes of its own.
CURVES = {
    "elbo_train": ("ELBO, training", "nats a row"),
    "elbo_validation": ("ELBO, validation", "nats a row"),
    "learning_rate": ("Learning rate", "learning rate"),
    "reconstruction": ("Reconstruction, validation", "log p(x | z), nats a row"),
    "kl": ("KL of guide from prior, validation", "nats a row"),
    "kl_weight": ("Weight of KL in the loss", "weight"),
}


def plot_curve(history: pd.DataFrame, column: str, best: int, ax: Axes) -> Axes:
    """One column of the training history by epoch, ``best``, the one whose weights were kept, marked."""
    title, label = CURVES[column]
    ax.plot(history["epoch"], history[column])
    ax.axvline(best, color=MUTED, ls=":", lw=1, label=f"best epoch, {best}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="Epoch", ylabel=label, title=title)
    return ax


def plot_training(history: pd.DataFrame, best: int, axes: Sequence[Axes]) -> Sequence[Axes]:
    """The six curves of ``history.csv``, one in each of ``axes``; the legend stands in the second."""
    for column, ax in zip(CURVES, axes, strict=True):
        plot_curve(history, column, best, ax)
    axes[1].legend(loc="lower right")
    return axes
