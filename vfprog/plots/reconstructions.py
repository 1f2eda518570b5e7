"""What the model makes of single fields: measured, decoded, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.plots.fields import plot_field


def choose_fields(visits: pd.DataFrame, n: int) -> pd.DataFrame:
    """Up to ``n`` fields of different severity: at even steps through the order of mean TD, worst first."""
    ordered = visits.sort_values([c.MTD, *c.VISIT_KEY])
    steps = np.unique(np.linspace(0, len(ordered) - 1, n).round().astype(int))
    return ordered.iloc[steps]


def plot_reconstruction(
    measured: np.ndarray,
    decoded: np.ndarray,
    xy: np.ndarray,
    axes: Sequence[Axes],
    *,
    eye: str,
    options: PlotsConfig,
    title: str = "",
) -> Sequence[Axes]:
    """One field measured, decoded, and their difference; arrays (location,) in dB, ``xy`` in degrees."""
    plot_field(measured, xy, axes[0], eye=eye, options=options, title=title)
    plot_field(decoded, xy, axes[1], eye=eye, options=options)
    plot_field(measured - decoded, xy, axes[2], kind="difference", eye=eye, options=options)
    return axes
