"""Maps of a visual field on its true geometry, as the patient sees it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.patches import Ellipse, Rectangle

from vfprog.columns import LEFT, RIGHT
from vfprog.config import PlotsConfig
from vfprog.plots.style import MUTED, UNTESTED, FieldKind, FieldStyle, field_style, ink_on

CELL = 6.0  # degrees between neighbouring locations of the 24-2
MARGIN = 1.0  # degrees around the outermost cells
# Centre (temporal, degrees) and size of the physiological blind spot.
BLIND_SPOT_XY, BLIND_SPOT_SIZE = (15.0, -1.5), (5.5, 7.5)


def as_seen(xy: np.ndarray, eye: str) -> np.ndarray:
    """Positions as the patient sees them: right-eye format (location, 2), mirrored for a left eye."""
    return xy * [-1.0, 1.0] if eye == LEFT else xy


def plot_field(
    values: np.ndarray,
    xy: np.ndarray,
    ax: Axes,
    *,
    kind: FieldKind = "td",
    eye: str = RIGHT,
    options: PlotsConfig,
    title: str = "",
    numbers: bool = True,
) -> Axes:
    """Draw one field as cells on the 6-degree grid, the blind spot marked.

    Parameters
    ----------
    values : array (location,)
        dB; NaN = not tested, drawn as an empty cell.
    xy : array (location, 2)
        Degrees, right-eye format; left eyes are turned to how the patient sees the field.
    kind : {"td", "sens", "difference", "width"}
        Chooses colours and range: TD in colour, sensitivity in gray, dark = loss.
    numbers : bool
        Print each value, rounded to whole dB.
    """
    look = field_style(kind, options)
    seen = as_seen(xy, eye)
    cells = [Rectangle((x - CELL / 2, y - CELL / 2), CELL, CELL) for x, y in seen]
    collection = PatchCollection(cells, cmap=look.cmap.with_extremes(bad=UNTESTED), edgecolor="white", lw=0.3)
    collection.set_array(np.ma.masked_invalid(values))
    collection.set_clim(*look.limits)
    ax.add_collection(collection)
    side = -1 if eye == LEFT else 1
    blind_spot = Ellipse(
        (side * BLIND_SPOT_XY[0], BLIND_SPOT_XY[1]), *BLIND_SPOT_SIZE, fc=UNTESTED, ec=MUTED, lw=0.8
    )
    ax.add_patch(blind_spot)
    if numbers:
        _print_numbers(values, seen, ax, look)
    (left, bottom), (right, top) = seen.min(axis=0), seen.max(axis=0)
    edge = CELL / 2 + MARGIN
    ax.set(xlim=(left - edge, right + edge), ylim=(bottom - edge, top + edge))
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(title, loc="center")
    return ax


def _print_numbers(values: np.ndarray, seen: np.ndarray, ax: Axes, look: FieldStyle) -> None:
    for value, (x, y) in zip(values, seen, strict=True):
        if np.isfinite(value):
            ink = ink_on(look.colour(value))
            label = ax.text(
                x, y, whole_db(value), ha="center", va="center_baseline", fontsize="xx-small", color=ink
            )
            label.set_in_layout(False)  # lies inside its cell: measuring a thousand of these takes seconds


def whole_db(value: float) -> str:
    """A value in dB as printed in a cell: whole, with a true minus sign, never minus zero."""
    return f"{round(value):d}".replace("-", "\N{MINUS SIGN}")


def field_colorbar(axes: Sequence[Axes], kind: FieldKind, options: PlotsConfig) -> Colorbar:
    """One colour bar for the fields of a kind drawn in ``axes``."""
    look = field_style(kind, options)
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    mappable = ScalarMappable(Normalize(*look.limits), look.cmap)
    bar = figure.colorbar(mappable, ax=list(axes), label=look.label, shrink=0.6, aspect=25, pad=0.02)
    bar.outline.set_visible(False)
    return bar
