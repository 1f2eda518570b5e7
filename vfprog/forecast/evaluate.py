"""Evaluation: forecast every later visit of unseen patients from the first few, with every method.

Tables are long: one row per method, number of first visits, horizon, severity and metric. Scores of patients whom
different models left out (cross-validation) are pooled before cells are formed. Intervals are patient-level
bootstraps with the same replicates for all methods, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from vfprog.config import EvaluationConfig
from vfprog.data.series import Series
from vfprog.forecast.calibrate import LOWER, MEDIAN, PROBABILITIES, UPPER, Calibration, measured_mtd
from vfprog.forecast.cells import CELLS, FINEST, OF_WHOLE_FIELDS, SUMS, Placed, per_unit, place
from vfprog.forecast.methods import MEDIAN_POINT, predict_in_batches
from vfprog.forecast.score import (
    SIZE,
    PatientBootstrap,
    absolute_error,
    bounds,
    covered,
    crps,
    interval_score,
    patient_bootstrap,
)
from vfprog.inference.origins import Origin, origin
from vfprog.model.trajectory import Forecaster, Prediction, eye_batches

TD_METRICS, MD_METRICS = ("mae", "crps", "coverage90", "interval_score"), ("md_mae",)
# Simple methods that every difference is taken from: the mean of past visits, and the same moved to the median.
REFERENCES = ("mean", "median_shifted_mean")
KEY = ["method", "n_first", "horizon", "severity", "metric"]
INTERVAL = ["value", "lower", "upper"]
COLUMNS = [*KEY, *INTERVAL, *SIZE]
RATIO = ["ratio", "ratio_lower", "ratio_upper"]
DIFFERENCE_COLUMNS = ["method", "baseline", *KEY[1:], *INTERVAL, *RATIO, *SIZE]
PUBLISHED_FIRST, PUBLISHED_VISITS = 3, (4, 6, 8)
PUBLISHED_COLUMNS = ["method", "visit", *INTERVAL, "n_eyes", "n_patients"]


@dataclass(frozen=True)
class Unseen:
    """Eyes that a model never saw, and what it forecasts with: all methods by name, and their calibrations."""

    eyes: pd.DataFrame
    series: Series
    methods: dict[str, Forecaster]
    calibration: dict[str, Calibration]


@dataclass(frozen=True)
class Totals:
    """Sums of scores by patient and finest cell, from one number of first visits.

    Attributes
    ----------
    td, md : dict of arrays (metric, patient, finest)
        By method: of locations' TD, and of mean TD.
    tests, fields : array (patient, finest)
        Numbers of values and of visits summed over.
    visits, eyes : array (cell,)
        Numbers of visits and eyes with a value in each cell of the table.
    """

    td: dict[str, np.ndarray]
    md: dict[str, np.ndarray]
    tests: np.ndarray
    fields: np.ndarray
    visits: np.ndarray
    eyes: np.ndarray


def evaluate(unseen: list[Unseen], options: EvaluationConfig, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score all methods on eyes that no model saw.

    Parameters
    ----------
    unseen : list of Unseen
        One entry a model; no patient stands in two.

    Returns
    -------
    evaluation, differences : DataFrame
        ``evaluation.csv`` and ``differences.csv`` (a method's metric minus that of each of ``REFERENCES``, and their
        ratio); empty where no eye has enough visits.
    """
    patients, bootstrap = _patients(unseen, options, seed)
    scores, differences = [pd.DataFrame(columns=COLUMNS)], [pd.DataFrame(columns=DIFFERENCE_COLUMNS)]
    for n_first in options.first_visits:
        totals = _totals(unseen, patients, bootstrap.patients, n_first)
        tests = totals.tests @ SUMS
        size = dict(zip(SIZE, (totals.visits, totals.eyes, (tests > 0).sum(0)), strict=True))
        cells = pd.DataFrame(CELLS, columns=["horizon", "severity"]).assign(n_first=n_first, **size)
        enough = tests.sum(0) >= options.min_values
        for by_method, metrics, number, shown in (
            (totals.td, TD_METRICS, totals.tests, enough),
            (totals.md, MD_METRICS, totals.fields, enough & OF_WHOLE_FIELDS),
        ):
            if shown.any():
                of_method = {m: _estimate(total, number, shown, bootstrap) for m, total in by_method.items()}
                scores += [
                    _rows(cells[shown], metrics, method=m, **_interval(*e)) for m, e in of_method.items()
                ]
                differences += _differences(cells[shown], metrics, of_method)
    return _table(scores, COLUMNS), _table(differences, DIFFERENCE_COLUMNS)


def published_comparison(unseen: list[Unseen], options: EvaluationConfig, seed: int) -> pd.DataFrame:
    """The comparison of Berchuck et al. 2019: MAE of visits 4, 6, 8 forecast from the first 3 (``published.csv``)."""
    patients, bootstrap = _patients(unseen, options, seed)
    shape = (bootstrap.patients, len(PUBLISHED_VISITS))
    totals: dict[str, np.ndarray] = {name: np.zeros(shape) for name in unseen[0].methods}
    tests, eyes = np.zeros(shape), np.zeros(len(PUBLISHED_VISITS), int)
    for group, cut, patient in _origins(unseen, patients, PUBLISHED_FIRST):
        column, later = _published_visits(cut)
        mask = later.mask.cpu().numpy()
        eye, time, _ = np.nonzero(mask)
        value = patient[eye], column[time]
        np.add.at(tests, value, 1)
        eyes[column] += mask.any(-1).sum(0)
        for name, method in group.methods.items():
            prediction = predict_in_batches(method, later.past, later.years)
            np.add.at(totals[name], value, score(prediction, later, group.calibration[name], name)[0]["mae"])
    shown = tests.sum(0) >= options.min_values
    size = {"n_eyes": eyes[shown], "n_patients": (tests > 0).sum(0)[shown]}
    visits = pd.DataFrame({"visit": np.array(PUBLISHED_VISITS)[shown], **size})
    rows = [pd.DataFrame(columns=PUBLISHED_COLUMNS)]
    for name, total in totals.items():
        value = total[:, shown].sum(0) / tests[:, shown].sum(0)
        replicates = bootstrap.replicates(total[:, shown], tests[:, shown])
        rows.append(visits.assign(method=name, **_interval(value, replicates)))
    return _table(rows, PUBLISHED_COLUMNS)


def _published_visits(cut: Origin) -> tuple[np.ndarray, Origin]:
    """Of the later visits only the published ones that any eye has, and which of them these are."""
    time = np.array(PUBLISHED_VISITS) - PUBLISHED_FIRST - 1
    column = np.flatnonzero(time < cut.years.shape[1])
    kept = time[column]
    return column, replace(cut, td=cut.td[:, kept], mask=cut.mask[:, kept], years=cut.years[:, kept])


def score(
    prediction: Prediction, cut: Origin, calibration: Calibration, method: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Scores by metric of each tested later value, and of each later visit's mean TD, in the order of the masks."""
    mask, visits = cut.mask.cpu().numpy(), cut.visits.cpu().numpy()
    td, ahead = cut.td.cpu().numpy().astype(float), cut.horizon.cpu().numpy().astype(float)
    mean, sd, md, md_sd = (t.cpu().numpy().astype(float) for t in vars(prediction).values())
    value, mean, sd = td[mask], mean[mask], sd[mask]
    forecast = calibration.td(mean, sd, np.broadcast_to(ahead[..., None], mask.shape)[mask], cut.n_first)
    lower, upper = forecast.quantile(LOWER), forecast.quantile(UPPER)
    of_td = {
        "mae": absolute_error(value, forecast.quantile(MEDIAN) if method in MEDIAN_POINT else mean),
        "crps": crps(value, (forecast.quantile(i) for i in range(len(PROBABILITIES)))),
        "coverage90": covered(value, lower, upper),
        "interval_score": interval_score(value, lower, upper),
    }
    mtd, md, md_sd = measured_mtd(td, mask)[visits], md[visits], md_sd[visits]
    point = (
        calibration.md(md, md_sd, ahead[visits], cut.n_first).quantile(MEDIAN)
        if method in MEDIAN_POINT
        else md
    )
    return of_td, {"md_mae": absolute_error(mtd, point)}


def _patients(
    unseen: list[Unseen], options: EvaluationConfig, seed: int
) -> tuple[list[np.ndarray], PatientBootstrap]:
    """Each group's patients by number, numbered over all groups, and the bootstrap over them."""
    patient, bootstrap = patient_bootstrap(pd.concat([group.eyes for group in unseen]), options, seed)
    ends = np.cumsum([len(group.eyes) for group in unseen])
    return np.split(patient, ends[:-1]), bootstrap


def _origins(
    unseen: list[Unseen], patients: list[np.ndarray], n_first: int
) -> Iterator[tuple[Unseen, Origin, np.ndarray]]:
    """Batches of eyes cut after their first visits, with each cut eye's patient: bounds the memory of a hospital."""
    for group, patient in zip(unseen, patients, strict=True):
        for batch in eye_batches(len(group.series)):
            cut = origin(group.series[batch], n_first)
            if cut is not None:
                yield group, cut, patient[batch][cut.rows.cpu().numpy()]


def _totals(unseen: list[Unseen], patients: list[np.ndarray], number: int, n_first: int) -> Totals:
    """Forecast from the first visits with every method, score, and sum up by patient and finest cell."""
    names = list(unseen[0].methods)
    shape = (number, len(FINEST))
    totals = Totals(
        td={name: np.zeros((len(TD_METRICS), *shape)) for name in names},
        md={name: np.zeros((len(MD_METRICS), *shape)) for name in names},
        tests=np.zeros(shape),
        fields=np.zeros(shape),
        visits=np.zeros(len(CELLS), int),
        eyes=np.zeros(len(CELLS), int),
    )
    for group, cut, patient in _origins(unseen, patients, n_first):
        placed = place(cut)
        _add_batch(totals, group, cut, placed, patient)
    return totals


def _add_batch(totals: Totals, group: Unseen, cut: Origin, placed: Placed, patient: np.ndarray) -> None:
    of_value = patient[placed.eye]
    # Of a visit any one location will do: the cells of whole fields do not ask for a location's severity.
    first = np.unique(placed.visit, return_index=True)[1]
    of_visit, finest = of_value[first], placed.finest[first]
    number = len(totals.tests)
    totals.tests[:] += per_unit(of_value, placed.finest, units=number)
    totals.fields[:] += per_unit(of_visit, finest, units=number)
    totals.visits[:] += placed.units(placed.visit)
    totals.eyes[:] += placed.units(placed.eye)
    for name, method in group.methods.items():
        prediction = predict_in_batches(method, cut.past, cut.years)
        of_td, of_md = score(prediction, cut, group.calibration[name], name)
        for i, metric in enumerate(TD_METRICS):
            totals.td[name][i] += per_unit(of_value, placed.finest, of_td[metric], number)
        for i, metric in enumerate(MD_METRICS):
            totals.md[name][i] += per_unit(of_visit, finest, of_md[metric], number)


def _estimate(
    total: np.ndarray, number: np.ndarray, shown: np.ndarray, bootstrap: PatientBootstrap
) -> tuple[np.ndarray, np.ndarray]:
    """Means (metric, cell) of the shown cells, and their bootstrap replicates (metric, replicate, cell)."""
    of_cells, count = total @ SUMS[:, shown], number @ SUMS[:, shown]
    return of_cells.sum(1) / count.sum(0), bootstrap.replicates(of_cells, count)


def _interval(
    value: np.ndarray, replicates: np.ndarray, names: list[str] = INTERVAL
) -> dict[str, np.ndarray]:
    return dict(zip(names, (value, *bounds(replicates)), strict=True))


def _differences(
    cells: pd.DataFrame, metrics: tuple[str, ...], of_method: dict[str, tuple[np.ndarray, np.ndarray]]
) -> list[pd.DataFrame]:
    """Rows of every method against every reference that is among the methods."""
    return [
        _rows(cells, metrics, method=name, baseline=reference, **_against(estimate, of_method[reference]))
        for name, estimate in of_method.items()
        for reference in REFERENCES
        if reference in of_method and reference != name
    ]


def _against(
    estimate: tuple[np.ndarray, np.ndarray], reference: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Differences from a reference and ratios to it; a ratio to 0 is not a number."""
    (value, replicates), (base, base_replicates) = estimate, reference
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, ratios = value / base, replicates / base_replicates
    ratios[~np.isfinite(ratios)] = np.nan
    return {
        **_interval(value - base, replicates - base_replicates),
        **_interval(np.where(np.isfinite(ratio), ratio, np.nan), ratios, RATIO),
    }


def _rows(cells: pd.DataFrame, metrics: tuple[str, ...], **columns: str | np.ndarray) -> pd.DataFrame:
    """One row a metric and cell; arrays among the further columns are (metric, cell)."""
    flat = {name: v.ravel() if isinstance(v, np.ndarray) else v for name, v in columns.items()}
    rows = pd.concat([cells] * len(metrics), ignore_index=True)
    return rows.assign(metric=np.repeat(metrics, len(cells)), **flat)


def _table(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The parts one after another; the first, which has no rows, alone where all have none."""
    full = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(full, ignore_index=True)[columns]
