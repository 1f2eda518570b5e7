"""How far an eye's tests stray from its lines: noise of single tests, wander over the years, visits as a whole.

A location's tests stray from its line by three independent causes, whose sizes are one eye's ``scatter``:

    test     noise of one test at one location, variance test * s^2, s the noise table's SD at the location's level
    wander   an Ornstein-Uhlenbeck path of variance wander * s^2, shared among locations by ``WANDER_SHARED``
    visit    what all locations of a visit share as far as they feel it, variance visit (dB^2)

Four quadratic forms of a series' residuals about its least-squares lines have expectations linear in the three: sums of
squares over locations and of their mean, plain and weighted by how wander persists. Weighted least squares on them
(minimum-norm quadratic estimation; Rao, J Multivar Anal 1971;1:257) gives the scatter of training eyes in common, and
an eye's own, moderated by the common one as in Smyth 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfprog.perimetry.grid import load_grid

TEST, WANDER, VISIT = range(3)  # order of the parts of a scatter
# A wander that lasts and a rate are one and the same over a short series, so its time is not fitted. Time and sharing
# are those of the residual process of the Rotterdam series.
WANDER_YEARS = 5.4
COMMON, NEAR, NEAR_DEGREES = 0.2, 0.55, 9.7  # shares of the variance; the rest is each location's own

USUAL = np.array(
    [1.0, 0.3, 0.15]
)  # around which training eyes' common scatter is weakly held, by SDs of the same size
LEAST = np.array([0.1, 0.002, 0.04])  # visits of real and simulated clinics never stray by less than 0.2 dB
# SD of an eye's own scatter around the common one: a share of it, and at least so much.
SPREAD, LEAST_SPREAD = np.array([0.3, 0.7, 1.0]), np.array([0.05, 0.1, 0.1])
MOST = 20.0  # times the usual scatter, beyond which no eye's own goes
ROUNDS = 4  # of weighted least squares, its weights depending on its result


def _wander_shared() -> np.ndarray:
    xy = load_grid("24-2").xy
    squared = ((xy[:, None] - xy[None]) ** 2).sum(-1)
    near = np.exp(-squared / (2 * NEAR_DEGREES**2))
    return COMMON + NEAR * near + (1 - COMMON - NEAR) * np.eye(len(xy))


WANDER_SHARED = _wander_shared()  # correlation of wander among locations: (location, location)


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


def fit_scatter(forms: Forms) -> np.ndarray:
    """The scatter that training eyes have in common: (part,)."""
    scatter = USUAL
    for _ in range(ROUNDS):
        between = np.einsum("efa,a,ega->efg", forms.gain, own_variance(scatter), forms.gain)
        weights = forms.weights(np.broadcast_to(scatter, (len(forms.value), 3)), between)
        information = np.einsum("efa,efg,egb->ab", forms.gain, weights, forms.gain) + np.diag(USUAL**-2)
        support = np.einsum("efa,efg,eg->a", forms.gain, weights, forms.value) + 1 / USUAL
        scatter = np.clip(np.linalg.solve(information, support), LEAST, MOST * USUAL)
    return scatter


def own_scatter(forms: Forms, common: np.ndarray) -> np.ndarray:
    """Each eye's own scatter, moderated by the common one: (eye, part)."""
    scatter = np.broadcast_to(common, (len(forms.value), 3))
    prior = np.diag(1 / own_variance(common))
    for _ in range(2):
        weights = forms.weights(scatter)
        information = np.einsum("efa,efg,egb->eab", forms.gain, weights, forms.gain) + prior
        support = np.einsum("efa,efg,eg->ea", forms.gain, weights, forms.value) + prior @ common
        solved = np.linalg.solve(information, support[..., None])[..., 0]
        scatter = np.clip(solved, LEAST, MOST * USUAL)
    return scatter


def own_variance(common: np.ndarray) -> np.ndarray:
    """Variance of eyes' own scatter around the common one: (part,)."""
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
    """Traces of the parts' correlation over locations, in units of a test's SD: independent, shared wander, felt alike.

    Sums of variances (eye, part), variances of the mean (eye, part), traces of products (eye, part, part), and
    the same between the mean and the locations.
    """
    shared = tested @ WANDER_SHARED
    squared = (relative**2).sum(1)
    mean = relative.sum(1) / n
    wandering = np.einsum("ej,jk,ek->e", relative, WANDER_SHARED, relative)
    squares = np.einsum("ej,jk,ek->e", tested, WANDER_SHARED**2, tested)
    sums = np.stack([tested.sum(1), tested.sum(1), squared], 1)
    means = np.stack([1 / n, (shared * tested).sum(1) / n**2, mean**2], 1)
    products = _symmetric(n, n, squared, squares, wandering, squared**2)
    rows = np.stack([tested / n[:, None], shared * tested / n[:, None], relative * mean[:, None]], 1)
    return sums, means, products, np.einsum("eaj,ebj->eab", rows, rows)


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
