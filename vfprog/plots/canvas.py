"""How rows of numbers are drawn: fields as maps on their grid, images as images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.patches import Ellipse, Rectangle

from vfprog.config import PlotsConfig
from vfprog.io import read_json
from vfprog.plots.fields import BLIND_SPOT_SIZE, BLIND_SPOT_XY, CELL, MARGIN, field_colorbar, plot_field
from vfprog.plots.style import MUTED, UNTESTED, field_style

RASTER_FROM = 3000  # cells; beyond this a bitmap keeps the file small
CANVAS = "canvas.json"  # in a model's folder: what the columns x_1..x_N of its tables are


@dataclass(frozen=True)
class FieldCanvas:
    """Rows are total deviations (dB) at the positions ``xy`` (location, 2), degrees in right-eye format."""

    xy: np.ndarray
    options: PlotsConfig

    @property
    def aspect(self) -> float:
        """Height of a picture over its width."""
        return float(self._size[1] / self._size[0])

    @property
    def indices(self) -> dict[str, str]:
        """Names of the indices ``md`` and ``psd`` of a row."""
        return {"md": "Mean deviation (dB)", "psd": "Pattern SD (dB)"}

    def draw(self, values: np.ndarray, ax: Axes, title: str = "") -> Axes:
        """Draw one row (location,), as a right eye's patient sees it; NaN is not tested."""
        return plot_field(values, self.xy, ax, options=self.options, title=title, numbers=False)

    def mosaic(self, pictures: np.ndarray, ax: Axes) -> Axes:
        """Draw pictures (row, column, location) side by side; those of nothing but NaN stay empty.

        Ticks stand at the middle of each row and column, not labelled.
        """
        look = field_style("td", self.options)
        rows, columns = pictures.shape[:2]
        across, up = np.arange(columns) * self._size[0], -np.arange(rows) * self._size[1]
        # Where each picture's origin comes to lie: (row, column, 2).
        origin = np.stack(np.broadcast_arrays(across, up[:, None]), axis=-1) - self._middle
        shown = np.isfinite(pictures).any(axis=-1)
        corners = (origin[shown][:, None] + self.xy - CELL / 2).reshape(-1, 2)
        cells = [Rectangle((x, y), CELL, CELL) for x, y in corners]
        collection = PatchCollection(
            cells, cmap=look.cmap.with_extremes(bad=UNTESTED), edgecolor="white", lw=0.1
        )
        collection.set_array(np.ma.masked_invalid(pictures[shown].ravel()))
        collection.set_clim(*look.limits)
        collection.set_rasterized(len(cells) > RASTER_FROM)
        ax.add_collection(collection)
        spots = [Ellipse((x, y), *BLIND_SPOT_SIZE) for x, y in origin[shown] + BLIND_SPOT_XY]
        ax.add_collection(PatchCollection(spots, fc=UNTESTED, ec=MUTED, lw=0.4))
        return _frame(ax, across, up, self._size)

    @property
    def _size(self) -> np.ndarray:
        """Width and height of a picture with its margin, degrees."""
        return np.ptp(self.xy, axis=0) + CELL + 2 * MARGIN

    @property
    def _middle(self) -> np.ndarray:
        return (self.xy.min(axis=0) + self.xy.max(axis=0)) / 2

    def colorbar(self, axes: Sequence[Axes]) -> Colorbar:
        """One colour bar for the pictures in ``axes``."""
        return field_colorbar(axes, "td", self.options)


@dataclass(frozen=True)
class ImageCanvas:
    """Rows are images of ``shape`` (rows, columns), their values between ``limits``, in colours of that name."""

    shape: tuple[int, int]
    limits: tuple[float, float]
    colours: str
    label: str

    @property
    def aspect(self) -> float:
        """Height of a picture over its width."""
        return self.shape[0] / self.shape[1]

    @property
    def indices(self) -> dict[str, str]:
        """Names of the indices ``md`` and ``psd`` of a row."""
        return {"md": "Mean of the pixels", "psd": "SD of the pixels"}

    def draw(self, values: np.ndarray, ax: Axes, title: str = "") -> Axes:
        """Draw one row (pixel,)."""
        ax.imshow(values.reshape(self.shape), cmap=self.colours, norm=Normalize(*self.limits, clip=True))
        ax.axis("off")
        ax.set_title(title, loc="center")
        return ax

    def mosaic(self, pictures: np.ndarray, ax: Axes) -> Axes:
        """Draw pictures (row, column, pixel) side by side; those of nothing but NaN stay empty.

        Ticks stand at the middle of each row and column, not labelled.
        """
        (rows, columns), (height, width) = pictures.shape[:2], np.array(self.shape) + 1
        whole = np.full((rows, height, columns, width), np.nan)
        whole[:, :-1, :, :-1] = pictures.reshape(rows, columns, *self.shape).swapaxes(1, 2)
        look = Normalize(*self.limits, clip=True)
        across, up = np.arange(columns) * width, -np.arange(rows) * height
        edges = (-width / 2, across[-1] + width / 2, up[-1] - height / 2, height / 2)
        image = np.ma.masked_invalid(whole.reshape(rows * height, columns * width))
        ax.imshow(image, cmap=self.colours, norm=look, extent=edges, interpolation="nearest")
        return _frame(ax, across, up, np.array([width, height]))

    def colorbar(self, axes: Sequence[Axes]) -> Colorbar:
        """One colour bar for the pictures in ``axes``."""
        figure = axes[0].get_figure(root=True)
        assert figure is not None
        mappable = ScalarMappable(Normalize(*self.limits), self.colours)
        bar = figure.colorbar(mappable, ax=list(axes), label=self.label, shrink=0.6, aspect=25, pad=0.02)
        bar.outline.set_visible(False)
        return bar


def _frame(ax: Axes, across: np.ndarray, up: np.ndarray, size: np.ndarray) -> Axes:
    """Limits and ticks of a mosaic whose pictures of ``size`` (2,) have their middles at ``across`` and ``up``."""
    width, height = size / 2
    ax.set(xlim=(-width, across[-1] + width), ylim=(up[-1] - height, height), xticks=across, yticks=up)
    ax.set(xticklabels=[], yticklabels=[])
    ax.set_aspect("equal")
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


Canvas = FieldCanvas | ImageCanvas


def read_canvas(folder: Path, options: PlotsConfig) -> Canvas:
    """The canvas of a model, from ``canvas.json`` in its folder."""
    content = read_json(folder / CANVAS)
    if "xy" in content:
        return FieldCanvas(np.array(content["xy"], dtype=float), options)
    rows, columns = content["shape"]
    low, high = content["limits"]
    return ImageCanvas((rows, columns), (low, high), content["colours"], content["label"])
