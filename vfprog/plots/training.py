"""How a model was trained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vfprog.plots.style import MUTED

# Training series are mostly simulated and of other lengths than the validation patients': the two ELBOs have
# different levels by nature, so each has axes of its own.
CURVES = {
    "elbo_train": ("ELBO, training series", "nats a series"),
    "elbo_validation": ("ELBO, validation patients", "nats a series"),
    "learning_rate": ("Learning rate", "learning rate"),
    "reconstruction": ("Reconstruction, validation", "log p(td | z), nats a series"),
    "kl": ("KL of guide from prior, validation", "nats a series"),
    "kl_weight": ("Weight of KL in the loss", "weight"),
}


def plot_curve(history: pd.DataFrame, column: str, ax: Axes) -> Axes:
    """One column of the training history by epoch, the epoch of the best validation ELBO marked."""
    title, label = CURVES[column]
    best = int(history["epoch"].to_numpy()[history["elbo_validation"].argmax()])
    ax.plot(history["epoch"], history[column])
    ax.axvline(best, color=MUTED, ls=":", lw=1, label=f"best epoch, {best}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="Epoch", ylabel=label, title=title)
    return ax


def plot_training(history: pd.DataFrame, axes: Sequence[Axes]) -> Sequence[Axes]:
    """The six curves of ``history.csv``, one in each of ``axes``; the legend stands in the second."""
    for column, ax in zip(CURVES, axes, strict=True):
        plot_curve(history, column, ax)
    axes[1].legend(loc="lower right")
    return axes
