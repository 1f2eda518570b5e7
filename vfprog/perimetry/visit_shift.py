"""A visit at which the whole field reads too high or too low, found and taken out.

A false-positive patient, a wrong correction or a tired one shifts all locations of one test together. The weighted mean
of a visit's field is

    m_v = a + beta t_v + g_v + e_v,   a flat, beta ~ N(0, TREND_SD^2), e_v ~ N(0, variance_v),

with variance_v that of independent tests, raised for neighbours and for how visits stray anyway, and at most one
g_v ~ N(0, SHIFT_SD^2) among an eye's visits, the others 0. Everything is Gaussian once the shifted visit is named, so
the posterior is an average over which one it is, and E[g_v] is taken off the fields. A time reversal changes nothing of
this but the order, so scores made of corrected fields stay free of the field's level.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vfprog.perimetry.noise import noise_sd

SHIFT_PROBABILITY = 0.08  # of one visit to be shifted
SHIFT_SD = 2.0  # dB
TREND_SD = 0.4  # dB/year, of the visit means
NEIGHBOURS = 1.1  # by which correlation of neighbours raises the variance of a mean over locations
VISIT_VARIANCE = 0.04  # dB^2, what visits stray beyond the noise of their locations
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


def posterior_shift(means: VisitMeans, years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean (dB) and variance (dB^2) of each visit's shift: two arrays (eye, visit).

    With fewer than three visits nothing is seen of a shift: mean 0, and the
    prior's variance.
    """
    w = 1 / (NEIGHBOURS * means.variance + VISIT_VARIANCE)
    total = np.maximum(w.sum(1, keepdims=True), 1e-300)
    t = years - (w * years).sum(1, keepdims=True) / total
    m = means.mean - (w * means.mean).sum(1, keepdims=True) / total
    sxx = (w * t**2).sum(1, keepdims=True) + 1 / TREND_SD**2
    q = w * (m - t * (w * t * m).sum(1, keepdims=True) / sxx)
    p = w - w**2 / total - (w * t) ** 2 / sxx
    log_bayes, shift, rest = shift_at_each(q, p)
    log_odds = np.where(w > 0, log_bayes + np.log(SHIFT_PROBABILITY / (1 - SHIFT_PROBABILITY)), -np.inf)
    most = np.maximum(log_odds.max(1, keepdims=True), 0.0)
    odds = np.exp(log_odds - most)
    probability = odds / (np.exp(-most) + odds.sum(1, keepdims=True))
    variance = probability * (rest + (1 - probability) * shift**2)
    enough = (w > 0).sum(1, keepdims=True) >= 3
    return (
        np.where(enough, probability * shift, 0.0),
        np.where(enough, variance, SHIFT_PROBABILITY * SHIFT_SD**2),
    )


def shift_at_each(pulled: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log Bayes factor of a shift at each visit, were it the one that is shifted, its mean (dB) and variance (dB^2).

    With P the precision of the visit means m once a and beta are integrated out, q = P m (``pulled``) and P_vv
    (``precision``), any one shape: the Bayes factor is (1 + s^2 P_vv)^(-1/2) exp(s^2 q_v^2 / 2 (1 + s^2 P_vv)), the
    mean s^2 q_v / (1 + s^2 P_vv), the variance s^2 / (1 + s^2 P_vv), s = SHIFT_SD.
    """
    raised = 1 + SHIFT_SD**2 * precision
    log_bayes = 0.5 * SHIFT_SD**2 * pulled**2 / raised - 0.5 * np.log(raised)
    return log_bayes, SHIFT_SD**2 * pulled / raised, SHIFT_SD**2 / raised


def without_shift(td: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Fields with the expected shift of each visit taken out: (eye, visit, location), dB, 0 where not tested.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    years : array (eye, visit)
        Time of each visit, any origin.
    """
    shift, _ = posterior_shift(visit_means(td, mask), years)
    return td - mask * shift[:, :, None] * felt(mean_level(td, mask))[:, None]


def felt(level: np.ndarray) -> np.ndarray:
    """How much of a visit's shift locations of these levels (dB) feel, 0 to 1: any shape."""
    return np.asarray(np.clip((level + FELT[0]) / FELT[1], 0.0, 1.0))
