"""Evaluation: forecast every later visit of unseen patients from the first few, with every method.

Tables are long: one row per method, number of first visits, horizon, severity and metric. Intervals are
patient-level bootstraps with the same replicates for all methods, so that differences are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from vfprog.config import EvaluationConfig
from vfprog.data.series import Series
from vfprog.forecast.calibrate import LOWER, MEDIAN, PROBABILITIES, UPPER, Calibration, measured_mtd
from vfprog.forecast.methods import MEDIAN_POINT, predict_in_batches
from vfprog.forecast.score import (
    SIZE,
    absolute_error,
    by_patient,
    covered,
    crps,
    interval,
    interval_score,
    patient_bootstrap,
)
from vfprog.inference.origins import Origin, origin
from vfprog.model.summary import summarise
from vfprog.model.trajectory import Forecaster, Prediction

HORIZONS = {"all": (0.0, np.inf), "<1": (0.0, 1.0), "1-3": (1.0, 3.0), ">=3": (3.0, np.inf)}  # years
EYE_SEVERITY = {"mild": (-6.0, np.inf), "moderate": (-12.0, -6.0), "severe": (-np.inf, -12.0)}  # mean MTD, dB
LOCATION_SEVERITY = {">-5": (-5.0, np.inf), "-5..-15": (-15.0, -5.0), "<-15": (-np.inf, -15.0)}  # mean TD, dB
# Simple methods that every difference is taken from: the mean of past visits, and the same moved to the median.
REFERENCES = ("mean", "median_shifted_mean")
KEY = ["method", "n_first", "horizon", "severity", "metric"]
COLUMNS = [*KEY, "value", "lower", "upper", *SIZE]
DIFFERENCE_COLUMNS = ["method", "baseline", *KEY[1:], "value", "lower", "upper", *SIZE]
PUBLISHED_FIRST, PUBLISHED_VISITS = 3, (4, 6, 8)
PUBLISHED_COLUMNS = ["method", "visit", "value", "lower", "upper", "n_eyes", "n_patients"]


@dataclass(frozen=True)
class Scored:
    """Scores of one method's forecasts from one number of first visits, NaN where nothing was measured.

    ``td`` holds arrays (eye, time, location) by metric, ``md`` arrays (eye, time).
    """

    td: dict[str, np.ndarray]
    md: dict[str, np.ndarray]


@dataclass(frozen=True)
class Cells:
    """Who and what the scored values are.

    Attributes
    ----------
    patient : array (eye,) of int
        Index of the patient.
    horizon : array (eye, time)
        Years after the last visit given.
    eye_level : array (eye,)
        Mean over the first visits of their mean TD, dB.
    level : array (eye, location)
        Mean TD of the first visits, dB.
    mask : array (eye, time, location) of bool
        Tested values.
    """

    patient: np.ndarray
    horizon: np.ndarray
    eye_level: np.ndarray
    level: np.ndarray
    mask: np.ndarray

    def select(self, horizon: str, severity: str) -> np.ndarray:
        """Values of one cell: (eye, time, location) of bool."""
        low, high = HORIZONS[horizon]
        chosen = self.mask & ((self.horizon >= low) & (self.horizon < high))[..., None]
        if severity in EYE_SEVERITY:
            return chosen & _between(self.eye_level, EYE_SEVERITY[severity])[:, None, None]
        if severity in LOCATION_SEVERITY:
            return chosen & _between(self.level, LOCATION_SEVERITY[severity])[:, None]
        return chosen


def evaluate(
    eyes: pd.DataFrame,
    series: Series,
    methods: dict[str, Forecaster],
    calibration: dict[str, Calibration],
    options: EvaluationConfig,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score all methods on eyes that no model saw.

    Returns
    -------
    evaluation, differences : DataFrame
        ``evaluation.csv`` and ``differences.csv`` (a method's metric minus that of each of ``REFERENCES``);
        empty where no eye has enough visits.
    """
    patient, bootstrap = patient_bootstrap(eyes, options, seed)
    scores, differences = [], []
    for n_first in options.first_visits:
        cut = origin(series, n_first)
        if cut is None:
            continue
        cells = _cells(cut, patient)
        scored = {name: score(predict_in_batches(m, cut.past, cut.years), cut, calibration[name], name)
                  for name, m in methods.items()}  # fmt: skip
        for horizon, severity in product(HORIZONS, ["all", *EYE_SEVERITY, *LOCATION_SEVERITY]):
            chosen = cells.select(horizon, severity)
            if chosen.sum() < options.min_values:
                continue
            head = {
                "n_first": n_first,
                "horizon": horizon,
                "severity": severity,
                **_size(chosen, patient[cut.rows.cpu().numpy()]),
            }
            totals = {name: _totals(s, chosen, severity, cells.patient, bootstrap.patients)
                      for name, s in scored.items()}  # fmt: skip
            for name, metric in ((n, m) for n in totals for m in totals[n]):
                total, count = totals[name][metric]
                row = {"method": name, "metric": metric, **head}
                scores.append({**row, **interval(bootstrap, total, count)})
                for baseline in REFERENCES:
                    if baseline in totals and baseline != name:
                        apart = interval(bootstrap, total - totals[baseline][metric][0], count)
                        differences.append({**row, "baseline": baseline, **apart})
    return pd.DataFrame(scores, columns=COLUMNS), pd.DataFrame(differences, columns=DIFFERENCE_COLUMNS)


def score(prediction: Prediction, cut: Origin, calibration: Calibration, method: str) -> Scored:
    """Score one method's forecasts of later visits."""
    mask, visits = cut.mask.cpu().numpy(), cut.visits.cpu().numpy()
    value = np.where(mask, cut.td.cpu().numpy(), np.nan).astype(float)
    mtd = np.where(visits, measured_mtd(value, mask), np.nan)
    mean, sd, md, md_sd = (t.cpu().numpy().astype(float) for t in vars(prediction).values())
    lower, upper = calibration.td(mean, sd, LOWER), calibration.td(mean, sd, UPPER)
    md_point = calibration.md(md, md_sd, MEDIAN) if method in MEDIAN_POINT else md
    td = {
        "mae": absolute_error(value, point_forecast(mean, sd, calibration, method)),
        "crps": crps(value, (calibration.td(mean, sd, i) for i in range(len(PROBABILITIES)))),
        "coverage90": np.where(mask, covered(value, lower, upper), np.nan),
        "interval_score": interval_score(value, lower, upper),
    }
    return Scored(td, {"md_mae": absolute_error(mtd, md_point)})


def point_forecast(mean: np.ndarray, sd: np.ndarray, calibration: Calibration, method: str) -> np.ndarray:
    """The single value that a method forecasts, dB, from the mean and SD it predicts."""
    return calibration.td(mean, sd, MEDIAN) if method in MEDIAN_POINT else mean


def published_comparison(
    eyes: pd.DataFrame,
    series: Series,
    methods: dict[str, Forecaster],
    calibration: dict[str, Calibration],
    options: EvaluationConfig,
    seed: int,
) -> pd.DataFrame:
    """The comparison of Berchuck et al. 2019: MAE of visits 4, 6, 8 forecast from the first 3 (``published.csv``)."""
    cut = origin(series, PUBLISHED_FIRST)
    if cut is None:
        return pd.DataFrame(columns=PUBLISHED_COLUMNS)
    patient, bootstrap = patient_bootstrap(eyes, options, seed)
    rows = []
    for name, method in methods.items():
        prediction = predict_in_batches(method, cut.past, cut.years)
        mean, sd = prediction.td.cpu().numpy().astype(float), prediction.td_sd.cpu().numpy().astype(float)
        error = np.abs(cut.td.cpu().numpy() - point_forecast(mean, sd, calibration[name], name))
        for visit in PUBLISHED_VISITS:
            time = visit - PUBLISHED_FIRST - 1
            if time >= error.shape[1]:
                continue
            mask = cut.mask[:, time].cpu().numpy()
            if mask.sum() < options.min_values:
                continue
            total, count = by_patient(
                error[:, time], mask, patient[cut.rows.cpu().numpy()], bootstrap.patients
            )
            size = _size(mask[:, None], patient[cut.rows.cpu().numpy()])
            rows.append({"method": name, "visit": visit, **interval(bootstrap, total, count), **size})
    return pd.DataFrame(rows, columns=PUBLISHED_COLUMNS)


def _cells(cut: Origin, patient: np.ndarray) -> Cells:
    past = summarise(cut.past.td, cut.past.mask)
    visits = cut.past.mask.any(-1).cpu().numpy()
    mtd = measured_mtd(cut.past.td.cpu().numpy(), cut.past.mask.cpu().numpy())
    eye_level = (mtd * visits).sum(1) / np.maximum(visits.sum(1), 1)
    rows = cut.rows.cpu().numpy()
    horizon = cut.horizon.cpu().numpy()
    return Cells(patient[rows], horizon, eye_level, past.mean.cpu().numpy(), cut.mask.cpu().numpy())


def _between(value: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Above the lower limit and up to the upper one, so that -6 dB is moderate."""
    return (value > limits[0]) & (value <= limits[1])


def _totals(
    scored: Scored, chosen: np.ndarray, severity: str, patient: np.ndarray, patients: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Sum and number of values by patient, for each metric of a cell; MD has no severity by location."""
    totals = {name: by_patient(value, chosen, patient, patients) for name, value in scored.td.items()}
    if severity not in LOCATION_SEVERITY:
        visits = np.asarray(chosen.any(-1))
        totals |= {name: by_patient(value, visits, patient, patients) for name, value in scored.md.items()}
    return totals


def _size(chosen: np.ndarray, patient: np.ndarray) -> dict[str, int]:
    """Visits, eyes and patients with a chosen value: ``chosen`` is (eye, time, location)."""
    visits = chosen.any(-1)
    eyes = visits.any(-1)
    return {
        "n_visits": int(visits.sum()),
        "n_eyes": int(eyes.sum()),
        "n_patients": len(np.unique(patient[eyes])),
    }
