"""Least-squares slopes of every location of many eyes, and how their errors hang together.

A visit that reads too high or too low as a whole is corrected first; what its correction leaves uncertain is part of
the errors, as are the noise of tests, wander and the scatter of visits (:mod:`~vfprog.forecast.rate_scatter`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfprog.forecast.rate_scatter import (
    TEST,
    TEST_SHARED,
    USUAL,
    VISIT,
    WANDER,
    WANDER_SHARED,
    Forms,
    own_scatter,
    persistence,
    quadratic_forms,
)
from vfprog.perimetry.noise import noise_sd
from vfprog.perimetry.visit_shift import (
    LOWEST_LEVEL,
    USUAL_VISITS,
    Strays,
    VisitMeans,
    VisitPosterior,
    VisitPrior,
    felt,
    mean_level,
    strays,
    visit_means,
    visit_posterior,
    without_shift,
)

UNKNOWN = 1e6  # variance of a slope of which nothing is known, (dB/year)^2


@dataclass(frozen=True)
class CommonScatter:
    """How far patients' tests stray from their lines.

    Attributes
    ----------
    own : array (2,)
        Test and wander that eyes have in common (see :mod:`~vfprog.forecast.rate_scatter`).
    visits : VisitPrior
        How far their visits stray.
    """

    own: np.ndarray
    visits: VisitPrior


USUAL_SCATTER = CommonScatter(USUAL, USUAL_VISITS)


@dataclass(frozen=True)
class Lines:
    """Least-squares lines of each location, before anything is said of their errors.

    Attributes
    ----------
    slope : array (eye, location)
        dB/year, 0 where there is none.
    level : array (eye, location)
        Mean over visits, dB; 0 where never tested.
    counted : array (eye, location) of bool
        Locations that stand for the eye: those with a slope, or in an eye without any slope those tested.
    weight : array (eye, visit, location)
        slope = sum over visits of weight * value; 0 where the location has no slope.
    share : array (eye, visit, location)
        level = sum over visits of share * value.
    strays : Strays
        What the visits as wholes say.
    visit : VisitPosterior
        How far they stray, and what the correction of shifted visits leaves uncertain.
    forms : Forms
        Of the residuals.
    years, visits : array (eye, visit)
    """

    slope: np.ndarray
    level: np.ndarray
    counted: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    strays: Strays
    visit: VisitPosterior
    forms: Forms
    years: np.ndarray
    visits: np.ndarray

    @property
    def mid_years(self) -> np.ndarray:
        """Mean time of the visits, years: (eye,)."""
        return (self.years * self.visits).sum(1) / np.maximum(self.visits.sum(1), 1)


@dataclass(frozen=True)
class Slopes:
    """Slopes with the covariance of their errors.

    Attributes
    ----------
    slope, level : array (eye, location)
        dB/year, and dB (mean over visits).
    counted : array (eye, location) of bool
        As in :class:`Lines`.
    covariance : array (eye, location, location)
        Of the slopes' errors, (dB/year)^2, wander among them; ``UNKNOWN`` on the diagonal where there is no slope.
    wander : array (eye, location, location)
        What wander alone has of it: an error of the slope that lasts, yet the field did change so.
    md, md_variance : array (eye,)
        Mean of the counted levels (dB) and its error variance (dB^2): the mean TD at ``mid_years``.
    mid_years : array (eye,)
    """

    slope: np.ndarray
    level: np.ndarray
    counted: np.ndarray
    covariance: np.ndarray
    wander: np.ndarray
    md: np.ndarray
    md_variance: np.ndarray
    mid_years: np.ndarray

    @property
    def regressed(self) -> np.ndarray:
        """Whether an eye has any slope: (eye,)."""
        return np.diagonal(self.covariance, axis1=1, axis2=2).min(1) < UNKNOWN


def fit_lines(td: np.ndarray, mask: np.ndarray, years: np.ndarray, scatter: CommonScatter) -> Lines:
    """Lines of each location after the correction of shifted visits.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    years : array (eye, visit)
        Time of each visit.
    scatter : CommonScatter
    """
    visits = np.asarray(mask.any(2))
    level, n = mean_level(td, mask), np.maximum(mask.sum(1), 1)
    share_felt = felt(level)
    means = visit_means(td, mask)
    tested = np.any(mask, axis=1)
    alone, noise, wander = (
        _of_mean(level, tested, r) for r in (np.eye(td.shape[2]), TEST_SHARED, WANDER_SHARED)
    )
    found = strays(
        VisitMeans(means.mean, scatter.own[TEST] * (noise / alone)[:, None] * means.variance),
        years,
        wander=scatter.own[WANDER] * wander[:, None, None] * persistence(years, visits),
        learning=scatter.visits.learning,
    )
    visit = visit_posterior(found, scatter.visits)
    corrected = without_shift(td, mask, visit.shift)

    share = mask / n[:, None]
    t = mask * (years[:, :, None] - np.einsum("evj,ev->ej", share, years)[:, None])
    sxx = (t**2).sum(1)
    has = sxx > 1e-6
    weight = t / np.where(has, sxx, np.inf)[:, None]
    centred = mask * (corrected - np.einsum("evj,evj->ej", share, corrected)[:, None])
    slope = (weight * centred).sum(1)
    sd = np.where(has, noise_sd(level), np.inf)
    residual = has[:, None] * (centred - t * slope[:, None])
    forms = quadratic_forms(residual, sd, share_felt, years, visits, visit.shift_variance)
    counted = np.asarray(np.where(has.any(1, keepdims=True), has, mask.any(1)))
    level = np.einsum("evj,evj->ej", share, corrected)
    return Lines(slope, level, counted, weight, share, found, visit, forms, years, visits)


def _of_mean(level: np.ndarray, tested: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Variance (dB^2), in a mean over locations as :func:`visit_means` weighs them, of what has a test's SD: (eye,).

    ``shared`` (location, location) is its correlation among locations.
    """
    weight = np.where(tested & (level > LOWEST_LEVEL), 1 / noise_sd(level), 0.0)
    total = np.maximum((weight**2).sum(1), 1e-12)
    return np.maximum(((weight @ shared) * weight).sum(1), 1e-12) / total**2


def with_errors(lines: Lines, common: np.ndarray) -> Slopes:
    """Slopes with their errors under each eye's own scatter, moderated by the training eyes' ``common`` (2,)."""
    scatter = own_scatter(lines.forms, common, lines.visit.variance, lines.visit.spread)
    unknown = np.where((lines.weight != 0).any(1), 0.0, UNKNOWN)
    wander = _wander_covariance(lines, lines.weight, scatter)
    covariance = wander + _test_covariance(lines, lines.weight, scatter)
    covariance += unknown[:, :, None] * np.eye(unknown.shape[1])
    n = np.maximum(lines.counted.sum(1), 1)
    share = np.where(lines.counted[:, None], lines.share, 0.0)
    md_covariance = _wander_covariance(lines, share, scatter) + _test_covariance(lines, share, scatter)
    md_variance = md_covariance.sum((1, 2)) / n**2
    md = (lines.level * lines.counted).sum(1) / n
    return Slopes(
        lines.slope, lines.level, lines.counted, covariance, wander, md, md_variance, lines.mid_years
    )


def _test_covariance(lines: Lines, weight: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """Covariance of weighted sums over visits through the noise of tests and through visits, dB^2.

    ``weight`` is (eye, visit, location), the result (eye, location, location).
    """
    sd, share_felt = noise_sd(lines.level), felt(lines.level)
    alike = np.swapaxes(weight, 1, 2)
    same_visit = alike @ weight
    shifted = (alike * lines.visit.shift_variance[:, None]) @ weight
    visit = scatter[:, VISIT, None, None] * same_visit + shifted
    test = scatter[:, TEST, None, None] * same_visit * TEST_SHARED
    return sd[:, :, None] * sd[:, None] * test + share_felt[:, :, None] * share_felt[:, None] * visit


def _wander_covariance(lines: Lines, weight: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """The same through wander."""
    sd = noise_sd(lines.level)
    lasting = np.swapaxes(weight, 1, 2) @ persistence(lines.years, lines.visits) @ weight
    return sd[:, :, None] * sd[:, None] * scatter[:, WANDER, None, None] * lasting * WANDER_SHARED
