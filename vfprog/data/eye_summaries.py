"""Level and slope of each eye at each location with their error variances: what a population table is made from.

They come from the published regressions of UWHVF, or from any cohort's visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.data.schema import read_visits
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import growth, noise_sd
from vfprog.perimetry.regression import linear_regression

MIN_VISITS = 4
MIN_FOLLOW_UP = 1.5  # years
FASTEST = 8.0  # dB/year; a location that seems to change faster does so by error
BEST_BASELINE = 4.0  # dB of mean TD; better eyes do not exist, their norms do not fit

# UWHVF's total deviation rests on other normal values than the perimeter's: mean and SD over eyes, dB.
UWHVF_OFFSET, UWHVF_OFFSET_SD = 2.2, 1.8
UWHVF_SOURCE = "UWHVF pointwise summaries (Montesano et al., TVST 2022;11(1):2, BSD 3-clause)"


@dataclass(frozen=True)
class EyeSummaries:
    """Straight lines through eyes' series.

    Attributes
    ----------
    level, level_variance : array (eye, location)
        Total deviation at mid-follow-up, dB, and the variance of its error, dB^2.
    slope, slope_variance : array (eye, location)
        dB/year, (dB/year)^2.
    source : str
        Where they come from.
    offset, offset_sd : float
        What must be added to the source's levels, on average and as SD over eyes, dB.
    """

    level: np.ndarray
    level_variance: np.ndarray
    slope: np.ndarray
    slope_variance: np.ndarray
    source: str
    offset: float = 0.0
    offset_sd: float = 0.0


def read_eye_summaries(source: Path) -> EyeSummaries:
    """Summaries of a cohort's ``visits.parquet``, or of UWHVF where ``source`` is the folder of its summaries."""
    return read_uwhvf_summaries(source) if source.is_dir() else summarise_visits(source)


def read_uwhvf_summaries(folder: Path) -> EyeSummaries:
    """Level at mid-follow-up and slope of each UWHVF eye.

    Eyes of an implausible baseline or slope, or with too short a follow-up, are left out.

    Raises
    ------
    UserError
        If a file of the published summaries is not in the folder.
    """
    tables = {}
    for name in ("Location_Intercept_TD", "Location_Slope_TD", "Series_Summary"):
        found = sorted(folder.glob(f"{name}.csv*"))
        if not found:
            raise UserError(f"{folder}: has no {name}.csv; give the folder of UWHVF's published summaries")
        tables[name] = pd.read_csv(found[0])
    summary = tables["Series_Summary"]
    summary.index = pd.Index(summary["PatID"].astype(str) + "_" + summary["Eye"])
    intercept, slope = (
        tables[n].set_index("PatID_Eye") for n in ("Location_Intercept_TD", "Location_Slope_TD")
    )
    summary = summary.loc[slope.index]
    tested = ~load_grid("24-2").blind_spot
    slopes = slope.to_numpy()[:, tested]
    years, n = summary["Follow_up_length"].to_numpy(), summary["N_fields"].to_numpy()
    level = intercept.loc[slope.index].to_numpy()[:, tested] + slopes * years[:, None] / 2
    # Regression reports only the ends of a series, so visits are taken as evenly spread: Sxx = T^2 n(n+1)/(12(n-1)).
    sxx = years**2 * n * (n + 1) / (12 * np.maximum(n - 1, 1))
    keep = _plausible(level, slopes, summary["Baseline_MTD"].to_numpy(), years)
    variance = _of_a_test(level[keep] + UWHVF_OFFSET)  # noise goes by the perimeter's own levels
    return EyeSummaries(
        level[keep],
        variance / n[keep, None],
        slopes[keep],
        variance / sxx[keep, None],
        UWHVF_SOURCE,
        UWHVF_OFFSET,
        UWHVF_OFFSET_SD,
    )


def summarise_visits(visits: Path) -> EyeSummaries:
    """Lines through the included visits of a cohort's eyes, of those with all locations tested at every visit."""
    grid = load_grid("24-2")
    table = read_visits(visits, grid, included_only=True)
    n = table.groupby(c.EYE_KEY).size().to_numpy()
    mask = np.arange(n.max(initial=1)) < n[:, None]
    td, years = np.zeros((*mask.shape, grid.n)), np.zeros(mask.shape)
    td[mask], years[mask] = table[c.td(grid.n)].to_numpy(), table[c.YEARS].to_numpy()
    complete = np.isfinite(td).all((1, 2))
    source = f"lines through the visits of {visits.parent.name}"
    return summarise_series(td[complete], years[complete], mask[complete], source)


def summarise_series(td: np.ndarray, years: np.ndarray, mask: np.ndarray, source: str) -> EyeSummaries:
    """Lines through the series of ``MIN_VISITS`` or more visits, of those that are plausible.

    The error variances are those of independent tests with the noise of their level and place: what all locations of a
    visit share, and an eye's wander about its line, count as change.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB; of any value in the padding.
    years : array (eye, visit)
    mask : array (eye, visit) of bool
        True for the eye's visits.
    source : str
        Where they come from.
    """
    n = mask.sum(1)
    td, years, mask, n = (a[n >= MIN_VISITS] for a in (td, years, mask, n))
    line = linear_regression(td, years, np.broadcast_to(mask[..., None], td.shape))
    mean = (years * mask).sum(1) / n
    sxx = ((years - mean[:, None]) ** 2 * mask).sum(1)
    follow_up = (years * mask).max(1, initial=0)
    level = line.intercept + line.slope * follow_up[:, None] / 2
    keep = _plausible(level, line.slope, td[:, 0].mean(1), follow_up)
    variance = _of_a_test(level[keep])
    # A line is surest at the mean time of its visits, which is not quite the middle of the follow-up.
    away = (follow_up / 2 - mean)[keep] ** 2 / sxx[keep]
    return EyeSummaries(
        level[keep],
        variance * (1 / n[keep] + away)[:, None],
        line.slope[keep],
        variance / sxx[keep, None],
        source,
    )


def _of_a_test(level: np.ndarray) -> np.ndarray:
    """Variance of one test by level and place, dB^2: the shape of ``level`` (eye, location), dB."""
    return np.asarray((noise_sd(level) * growth(level, load_grid("24-2").xy)) ** 2)


def _plausible(level: np.ndarray, slope: np.ndarray, baseline: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Eyes to use, (eye,) of bool: level and slope (eye, location), mean TD of the first field, follow-up."""
    fits = np.isfinite(level).all(1) & (np.abs(slope) < FASTEST).all(1)
    return fits & (baseline < BEST_BASELINE) & (years >= MIN_FOLLOW_UP)
