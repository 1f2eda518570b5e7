"""Simulated cohorts as a clinic would export them, with the truth beside: eyes drawn, or known eyes tested again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import Simulation
from vfprog.data.nerve_fibres import COLUMNS, simulate_nerve_fibres
from vfprog.data.population import Population
from vfprog.data.simulate import Simulated, TrueSeries, retest_series, simulate_series
from vfprog.data.true_fields import read_true_fields
from vfprog.perimetry.grid import load_grid


class SimulatedCohort(NamedTuple):
    """A cohort's tables. ``person`` is who an eye belongs to in truth: a person's replicates are several patients.

    Attributes
    ----------
    fields : DataFrame
        One row per field: ``patient_id, eye, person, date, age, false_positives, sens_1..sens_52``, and
        ``rnfl_T..`` (micrometres) where the cohort has them.
    truth : DataFrame
        One row per eye: ``patient_id, eye, person, rate`` (dB/year of mean TD), ``level_j`` (dB at mid-follow-up),
        ``slope_j`` (dB/year).
    courses : DataFrame
        One row per field: ``patient_id, eye, visit, years, td_1..td_52``, the true total deviation (dB), wander and
        all: over the first n visits, the true rate is that of a line through it.
    """

    fields: pd.DataFrame
    truth: pd.DataFrame
    courses: pd.DataFrame


def simulate_cohort(population: Population, options: Simulation, seed: int) -> SimulatedCohort:
    """Simulate a cohort; the seed of ``options``, where given, replaces ``seed``.

    Raises
    ------
    UserError
        If the cohort's true fields cannot be used.
    """
    rng = np.random.default_rng(seed if options.seed is None else options.seed)
    eyes, series = _retested(population, options, rng) if options.truth else _drawn(population, options, rng)
    patient = pd.factorize(eyes[c.PATIENT])[0]
    rows, visits = np.nonzero(series.mask)
    # One first day, as one age, for both eyes: a patient has one birth date.
    first_day = rng.integers(0, 1500, len(eyes))[patient]
    start = pd.Timestamp("2010-01-04") + pd.to_timedelta(first_day, unit="D")
    days = np.round(series.years[rows, visits] * 365.25).astype(int)
    whose = eyes.iloc[rows].reset_index(drop=True)
    tests = pd.DataFrame(
        {
            c.DATE: (start[rows] + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"),
            c.AGE: (series.age[rows] + days / 365.25).round(2),
            c.FALSE_POSITIVES: _false_positives(options, len(rows), rng),
        }
    )
    n = load_grid("24-2").n
    tables = [whose, tests, pd.DataFrame(series.sens[rows, visits].astype(int), columns=c.sens(n))]
    if options.rnfl:
        # A generator of their own, so that the fields are the same with them and without.
        age = series.age[:, None] + series.years
        thickness = simulate_nerve_fibres(series.course, age, load_grid("24-2"), rng.spawn(1)[0])
        tables.append(pd.DataFrame(thickness[rows, visits].astype(int), columns=COLUMNS))
    when = pd.DataFrame({c.VISIT: visits + 1, c.YEARS: series.years[rows, visits]})
    courses = pd.concat(
        [whose[c.EYE_KEY], when, pd.DataFrame(series.truth[rows, visits], columns=c.td(n))], axis=1
    )
    return SimulatedCohort(pd.concat(tables, axis=1), _truth(eyes, series), courses)


def _drawn(
    population: Population, options: Simulation, rng: np.random.Generator
) -> tuple[pd.DataFrame, Simulated]:
    """Eyes of patients drawn from the population: ``patient_id, eye, person``, and their series."""
    n_visits = rng.integers(options.visits[0], options.visits[1] + 1, options.eyes)
    eyes_of_patient = 1 + (rng.random(options.eyes) < options.fellow_eyes)
    patient = np.repeat(np.arange(options.eyes), eyes_of_patient)[: options.eyes]
    series = simulate_series(population, n_visits, options.interval, rng, patient, options)
    fellow = np.diff(patient, prepend=-1) == 0
    right = rng.random(options.eyes) < 0.5
    right[fellow] = ~right[np.flatnonzero(fellow) - 1]
    ids = np.array([f"D{p + 1:04d}" for p in patient])
    eye = np.where(right, c.RIGHT, c.LEFT)
    return pd.DataFrame({c.PATIENT: ids, c.EYE: eye, c.PERSON: ids}), series


def _retested(
    population: Population, options: Simulation, rng: np.random.Generator
) -> tuple[pd.DataFrame, Simulated]:
    """Known eyes, each replicate a patient of its own: ``patient_id, eye, person``, and their series."""
    assert options.truth is not None, "the caller has looked"
    known = read_true_fields(options.truth)
    index = np.repeat(np.arange(len(known.eyes)), options.replicates)
    person = known.eyes[c.PATIENT].to_numpy()[index]
    patient = person
    if options.replicates > 1:
        digits = len(str(options.replicates))
        endings = [f"-r{r:0{digits}d}" for r in range(1, options.replicates + 1)]
        patient = person + np.array(endings * len(known.eyes), dtype=object)
    eyes = pd.DataFrame({c.PATIENT: patient, c.EYE: known.eyes[c.EYE].to_numpy()[index], c.PERSON: person})
    repeated = TrueSeries(eyes, *(a[index] for a in (known.years, known.age, known.td, known.mask)))
    return eyes, retest_series(repeated, population, rng, options)


def _false_positives(options: Simulation, fields: int, rng: np.random.Generator) -> np.ndarray:
    """False-positive rates as the perimeter would print them: (field,), fractions."""
    if options.test == "staircase":
        return np.full(fields, round(options.false_positives, 2))
    return rng.beta(1.0, 25.0, fields).round(2)


def _truth(eyes: pd.DataFrame, series: Simulated) -> pd.DataFrame:
    """Rate, levels and slopes of each eye."""
    locations = range(1, series.level.shape[1] + 1)
    return pd.concat(
        [
            eyes.assign(rate=series.slope.mean(1)),
            pd.DataFrame(series.level, columns=[f"level_{j}" for j in locations]),
            pd.DataFrame(series.slope, columns=[f"slope_{j}" for j in locations]),
        ],
        axis=1,
    )
