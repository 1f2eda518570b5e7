"""Scores of probabilistic forecasts, value by value (smaller is better but for coverage), and their intervals."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import EvaluationConfig
from vfprog.forecast.calibrate import COVERAGE, PROBABILITIES


def absolute_error(value: np.ndarray, point: np.ndarray) -> np.ndarray:
    """|value - point|, dB."""
    return np.abs(value - point)


def crps(value: np.ndarray, quantiles: Iterable[np.ndarray]) -> np.ndarray:
    """Continuous ranked probability score from quantiles at ``PROBABILITIES``, dB.

    Twice the integral of the pinball loss over probability (Gneiting and Ranjan 2011, eq. 9): each quantile
    stands for its share of probability, the outermost also for what lies beyond them.
    """
    step = PROBABILITIES[1] - PROBABILITIES[0]
    total = np.zeros_like(value)
    for p, quantile in zip(PROBABILITIES, quantiles, strict=True):
        error = value - quantile
        total += step * _pinball(error, p)
        if p in (PROBABILITIES[0], PROBABILITIES[-1]):
            beyond = p - step / 2 if p < 0.5 else 1 - p - step / 2
            total += beyond * _pinball(error, beyond / 2 if p < 0.5 else 1 - beyond / 2)
    return 2 * total


def _pinball(error: np.ndarray, p: float) -> np.ndarray:
    return np.maximum(p * error, (p - 1) * error)


def covered(value: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """1 where the interval holds the value, else 0; a value on the bound is held."""
    return ((value >= lower) & (value <= upper)).astype(float)


def interval_score(value: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Width plus what falls outside, weighted by 2 / (1 - coverage), dB (Gneiting and Raftery 2007)."""
    outside = np.maximum(lower - value, 0) + np.maximum(value - upper, 0)
    return upper - lower + 2 / (1 - COVERAGE) * outside


SIZE = ["n_visits", "n_eyes", "n_patients"]  # what every row of an evaluation table rests on


class PatientBootstrap:
    """Means over values with 95 % intervals from resampled patients, both eyes of a patient together.

    Parameters
    ----------
    patients : int
        Number of patients.
    replicates : int
        Bootstrap replicates.
    seed : int
        The same seed gives the same replicates, so differences of methods are paired.
    """

    def __init__(self, patients: int, replicates: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.patients = patients
        self.weights = rng.multinomial(patients, np.full(patients, 1 / patients), replicates).astype(float)

    def replicates(self, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Means over resampled patients, from the sums (..., patient, column) and numbers (patient, column) of values.

        The result is (..., replicate, column), NaN where no resampled patient has a value.
        """
        resampled = self.weights @ count
        return np.asarray((self.weights @ total) / np.where(resampled > 0, resampled, np.nan))

    def mean(self, total: np.ndarray, count: np.ndarray) -> tuple[float, float, float]:
        """Mean, lower and upper bound from the sums and numbers of values by patient: two arrays (patient,)."""
        lower, upper = bounds(self.replicates(total[:, None], count[:, None]))
        return float(total.sum() / count.sum()), float(lower[0]), float(upper[0])


def bounds(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % bootstrap interval from replicates (..., replicate, column): two arrays (..., column)."""
    # nanquantile goes column by column, which takes long, so it is left to cells that few patients share.
    quantile = np.nanquantile if np.isnan(replicates).any() else np.quantile
    lower, upper = quantile(replicates, [0.025, 0.975], axis=-2)
    return lower, upper


def patient_bootstrap(
    eyes: pd.DataFrame, options: EvaluationConfig, seed: int
) -> tuple[np.ndarray, PatientBootstrap]:
    """Index of each eye's patient, and the bootstrap over them."""
    patient = eyes[c.PATIENT].factorize()[0]
    return patient, PatientBootstrap(int(patient.max(initial=0)) + 1, options.bootstrap, seed)


def by_patient(
    value: np.ndarray, chosen: np.ndarray, patient: np.ndarray, patients: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the chosen values of each patient, from arrays whose first axis is the eye or field."""
    axes = tuple(range(1, value.ndim))
    total = np.where(chosen, value, 0.0).sum(axes)
    return np.bincount(patient, total, patients), np.bincount(patient, chosen.sum(axes), patients)


def interval(bootstrap: PatientBootstrap, total: np.ndarray, count: np.ndarray) -> dict[str, float]:
    """Mean and 95 % interval from sums and numbers of values by patient, as columns of a table."""
    return dict(zip(("value", "lower", "upper"), bootstrap.mean(total, count), strict=True))
