"""How figures look: one colour-blind-safe style, set inside a context and nowhere else.

Figures are made as :class:`matplotlib.figure.Figure` objects without pyplot, so no window system and no
global state is involved. The SVG hash salt is fixed and dates are left out: same data, same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import seaborn as sns
from cycler import cycler
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.io import atomic

FieldKind = Literal["td", "sens", "difference", "width", "rate"]

# Okabe and Ito's colours, in the order used for series of things (https://jfly.uni-koeln.de/color/).
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MEASURED, RATE, FORECAST = PALETTE[0], PALETTE[1], PALETTE[2]
INK, MUTED, GRID, UNTESTED = "#222222", "#6b6b6b", "#dddddd", "#e8e8e8"

DIFFERENCE_LIMIT = 10.0  # dB; beyond this two fields differ so much that the shade no longer matters
WIDTH_LIMIT = 30.0  # dB; a 90 % interval this wide says nothing

RATE_LIMIT = 20.0  # dB per ten years

TD_MAP = "YlOrRd_r"  # healthy is pale, loss dark; its lightness falls evenly, so it reads without colour


@dataclass(frozen=True)
class FieldStyle:
    """Colour map, range (dB) and label of a kind of field map."""

    cmap: Colormap
    limits: tuple[float, float]
    label: str

    def colour(self, value: float) -> tuple[float, float, float, float]:
        """RGBA of a value in dB."""
        return self.cmap(Normalize(*self.limits, clip=True)(value))


def field_style(kind: FieldKind, options: PlotsConfig) -> FieldStyle:
    """Style of a kind of field map: dark is loss, as on the perimeter's grayscale."""
    styles = {
        "td": (TD_MAP, options.td_range, "Total deviation (dB)"),
        "sens": ("gray", options.sens_range, "Sensitivity (dB)"),
        "difference": ("vlag_r", (-DIFFERENCE_LIMIT, DIFFERENCE_LIMIT), "Difference (dB)"),
        "rate": ("vlag_r", (-RATE_LIMIT, RATE_LIMIT), "Rate (dB per ten years)"),
        "width": ("mako_r", (0.0, WIDTH_LIMIT), "Width of the 90 % interval (dB)"),
    }
    cmap, limits, label = styles[kind]
    return FieldStyle(sns.color_palette(cmap, as_cmap=True), limits, label)


def ink_on(colour: tuple[float, float, float, float]) -> str:
    """Black or white, whichever is read better on a background (relative luminance, WCAG 2.1)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return INK if luminance > 0.2 else "white"


@contextmanager
def style(options: PlotsConfig) -> Iterator[None]:
    """Matplotlib settings of every figure, undone at the end of the block."""
    settings: dict[Any, Any] = {
        "font.family": "DejaVu Sans",  # shipped with matplotlib: the same outlines everywhere
        "font.size": options.font_size,
        "axes.titlesize": options.font_size,
        "axes.titlelocation": "left",
        "axes.labelsize": options.font_size,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=PALETTE),
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "xtick.labelsize": options.font_size - 1,
        "ytick.labelsize": options.font_size - 1,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "legend.fontsize": options.font_size - 1,
        "lines.linewidth": 1.4,
        "svg.hashsalt": "vfprog",
        "svg.fonttype": "path",
    }
    with mpl.rc_context(settings):
        yield


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, without the time of drawing: same data, same bytes."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None}, dpi=150)
