"""Posterior of the rates of many eyes: of the whole field, of its regions, and of each location.

A region's rate is the mean of its locations' slopes: of least-squares lines through the true fields at the eye's
visits. So what fields wander over the years is part of it. What goes on when the wander has faded is the lasting
rate, from which years until an MD are reckoned. Both are learnt from four means of measured slopes, those of the
region's damaged locations and of its others, and those of the rest of the field likewise, with the errors they share:
over all locations at once, each by itself, a few true but local losses would be taken for noise. With many visits a
region's rate is its least-squares slope, with few it is drawn to what patients' eyes of such damage do. Where an eye's
nerve fibre layer was measured, both views are fitted jointly (:mod:`~vfprog.forecast.rate_structure`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, owens_t

from vfprog.data.views import Views
from vfprog.forecast.rate_prior import Means, RatePrior, by_damage, components, group_means
from vfprog.forecast.rate_slopes import Slopes, fit_lines, with_errors
from vfprog.forecast.rate_structure import joint_means, thickness_slope
from vfprog.perimetry.weighted_slope import MeanSlope

BISECTIONS = 30  # halvings of a range: far below the rounding of any table
HORIZON = 50.0  # years, beyond which reaching an MD is not said
SMALLEST_SD = 1e-6  # dB/year, below which rounding would decide
CHUNK = 250  # eyes at once, for memory


@dataclass(frozen=True)
class RatePosterior:
    """Mixtures of normals: arrays (..., component); dB/year."""

    weight: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def __getitem__(self, index: int | slice | tuple) -> RatePosterior:
        """The mixtures at some places of the leading axes."""
        return RatePosterior(self.weight[index], self.mean[index], self.sd[index])

    def expectation(self) -> np.ndarray:
        """Posterior mean: (...)."""
        return (self.weight * self.mean).sum(-1)

    def probability_below(self, rate: np.ndarray | float) -> np.ndarray:
        """Posterior probability of a rate below ``rate``, one number or (...)."""
        z = (np.asarray(rate)[..., None] - self.mean) / self.sd
        # Weights sum to 1 but for rounding, which must not make a probability of 1.0000000000000002.
        return (self.weight * ndtr(z)).sum(-1).clip(0.0, 1.0)

    def quantile(self, probability: float) -> np.ndarray:
        """Posterior quantile: (...), by bisection."""
        low, high = (self.mean - 8 * self.sd).min(-1), (self.mean + 8 * self.sd).max(-1)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = self.probability_below(middle) > probability
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2


@dataclass(frozen=True)
class FieldPosterior:
    """Rates of an eye's mean TD, and the mean TD at its last visit.

    Attributes
    ----------
    rate, lasting : RatePosterior
        Over the visits, and what of it goes on: arrays (eye, component).
    md, md_variance : array (eye,)
        Mean TD at the mean time of the visits (dB) and its error variance (dB^2), independent of the rates.
    since_middle : array (eye,)
        Years from that time to the last visit.
    """

    rate: RatePosterior
    lasting: RatePosterior
    md: np.ndarray
    md_variance: np.ndarray
    since_middle: np.ndarray

    def probability_reached(self, md: float, years: np.ndarray | float) -> np.ndarray:
        """Probability that the mean TD has been as low as ``md`` (dB) by so many years after the last visit: (eye,).

        On a straight path it is lowest at one of its ends: the probability of being there at either.
        """
        start = self.since_middle[:, None]
        end = start + np.asarray(years)[..., None]
        spread = self.lasting.sd**2
        sd = [np.sqrt(self.md_variance[:, None] + spread * at**2) for at in (start, end)]
        h, k = (
            (md - self.md[:, None] - self.lasting.mean * at) / s
            for at, s in zip((start, end), sd, strict=True)
        )
        correlation = (self.md_variance[:, None] + spread * start * end) / (sd[0] * sd[1])
        either = ndtr(h) + ndtr(k) - both_below(h, k, correlation)
        return (self.lasting.weight * either).sum(1).clip(0.0, 1.0)

    def years_until(self, md: float, probability: float) -> np.ndarray:
        """Years after which ``md`` is reached with that probability: (eye,).

        0 where it is reached already, infinite where it is not reached within ``HORIZON``.
        """
        eyes = len(self.md)
        low, high = np.zeros(eyes), np.full(eyes, HORIZON)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            reached = self.probability_reached(md, middle) >= probability
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        within = np.where(self.probability_reached(md, HORIZON) >= probability, high, np.inf)
        return np.where(self.probability_reached(md, 0.0) >= probability, 0.0, within)


def both_below(h: np.ndarray, k: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """P(X <= h, Y <= k) of standard normals so correlated, by Owen's function (Ann Math Stat 1956;27:1075)."""
    # What is 0 or certain is moved by what no probability shows, for the function takes ratios.
    h, k = (np.where(np.abs(x) < 1e-9, 1e-9, x) for x in (h, k))
    left = np.sqrt(np.maximum(1 - correlation**2, 1e-14))
    parts = owens_t(h, (k / h - correlation) / left) + owens_t(k, (h / k - correlation) / left)
    return np.asarray((ndtr(h) + ndtr(k)) / 2 - parts - np.where(h * k < 0, 0.5, 0.0))


@dataclass(frozen=True)
class RegionPosterior:
    """Rates of regions: ``rate`` (eye, region, component); the least-squares ``slope`` and number of ``locations``
    counted, (eye, region). A region without counted locations has a slope of NaN, and its rate says nothing."""

    rate: RatePosterior
    slope: np.ndarray
    locations: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What eyes' visits say of their rates.

    Attributes
    ----------
    slopes : Slopes
        Of the fields.
    since_middle : array (eye,)
        Years from the mean time of the visits to the last.
    thinning : MeanSlope or None
        Of the nerve fibre layer, where a cohort has that view.
    """

    slopes: Slopes
    since_middle: np.ndarray
    thinning: MeanSlope | None


def evidence(views: Views, prior: RatePrior) -> Iterator[Evidence]:
    """What eyes' visits say, in chunks of eyes, in order."""
    for start in range(0, len(views), CHUNK):
        part = views[start : start + CHUNK]
        lines = fit_lines(part.td, part.mask, part.years, prior.scatter)
        last = np.where(lines.visits, lines.years, -np.inf).max(1)
        slopes = with_errors(lines, prior.scatter.own)
        yield Evidence(slopes, last - lines.mid_years, thickness_slope(part))


def field_posterior(found: Evidence, prior: RatePrior) -> FieldPosterior:
    """Posterior of the rates of mean TD over the counted locations."""
    slopes = found.slopes
    groups = by_damage(slopes.level, slopes.counted)
    rate, lasting = _posterior(_means(found, groups), _shares(slopes.counted, groups), prior)
    return FieldPosterior(rate, lasting, slopes.md, slopes.md_variance, found.since_middle)


def region_posterior(found: Evidence, regions: np.ndarray, prior: RatePrior) -> RegionPosterior:
    """Posterior of the rate of each region, (region, location) of bool."""
    slopes = found.slopes
    inside = regions & slopes.counted[:, None]
    rest = ~regions & slopes.counted[:, None]
    level = slopes.level[:, None]
    groups = np.concatenate([by_damage(level, inside), by_damage(level, rest)], axis=-2)
    shares = _shares(inside, groups)
    shares[..., 2:] = 0.0
    rate, _ = _posterior(_means(found, groups), shares, prior)
    n = inside.sum(-1)
    slope = np.einsum("erj,ej->er", inside, slopes.slope) / np.maximum(n, 1)
    return RegionPosterior(rate, np.where((n > 0) & slopes.regressed[:, None], slope, np.nan), n)


def _means(found: Evidence, groups: np.ndarray) -> Means:
    """Means of the fields over groups; where there is a second view, what it says as the last of them."""
    if found.thinning is None:
        return group_means(found.slopes, groups)
    return joint_means(found.slopes, found.thinning, groups)


def _shares(region: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each group's share of a region's locations: (..., location), (..., group, location) -> (..., group)."""
    return (groups > 0).sum(-1) / np.maximum(region.sum(-1), 1)[..., None]


def _posterior(means: Means, shares: np.ndarray, prior: RatePrior) -> tuple[RatePosterior, RatePosterior]:
    """Posteriors of the mean over groups, weighted by ``shares`` (..., group): of its slope, and what lasts of it.

    What ``means`` has beyond these groups is evidence alone.
    """
    further = means.slope.shape[-1] - shares.shape[-1]
    shares = np.concatenate([shares, np.zeros((*shares.shape[:-1], further))], axis=-1)
    log: list[np.ndarray] = []
    of_slope: list[tuple[np.ndarray, np.ndarray]] = []
    of_lasting: list[tuple[np.ndarray, np.ndarray]] = []
    for (p, pace), weight in zip(components(prior), prior.weights.ravel(), strict=True):
        expected = prior.pace_scale * prior.means[p] * means.profile[p]
        drift = pace**2 * means.spread[p]
        total = means.error + drift
        residual = means.slope - expected
        with_slope, with_lasting = (
            (part @ shares[..., None])[..., 0] for part in (drift + means.wander, drift)
        )
        solved = np.linalg.solve(total, np.stack([residual, with_slope, with_lasting], -1))
        log.append(np.log(weight) - 0.5 * ((residual * solved[..., 0]).sum(-1) + np.linalg.slogdet(total)[1]))
        for found, shared, k in ((of_slope, with_slope, 1), (of_lasting, with_lasting, 2)):
            mean = (shares * expected).sum(-1) + (shared * solved[..., 0]).sum(-1)
            variance = (shares * shared).sum(-1) - (shared * solved[..., k]).sum(-1)
            found.append((mean, np.sqrt(np.maximum(variance, SMALLEST_SD**2))))
    logs = np.stack(log, -1)
    weights = np.exp(logs - logsumexp(logs, axis=-1, keepdims=True))
    slope, lasting = (
        RatePosterior(weights, *(np.stack(part, -1) for part in zip(*found, strict=True)))
        for found in (of_slope, of_lasting)
    )
    return slope, lasting
