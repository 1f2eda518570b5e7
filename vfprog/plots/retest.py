"""Denoising measured on retests: fields so close in time that the eye did not change."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from vfprog.plots.evaluation import plot_estimates
from vfprog.plots.labels import RETEST_METHODS


def plot_retest(retest: pd.DataFrame, ax: Axes) -> Axes:
    """Error of one field's estimate against the mean of that eye's other fields; as in ``retest.csv``."""
    named = in_words(retest)
    plot_estimates(named.assign(shown="95 % interval"), "shown", ax, methods=list(named["method"]))
    ax.set_xlabel("Mean absolute difference from the eye's other fields (dB)")
    return ax


def in_words(retest: pd.DataFrame) -> pd.DataFrame:
    """The table with its methods in words, the measured field first."""
    order = {method: i for i, method in enumerate(RETEST_METHODS)}
    ordered = retest.sort_values("method", key=lambda methods: methods.map(order), kind="stable")
    return ordered.replace({"method": RETEST_METHODS})
