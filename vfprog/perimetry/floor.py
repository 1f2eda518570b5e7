"""The floor of the perimeter: a stimulus not seen at full brightness gives a bound on sensitivity, no value.

The sensitivity written for it stays the same from test to test while the normal one falls with age, so its
total deviation *rises* by about 0.05 to 0.1 dB/year, on a perfect line. Regressed as if measured, a location
that is never seen improves with a p of 0; by permutations the whole field then improves, whatever else it does.
"""

from __future__ import annotations

import numpy as np


def hold_floor(td: np.ndarray, mask: np.ndarray, at_floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Total deviation for pointwise trends, in which nothing at the floor changes.

    All values of a location at the floor become the lowest of them, which every one of its censored values
    allows: so it neither rises by ageing, nor does its fall to the floor count for less. A location that was
    never seen says nothing of change and counts as not tested. With few values seen, trends err towards no
    change, because how far below the floor the truth lies is not known.

    Parameters
    ----------
    td : array (eye, visit, location)
        Total deviation, dB; any values where not tested.
    mask : array of bool, same shape
        True = tested.
    at_floor : array of bool, same shape
        True = not seen, or only at full brightness.

    Returns
    -------
    td, mask : array (eye, visit, location)
        The series to regress, and which of its values count.
    """
    censored = mask & at_floor
    lowest = np.where(censored, td, np.inf).min(axis=1, keepdims=True)
    ever_seen = (mask & ~at_floor).any(axis=1, keepdims=True)
    return np.where(censored, lowest, td), mask & ever_seen
