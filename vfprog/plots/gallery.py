"""Pictures of what a model makes: draws from it beside held-out rows, and reconstructions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vfprog.plots.canvas import Canvas

WIDTH = 10.0  # inches
ACROSS = 8  # pictures in a row
# Origins of rows in gallery.parquet.
GALLERY = {
    "held_out": "Held out",
    "prior_draw": "Drawn",
    "prior_mean": "f(z) of\nthe draws",
}
RECONSTRUCTIONS = {"measured": "Held out", "reconstruction": "Decoded"}


def draw_gallery(gallery: pd.DataFrame, canvas: Canvas) -> Figure:
    """Held-out rows, rows drawn from the prior through the likelihood, and what was decoded before noise came.

    ``gallery`` as in ``gallery.parquet``: ``origin, number, x_1..x_N``.
    """
    return _draw_blocks(gallery, GALLERY, canvas)


def draw_reconstructions_of(gallery: pd.DataFrame, canvas: Canvas) -> Figure:
    """Held-out rows above what the model decodes of what its guide sees of them."""
    return _draw_blocks(gallery, RECONSTRUCTIONS, canvas)


def _draw_blocks(gallery: pd.DataFrame, origins: dict[str, str], canvas: Canvas) -> Figure:
    """A block of pictures an origin, one above the other."""
    blocks = {
        name: in_rows(values_of(gallery[gallery["origin"] == o]), ACROSS) for o, name in origins.items()
    }
    deep = [len(pictures) for pictures in blocks.values()]
    height = sum(deep) * canvas.aspect * WIDTH * 0.83 / ACROSS + 0.15 * len(deep)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(len(deep), 1, squeeze=False, height_ratios=deep)[:, 0]
    for ax, (name, pictures) in zip(axes, blocks.items(), strict=True):
        canvas.mosaic(pictures, ax)
        ax.set_ylabel(name)
    canvas.colorbar(axes.tolist())
    return figure


def values_of(table: pd.DataFrame) -> np.ndarray:
    """The columns ``x_1..x_N`` of a table: (row, location)."""
    return table[[name for name in table if str(name).startswith("x_")]].to_numpy(float)


def in_rows(values: np.ndarray, across: int) -> np.ndarray:
    """Pictures (picture, location) in rows of ``across``: (row, column, location), NaN where there are none left."""
    rows = -(-len(values) // across)
    whole = np.full((rows * across, values.shape[1]), np.nan)
    whole[: len(values)] = values
    return whole.reshape(rows, across, -1)
