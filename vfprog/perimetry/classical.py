"""Classical progression analyses, one row per eye: the columns that stand beside the model's rates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vfprog.perimetry.criteria import plr_criteria
from vfprog.perimetry.floor import hold_floor
from vfprog.perimetry.poplr import poplr
from vfprog.perimetry.regression import linear_regression

EYES_AT_ONCE = 4096  # so that a hospital's fields fit in memory with what regressions make of them


def classical_rates(
    td: np.ndarray,
    mask: np.ndarray,
    years: np.ndarray,
    permutations: int,
    seed: int,
    at_floor: np.ndarray | None = None,
) -> pd.DataFrame:
    """Trend of the mean TD, criteria of pointwise linear regression, and PoPLR.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, padded; visits in order of time.
    mask : array of bool, same shape
        True = tested. A visit without any tested location is padding.
    years : array (eye, visit)
        Time of each visit.
    permutations : int
        Random permutations of PoPLR (see :func:`~vfprog.perimetry.poplr.poplr`).
    seed : int
        Not negative.
    at_floor : array of bool, same shape as td, optional
        True = a stimulus not seen, or only at full brightness: PLR and PoPLR then take it as censored (see
        :func:`~vfprog.perimetry.floor.hold_floor`). Absent, every value is taken as measured, as other
        packages do.

    Returns
    -------
    DataFrame
        By eye: ``md_slope`` of the plain mean TD over tested locations (dB/year; NaN without two visits at
        different times) and its one-sided ``md_slope_p``; ``plr_points, plr_net, plr_confirmed,
        plr_progressing`` (see :class:`~vfprog.perimetry.criteria.PlrCriteria`); ``poplr_p``. p-values are NaN
        below three visits.
    """
    parts = []
    for start in range(0, max(len(td), 1), EYES_AT_ONCE):
        eyes = slice(start, start + EYES_AT_ONCE)
        floor = None if at_floor is None else at_floor[eyes]
        parts.append(_rates_of_some(td[eyes], mask[eyes], years[eyes], permutations, seed, floor))
    return pd.concat(parts, ignore_index=True)


def _rates_of_some(
    td: np.ndarray,
    mask: np.ndarray,
    years: np.ndarray,
    permutations: int,
    seed: int,
    at_floor: np.ndarray | None,
) -> pd.DataFrame:
    """As :func:`classical_rates`."""
    tested = np.maximum(mask.sum(axis=2), 1)
    mean = np.where(mask, td, 0.0).sum(axis=2) / tested
    trend = linear_regression(mean, years, np.any(mask, axis=2))
    if at_floor is not None:
        td, mask = hold_floor(td, mask, at_floor)
    plr = plr_criteria(td, years, mask)
    return pd.DataFrame(
        {
            "md_slope": trend.slope,
            "md_slope_p": trend.p,
            "plr_points": plr.points,
            "plr_net": plr.net,
            "plr_confirmed": plr.confirmed,
            "plr_progressing": plr.progressing,
            "poplr_p": poplr_cohort(td, mask, years, permutations, seed),
        }
    )


def poplr_cohort(
    td: np.ndarray, mask: np.ndarray, years: np.ndarray, permutations: int, seed: int
) -> np.ndarray:
    """PoPLR's p-value of each eye, (eye,); parameters as :func:`classical_rates`.

    The sample of permutations depends on ``seed`` and the number of visits, so an eye's p-value does not
    depend on which other eyes are analysed beside it, nor on their order.
    """
    visited = np.any(mask, axis=2)
    visits_first = np.argsort(~visited, axis=1, kind="stable")
    values = np.take_along_axis(np.where(mask, td, np.nan), visits_first[..., np.newaxis], axis=1)
    times = np.take_along_axis(years, visits_first, axis=1)
    n_visits = visited.sum(axis=1)
    p = np.full(len(td), np.nan)
    for n in np.unique(n_visits):
        eyes = n_visits == n
        rng = np.random.default_rng([seed, n])
        p[eyes] = poplr(values[eyes, :n], times[eyes, :n], permutations, rng).p
    return p
