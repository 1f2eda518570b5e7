"""Small hand-written SVGs for the pages of single eyes: a thousand pages are drawn in seconds.

Colours, geometry and the choice of what is shown are those of :mod:`vfprog.plots`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import get_args

import numpy as np
from markupsafe import Markup, escape
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator

from vfprog.config import PlotsConfig
from vfprog.perimetry.regression import Z95
from vfprog.plots.fields import BLIND_SPOT_SIZE, BLIND_SPOT_XY, CELL, as_seen, whole_db
from vfprog.plots.series import RateLine
from vfprog.plots.style import (
    FORECAST,
    GRID,
    INK,
    MEASURED,
    MUTED,
    RATE,
    UNTESTED,
    FieldKind,
    field_style,
    ink_on,
)

SIDE = 20  # pixels of a cell
PIXELS = SIDE / CELL  # a degree
LEAST_MICROMETRES = 10.0  # that a chart of thickness spans, or noise fills it
TICK_GAP = 45  # pixels between two ticks, at least about


class FieldMaps:
    """Draws field maps of one grid: cells of equal colour are one path.

    Parameters
    ----------
    xy : array (location, 2)
        Degrees, right-eye format.
    options : PlotsConfig
        Colour ranges.
    """

    def __init__(self, xy: np.ndarray, options: PlotsConfig) -> None:
        self._geometry = {eye: _Geometry(xy, eye) for eye in ("OD", "OS")}
        self._options = options
        self._legends = {kind: self._legend(kind) for kind in get_args(FieldKind)}
        self._known: dict[tuple[FieldKind, int], tuple[str, str]] = {}

    def _colours(self, kind: FieldKind, value: int) -> tuple[str, str]:
        """Fill and ink of a whole number of dB, remembered: a cohort has few of them and many cells."""
        if (kind, value) not in self._known:
            colour = field_style(kind, self._options).colour(value)
            self._known[kind, value] = to_hex(colour), ink_on(colour)
        return self._known[kind, value]

    def draw(self, values: np.ndarray, eye: str, label: str, kind: FieldKind = "td") -> Markup:
        """One field as the patient sees it: ``values`` (location,) dB, NaN = not tested."""
        geometry = self._geometry[eye]
        cells: dict[str, list[str]] = defaultdict(list)
        numbers: dict[str, list[str]] = defaultdict(list)
        for value, cell, at in zip(values.tolist(), geometry.cells, geometry.centres, strict=True):
            if value != value:  # NaN
                cells[UNTESTED].append(cell)
                continue
            fill, ink = self._colours(kind, round(value))
            cells[fill].append(cell)
            numbers[ink].append(f"<text {at}>{whole_db(value)}</text>")
        paths = "".join(f'<path fill="{fill}" d="{"".join(d)}"/>' for fill, d in cells.items())
        labels = "".join(f'<g fill="{ink}">{"".join(t)}</g>' for ink, t in numbers.items())
        return Markup(
            f'<svg class="field" viewBox="0 0 {geometry.width:g} {geometry.height:g}" role="img" '
            f'aria-label="{escape(label)}">{paths}{geometry.blind_spot}{labels}</svg>'
        )

    def legend(self, kind: FieldKind) -> Markup:
        """A colour bar with its range in dB."""
        return self._legends[kind]

    def _legend(self, kind: FieldKind) -> Markup:
        look = field_style(kind, self._options)
        low, high = look.limits
        steps = np.linspace(low, high, 40)
        bars = "".join(
            f'<rect x="{i * 5}" width="5.5" height="12" fill="{to_hex(look.colour(value))}"/>'
            for i, value in enumerate(steps)
        )
        return Markup(
            f'<svg class="legend" viewBox="0 0 200 28" role="img" aria-label="{escape(look.label)}">{bars}'
            f'<text y="25">{whole_db(low)}</text>'
            f'<text x="100" y="25" text-anchor="middle">{escape(look.label)}</text>'
            f'<text x="200" y="25" text-anchor="end">{whole_db(high)}</text></svg>'
        )


class _Geometry:
    """Pixel positions of a grid's cells for one laterality."""

    def __init__(self, xy: np.ndarray, eye: str) -> None:
        seen = as_seen(xy, eye)
        left, top = seen[:, 0].min() - CELL / 2, seen[:, 1].max() + CELL / 2
        pixels = (seen - [left, top]) * [PIXELS, -PIXELS]
        self.width, self.height = pixels.max(axis=0) + SIDE / 2
        self.cells = [f"M{x - SIDE / 2:g} {y - SIDE / 2:g}h{SIDE}v{SIDE}h-{SIDE}z" for x, y in pixels]
        self.centres = [f'x="{x:g}" y="{y + 3:g}"' for x, y in pixels]
        spot = (as_seen(np.array([BLIND_SPOT_XY]), eye)[0] - [left, top]) * [PIXELS, -PIXELS]
        radius = np.array(BLIND_SPOT_SIZE) * PIXELS / 2
        self.blind_spot = (
            f'<ellipse cx="{spot[0]:g}" cy="{spot[1]:g}" rx="{radius[0]:g}" ry="{radius[1]:g}" '
            f'fill="{UNTESTED}" stroke="{MUTED}"/>'
        )


class Chart:
    """Axes in pixels onto which series are drawn; data outside the limits is not clipped.

    Parameters
    ----------
    size : (width, height)
        Pixels.
    x, y : arrays
        All values that must fit; limits get a margin of 4 %.
    labels : (x label, y label)
        With units.
    """

    LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 40

    def __init__(self, size: tuple[int, int], x: np.ndarray, y: np.ndarray, labels: tuple[str, str]) -> None:
        self._size = size
        self._x, self._y = _limits(x), _limits(y)
        self._marks = [self._axes(*labels)]

    def _px(self, x: np.ndarray) -> np.ndarray:
        (low, high), (width, _) = self._x, self._size
        return self.LEFT + (x - low) / (high - low) * (width - self.LEFT - self.RIGHT)

    def _py(self, y: np.ndarray) -> np.ndarray:
        (low, high), (_, height) = self._y, self._size
        return height - self.BOTTOM - (y - low) / (high - low) * (height - self.TOP - self.BOTTOM)

    def _points(self, x: np.ndarray, y: np.ndarray) -> str:
        return " ".join(f"{px:.1f},{py:.1f}" for px, py in zip(self._px(x), self._py(y), strict=True))

    def _axes(self, x_label: str, y_label: str) -> str:
        width, height = self._size
        floor, right = height - self.BOTTOM, width - self.RIGHT
        xs = _ticks(self._x, right - self.LEFT)
        ys = _ticks(self._y, floor - self.TOP)
        lines = [f'<path d="M{px:.1f} {self.TOP}V{floor}"/>' for px in self._px(xs)]
        lines += [f'<path d="M{self.LEFT} {py:.1f}H{right}"/>' for py in self._py(ys)]
        texts = [
            f'<text x="{px:.1f}" y="{floor + 14}" text-anchor="middle">{_tick(v)}</text>'
            for v, px in zip(xs, self._px(xs), strict=True)
        ]
        texts += [
            f'<text x="{self.LEFT - 5}" y="{py + 3.5:.1f}" text-anchor="end">{_tick(v)}</text>'
            for v, py in zip(ys, self._py(ys), strict=True)
        ]
        centre, middle = (self.LEFT + right) / 2, (self.TOP + floor) / 2
        return (
            f'<g stroke="{GRID}">{"".join(lines)}</g><g fill="{INK}">{"".join(texts)}'
            f'<g text-anchor="middle"><text x="{centre}" y="{height - 6}">{escape(x_label)}</text>'
            f'<text transform="translate(12 {middle}) rotate(-90)">{escape(y_label)}</text></g></g>'
        )

    def band(self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, colour: str) -> None:
        """A shaded interval."""
        corners = self._points(np.concatenate([x, x[::-1]]), np.concatenate([lower, upper[::-1]]))
        self._marks.append(f'<polygon points="{corners}" fill="{colour}" fill-opacity=".2"/>')

    def line(self, x: np.ndarray, y: np.ndarray, colour: str, *, dashed: bool = False) -> None:
        """A line through points."""
        dash = ' stroke-dasharray="5 3"' if dashed else ""
        points = self._points(x, y)
        self._marks.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )

    def dots(self, x: np.ndarray, y: np.ndarray, colour: str, *, hollow: bool = False) -> None:
        """Points, filled or hollow."""
        fill = "#fff" if hollow else colour
        circles = "".join(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3"/>'
            for px, py in zip(self._px(x), self._py(y), strict=True)
        )
        self._marks.append(f'<g fill="{fill}" stroke="{colour}">{circles}</g>')

    def bars(self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, colour: str) -> None:
        """Vertical error bars."""
        lines = "".join(
            f"M{px:.1f} {low:.1f}V{high:.1f}"
            for px, low, high in zip(self._px(x), self._py(lower), self._py(upper), strict=True)
        )
        self._marks.append(f'<path d="{lines}" stroke="{colour}" stroke-opacity=".5"/>')

    def render(self, label: str) -> Markup:
        """The finished SVG; ``label`` describes it to those who cannot see it."""
        width, height = self._size
        return Markup(
            f'<svg class="chart" viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img" '
            f'aria-label="{escape(label)}">{"".join(self._marks)}</svg>'
        )


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _ticks(limits: tuple[float, float], pixels: float) -> np.ndarray:
    locator = MaxNLocator(max(2, int(pixels / TICK_GAP)), steps=[1, 2, 5, 10])
    ticks = np.asarray(locator.tick_values(*limits))
    return ticks[(ticks >= limits[0]) & (ticks <= limits[1])]


def _tick(value: float) -> str:
    return f"{round(value, 6):g}".replace("-", "\N{MINUS SIGN}")


def md_chart(
    visits: tuple[np.ndarray, np.ndarray],
    excluded: tuple[np.ndarray, np.ndarray],
    rate: RateLine,
    forecast: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    label: str,
) -> Markup:
    """Mean TD over visits with the rate's line and the forecast's fan.

    Parameters
    ----------
    visits, excluded : (years, mean TD)
        Arrays (visit,), years and dB.
    forecast : (years, median, lower, upper)
        Arrays (horizon,): years since the first field, dB.
    """
    ahead, median, lower, upper = forecast
    x = np.concatenate([[0.0], visits[0], excluded[0], ahead])
    y = np.concatenate([visits[1], excluded[1], rate.lower, rate.upper, lower, upper])
    chart = Chart((720, 300), x, y, ("Years since the first field", "Mean TD (dB)"))
    chart.band(rate.years, rate.lower, rate.upper, RATE)
    chart.line(rate.years, rate.mtd, RATE)
    chart.band(ahead, lower, upper, FORECAST)
    chart.line(ahead, median, FORECAST, dashed=True)
    chart.dots(ahead, median, FORECAST)
    chart.dots(*excluded, MUTED, hollow=True)
    chart.dots(*visits, MEASURED)
    return chart.render(label)


def thickness_chart(
    years: np.ndarray, thickness: np.ndarray, line: RateLine | None, until: float, label: str
) -> Markup:
    """Mean thickness of the nerve fibre layer (micrometres, at ``years`` since the first field) and its slope.

    The axis of time runs from 0 to ``until``, that of thickness over ``LEAST_MICROMETRES`` at least.
    """
    bounds = [] if line is None else [line.lower, line.upper]
    middle = (thickness.max() + thickness.min()) / 2
    least = middle + LEAST_MICROMETRES * np.array([-0.5, 0.5])
    chart = Chart(
        (720, 240),
        np.concatenate([[0.0, until], years]),
        np.concatenate([thickness, least, *bounds]),
        ("Years since the first field", "Thickness (\N{MICRO SIGN}m)"),
    )
    if line is not None:
        chart.band(line.years, line.lower, line.upper, RATE)
        chart.line(line.years, line.mtd, RATE)
    chart.dots(years, thickness, MEASURED)
    return chart.render(label)


def latent_chart(
    years: np.ndarray,
    z: np.ndarray,
    z_sd: np.ndarray,
    path: tuple[np.ndarray, np.ndarray, np.ndarray],
    label: str,
) -> Markup:
    """One latent over time: single fields with 95 % intervals, and the trajectory with its interval.

    Parameters
    ----------
    years, z, z_sd : arrays (visit,)
        Posterior mean and SD of each field's latent.
    path : (years, mean, sd)
        The eye's trajectory at several times, arrays (time,).
    """
    at, mean, sd = path
    low, high = z - Z95 * z_sd, z + Z95 * z_sd
    path_low, path_high = mean - Z95 * sd, mean + Z95 * sd
    y = np.concatenate([low, high, path_low, path_high])
    chart = Chart((330, 200), years, y, ("Years", "Latent (prior SD = 1)"))
    chart.band(at, path_low, path_high, RATE)
    chart.line(at, mean, RATE)
    chart.bars(years, low, high, MEASURED)
    chart.dots(years, z, MEASURED)
    return chart.render(label)
