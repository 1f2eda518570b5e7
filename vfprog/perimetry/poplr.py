"""PoPLR: permutation analysis of pointwise linear regression (O'Leary, Chauhan and Artes, IOVS 2012;53:6776).

The p-values of all locations' trends are combined into S = -sum(log p), and S is compared with its values
under permutations of the visit order, which keep the correlation between locations.

Only the years are permuted, so the correlations of all locations in all permutations are one matrix product.
p depends on a correlation and the number of visits alone: for many permutations log p is read from a table,
whose error is far below the error of sampling.
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


class PoPLR(NamedTuple):
    """Result of :func:`poplr`: the combined statistic S and its permutation p-value; NaN where undefined."""

    s: float
    p: float


def poplr(
    values: np.ndarray,
    years: np.ndarray,
    permutations: int,
    rng: np.random.Generator,
    truncation: float = 1.0,
) -> PoPLR:
    """Test one eye for worsening somewhere in the field; ``-values`` tests for improvement.

    p is (k + 1) / (m + 1), k of the m permutations beside the observed order having a greater S; those with
    an equal S count half. So it is never 0: visualFields does not count the observed order, and its p is
    smaller by 1 / (m + 1).

    Where stimuli are never seen, sensitivity stays at the floor and total deviation rises with age:
    improvement found with ``-td`` in a field blind in part need not be any.

    Parameters
    ----------
    values : array (visit, location)
        dB; NaN = not tested. Only locations tested at every visit enter, because a permutation would move the
        gaps of the others.
    years : array (visit,)
        Time of each visit.
    permutations : int
        Size of a random sample of permutations; all are tried where there are at most so many, or 5040.
    rng : numpy.random.Generator
        Draws the sample.
    truncation : float
        Only p-values up to this enter S, or the smallest alone if none does (truncated product method); 1
        combines all.

    Returns
    -------
    PoPLR
        NaN with fewer than three visits, no two of them at different times, or no location tested throughout.
    """
    values = values[:, np.isfinite(values).all(axis=0)]
    n = len(years)
    if n < 3 or values.shape[1] == 0 or np.ptp(years) <= PRECISION:
        return PoPLR(np.nan, np.nan)
    orders = visit_orders(n, permutations, rng)
    observed = combined_statistics(values, years, orders[:1], truncation)[0]
    return PoPLR(float(observed), _permutation_p(combined_statistics(values, years, orders, truncation)))


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
    values : array (visit, location)
        dB, complete.
    years : array (visit,)
        Time of each visit.
    orders : array (order, visit)
        Permutations of the visits.
    truncation : float
        As for :func:`poplr`.

    Returns
    -------
    array (order,)
    """
    r = _standardised(years)[orders] @ _standardised(values)
    np.clip(r, -1.0, 1.0, out=r)  # rounding
    log_p = _log_p(r, len(years)) if len(orders) < TABLE_FROM else _tabulated_log_p(r, len(years))
    limit = np.maximum(log_p.min(axis=1, keepdims=True), np.log(truncation)) + TIE
    return -np.where(log_p <= limit, log_p, 0.0).sum(axis=1)


def _standardised(series: np.ndarray) -> np.ndarray:
    """Series (visit, ...) centred and of unit length, so that products are correlations; 0 where constant."""
    away = series - series.mean(axis=0)
    length = np.sqrt((away**2).sum(axis=0))
    changing = length > PRECISION * np.sqrt(len(series) - 1)
    return np.where(changing, away / np.where(changing, length, 1.0), 0.0)


def _log_p(r: np.ndarray, n: int) -> np.ndarray:
    """Log of the one-sided p of correlations of n values with time, kept away from 0 and 1."""
    with np.errstate(divide="ignore"):  # r of -1 and 1
        t = r * np.sqrt((n - 2) / (1 - r**2))
    return np.log(np.clip(stdtr(n - 2, t), LOWEST_P, 1 - LOWEST_P))


@lru_cache(maxsize=32)
def _log_p_table(n: int) -> np.ndarray:
    """Log p at equal steps of the correlation."""
    return _log_p(np.linspace(-1.0, 1.0, TABLE_STEPS + 1), n)


def _tabulated_log_p(r: np.ndarray, n: int) -> np.ndarray:
    """As :func:`_log_p`, interpolated linearly."""
    table = _log_p_table(n)
    position = (r + 1.0) * (TABLE_STEPS / 2)
    below = np.minimum(position.astype(np.intp), TABLE_STEPS - 1)
    start = table[below]
    return start + (position - below) * (table[below + 1] - start)


def _permutation_p(s: np.ndarray) -> float:
    """P-value of the first among the S of all orders."""
    margin = TIE * max(s[0], 1.0)
    greater = (s > s[0] + margin).sum()
    ties = (np.abs(s - s[0]) <= margin).sum() - 1  # beside the observed order itself
    return float((greater + ties / 2 + 1) / len(s))
