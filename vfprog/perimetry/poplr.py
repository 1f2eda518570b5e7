"""PoPLR: permutation analysis of pointwise linear regression (O'Leary, Chauhan and Artes, IOVS 2012;53:6776).

The p-values of all locations' trends are combined into S = -sum(log p), and S is compared with its values
under permutations of the visit order, which keep the correlation between locations.

Only the years are permuted, so the correlations of all locations in all permutations are one matrix product
an eye. p depends on a correlation and the number of visits alone: for many permutations log p is read from a
table, whose error is far below the error of sampling. Eyes with the same number of visits go together.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations as orders_of
from math import factorial
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from vfprog.perimetry.regression import PRECISION

LOWEST_P = 1e-6  # p-values are kept within [LOWEST_P, 1 - LOWEST_P], as in visualFields
ALWAYS_EXHAUSTIVE = factorial(7)  # so many permutations are cheap enough to try them all
TABLE_FROM = 500  # orders; fewer are quicker without a table
TABLE_STEPS = 2**17  # of the correlation from -1 to 1: log p is exact to 1e-5 but where LOWEST_P cuts it off
TIE = 1e-9  # difference below which two log p or (relatively) two S are the same but for rounding
CHUNK = 2**18  # p-values in memory at once, unless one eye has more


class PoPLR(NamedTuple):
    """Result of :func:`poplr`: the combined statistic S and its permutation p-value, both (...).

    NaN with fewer than three visits, no two of them at different times, or no location tested throughout.
    """

    s: np.ndarray
    p: np.ndarray


def poplr(
    values: np.ndarray,
    years: np.ndarray,
    permutations: int,
    rng: np.random.Generator,
    truncation: float = 1.0,
) -> PoPLR:
    """Test eyes for worsening somewhere in the field; ``-values`` tests for improvement.

    p is (k + 1) / (m + 1), k of the m permutations beside the observed order having a greater S; those with
    an equal S count half. So it is never 0: visualFields does not count the observed order, and its p is
    smaller by 1 / (m + 1). All eyes share one sample of permutations.

    Where stimuli are never seen, sensitivity stays at the floor and total deviation rises with age:
    improvement found with ``-td`` in a field blind in part need not be any, and worsening elsewhere is masked.
    :func:`~vfprog.perimetry.floor.hold_floor` answers it.

    Parameters
    ----------
    values : array (..., visit, location)
        dB; NaN = not tested. Of an eye, only locations tested at every visit enter, because a permutation
        would move the gaps of the others.
    years : array (..., visit)
        Time of each visit.
    permutations : int
        Size of a random sample of permutations; all are tried where there are at most so many, or 5040.
    rng : numpy.random.Generator
        Draws the sample.
    truncation : float
        Only p-values up to this enter S, or the smallest alone if none does (truncated product method); 1
        combines all.
    """
    *batch, n, locations = values.shape
    s, p = np.full((2, *batch), np.nan).reshape(2, -1)
    if n >= 3:
        values, years = values.reshape(-1, n, locations), years.reshape(-1, n)
        complete = np.isfinite(values).all(axis=1).any(axis=1)
        defined = np.flatnonzero(complete & (np.ptp(years, axis=1) > PRECISION))
        orders = visit_orders(n, permutations, rng)
        together = max(CHUNK // (len(orders) * locations), 1)
        for start in range(0, len(defined), together):
            eyes = defined[start : start + together]
            s[eyes] = combined_statistics(values[eyes], years[eyes], orders[:1], truncation)[:, 0]
            p[eyes] = _permutation_p(combined_statistics(values[eyes], years[eyes], orders, truncation))
    return PoPLR(s.reshape(batch), p.reshape(batch))


def visit_orders(n: int, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Orders of n visits, the observed one first: array (order, visit), all of them or a sample."""
    if factorial(n) <= max(permutations, ALWAYS_EXHAUSTIVE):
        return _all_orders(n)
    orders = np.tile(np.arange(n), (permutations + 1, 1))
    rng.permuted(orders[1:], axis=1, out=orders[1:])
    return orders


@lru_cache(maxsize=8)
def _all_orders(n: int) -> np.ndarray:
    return np.array(list(orders_of(range(n))))


def combined_statistics(
    values: np.ndarray, years: np.ndarray, orders: np.ndarray, truncation: float
) -> np.ndarray:
    """S if the visits had come in each of these orders.

    Parameters
    ----------
    values : array (..., visit, location)
        dB; NaN = not tested. Locations with a gap are left out.
    years : array (..., visit)
        Time of each visit.
    orders : array (order, visit)
        Permutations of the visits.
    truncation : float
        As for :func:`poplr`.

    Returns
    -------
    array (..., order)
    """
    n = values.shape[-2]
    complete = np.isfinite(values).all(axis=-2, keepdims=True)
    changes = _standardised(np.where(complete, values, 0.0))
    r = _standardised(years[..., np.newaxis])[..., 0][..., orders] @ changes
    np.clip(r, -1.0, 1.0, out=r)  # rounding
    log_p = _log_p(r, n) if len(orders) < TABLE_FROM else _tabulated_log_p(r, n)
    log_p *= complete
    if truncation < 1:
        limit = np.maximum(log_p.min(axis=-1, keepdims=True), np.log(truncation)) + TIE
        log_p[log_p > limit] = 0.0
    return -log_p.sum(axis=-1)


def _standardised(series: np.ndarray) -> np.ndarray:
    """Series (..., visit, location) centred and of unit length, or 0 where constant: products are correlations."""
    away = series - series.mean(axis=-2, keepdims=True)
    length = np.sqrt((away**2).sum(axis=-2, keepdims=True))
    changing = length > PRECISION * np.sqrt(series.shape[-2] - 1)
    return np.where(changing, away / np.where(changing, length, 1.0), 0.0)


def _log_p(r: np.ndarray, n: int) -> np.ndarray:
    """Log of the one-sided p of correlations of n values with time, kept away from 0 and 1."""
    with np.errstate(divide="ignore"):  # r of -1 and 1
        t = r * np.sqrt((n - 2) / (1 - r**2))
    return np.log(np.clip(stdtr(n - 2, t), LOWEST_P, 1 - LOWEST_P))


@lru_cache(maxsize=32)
def _log_p_table(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Log p at equal steps of the correlation, and the step from each to the next (0 after the last)."""
    log_p = _log_p(np.linspace(-1.0, 1.0, TABLE_STEPS + 1), n)
    return log_p, np.diff(log_p, append=log_p[-1])


def _tabulated_log_p(r: np.ndarray, n: int) -> np.ndarray:
    """As :func:`_log_p`, interpolated linearly. Works in place: most of the time would go to new memory."""
    log_p, step = _log_p_table(n)
    r += 1.0
    r *= TABLE_STEPS / 2
    below = r.astype(np.int32)
    r -= below
    r *= step[below]
    r += log_p[below]
    return r


def _permutation_p(s: np.ndarray) -> np.ndarray:
    """P-value of the first among the S of all orders: (eye, order) -> (eye,)."""
    observed = s[:, :1]
    margin = TIE * np.maximum(observed, 1.0)
    greater = (s > observed + margin).sum(axis=1)
    ties = (np.abs(s - observed) <= margin).sum(axis=1) - 1  # beside the observed order itself
    return (greater + ties / 2 + 1) / s.shape[1]
