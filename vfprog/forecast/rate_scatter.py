"""How far an eye's tests stray from its lines: noise of single tests, wander over the years, visits as a whole.

A location's tests stray from its line by three independent causes, whose sizes are one eye's scatter:

    test     noise of one test at one location, variance test * s^2, s the noise table's SD at the location's level,
             shared among neighbours by ``TEST_SHARED``
    wander   an Ornstein-Uhlenbeck path of variance wander * s^2, shared among locations by ``WANDER_SHARED``
    visit    what all locations of a visit share as far as they feel it, variance visit (dB^2)

How visits stray is known from the visits' means (:mod:`~vfprog.perimetry.visit_shift`). Four quadratic forms of a
series' residuals about its least-squares lines have expectations linear in the three: sums of squares over locations
and of their mean, plain and weighted by how wander persists. Weighted least squares on them (minimum-norm quadratic
estimation; Rao, J Multivar Anal 1971;1:257) gives test and wander of training eyes in common, and an eye's own,
moderated by the common ones as in Smyth 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_correlation

TEST, WANDER, VISIT = range(
    3
)  # order of the parts of a scatter; the first two are common to eyes and moderated
# A wander that lasts and a rate are one and the same over a short series, so its time is not fitted. Time and sharing
# are those of the residual process of the Rotterdam series.
WANDER_YEARS = 5.4
COMMON, NEAR, NEAR_DEGREES = 0.2, 0.55, 9.7  # shares of the variance; the rest is each location's own

USUAL = np.array(
    [1.0, 0.3]
)  # around which training eyes' common test and wander are weakly held, by SDs as large
LEAST = np.array([0.1, 0.002])
# SD of an eye's own test and wander around the common ones: a share of it, and at least so much.
SPREAD, LEAST_SPREAD = np.array([0.3, 0.7]), np.array([0.05, 0.1])
MOST = 20.0  # times the usual scatter, beyond which no eye's own goes
ROUNDS = 4  # of weighted least squares, its weights depending on its result


def _shared() -> tuple[np.ndarray, np.ndarray]:
    xy = load_grid("24-2").xy
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
    near = np.exp(-(distance**2) / (2 * NEAR_DEGREES**2))
    wander = COMMON + NEAR * near + (1 - COMMON - NEAR) * np.eye(len(xy))
    return noise_correlation(xy), wander


TEST_SHARED, WANDER_SHARED = (
    _shared()
)  # correlations of noise and wander among locations: (location, location)


@dataclass(frozen=True)
class Forms:
    """Quadratic forms of residuals, and what they are under a scatter.

    Attributes
    ----------
    value : array (eye, form)
    gain : array (eye, form, part)
        Expectation of a form = sum over parts of gain * scatter.
    spread : array (eye, form, form, part, part)
        Covariance of two forms = sum over pairs of parts of spread * scatter * scatter.
    informative : array (eye,) of bool
        False for eyes of fewer than three visits: a line leaves them no residual.
    """

    value: np.ndarray
    gain: np.ndarray
    spread: np.ndarray
    informative: np.ndarray

    def weights(self, scatter: np.ndarray, extra: np.ndarray | float = 0.0) -> np.ndarray:
        """Inverse covariance of the forms under scatter (eye, part), ``extra`` added to it; 0 where not informative."""
        covariance = np.einsum("efgab,ea,eb->efg", self.spread, scatter, scatter) + extra
        # The forms of a short series are nearly one another's multiples.
        ridge = 1e-9 + 1e-6 * np.trace(covariance, axis1=1, axis2=2)
        safe = covariance + ridge[:, None, None] * np.eye(covariance.shape[1])
        return np.linalg.inv(safe) * self.informative[:, None, None]


def persistence(years: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """Correlation of wander between visits, 0 at padding: (eye, visit) -> (eye, visit, visit)."""
    apart = np.abs(years[:, :, None] - years[:, None])
    return np.exp(-apart / WANDER_YEARS) * visits[:, :, None] * visits[:, None]


def quadratic_forms(
    residual: np.ndarray, sd: np.ndarray, felt: np.ndarray, years: np.ndarray, visits: np.ndarray,
    shift_variance: np.ndarray,
) -> Forms:  # fmt: skip
    """Forms of residuals about least-squares lines.

    Locations are taken as tested at every visit or at none: exact for whole fields, near enough for single gaps.

    Parameters
    ----------
    residual : array (eye, visit, location)
        dB, 0 where not tested.
    sd : array (eye, location)
        Of a test by the noise table, dB; infinite where the location has no line.
    felt : array (eye, location)
        How much of a visit's shift the location feels.
    years, visits : array (eye, visit)
        Times, and False for padding.
    shift_variance : array (eye, visit)
        Left uncertain by the correction of shifted visits, dB^2: taken off the forms.
    """
    maker, kept = _residual_maker(years, visits)
    lasting = persistence(years, visits)
    by_time = [maker, maker @ lasting @ maker]
    causes = [kept, lasting, kept]  # covariance over visits of the three parts

    relative = felt / sd
    tested = np.isfinite(sd).astype(float)
    n = np.maximum(tested.sum(1), 1.0)
    local = residual / sd[:, None]
    mean = local.sum(2) / n[:, None]
    value = np.stack(
        [np.einsum("euv,euj,evj->e", form, local, local, optimize=True) for form in by_time]
        + [np.einsum("euv,eu,ev->e", form, mean, mean) for form in by_time],
        axis=1,
    )
    over_visits = np.stack([np.stack([_trace(w, t) for t in causes], 1) for w in by_time], 1)
    sums, means, products, mean_products = _spatial(relative, tested, n)
    gain = np.concatenate([over_visits * sums[:, None], over_visits * means[:, None]], 1)

    shifted = np.stack([_trace(w, shift_variance[:, :, None] * kept) for w in by_time], 1)
    value -= np.concatenate([shifted * sums[:, VISIT, None], shifted * means[:, VISIT, None]], 1)

    moved = [[w @ t for t in causes] for w in by_time]
    twice = np.stack(
        [np.stack([_traces(first, second) for second in moved], 1) for first in moved], 1
    )  # (eye, time form, time form, part, part)
    own = twice * products[:, None, None]
    crossed = twice * mean_products[:, None, None]
    common = twice * (means[:, :, None] * means[:, None])[:, None, None]
    spread = 2 * np.concatenate([np.concatenate([own, crossed], 2), np.concatenate([crossed, common], 2)], 1)
    return Forms(value, gain, spread, visits.sum(1) > 2)


def fit_scatter(forms: Forms, visit: np.ndarray, visit_spread: np.ndarray) -> np.ndarray:
    """Test and wander that training eyes have in common: (2,).

    ``visit`` (eye,) is how far each eye's visits stray and ``visit_spread`` (eye,) the variance of that, dB^2 and dB^4.
    """
    common = USUAL
    for _ in range(ROUNDS):
        gain = forms.gain[..., :VISIT]
        between = np.einsum("efa,a,ega->efg", gain, own_variance(common), gain)
        own = np.broadcast_to(common, (len(visit), 2))
        weights = forms.weights(_with_visit(own, visit), between + _of_visit(forms, visit_spread))
        information = np.einsum("efa,efg,egb->ab", gain, weights, gain) + np.diag(USUAL**-2)
        support = np.einsum("efa,efg,eg->a", gain, weights, _without_visit(forms, visit)) + 1 / USUAL
        common = np.clip(np.linalg.solve(information, support), LEAST, MOST * USUAL)
    return common


def own_scatter(forms: Forms, common: np.ndarray, visit: np.ndarray, visit_spread: np.ndarray) -> np.ndarray:
    """Each eye's own scatter, test and wander moderated by ``common``: (eye, part); see :func:`fit_scatter`."""
    own = np.broadcast_to(common, (len(visit), 2))
    prior, gain = np.diag(1 / own_variance(common)), forms.gain[..., :VISIT]
    for _ in range(2):
        weights = forms.weights(_with_visit(own, visit), _of_visit(forms, visit_spread))
        information = np.einsum("efa,efg,egb->eab", gain, weights, gain) + prior
        support = np.einsum("efa,efg,eg->ea", gain, weights, _without_visit(forms, visit)) + prior @ common
        solved = np.linalg.solve(information, support[..., None])[..., 0]
        own = np.clip(solved, LEAST, MOST * USUAL)
    return _with_visit(own, visit)


def _with_visit(own: np.ndarray, visit: np.ndarray) -> np.ndarray:
    return np.concatenate([own, visit[:, None]], 1)


def _without_visit(forms: Forms, visit: np.ndarray) -> np.ndarray:
    """The forms less what straying visits add to them: (eye, form)."""
    return forms.value - forms.gain[..., VISIT] * visit[:, None]


def _of_visit(forms: Forms, visit_spread: np.ndarray) -> np.ndarray:
    """Covariance of the forms through not knowing how far visits stray: (eye, form, form)."""
    gain = forms.gain[..., VISIT]
    return gain[:, :, None] * gain[:, None] * visit_spread[:, None, None]


def own_variance(common: np.ndarray) -> np.ndarray:
    """Variance of eyes' own test and wander around the common ones: (2,)."""
    return (SPREAD * common) ** 2 + LEAST_SPREAD**2


def _residual_maker(years: np.ndarray, visits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What least squares leaves of a series, (eye, visit, visit), and the identity of its visits."""
    kept = visits[:, :, None] * np.eye(visits.shape[1])
    n = np.maximum(visits.sum(1), 1)
    t = visits * (years - (visits * years).sum(1, keepdims=True) / n[:, None])
    sxx = (t**2).sum(1)
    slope = t / np.where(sxx > 1e-9, sxx, np.inf)[:, None]
    level = visits[:, :, None] * visits[:, None] / n[:, None, None]
    return kept - level - t[:, :, None] * slope[:, None], kept


def _spatial(
    relative: np.ndarray, tested: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Traces of the parts' correlation over locations, in units of a test's SD: noise, wander, visits felt alike.

    Sums of variances (eye, part), variances of the mean (eye, part), traces of products (eye, part, part), and
    the same between the mean and the locations.
    """
    squared, mean = (relative**2).sum(1), relative.sum(1) / n
    noise, wander = tested @ TEST_SHARED, tested @ WANDER_SHARED
    sums = np.stack([tested.sum(1), tested.sum(1), squared], 1)
    means = np.stack([(noise * tested).sum(1) / n**2, (wander * tested).sum(1) / n**2, mean**2], 1)
    products = _symmetric(
        _quadratic(tested, TEST_SHARED**2),
        _quadratic(tested, TEST_SHARED * WANDER_SHARED),
        _quadratic(relative, TEST_SHARED),
        _quadratic(tested, WANDER_SHARED**2),
        _quadratic(relative, WANDER_SHARED),
        squared**2,
    )
    rows = (
        np.stack([noise * tested, wander * tested, relative * mean[:, None] * n[:, None]], 1)
        / n[:, None, None]
    )
    return sums, means, products, np.einsum("eaj,ebj->eab", rows, rows)


def _quadratic(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """x' M x of each row: (eye, location) -> (eye,)."""
    return ((x @ matrix) * x).sum(1)


def _symmetric(*upper: np.ndarray) -> np.ndarray:
    """Symmetric matrices (eye, 3, 3) from their upper triangles, row by row."""
    full = np.empty((len(upper[0]), 3, 3))
    for (i, j), values in zip(zip(*np.triu_indices(3), strict=True), upper, strict=True):
        full[:, i, j] = full[:, j, i] = values
    return full


def _trace(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Trace of the product of two stacks of matrices: (eye,)."""
    return np.einsum("euv,evu->e", a, b)


def _traces(first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
    """Traces of all products of two lists of stacks: (eye, len(first), len(second))."""
    return np.stack([np.stack([_trace(a, b) for b in second], 1) for a in first], 1)
