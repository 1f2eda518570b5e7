"""Detection scores made of slopes alone, never of the level: positive where an eye worsens.

Each turns its sign when the series is reversed in time, so in an eye that does not change it is as often above 0 as
below, at any level. Those of one plain slope are in units of its standard error under independent noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import erfcx

from vfprog.perimetry.loss import LOSS, LOSS_LEVEL
from vfprog.perimetry.noise import LOCATION_DEGREES, noise_sd
from vfprog.perimetry.visit_shift import (
    USUAL_VISITS,
    VisitMeans,
    VisitPrior,
    mean_level,
    strays,
    visit_means,
    visit_posterior,
    without_shift,
)

LEAST_LOSS = 0.05  # relative, that any location is reckoned with
BAND = -4.0  # dB; the locations above and those below have each their own scale of noise
PSEUDO_DEGREES = 10.0  # of freedom that the expected noise weighs against an eye's own scatter
MIN_VISITS = 3  # below, a line leaves no scatter

# The pattern contrast: a share SLAB of the locations worsens by |N(0, (SLAB_RATE loss)^2)| dB/year, the others stand.
SLAB = 0.3
SLAB_RATE = 0.7
NEIGHBOURS = 1.3  # by which correlated neighbours raise the standard errors it reckons with
FURTHEST = 30.0  # standard deviations; erfcx overflows a little further out

VISIT_NEIGHBOURS = 1.1  # by which they raise the variance of a visit's mean
# Variance of weighted means through what locations have of their own, wander and all, over that of single tests: at
# this, mild and severe stable eyes are flagged alike in simulation.
LOCAL_SCATTER = 3.0
# Of the plain weighted slope: every eye's visits stray so far (dB^2), about slopes of so much (dB/year), and each is
# shifted with this probability.
PLAIN_STRAY, PLAIN_TREND, PLAIN_SHIFTED = 0.04, 0.4, 0.08

SECTOR_SD = 5.0  # micrometres, of one measurement of a nerve fibre layer sector
STRUCTURE_DEGREES = 4.0  # of freedom that it weighs against the eye's own scatter


class Slopes(NamedTuple):
    """Least-squares slopes with their sums of squared times and of squared residuals: (eye, series).

    A series without two different times has slope and sums 0.
    """

    slope: np.ndarray
    sxx: np.ndarray
    rest: np.ndarray


def slopes(values: np.ndarray, mask: np.ndarray, years: np.ndarray) -> Slopes:
    """Regress each series on time: ``values`` (eye, visit, series), 0 where not ``mask``; ``years`` (eye, visit)."""
    n = np.maximum(mask.sum(1), 1)
    t = mask * (years[:, :, None] - np.einsum("evl,ev->el", mask, years)[:, None] / n[:, None])
    y = values - mask * (values.sum(1) / n)[:, None]
    sxx = np.einsum("evl,evl->el", t, t)
    timed = sxx > 1e-9
    sxy = np.einsum("evl,evl->el", t, y)
    slope = np.where(timed, sxy / np.where(timed, sxx, 1.0), 0.0)
    rest = np.maximum(np.einsum("evl,evl->el", y, y) - slope * sxy, 0.0)
    return Slopes(slope, np.where(timed, sxx, 0.0), rest)


def weighted_slope(td: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Weighted slope of the field over its standard error, after the visit-shift correction: (eye,).

    z = -sum w b / sqrt(sum w^2 s^2) over locations with slopes b and standard errors s, w = loss(level) / s^2: the
    score test against slopes in proportion to what progressing eyes lose at each level. NaN for eyes with fewer than
    three visits at different times. What visits stray is taken for the same in all eyes; it is the baseline of
    :func:`function_score`.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    years : array (eye, visit)
        Time of each visit, any origin.
    """
    found = strays(_visit_means(td, mask), years, nodes=np.array([PLAIN_STRAY]), trend_sd=PLAIN_TREND)
    shift = visit_posterior(found, VisitPrior(np.ones(1), PLAIN_SHIFTED)).shift
    return _weighted(_changes(td, mask, years, shift, location_degrees=np.inf))


def function_score(td: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """The detection score of the fields: (eye,); parameters as :func:`weighted_slope`.

    The mean of the weighted slope, best where the whole field worsens as its level says, and of the pattern contrast,
    best where some locations do and the others stand. Both are divided by how far the weighted means of visits stray
    from a line, relative to independent tests: the more, the more this eye's visits stray as wholes, and the less noise
    its locations have of their own.

    Locations that scatter more than others of their eye and level weigh less: their variances are moderated
    (:func:`moderated`), which those of the weighted slope are not.
    """
    visits = visit_posterior(strays(_visit_means(td, mask), years), USUAL_VISITS)
    changes = _changes(td, mask, years, visits.shift, location_degrees=LOCATION_DEGREES)
    z = (_weighted(changes) + _contrast(changes)) / 2
    return z / np.sqrt(LOCAL_SCATTER + visits.variance * _mean_precision(changes))


class MeanSlope(NamedTuple):
    """Slope of a mean over sectors: arrays (eye,), NaN in eyes with fewer than three scans.

    ``slope`` micrometres/year, ``variance`` of its error, ``degrees`` of freedom of that, those of the expected noise
    included.
    """

    slope: np.ndarray
    variance: np.ndarray
    degrees: np.ndarray


def mean_thickness_slope(thickness: np.ndarray, mask: np.ndarray, years: np.ndarray) -> MeanSlope:
    """Slope of the mean thickness of the nerve fibre layer's sectors, and how sure it is.

    Sectors weigh alike, their noise being much the same. The error is that of the mean over a visit's sectors, which
    a scan that is shifted as a whole moves together.

    Parameters
    ----------
    thickness : array (eye, visit, sector)
        Micrometres, 0 where not measured.
    mask : array of bool, same shape
        True = measured.
    years : array (eye, visit)
        Time of each visit, any origin.
    """
    sectors = mask.sum(2)
    slope, sxx, rest = (part[:, 0] for part in _mean_slopes(thickness, mask, years))
    own = np.maximum((sectors > 0).sum(1) - 2, 0)
    expected = SECTOR_SD**2 / np.maximum(sectors.max(1, initial=0), 1)
    degrees = STRUCTURE_DEGREES + own
    has = (sxx > 0) & (own > 0)
    variance = (STRUCTURE_DEGREES * expected + rest) / degrees / np.where(has, sxx, 1.0)
    return MeanSlope(*(np.where(has, values, np.nan) for values in (slope, variance, degrees)))


def structure_score(thickness: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Slope of the mean thickness of the nerve fibre layer's sectors over its standard error, positive where it thins.

    Ageing is left in it, or it would tell eyes of more scatter apart and no longer turn its sign with time. (eye,), NaN
    for eyes with fewer than three scans. Parameters as :func:`mean_thickness_slope`.
    """
    slope, variance, _ = mean_thickness_slope(thickness, mask, years)
    return -slope / np.sqrt(variance)


def mean_slope(thickness: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Slope of the mean over sectors, micrometres/year: (eye,), NaN without two visits at different times.

    Parameters as :func:`mean_thickness_slope`.
    """
    slope, sxx, _ = (part[:, 0] for part in _mean_slopes(thickness, mask, years))
    return np.where(sxx > 0, slope, np.nan)


def mean_thickness(thickness: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Mean over sectors of each scan, micrometres: (eye, visit), of no meaning without a scan.

    Sectors stand about their own means, so that one missing from a scan does not move that scan's mean, and these
    about the slope that sectors have in common, so that one measured only early or late takes nothing from it.
    Parameters as :func:`mean_thickness_slope`.
    """
    change = _common_slope(thickness, mask, years)[0][:, None] * years
    flat = thickness - mask * change[:, :, None]
    level = mean_level(flat, mask)
    sectors = np.maximum(mask.any(1).sum(1), 1)
    mean = (flat - mask * level[:, None]).sum(2) / np.maximum(mask.sum(2), 1)
    return mean + (level.sum(1) / sectors)[:, None] + change


def _common_slope(
    thickness: np.ndarray, mask: np.ndarray, years: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slope that an eye's sectors have in common, and their sum of squared times: two arrays (eye,)."""
    t = mask * (years[:, :, None] - mean_level(mask * years[:, :, None], mask)[:, None])
    sxx = np.einsum("evs,evs->e", t, t)
    return np.einsum("evs,evs->e", t, thickness) / np.where(sxx > 1e-9, sxx, np.inf), sxx


def _mean_slopes(thickness: np.ndarray, mask: np.ndarray, years: np.ndarray) -> Slopes:
    """Slopes of the mean over sectors: (eye, 1)."""
    scanned = mask.sum(2)
    mean = mean_thickness(thickness, mask, years) * (scanned > 0)
    found = slopes(mean[:, :, None], (scanned > 0)[:, :, None], years)
    # What the sectors know of a common slope, as so many whole scans: all of it where none is missing.
    sectors = scanned.sum(1) / np.maximum((scanned > 0).sum(1), 1)
    known = _common_slope(thickness, mask, years)[1] / np.maximum(sectors, 1)
    return Slopes(found.slope, np.where(known > 1e-9, known, 0.0)[:, None], found.rest)


def _visit_means(td: np.ndarray, mask: np.ndarray) -> VisitMeans:
    """The visits' means, with the variance that tests give them when neighbours are correlated."""
    means = visit_means(td, mask)
    return means._replace(variance=VISIT_NEIGHBOURS * means.variance)


class _Changes(NamedTuple):
    """Of each location of each eye: (eye, location)."""

    z: np.ndarray  # loss of sight a year, in standard errors
    precision: np.ndarray  # of the slope, years^2/dB^2; 0 where there is none
    variance: np.ndarray  # of a test, dB^2
    loss: np.ndarray  # expected of the level, relative


def _changes(
    td: np.ndarray, mask: np.ndarray, years: np.ndarray, shift: np.ndarray, location_degrees: float
) -> _Changes:
    level = mean_level(td, mask)
    slope, sxx, rest = slopes(without_shift(td, mask, shift), mask, years)
    degrees = np.where(sxx > 0, np.maximum(mask.sum(1) - 2, 0), 0)
    expected = noise_sd(level) ** 2
    of_eye = expected * _own_scale(rest / expected, degrees, level)
    variance = moderated(of_eye, rest, degrees, location_degrees)
    precision = np.where(degrees > 0, sxx, 0.0) / variance
    loss = np.maximum(np.interp(level, LOSS_LEVEL, LOSS), LEAST_LOSS)
    return _Changes(-slope * np.sqrt(precision), precision, variance, loss)


def _mean_precision(changes: _Changes) -> np.ndarray:
    """Precision that independent tests would give the weighted mean of a visit, 1 / dB^2: (eye,)."""
    weight = np.where(changes.precision > 0, changes.loss / changes.variance, 0.0)
    variance = (weight**2 * changes.variance).sum(1)
    return weight.sum(1) ** 2 / np.where(variance > 0, variance, 1.0)


def _own_scale(relative: np.ndarray, degrees: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Variance of an eye's tests against the noise table's, in two bands of level: (eye, location).

    ``relative`` squared residuals over the table's variance, and their ``degrees`` of freedom: (eye, location).
    """
    low = level < BAND
    scales = []
    for inside in (low & (degrees > 0), ~low & (degrees > 0)):
        own, total = (relative * inside).sum(1), (degrees * inside).sum(1)
        scales.append(((PSEUDO_DEGREES + own) / (PSEUDO_DEGREES + total))[:, None])
    return np.where(low, *scales)


def moderated(expected: np.ndarray, rest: np.ndarray, degrees: np.ndarray, pseudo: float) -> np.ndarray:
    """Posterior mean of a variance from a sum of squares ``rest`` of so many ``degrees``, any one shape.

    The prior, inverse gamma of mean ``expected``, weighs as much as ``pseudo`` degrees of freedom, two less than its
    own (Smyth, Stat Appl Genet Mol Biol 2004;3:3); one that weighs infinitely much leaves it as it is.
    """
    if np.isinf(pseudo):
        return expected
    return np.asarray((pseudo * expected + rest) / (pseudo + degrees))


def _weighted(changes: _Changes) -> np.ndarray:
    effect = changes.loss * np.sqrt(changes.precision)  # what z is expected to be, but for one factor
    return _over_root((effect * changes.z).sum(1), (effect**2).sum(1))


def _contrast(changes: _Changes) -> np.ndarray:
    """Log Bayes factor of worsening in some locations, less that of the reversed series, over its SD: (eye,)."""
    ratio = SLAB_RATE * changes.loss * np.sqrt(changes.precision) / NEIGHBOURS
    total = _log_bayes_contrast(changes.z / NEIGHBOURS, ratio).sum(1)
    return _over_root(total, _contrast_variance(ratio).sum(1))


def _log_bayes_contrast(z: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """log B(z) - log B(-z): B the Bayes factor of a share SLAB of |N(0, ratio^2)| against 0, z ~ N(., 1).

    With u = z ratio / V, V^2 = 1 + ratio^2, that of the slab is 2 exp(u^2 / 2) Phi(u) / V = erfcx(-u / sqrt 2) / V.
    """
    v = np.sqrt(1 + ratio**2)
    u = np.clip(z * ratio / v, -FURTHEST, FURTHEST) / np.sqrt(2)
    share = SLAB / v
    return np.log1p(share * erfcx(-u) - SLAB) - np.log1p(share * erfcx(u) - SLAB)


_NODES, _WEIGHTS = hermegauss(31)
_RATIO = np.geomspace(1e-3, 1e3, 200)
_VARIANCE = (
    _log_bayes_contrast(_NODES / NEIGHBOURS, _RATIO[:, None]) ** 2 @ _WEIGHTS / _WEIGHTS.sum()
)  # of the contrast in a location that does not change, at each ratio


def _contrast_variance(ratio: np.ndarray) -> np.ndarray:
    return np.where(ratio > 0, np.interp(ratio, _RATIO, _VARIANCE), 0.0)


def _over_root(total: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """total / sqrt(variance), NaN where the variance is 0: (eye,)."""
    return np.where(variance > 0, total / np.sqrt(np.where(variance > 0, variance, 1.0)), np.nan)
