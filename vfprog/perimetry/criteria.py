"""Criteria of progression by pointwise linear regression (PLR), for whole cohorts at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vfprog.perimetry.regression import linear_regression

SLOPE = 1.0  # dB/year: a location that changes less does not count, however sure the change is
P = 0.01  # of one location
NET_LOCATIONS = 3  # worsening less improving, from which an eye progresses


class PlrCriteria(NamedTuple):
    """What PLR says of eyes: arrays (eye,).

    Attributes
    ----------
    points : array of int
        Locations with a slope of -1 dB/year or worse and a one-sided p below 0.01.
    net : array of int
        Those less the locations with a slope of 1 dB/year or better and the same p of improvement: a score.
    confirmed : array of int
        Worsening less improving locations by two-omitting PLR: a score.
    progressing : array of bool
        Whether ``confirmed`` is 3 or more.
    """

    points: np.ndarray
    net: np.ndarray
    confirmed: np.ndarray
    progressing: np.ndarray


def plr_criteria(td: np.ndarray, years: np.ndarray, mask: np.ndarray) -> PlrCriteria:
    """Count the locations that PLR finds to change, plainly and as Nouri-Mahdavi et al. confirm them.

    Two-omitting PLR (Gardiner and Crabb, IOVS 2002;43:1400) regresses a location without its last test, and
    again with the last but without the test before it; it changes if by both it gains or loses at least
    1 dB/year with a two-sided p below 0.01, so one stray test at the end does not decide. An eye
    progresses if its worsening locations outnumber its improving ones by 3: the criterion of Nouri-Mahdavi et
    al. (IOVS 2012;53:2390, doi:10.1167/iovs.11-9021) as the R package vfprogression 0.7.1 has it.

    Parameters
    ----------
    td : array (eye, visit, location)
        dB, visits in order of time.
    years : array (eye, visit)
        Time of each visit.
    mask : array of bool, same shape as td
        True = tested. Where the last visits did not test a location, its own last tests are omitted in turn.

    Returns
    -------
    PlrCriteria
        0 and False where the tests are too few for a p-value: below 3, below 4 for the confirmed counts.
    """
    worsening, improving = _changing(td, years, mask, P)
    to_the_end = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1]
    # One-sided halves of the two-sided level.
    without_last = _changing(td, years, mask & (to_the_end != 1), P / 2)
    without_previous = _changing(td, years, mask & (to_the_end != 2), P / 2)
    confirmed = _net(*(a & b for a, b in zip(without_last, without_previous, strict=True)))
    return PlrCriteria(
        worsening.sum(axis=1), _net(worsening, improving), confirmed, confirmed >= NET_LOCATIONS
    )


def _changing(
    td: np.ndarray, years: np.ndarray, mask: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Whether locations worsen, and whether they improve, by one-sided tests: two arrays (eye, location)."""
    trend = linear_regression(td, years, mask)
    worsening = (trend.slope <= -SLOPE) & (trend.p < level)
    return worsening, (trend.slope >= SLOPE) & (1 - trend.p < level)


def _net(worsening: np.ndarray, improving: np.ndarray) -> np.ndarray:
    return worsening.sum(axis=1) - improving.sum(axis=1)
