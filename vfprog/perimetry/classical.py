"""Classical progression analyses, one row per eye: the columns that stand beside the model's rates."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pandas as pd

from vfprog.perimetry.poplr import poplr
from vfprog.perimetry.regression import linear_regression

# A location progresses by pointwise linear regression if it loses this much at this significance.
PLR_SLOPE = -1.0  # dB/year
PLR_P = 0.01


def classical_rates(
    td: np.ndarray, mask: np.ndarray, years: np.ndarray, permutations: int, seed: int
) -> pd.DataFrame:
    """Trend of the mean TD, count of progressing locations, and PoPLR.

    An eye's permutations are drawn from ``seed`` and the eye's own series, so its p-value does not depend on
    which other eyes are analysed beside it, nor on their order.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB, padded.
    mask : array of bool, same shape
        True = tested. A visit without any tested location is padding.
    years : array (eye, visit)
        Time of each visit.
    permutations : int
        Random permutations of PoPLR (see :func:`~vfprog.perimetry.poplr.poplr`).
    seed : int
        Not negative.

    Returns
    -------
    DataFrame
        By eye: ``md_slope`` of the plain mean TD over tested locations (dB/year; NaN without two visits at
        different times) and its one-sided ``md_slope_p``; ``plr_points``, the number of locations with a
        slope of -1 dB/year or worse and p < 0.01; ``poplr_p``. p-values are NaN below three visits.
    """
    visited = np.any(mask, axis=2)
    tested = np.maximum(mask.sum(axis=2), 1)
    mean = linear_regression(np.where(mask, td, 0.0).sum(axis=2) / tested, years, visited)
    pointwise = linear_regression(td, years, mask)
    progressing = (pointwise.slope <= PLR_SLOPE) & (pointwise.p < PLR_P)
    return pd.DataFrame(
        {
            "md_slope": mean.slope,
            "md_slope_p": mean.p,
            "plr_points": progressing.sum(axis=1),
            "poplr_p": poplr_cohort(td, mask, years, permutations, seed),
        }
    )


def poplr_cohort(
    td: np.ndarray, mask: np.ndarray, years: np.ndarray, permutations: int, seed: int
) -> np.ndarray:
    """PoPLR's p-value of each eye, (eye,); parameters as :func:`classical_rates`."""
    visited = np.any(mask, axis=2)
    with_gaps = np.where(mask, td, np.nan)
    return np.array(
        [
            poplr(series[kept], times[kept], permutations, _own_rng(seed, series[kept], times[kept])).p
            for series, times, kept in zip(with_gaps, years, visited, strict=True)
        ]
    )


def _own_rng(seed: int, series: np.ndarray, times: np.ndarray) -> np.random.Generator:
    """Generator that depends on the seed and the eye's measurements alone."""
    digest = blake2b(series.tobytes() + times.tobytes(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
