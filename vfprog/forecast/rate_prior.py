"""How fast eyes worsen, before their slopes are seen: a mixture of patterns and paces of loss over the field.

Slopes b (location) of an eye are normal given the pattern p and the pace sigma,

    b = profile_p * (mean_p + sigma v),   v ~ N(0, SHARED),

where a pattern's profile says how fast a location of that level loses: ``focal`` loss is fastest near -18 dB and slow
where the field is still normal or already blind, ``even`` loss is the same everywhere. Paces run from stable to very
fast, so that a fast eye is not drawn to the stable ones. SHARED, the profile of focal loss, and the mixture from which
training patients start, were fitted to the 2,782 UWHVF eyes' regressions (Montesano et al., TVST 2022;11(1):2) by
likelihood, errors of the slopes included; the training patients' eyes are added to those of UWHVF.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from vfprog.forecast.rate_scatter import fit_scatter
from vfprog.forecast.rate_slopes import USUAL_SCATTER, CommonScatter, Slopes, fit_lines, with_errors
from vfprog.forecast.rate_visits import fit_visits
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.loss import focal_loss
from vfprog.perimetry.visit_shift import NODES, VisitPrior

PATTERNS = ("focal", "even")
PACES = np.array([0.05, 0.15, 0.35, 0.8, 1.6, 3.2])  # sigma: dB/year where the profile is 1
EVEN_LEVEL, EVEN = np.array([-34.0, -28.0]), np.array([0.2, 1.0])  # what is lost at the floor is not seen
SHARED_BY_FIELD, SHARED_BY_HALF = 0.79, 0.06  # of v's variance; the rest is each location's own

UWHVF_EYES = 2782
UWHVF_WEIGHTS = np.array(
    [[0.066, 0.24, 0.444, 0.153, 0.031, 0.031], [0.013, 0.009, 0.005, 0.004, 0.003, 0.001]]
)  # (pattern, pace)
UWHVF_MEANS = np.array([-0.17, 0.0])  # (pattern,), dB/year where the profile is 1

DAMAGED = -4.0  # dB; a region's locations below are taken together, and those above
STEPS = 60  # of EM
SCATTER_ROUNDS = 4  # of fitting test and wander given how visits stray, and that given those
MOST_EYES = 1000  # evenly spread over the training eyes; beyond, the numbers are known well enough


def _shared() -> np.ndarray:
    upper = load_grid("24-2").xy[:, 1] > 0
    own = 1 - SHARED_BY_FIELD - SHARED_BY_HALF
    return SHARED_BY_FIELD + SHARED_BY_HALF * (upper[:, None] == upper) + own * np.eye(len(upper))


SHARED = _shared()  # correlation of v: (location, location)


@dataclass(frozen=True)
class RatePrior:
    """The distribution of slopes among patients, and the scatter of their tests.

    Attributes
    ----------
    weights : array (pattern, pace)
        Sum 1.
    means : array (pattern,)
        dB/year where the profile is 1.
    scatter : CommonScatter
    pace_scale : float
        Times every pace and mean: 1, but for the study of what the prior does.
    """

    weights: np.ndarray
    means: np.ndarray
    scatter: CommonScatter
    pace_scale: float = 1.0

    def to_card(self) -> dict[str, float]:
        """JSON content."""
        named = {
            f"weight_{pattern}_{pace:g}": w
            for pattern, row in zip(PATTERNS, self.weights, strict=True)
            for pace, w in zip(PACES, row, strict=True)
        }
        named |= {f"mean_{pattern}": m for pattern, m in zip(PATTERNS, self.means, strict=True)}
        named |= dict(zip(("test", "wander"), self.scatter.own, strict=True))
        named |= {f"visits_{v:g}": w for v, w in zip(NODES, self.scatter.visits.weights, strict=True)}
        named |= {"shifted": self.scatter.visits.shifted, "learning": self.scatter.visits.learning}
        return {name: round(float(value), 5) for name, value in named.items()}

    @classmethod
    def from_card(cls, card: dict[str, float]) -> RatePrior:
        """The inverse of :meth:`to_card`."""
        weights = [[card[f"weight_{pattern}_{pace:g}"] for pace in PACES] for pattern in PATTERNS]
        means = [card[f"mean_{pattern}"] for pattern in PATTERNS]
        weights_of_visits = np.array([card[f"visits_{v:g}"] for v in NODES])
        visits = VisitPrior(weights_of_visits, card["shifted"], card["learning"])
        scatter = CommonScatter(np.array([card["test"], card["wander"]]), visits)
        return cls(np.array(weights), np.array(means), scatter)


# Where there is no training eye.
DEFAULT = RatePrior(UWHVF_WEIGHTS, UWHVF_MEANS, USUAL_SCATTER)


@dataclass(frozen=True)
class Means:
    """Mean slopes of groups of locations, their errors, and what the patterns say of them.

    Attributes
    ----------
    slope : array (..., group)
        dB/year; 0 for a group without locations.
    error : array (..., group, group)
        Covariance of errors, wander among them.
    wander : array (..., group, group)
        What wander alone has of it.
    profile : array (pattern, ..., group)
        Mean profile.
    spread : array (pattern, ..., group, group)
        Covariance of the means at pace 1.
    """

    slope: np.ndarray
    error: np.ndarray
    wander: np.ndarray
    profile: np.ndarray
    spread: np.ndarray


def profiles(level: np.ndarray) -> np.ndarray:
    """Relative loss at a level (dB) under each pattern: (...) -> (pattern, ...)."""
    return np.stack([focal_loss(level), np.interp(level, EVEN_LEVEL, EVEN)])


def group_means(slopes: Slopes, groups: np.ndarray) -> Means:
    """Reduce slopes to means over groups of locations.

    Parameters
    ----------
    groups : array (eye, ..., group, location)
        Weights of the locations in each group, adding up to 1 or, in a group without locations, to 0.
    """
    eyes, n = len(groups), groups.shape[-1]
    flat = groups.reshape(eyes, -1, n)  # one large product an eye instead of many small ones
    none = np.asarray(1.0 - groups.any(-1))
    slope = (flat @ slopes.slope[:, :, None]).reshape(groups.shape[:-1])
    error, wander = (
        _between(groups, (flat @ covariance).reshape(groups.shape))
        for covariance in (slopes.covariance, slopes.wander)
    )
    error += none[..., None] * np.eye(groups.shape[-2])
    profile, spread = [], []
    for values in profiles(slopes.level):
        scaled = flat * values[:, None]
        profile.append(scaled.sum(-1).reshape(groups.shape[:-1]))
        spread.append(_between(scaled.reshape(groups.shape), (scaled @ SHARED).reshape(groups.shape)))
    return Means(slope, error, wander, np.stack(profile), np.stack(spread))


def _between(groups: np.ndarray, weighed: np.ndarray) -> np.ndarray:
    """Products of each group with each: two arrays (..., group, location) -> (..., group, group)."""
    return weighed @ np.swapaxes(groups, -1, -2)


def by_damage(level: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Weights of a region's damaged locations and of its others, each adding up to 1 (0 where there is none).

    ``level`` is dB and broadcasts to ``region`` (..., location) of bool; the result is (..., 2, location).
    """
    low = level < DAMAGED
    inside = np.stack([region & low, region & ~low], axis=-2).astype(float)
    return inside / np.maximum(inside.sum(-1, keepdims=True), 1.0)


def fit_rate_prior(td: np.ndarray, mask: np.ndarray, years: np.ndarray) -> RatePrior:
    """Fit the prior to training patients' series: the scatter they have in common, then the mixture by EM.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    years : array (eye, visit)
        Time of each visit.
    """
    enough = np.flatnonzero(mask.any(2).sum(1) > 2)
    if len(enough) == 0:
        return DEFAULT
    chosen = enough[np.linspace(0, len(enough) - 1, min(len(enough), MOST_EYES)).round().astype(int)]
    fields, scatter = (td[chosen], mask[chosen], years[chosen]), USUAL_SCATTER
    for _ in range(SCATTER_ROUNDS):
        lines = fit_lines(*fields, scatter)
        own = fit_scatter(lines.forms, lines.visit.variance, lines.visit.spread)
        scatter = CommonScatter(own, fit_visits(lines.strays))
    slopes = with_errors(fit_lines(*fields, scatter), scatter.own)
    return fit_mixture(group_means(slopes, by_damage(slopes.level, slopes.counted)), scatter)


def fit_mixture(means: Means, scatter: CommonScatter) -> RatePrior:
    """Weights and means of the mixture from training eyes' group means, UWHVF's eyes added, by EM."""
    prior = RatePrior(UWHVF_WEIGHTS, UWHVF_MEANS, scatter)
    eyes = len(means.slope)
    for _ in range(STEPS):
        log_likelihood, precise, support = component_likelihoods(means, prior)
        log_r = log_likelihood + np.log(prior.weights)
        r = np.exp(log_r - logsumexp(log_r, axis=(1, 2), keepdims=True))
        weights = (r.sum(0) + UWHVF_EYES * UWHVF_WEIGHTS) / (eyes + UWHVF_EYES)
        information, pull = (r * precise).sum((0, 2)), (r * support).sum((0, 2))
        # UWHVF's eyes count as if they told of the mean as much as these do.
        more = UWHVF_EYES * UWHVF_WEIGHTS.sum(1) * information / np.maximum(r.sum((0, 2)), 1e-9)
        prior = RatePrior(weights, (pull + more * UWHVF_MEANS) / (information + more), scatter)
    return prior


def component_likelihoods(means: Means, prior: RatePrior) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log likelihood of means (..., group) under each component, (..., pattern, pace), but for a constant.

    With it what they tell of the pattern's mean: precision, and precision times estimate.
    """
    found = []
    for p, pace in components(prior):
        total = means.error + pace**2 * means.spread[p]
        residual = means.slope - prior.pace_scale * prior.means[p] * means.profile[p]
        solved = np.linalg.solve(total, np.stack([residual, means.profile[p], means.slope], -1))
        log = -0.5 * ((residual * solved[..., 0]).sum(-1) + np.linalg.slogdet(total)[1])
        information = (means.profile[p] * solved[..., 1]).sum(-1)
        found.append((log, information, (means.profile[p] * solved[..., 2]).sum(-1)))
    shape = (*means.slope.shape[:-1], len(PATTERNS), len(PACES))
    log, precision, support = (np.stack(part, -1).reshape(shape) for part in zip(*found, strict=True))
    return log, precision, support


def components(prior: RatePrior) -> list[tuple[int, float]]:
    """Pattern (its number) and pace of each component, in the order of ``weights`` read row by row."""
    return [(p, float(pace)) for p in range(len(PATTERNS)) for pace in PACES * prior.pace_scale]
