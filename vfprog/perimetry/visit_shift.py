"""Visits as wholes: how far an eye's visits stray from a line, and which of them reads too high or too low.

A false-positive patient, a wrong correction or a tired one shifts all locations of one test together. The weighted mean
of a visit's field about the eye's own level is

    m_v = a + beta t_v - l [v first] + w_v + h_v + g_v + e_v,   a flat, beta ~ N(0, trend^2),

with e_v the noise of the visit's tests, h_v ~ N(0, V) what every visit strays, and g_v a shift: at most one visit of an
eye is shifted, by N(0, SHIFT_SD^2). Where they are reckoned with, w is the wander that locations share, and l ~
N(learning, LEARNING_SD^2) what the first field lacks, before a patient has learnt to be tested. V differs between eyes:
its prior stands on ``NODES``, so that a stray visit is taken out only where an eye's visits stray less than that
anyway. All is Gaussian once V and the shifted visit are named, so the posterior is an average over these.

A time reversal changes nothing of this but the order, learning apart, so scores made of corrected fields stay free of
the field's level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from vfprog.perimetry.noise import noise_sd

SHIFT_SD = 2.0  # dB
TREND_SD = 3.0  # dB/year: so wide that no trend is taken for straying
LEARNING_SD = 0.3  # dB, between eyes
NODES = np.array([0.01, 0.04, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])  # V, dB^2
LOWEST_LEVEL = -22.0  # dB; locations below follow no shift: they hardly see
# A shift is felt in full at a level of -8 dB and not at all at -28 dB, where stimuli are not seen anyway.
FELT = (28.0, 20.0)


class VisitMeans(NamedTuple):
    """Weighted means of the fields of each visit about the eye's own level, dB, and their variances: (eye, visit).

    Variances are those of independent tests' noise, dB^2; infinite where a visit has no location to weigh: padding, or
    a field wholly unseen.
    """

    mean: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True)
class VisitPrior:
    """Among patients.

    Attributes
    ----------
    weights : array (node,)
        Of V at its nodes; sum 1.
    shifted : float
        Probability of a visit to be shifted.
    learning : float
        What first fields lack on average, dB.
    """

    weights: np.ndarray
    shifted: float
    learning: float = 0.0


# Of clinics at large.
USUAL_VISITS = VisitPrior(np.array([0.12, 0.14, 0.18, 0.2, 0.18, 0.1, 0.05, 0.03]), 0.04, 0.3)


@dataclass(frozen=True)
class Strays:
    """What eyes' visits say under each V.

    Attributes
    ----------
    nodes : array (node,)
        Values of V, dB^2.
    log_still : array (eye, node)
        Log density of the visit means if none is shifted, up to a constant of the eye.
    log_bayes : array (eye, node, visit)
        Log Bayes factor of a shift at that visit; -inf at padding.
    shift, rest : array (eye, node, visit)
        Mean (dB) and variance (dB^2) of that shift.
    first, precision : array (eye, node)
        What the first visit lacks beyond the learning reckoned with (dB), and the precision of that (1 / dB^2).
    learning, learning_sd : float
        Reckoned with, dB.
    """

    nodes: np.ndarray
    log_still: np.ndarray
    log_bayes: np.ndarray
    shift: np.ndarray
    rest: np.ndarray
    first: np.ndarray
    precision: np.ndarray
    learning: float
    learning_sd: float

    def posterior(self, prior: VisitPrior) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of V at each node (eye, node), and of a shift at each visit given it (eye, node, visit)."""
        odds = self.log_bayes + np.log(prior.shifted / (1 - prior.shifted))
        either = np.logaddexp(0, logsumexp(odds, axis=2))
        log = np.log(prior.weights) + self.log_still + either
        node = np.exp(log - logsumexp(log, axis=1, keepdims=True))
        return node, np.exp(odds - either[..., None])


@dataclass(frozen=True)
class VisitPosterior:
    """Of each eye's own visits.

    Attributes
    ----------
    variance, spread : array (eye,)
        Mean (dB^2) and variance (dB^4) of V.
    shift, shift_variance : array (eye, visit)
        Mean (dB) and variance (dB^2) of each visit's shift, learning among them.
    """

    variance: np.ndarray
    spread: np.ndarray
    shift: np.ndarray
    shift_variance: np.ndarray


def strays(
    means: VisitMeans,
    years: np.ndarray,
    *,
    wander: np.ndarray | None = None,
    learning: float | None = None,
    nodes: np.ndarray = NODES,
    trend_sd: float = TREND_SD,
) -> Strays:
    """Weigh every V against the visits.

    Parameters
    ----------
    means : VisitMeans
        With the variance that the noise of tests gives them; infinite at padding.
    years : array (eye, visit)
    wander : array (eye, visit, visit), optional
        Covariance of the wander that a visit's mean shows, dB^2.
    learning : float, optional
        What first fields lack on average, dB; None where first fields are like others.
    nodes : array (node,)
        Values of V, dB^2.
    trend_sd : float
        Of the visit means' slope, dB/year.
    """
    kept = np.isfinite(means.variance)
    first = np.arange(kept.shape[1]) == 0
    learning_sd = 0.0 if learning is None else LEARNING_SD
    known = 0.0 if learning is None else learning
    variance = np.where(kept, means.variance + learning_sd**2 * first, 1.0)[:, None] + nodes[:, None]
    design = np.stack([kept.astype(float), np.where(kept, years, 0.0)], 2)[:, None]
    value = np.where(kept, means.mean + known * first, 0.0)[:, None, :, None]

    solve, own, log_det = _inverse(variance, kept, wander)
    carried = solve(design)
    information = np.swapaxes(design, 2, 3) @ carried + np.diag([1e-12, 1 / trend_sd**2])
    gain = carried @ np.linalg.inv(information)
    pulled = (solve(value) - gain @ (np.swapaxes(carried, 2, 3) @ value))[..., 0]
    at_visit = own - (gain * carried).sum(3)
    log_bayes, shift, rest = _shift_at_each(pulled, at_visit)
    log_det = log_det + np.linalg.slogdet(information)[1]
    return Strays(
        nodes,
        -0.5 * (log_det + (value[..., 0] * pulled).sum(2)),
        np.where(kept[:, None], log_bayes, -np.inf),
        shift,
        rest,
        -pulled[..., 0] / np.maximum(at_visit[..., 0], 1e-12),
        at_visit[..., 0],
        known,
        learning_sd,
    )


def _inverse(
    variance: np.ndarray, kept: np.ndarray, wander: np.ndarray | None
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, np.ndarray]:
    """Of diag(variance) + wander among kept visits, 0 at padding: as a product, its diagonal, and its log determinant.

    ``variance`` (eye, node, visit); the product takes arrays (eye, node, visit, any).
    """
    if wander is None:
        precision = kept[:, None] / variance
        return (
            lambda x: precision[..., None] * x,
            precision,
            np.where(kept[:, None], np.log(variance), 0.0).sum(2),
        )
    both = (kept[:, :, None] & kept[:, None])[:, None]
    own = np.eye(kept.shape[1])
    covariance = np.where(both, wander[:, None] + variance[..., None] * own, own)
    inverse = np.linalg.inv(covariance) * both
    return (
        lambda x: inverse @ x,
        np.diagonal(inverse, axis1=2, axis2=3),
        np.linalg.slogdet(covariance)[1],
    )


def _shift_at_each(pulled: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log Bayes factor of a shift at each visit, were it the one that is shifted, its mean (dB) and variance (dB^2).

    With P the precision of the visit means m once a and beta are integrated out, q = P m (``pulled``) and P_vv
    (``precision``), any one shape: the Bayes factor is (1 + s^2 P_vv)^(-1/2) exp(s^2 q_v^2 / 2 (1 + s^2 P_vv)), the
    mean s^2 q_v / (1 + s^2 P_vv), the variance s^2 / (1 + s^2 P_vv), s = SHIFT_SD.
    """
    raised = 1 + SHIFT_SD**2 * precision
    log_bayes = 0.5 * SHIFT_SD**2 * pulled**2 / raised - 0.5 * np.log(raised)
    return log_bayes, SHIFT_SD**2 * pulled / raised, SHIFT_SD**2 / raised


def visit_posterior(found: Strays, prior: VisitPrior) -> VisitPosterior:
    """How far each eye's visits stray, and the shifts among them."""
    node, shifted = found.posterior(prior)
    weight = node[..., None] * shifted
    shift = (weight * found.shift).sum(1)
    square = (weight * (found.shift**2 + found.rest)).sum(1)
    variance = node @ found.nodes
    first = np.isfinite(found.log_bayes[:, 0]) & (np.arange(shift.shape[1]) == 0)
    return VisitPosterior(
        variance,
        node @ found.nodes**2 - variance**2,
        shift - found.learning * first,
        square - shift**2 + found.learning_sd**2 * first,
    )


def mean_level(td: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean of each location over an eye's visits, dB, 0 if never tested: (eye, visit, location) -> (eye, location)."""
    return np.einsum("evl,evl->el", td, mask) / np.maximum(mask.sum(1), 1)


def visit_means(td: np.ndarray, mask: np.ndarray) -> VisitMeans:
    """Inverse-variance weighted means of the fields' deviations from the eye's level.

    Deviations, not values, so that a location that is missing at one visit does not move that visit's mean.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    """
    level = mean_level(td, mask)
    sd = noise_sd(level)
    weight = np.where(level > LOWEST_LEVEL, 1 / sd**2, 0.0)
    total = np.einsum("evl,el->ev", mask, weight)
    mean = np.einsum("evl,el->ev", td, weight) - np.einsum("evl,el->ev", mask, weight * level)
    spread = np.einsum("evl,el->ev", mask, (weight * sd) ** 2)
    some = total > 0
    total = np.where(some, total, 1.0)
    variance = spread / total**2
    return VisitMeans(mean / total, np.where(some, variance, np.inf))


def felt(level: np.ndarray) -> np.ndarray:
    """How much of a visit's shift locations of these levels (dB) feel, 0 to 1: any shape."""
    return np.asarray(np.clip((level + FELT[0]) / FELT[1], 0.0, 1.0))


def without_shift(td: np.ndarray, mask: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Fields with the expected shift of each visit taken out: (eye, visit, location), dB, 0 where not tested.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    shift : array (eye, visit)
        Of each visit, dB.
    """
    return td - mask * shift[:, :, None] * felt(mean_level(td, mask))[:, None]
