"""Means over fields with intervals that know which fields belong to one patient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NORMAL_95 = 1.959964  # SDs on either side of the mean that hold 95 % of a normal distribution


class Interval(NamedTuple):
    """A mean with its 95 % interval, in the unit of the values; the bounds are NaN for a single patient."""

    mean: float
    lower: float
    upper: float


def clustered_mean(values: np.ndarray, patient: np.ndarray) -> Interval:
    """Mean over fields with a 95 % interval from the spread between patients.

    The standard error is the cluster-robust one of a mean (Liang and Zeger 1986): fields of one patient may go
    together in any way, patients are independent.

    Parameters
    ----------
    values : array (field,)
    patient : array (field,)
        Whose field it is, any labels.
    """
    mean = float(values.mean())
    index = np.unique(patient, return_inverse=True)[1]
    sums = np.bincount(index, values - mean)
    n = len(sums)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"))
    error = float(np.sqrt(n / (n - 1) * (sums**2).sum())) / len(values)
    return Interval(mean, mean - NORMAL_95 * error, mean + NORMAL_95 * error)
