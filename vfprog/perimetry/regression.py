"""Least-squares trends of indices and locations over time, for whole cohorts at once.

Series are padded to (eye, visit[, location]) arrays with a mask, True = tested; values under a False mask
never matter. Agrees with visualFields' global and pointwise linear regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

# A series whose SD is no greater than this (dB) did not change: its slope is 0 and its standard error this
# figure, so that t is 0 and p 0.5, as in visualFields. Visits this close together (years) give no slope.
PRECISION = 1e-6

Z95 = float(ndtri(0.975))  # standard errors in half a 95 % interval of a normal variable


@dataclass(frozen=True)
class Regression:
    """Trends by eye (and location): arrays (eye[, location]).

    Attributes
    ----------
    n : array of int
        Number of values.
    intercept : array
        At 0 years, dB. NaN where the slope is.
    slope : array
        dB/year. NaN with fewer than two visits at different times.
    se : array
        Standard error of the slope, dB/year. NaN with fewer than three values, as are ``t`` and ``p``.
    t : array
        slope / se.
    p : array
        One-sided, small for worsening: the probability of a t no greater in a stable series.
    """

    n: np.ndarray
    intercept: np.ndarray
    slope: np.ndarray
    se: np.ndarray
    t: np.ndarray
    p: np.ndarray


def linear_regression(values: np.ndarray, years: np.ndarray, mask: np.ndarray) -> Regression:
    """Regress each series on time.

    Parameters
    ----------
    values : array (eye, visit[, location])
        dB.
    years : array (eye, visit)
        Time of each visit; any origin.
    mask : array of bool, same shape as values
        True = tested.

    Returns
    -------
    Regression
        Of shape (eye[, location]).
    """
    x = np.broadcast_to(years.reshape(years.shape + (1,) * (values.ndim - 2)), values.shape)
    n = mask.sum(axis=1)
    mean_x, dx = _centred(x, mask, n)
    mean_y, dy = _centred(values, mask, n)
    sxx = (dx**2).sum(axis=1)
    timed = sxx > PRECISION**2
    constant = (dy**2).sum(axis=1) <= PRECISION**2 * (n - 1)

    slope = _quotient(np.where(constant, 0.0, (dx * dy).sum(axis=1)), sxx, timed)
    residuals = dy - np.where(timed, slope, 0.0)[:, np.newaxis] * dx
    df = n - 2
    testable = timed & (df > 0)
    variance = _quotient((residuals**2).sum(axis=1), df * sxx, testable)
    se = np.where(constant & testable, PRECISION, np.sqrt(variance))
    with np.errstate(divide="ignore"):  # a perfect fit has t = -inf or inf
        t = slope / se
    return Regression(n, mean_y - slope * mean_x, slope, se, t, stdtr(np.maximum(df, 1), t))


def _centred(values: np.ndarray, mask: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over tested visits (0 where none), and the deviations from it (0 where not tested)."""
    mean = np.where(mask, values, 0.0).sum(axis=1) / np.maximum(n, 1)
    return mean, np.where(mask, values - mean[:, np.newaxis], 0.0)


def _quotient(numerator: np.ndarray, denominator: np.ndarray, defined: np.ndarray) -> np.ndarray:
    """Quotient where it is defined, NaN elsewhere."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=defined)
