"""Rates against known truth: how far off they are, and how often their intervals hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from vfprog import columns as c
from vfprog.config import RatesConfig
from vfprog.data.views import Views, views_from_visits
from vfprog.errors import UserError
from vfprog.forecast.rate_posterior import RatePosterior, evidence, field_posterior
from vfprog.forecast.rate_prior import RatePrior
from vfprog.forecast.rates import mtd_series
from vfprog.perimetry.grid import Grid
from vfprog.perimetry.regression import linear_regression

BOOTSTRAP = 1000  # replicates over persons
MIN_EYES = 5  # below, a cell says nothing
MILD, SEVERE = -6.0, -12.0  # dB of true mean TD, above and below which an eye is mild or severe
COLUMNS = [
    *("n_visits", "estimator", "eyes", "rmse", "rmse_lower", "rmse_upper"),
    *("difference", "difference_lower", "difference_upper", "bias"),  # of the RMSE, from least squares
    *("coverage90", "coverage95", "width90", "n_eyes", "n_patients"),
]


class Estimate(NamedTuple):
    """Rates and their intervals, dB/year: arrays (eye,)."""

    rate: np.ndarray
    lower90: np.ndarray
    upper90: np.ndarray
    lower95: np.ndarray
    upper95: np.ndarray


def true_fields(visits: pd.DataFrame, truth: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The visits with their true total deviation in place of the measured one.

    Parameters
    ----------
    visits : DataFrame
        Included visits of a cohort.
    truth : DataFrame
        ``patient_id, eye, visit, td_1..``: true fields of (at least) these visits.

    Raises
    ------
    UserError
        If a visit has no true field.
    """
    names = c.td(grid.n)
    joined = visits[[*c.VISIT_KEY, c.YEARS]].merge(truth[[*c.VISIT_KEY, *names]], how="left", on=c.VISIT_KEY)
    lacking = int(joined[names[0]].isna().sum())
    if lacking:
        raise UserError(
            f"truth: {lacking} of {len(joined)} included visits have no true field; it needs a row for each "
            "patient, eye and visit of the cohort"
        )
    return joined


def rate_truth(
    visits: pd.DataFrame,
    truth: pd.DataFrame,
    grid: Grid,
    prior: RatePrior,
    options: RatesConfig,
    seed: int,
    sectors: Sequence[str] = (),
) -> pd.DataFrame:
    """``rates_truth.csv``: error, bias and coverage of rates by number of first visits, estimator and kind of eye.

    The true rate over n visits is the least-squares slope of the true mean TD over those visits. Intervals resample
    persons. ``sectors`` names the columns of the nerve fibre layer; with them, rates of fields alone stand beside.
    Further parameters as :func:`true_fields`.
    """
    known = views_from_visits(true_fields(visits, truth, grid), grid, [])
    measured, person = views_from_visits(visits, grid, list(sectors)), _persons(visits)
    rows = []
    for n in options.truth_visits:
        enough = np.flatnonzero(measured.n_visits >= n)
        if len(enough) < MIN_EYES:
            continue
        rate, level = _line(known[enough].first(n))
        first = measured[enough].first(n)
        estimates = {"vfprog": _posterior(first, prior)}
        if sectors:
            estimates["fields_alone"] = _posterior(first.without_structure(), prior)
        estimates["least_squares"] = _least_squares(first)
        for kind, chosen in _kinds(rate, level, options.fast_rate).items():
            if chosen.sum() < MIN_EYES:
                continue
            whose = pd.factorize(person[enough][chosen])[0]
            for name, estimate in estimates.items():
                baseline = estimates["least_squares"].rate[chosen]
                cell = _score(Estimate(*(v[chosen] for v in estimate)), baseline, rate[chosen], whose, seed)
                rows.append({"n_visits": n, "estimator": name, "eyes": kind, **cell})
    return pd.DataFrame(rows, columns=COLUMNS)


def _persons(visits: pd.DataFrame) -> np.ndarray:
    """Whose each eye is: replicates of a person are one."""
    name = c.PERSON if c.PERSON in visits else c.PATIENT
    first = visits.drop_duplicates(c.EYE_KEY)
    return first[name].to_numpy()


def _kinds(rate: np.ndarray, level: np.ndarray, fast: float) -> dict[str, np.ndarray]:
    """Kinds of eyes by true rate and level: arrays (eye,) of bool."""
    return {
        "all": np.ones(len(rate), dtype=bool),
        "fast": rate < fast,
        "mild": level > MILD,
        "moderate": (level <= MILD) & (level > SEVERE),
        "severe": level <= SEVERE,
    }


def _line(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """Slope (dB/year) of mean TD over the visits, and its mean (dB): two arrays (eye,)."""
    mtd, tested = mtd_series(views)
    level = (mtd * tested).sum(1) / np.maximum(tested.sum(1), 1)
    return linear_regression(mtd, views.years, tested).slope, level


def _posterior(views: Views, prior: RatePrior) -> Estimate:
    parts = [field_posterior(part, prior).rate for part in evidence(views, prior)]
    rate = RatePosterior(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("weight", "mean", "sd"))
    )
    return Estimate(rate.expectation(), *(rate.quantile(p) for p in (0.05, 0.95, 0.025, 0.975)))


def _least_squares(views: Views) -> Estimate:
    mtd, tested = mtd_series(views)
    line = linear_regression(mtd, views.years, tested)
    reach90, reach95 = (student.ppf(p, line.n - 2) * line.se for p in (0.95, 0.975))
    slope = line.slope
    return Estimate(slope, slope - reach90, slope + reach90, slope - reach95, slope + reach95)


def _score(
    estimate: Estimate, baseline: np.ndarray, truth: np.ndarray, person: np.ndarray, seed: int
) -> dict[str, float]:
    """Scores of the eyes of one cell; ``person`` (eye,) numbers persons from 0."""
    error = estimate.rate - truth
    persons = int(person.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(persons, np.full(persons, 1 / persons), BOOTSTRAP)
    draws = np.concatenate([np.ones((1, persons)), drawn])  # the sample itself first
    eyes = draws @ np.bincount(person)
    own, other = (np.sqrt(draws @ np.bincount(person, e**2) / eyes) for e in (error, baseline - truth))
    bounds = {
        f"{name}_{side}": np.quantile(values[1:], p)
        for name, values in (("rmse", own), ("difference", own - other))
        for side, p in (("lower", 0.025), ("upper", 0.975))
    }
    return {
        "rmse": own[0],
        "difference": own[0] - other[0],
        **bounds,
        "bias": error.mean(),
        "coverage90": ((truth >= estimate.lower90) & (truth <= estimate.upper90)).mean(),
        "coverage95": ((truth >= estimate.lower95) & (truth <= estimate.upper95)).mean(),
        "width90": (estimate.upper90 - estimate.lower90).mean(),
        "n_eyes": len(truth),
        "n_patients": persons,
    }
