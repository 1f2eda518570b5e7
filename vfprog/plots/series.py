"""An eye over time: its fields, its mean deviation with rate and forecast, its path through latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.perimetry.regression import Z95
from vfprog.perimetry.weighted_slope import mean_thickness
from vfprog.plots.fields import plot_field
from vfprog.plots.results import evenly_spaced
from vfprog.plots.style import FORECAST, MEASURED, MUTED, PALETTE, RATE


@dataclass(frozen=True)
class RateLine:
    """A rate drawn through an eye's visits: corners of the line and of its 95 % interval.

    All arrays (3,): ``years`` at the first visit, the mean of the visits and the last; ``mtd``, ``lower`` and
    ``upper`` in dB. Lines of different rates meet at the mean of the visits, where a rate says nothing of the
    level.
    """

    years: np.ndarray
    mtd: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def rate_line(years: np.ndarray, mtd: np.ndarray, rate: tuple[float, float, float]) -> RateLine:
    """The rate (value, lower, upper; dB/year) as a line through the mean of the visits; arrays (visit,)."""
    middle = years.mean()
    corners = np.array([years[0], middle, years[-1]])
    line, one, other = (mtd.mean() + slope * (corners - middle) for slope in rate)
    return RateLine(corners, line, np.minimum(one, other), np.maximum(one, other))


def scan_means(visits: pd.DataFrame, sectors: Sequence[str]) -> pd.Series:
    """Mean thickness of the nerve fibre layer's ``sectors`` (columns) at each visit, micrometres; NaN without a scan.

    See :func:`~vfprog.perimetry.weighted_slope.mean_thickness`.
    """
    values = visits[list(sectors)].apply(pd.to_numeric)
    mask, years = values.notna().to_numpy(), visits[c.YEARS].to_numpy(float)
    mean = mean_thickness(values.fillna(0.0).to_numpy()[None], mask[None], years[None])[0]
    return pd.Series(np.where(mask.any(1), mean, np.nan), index=visits.index)


def plot_md_series(visits: pd.DataFrame, rate: pd.Series, forecast: pd.DataFrame, ax: Axes) -> Axes:
    """Mean TD over the visits, the rate with its 95 % interval, and the forecast of future tests.

    Parameters
    ----------
    visits : DataFrame
        One eye's rows of ``visits.parquet``; excluded fields are drawn hollow.
    rate : Series
        The eye's row of ``rates.csv``.
    forecast : DataFrame
        The eye's rows of ``forecasts_md.csv``: median and 90 % predictive interval by years ahead.
    """
    used, excluded = visits[visits[c.INCLUDED]], visits[~visits[c.INCLUDED]]
    years, mtd = used[c.YEARS].to_numpy(), used[c.MTD].to_numpy()
    line = rate_line(years, mtd, (rate["rate"], rate["rate_lower"], rate["rate_upper"]))
    ax.fill_between(line.years, line.lower, line.upper, color=RATE, alpha=0.2, lw=0)
    ax.plot(line.years, line.mtd, color=RATE, label="Rate, 95 % interval")
    ahead = years[-1] + forecast[c.YEARS_AHEAD]
    ax.fill_between(ahead, forecast["md_lower"], forecast["md_upper"], color=FORECAST, alpha=0.2, lw=0)
    ax.plot(
        ahead, forecast["md_median"], color=FORECAST, ls="--", marker=".", label="Forecast, 90 % interval"
    )
    ax.plot(years, mtd, "o", color=MEASURED, ms=3.5, label="Measured")
    if len(excluded):
        ax.plot(excluded[c.YEARS], excluded[c.MTD], "o", mfc="white", mec=MUTED, ms=3.5, label="Excluded")
    ax.set(xlabel="Years since the first field", ylabel="Mean TD (dB)")
    return ax


def plot_fields_over_visits(
    visits: pd.DataFrame,
    xy: np.ndarray,
    axes: Sequence[Axes],
    *,
    kind: Literal["td", "sens"] = "td",
    eye: str,
    options: PlotsConfig,
) -> Sequence[Axes]:
    """Maps of the first, the last and evenly spaced fields between, one in each of ``axes``.

    Parameters
    ----------
    visits : DataFrame
        One eye's included rows of ``visits.parquet``.
    xy : array (location, 2)
        Degrees, right-eye format.
    axes : sequence of Axes
        Those left over where the eye has fewer fields stay empty.
    kind : {"td", "sens"}
        Total deviation in colour or sensitivity in gray.
    """
    columns = {"td": c.td, "sens": c.sens}[kind](len(xy))
    shown = evenly_spaced(len(visits), len(axes))
    for ax, row in zip(axes, shown, strict=False):
        visit = visits.iloc[row]
        field = visit[columns].to_numpy(float)
        title = f"Visit {visit[c.VISIT]}, {visit[c.YEARS]:.1f} years"
        plot_field(field, xy, ax, kind=kind, eye=eye, options=options, title=title)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    return axes


def choose_latents(z: np.ndarray, slope: np.ndarray, years: float, n: int) -> list[int]:
    """The ``n`` latents that say most of an eye: first those that move furthest, then those that vary most.

    ``z`` (visit, latent) posterior means, ``slope`` (latent,) per year, ``years`` followed. Indices from 0.
    """
    moved = np.round(np.abs(slope) * years, 12)
    return [int(k) for k in np.lexsort((-z.std(axis=0), -moved))[:n]]


def plot_latent_path(latents: pd.DataFrame, trajectory: xr.Dataset, ax: Axes, *, n: int = 3) -> Axes:
    """Path of the ``n`` most telling latents: fields with 95 % intervals, and the trajectory, if any, as a line.

    Parameters
    ----------
    latents : DataFrame
        One eye's rows of ``latents.parquet``.
    trajectory : Dataset
        The eye's part of ``trajectories.nc``: ``z_start`` and ``z_slope`` (latent,), per year. No latents where the
        method has no network.
    """
    names = [name for name in map(str, latents) if name.startswith("z_") and not name.endswith("_sd")]
    years, z = latents[c.YEARS].to_numpy(), latents[names].to_numpy()
    path = trajectory.sizes["latent"] > 0
    start, slope = (
        trajectory[name].to_numpy() if path else np.zeros(len(names)) for name in ("z_start", "z_slope")
    )
    shown = choose_latents(z, slope, years[-1] - years[0], n)
    for k, colour in zip(shown, PALETTE, strict=False):
        sd = latents[f"z_{k + 1}_sd"].to_numpy()
        ends = years[[0, -1]] if path else years[:0]
        ax.errorbar(years, z[:, k], Z95 * sd, fmt=".", color=colour, ms=4, elinewidth=0.6, alpha=0.6)
        ax.plot(ends, start[k] + slope[k] * ends, color=colour, label=f"z{k + 1}")
    if years[0] == years[-1]:
        ax.set_xlim(years[0] - 0.5, years[0] + 0.5)
    ax.set(xlabel="Years since the first field", ylabel="Latent (prior SD = 1)")
    return ax
