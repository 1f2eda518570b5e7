"""The floor of the perimeter: a stimulus not seen at full brightness gives a bound on sensitivity, no value.

The sensitivity written for it stays the same from test to test while the normal one falls with age, so its
total deviation *rises* by about 0.05 to 0.1 dB/year, on a perfect line. Regressed as if measured, a location
that is never seen improves with a p of 0; by permutations the whole field then improves, whatever else it does.
"""

from __future__ import annotations

import numpy as np

BRIGHTEST = 0.0  # dB: the perimeter's brightest stimulus; a sensitivity below says that it was not seen

BIN = 0.5  # dB, of the histogram that shows the floor
HIGHEST = 3.0  # dB; no floor lies above
WIDTH = 1.25  # dB that values at the floor spread on both sides: whole decibels, and other norms than ours
CLEAR = 2.0  # times as many values at the floor as a little above it, at least
FEWEST = 20  # values


def estimate_floor(sens: np.ndarray) -> float | None:
    """Where the floor is among sensitivities that were computed back from total deviation: values pile up there.

    Parameters
    ----------
    sens : array
        Total deviation plus normal sensitivity by age, dB, any shape; NaN where not tested.

    Returns
    -------
    The sensitivity at or below which a value counts as at the floor, dB; None where nothing piles up.
    """
    edges = np.arange(-6.0, 12.0 + BIN, BIN)
    counts = np.histogram(sens[np.isfinite(sens)], edges)[0]
    around = np.convolve(counts, np.ones(3), mode="same")
    centres = (edges[:-1] + edges[1:]) / 2
    peak = int(np.argmax(np.where(centres <= HIGHEST, around, -1)))
    above = around[centres > centres[peak] + 2 * WIDTH]
    if around[peak] < max(FEWEST, CLEAR * np.median(above)):
        return None
    return float(centres[peak] + WIDTH)


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
