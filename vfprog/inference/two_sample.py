"""Fields drawn from a model against fields measured on patients it never saw.

Draws go from the prior through the likelihood, and both sides are compared as they would be recorded: to the whole
decibel, nothing below the perimeter's floor, the same locations untested. Fields are compared by their indices, by how
locations go together, and by a classifier that tries to tell them apart (Lopez-Paz and Oquab 2017): the nearer its
accuracy on unseen patients to one half, the better the draws.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from vfprog.inference.intervals import Interval, clustered_mean

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
FOLDS = 5
LARGEST_DISTANCE = 5  # of locations whose correlation is shown, in spacings of the grid


def as_recorded(drawn: np.ndarray, tested: np.ndarray, floor: np.ndarray, cell: float) -> np.ndarray:
    """Values as a perimeter would write them: (field, location), NaN where not tested.

    Parameters
    ----------
    drawn : array (field, location)
    tested : array (field, location) of bool
    floor : array (location,)
        Lowest value that is ever recorded; minus infinity where nothing is censored.
    cell : float
        Resolution of the records: 1 dB for fields.
    """
    return np.where(tested, np.round(np.maximum(drawn, floor) / cell) * cell, np.nan)


def recorded_floor(values: np.ndarray, at_floor: np.ndarray) -> np.ndarray:
    """What is recorded at the floor, by location: the mean of its values there, else that of all: (location,)."""
    if not at_floor.any():
        return np.full(values.shape[1], -np.inf)
    count = at_floor.sum(0)
    own = np.where(at_floor, values, 0.0).sum(0) / np.maximum(count, 1)
    return np.where(count > 0, own, values[at_floor].mean())


def compare_indices(held_out: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of indices (one column each) side by side, with the Kolmogorov-Smirnov distance.

    Returns
    -------
    DataFrame
        ``statistic`` (name of the index), ``at`` (probability), ``held_out, drawn, ks``.
    """
    parts = []
    for name in held_out:
        real, sampled = held_out[name].dropna(), drawn[name].dropna()
        parts.append(
            pd.DataFrame(
                {
                    "statistic": name,
                    "at": QUANTILES,
                    "held_out": np.quantile(real, QUANTILES),
                    "drawn": np.quantile(sampled, QUANTILES),
                    "ks": float(ks_2samp(real, sampled).statistic),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def compare_correlations(held_out: np.ndarray, drawn: np.ndarray, xy: np.ndarray) -> pd.DataFrame:
    """Mean correlation of two locations by their distance, in spacings of the grid, held-out and drawn.

    ``held_out, drawn`` are (field, location), NaN where not tested; ``xy`` (location, 2). The columns are those of
    :func:`compare_indices`; ``ks`` is empty.
    """
    steps = _steps(xy)
    above = np.triu(np.ones(steps.shape, dtype=bool), 1)
    distances = np.arange(1, min(LARGEST_DISTANCE, steps.max()) + 1)
    means = {}
    for name, values in (("held_out", held_out), ("drawn", drawn)):
        correlation = _correlation(values)
        means[name] = [np.nanmean(correlation[above & (steps == d)]) for d in distances]
    return pd.DataFrame({"statistic": "correlation", "at": distances, **means, "ks": np.nan})


def _correlation(values: np.ndarray) -> np.ndarray:
    """Correlation of locations over the fields that test them; NaN where one never varies."""
    tested = np.isfinite(values)
    mean = np.where(tested, values, 0.0).sum(0) / np.maximum(tested.sum(0), 1)
    away = np.where(tested, values - mean, 0.0)
    both = tested.T.astype(float) @ tested
    covariance = away.T @ away / np.maximum(both, 1)
    sd = np.sqrt(np.diag(covariance))
    return np.divide(
        covariance, np.outer(sd, sd), out=np.full_like(covariance, np.nan), where=np.outer(sd, sd) > 0
    )


def classifier_accuracy(
    held_out: np.ndarray, drawn: np.ndarray, patient: np.ndarray, xy: np.ndarray, seed: int
) -> Interval:
    """Accuracy of a classifier that tells held-out fields from drawn ones, on patients that it did not learn from.

    A support vector machine on the values, the values in order of size, and the mean difference of neighbours: spread
    and roughness tell fields apart that would look alike to a classifier taught their values by a few hundred.

    Parameters
    ----------
    held_out, drawn : array (field, location)
        As many of the one as of the other, NaN where not tested: at the same locations of both, so that untested ones
        tell nothing.
    patient : array (field,)
        Whose held-out field it is; no patient stands on both sides of a fold.
    xy : array (location, 2)
    seed : int
        Of the folds.

    Returns
    -------
    Interval
        NaN where there are fewer than two patients. 0.5 is what cannot be told apart.
    """
    patients = np.unique(patient, return_inverse=True)[1]
    folds = min(FOLDS, int(patients.max()) + 1)
    if folds < 2:
        return Interval(float("nan"), float("nan"), float("nan"))
    label = np.repeat([1, 0], [len(held_out), len(drawn)])
    # Draws are nobody's: each counts as a patient of its own.
    group = np.concatenate([patients, patients.max() + 1 + np.arange(len(drawn))])
    predicted = cross_val_predict(
        make_pipeline(StandardScaler(), SVC()),
        _features(np.concatenate([held_out, drawn]), xy),
        label,
        groups=group,
        cv=StratifiedGroupKFold(folds, shuffle=True, random_state=seed),
    )
    return clustered_mean((predicted == label).astype(float), group)


def _features(values: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """What the classifier sees: (field, feature)."""
    tested = np.isfinite(values)
    mean = np.where(tested, values, 0.0).sum(0) / np.maximum(tested.sum(0), 1)
    filled = np.where(tested, values, mean)
    one, other = np.nonzero(np.triu(_steps(xy) == 1))
    rough = np.abs(filled[:, one] - filled[:, other]).mean(1, keepdims=True)
    return np.concatenate([filled, np.sort(filled, axis=1), rough], axis=1)


def _steps(xy: np.ndarray) -> np.ndarray:
    """Distance of any two locations in spacings of the grid, rounded: (location, location) of int."""
    apart = np.hypot(*(xy[:, None] - xy[None]).T)
    return np.round(apart / apart[apart > 0].min()).astype(int)
