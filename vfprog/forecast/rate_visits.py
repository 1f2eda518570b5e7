"""Visits as wholes: how far an eye's visits stray from a line, and which of them reads too high or too low.

The weighted mean of a visit's field about the eye's own level is

    m_v = a + beta t_v - l [v first] + w_v + h_v + g_v + e_v,   a flat, beta ~ N(0, TREND_SD^2),

with l ~ N(learning, LEARNING_SD^2) what the first field lacks, before a patient has learnt to be tested, e_v the noise
of the visit's tests, w the wander that locations share, h_v ~ N(0, V) what every visit strays, and g_v a shift: at most
one visit of an eye is shifted, by N(0, SHIFT_SD^2). V differs between eyes: its distribution over ``NODES``, the share
of visits shifted and learning are those of the training eyes, found by EM (nonparametric empirical Bayes; Laird, JASA
1978;73:805), so that steady eyes are believed, restless ones are not, and a stray visit is taken out only where visits
stray less than that anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from vfprog.perimetry.visit_shift import VisitMeans, shift_at_each

USUAL_LEARNING, LEARNING_SD = 0.3, 0.3  # dB; the latter between eyes
TREND_SD = 3.0  # dB/year: so wide that no trend is taken for straying
NODES = np.array([0.01, 0.04, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])  # V, dB^2
# Of clinics at large, and how much of the prior they keep: a clinic served is seldom quite like those learned from.
USUAL_WEIGHTS = np.array([0.12, 0.14, 0.18, 0.2, 0.18, 0.1, 0.05, 0.03])
USUAL_SHIFTED = 0.04
UNLIKE = 0.25
PSEUDO_PRECISION = 20.0  # 1 / dB^2, of the usual learning: about ten eyes' worth
STEPS = 40  # of EM


@dataclass(frozen=True)
class VisitPrior:
    """Among patients.

    Attributes
    ----------
    weights : array (node,)
        Of V at ``NODES``; sum 1.
    shifted : float
        Probability of a visit to be shifted.
    learning : float
        What first fields lack on average, dB.
    """

    weights: np.ndarray
    shifted: float
    learning: float


USUAL_VISITS = VisitPrior(USUAL_WEIGHTS, USUAL_SHIFTED, USUAL_LEARNING)


@dataclass(frozen=True)
class Strays:
    """What eyes' visits say under each V of ``NODES``.

    Attributes
    ----------
    log_still : array (eye, node)
        Log density of the visit means if none is shifted, up to a constant of the eye.
    log_bayes : array (eye, node, visit)
        Log Bayes factor of a shift at that visit; -inf at padding.
    shift, rest : array (eye, node, visit)
        Mean (dB) and variance (dB^2) of that shift.
    first, precision : array (eye, node)
        What the first visit lacks beyond the learning reckoned with (dB), and the precision of that (1 / dB^2).
    learning : float
        Reckoned with, dB.
    """

    log_still: np.ndarray
    log_bayes: np.ndarray
    shift: np.ndarray
    rest: np.ndarray
    first: np.ndarray
    precision: np.ndarray
    learning: float

    def posterior(self, prior: VisitPrior) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of V at each node (eye, node), and of a shift at each visit given it (eye, node, visit)."""
        visits = np.isfinite(self.log_bayes).sum(2)
        odds = self.log_bayes + np.log(prior.shifted / (1 - prior.shifted))
        either = np.logaddexp(0, logsumexp(odds, axis=2))
        log = np.log(prior.weights) + self.log_still + either + visits * np.log1p(-prior.shifted)
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


def strays(means: VisitMeans, years: np.ndarray, wander: np.ndarray, learning: float) -> Strays:
    """Weigh every V against the visits.

    Parameters
    ----------
    means : VisitMeans
        With the variance that the noise of tests gives them; infinite at padding.
    years : array (eye, visit)
    wander : array (eye, visit, visit)
        Covariance of the wander that a visit's mean shows, dB^2.
    learning : float
        What first fields lack on average, dB.
    """
    kept = np.isfinite(means.variance)
    both = kept[:, :, None] & kept[:, None]
    own = np.eye(kept.shape[1])
    first = np.arange(kept.shape[1]) == 0
    of_visit = np.where(kept, means.variance, 0.0) + LEARNING_SD**2 * first
    noise = np.where(both, wander, 0.0) + of_visit[:, :, None] * own
    covariance = noise[:, None] + NODES[:, None, None] * (kept[:, :, None] * own)[:, None]
    covariance = covariance + (~kept[:, :, None] * own)[:, None]
    design = np.stack([kept.astype(float), np.where(kept, years, 0.0)], 2)[:, None]
    chol = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(covariance) * both[:, None]
    carried = inverse @ design
    information = np.swapaxes(design, 2, 3) @ carried + np.diag([1e-12, 1 / TREND_SD**2])
    precision = inverse - carried @ np.linalg.solve(information, np.swapaxes(carried, 2, 3))
    value = np.where(kept, means.mean + learning * first, 0.0)[:, None]
    pulled = (precision @ value[..., None])[..., 0]
    log_det = 2 * np.log(np.diagonal(chol, axis1=2, axis2=3)).sum(2) + np.linalg.slogdet(information)[1]
    at_visit = np.diagonal(precision, axis1=2, axis2=3)
    log_bayes, shift, rest = shift_at_each(pulled, at_visit)
    return Strays(
        -0.5 * (log_det + (value * pulled).sum(2)),
        np.where(kept[:, None], log_bayes, -np.inf),
        shift,
        rest,
        -pulled[..., 0] / np.maximum(at_visit[..., 0], 1e-12),
        at_visit[..., 0],
        learning,
    )


def fit_visits(found: Strays) -> VisitPrior:
    """What V, shifts and learning are among training eyes, ``UNLIKE`` parts of it what they are in clinics at large.

    Learning moves a step on from the one that ``found`` reckons with.
    """
    prior = USUAL_VISITS
    visits = max(np.isfinite(found.log_bayes[:, 0]).sum(), 1)
    for _ in range(STEPS):
        node, shifted = found.posterior(prior)
        number = float((node[..., None] * shifted).sum() / visits)
        sure = node * (1 - shifted[..., 0]) * found.precision
        known = PSEUDO_PRECISION * (USUAL_LEARNING - found.learning) + (sure * found.first).sum()
        lacking = found.learning + known / (PSEUDO_PRECISION + sure.sum())
        prior = VisitPrior(
            (1 - UNLIKE) * node.mean(0) + UNLIKE * USUAL_WEIGHTS,
            (1 - UNLIKE) * number + UNLIKE * USUAL_SHIFTED,
            (1 - UNLIKE) * float(lacking) + UNLIKE * USUAL_LEARNING,
        )
    return prior


def visit_posterior(found: Strays, prior: VisitPrior) -> VisitPosterior:
    """How far each eye's visits stray, and the shifts among them."""
    node, shifted = found.posterior(prior)
    weight = node[..., None] * shifted
    shift = (weight * found.shift).sum(1)
    square = (weight * (found.shift**2 + found.rest)).sum(1)
    variance = node @ NODES
    first = np.isfinite(found.log_bayes[:, 0]) & (np.arange(shift.shape[1]) == 0)
    return VisitPosterior(
        variance,
        node @ NODES**2 - variance**2,
        shift - found.learning * first,
        square - shift**2 + LEARNING_SD**2 * first,
    )
