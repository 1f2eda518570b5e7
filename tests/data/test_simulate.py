"""Simulated series: what a perimeter would print, of a truth that can be found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import CohortConfig, Simulation
from vfprog.data import simulate as module
from vfprog.data.population import load_population
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.simulate import CEILING, FLOOR, LEARNING, TREATED, simulate_cohort, simulate_series
from vfprog.io import write_table
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.noise import noise_sd

POPULATION = load_population()


def simulated(eyes: int, visits: int, seed: int = 1) -> module.Simulated:
    return simulate_series(POPULATION, np.full(eyes, visits), 0.5, np.random.default_rng(seed))


def cohort_of(**options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    return simulate_cohort(POPULATION, Simulation.model_validate(options), seed=1)


def only_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing between truth and measurement but the noise of a test."""
    for name, value in {
        "TREATED": 0.0,
        "WANDER_SD": (0.0, 0.0),
        "VISIT_SD": 0.0,
        "LEARNING": (0.0, 0.0),
    }.items():
        monkeypatch.setattr(module, name, value)


def test_seed_and_only_the_seed_decides() -> None:
    first, again, other = (
        simulate_cohort(POPULATION, Simulation(eyes=20, visits=(1, 4)), seed) for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(a, b)
    assert not first[1]["rate"].equals(other[1]["rate"])


def test_a_perimeter_prints_whole_decibels_between_its_limits() -> None:
    series, norms = simulated(3000, 4), load_norms("24-2")
    assert (series.sens == series.sens.round()).all()
    assert series.sens.min() == FLOOR and not ((series.sens > FLOOR) & (series.sens < 0)).any()
    age = series.age[:, None] + series.years
    np.testing.assert_allclose(series.td, series.sens - (norms.intercept + norms.slope * age[..., None]))
    assert series.sens.max() == CEILING
    assert 0.001 < (series.sens == FLOOR).mean() < 0.1 and (series.sens == CEILING).mean() < 0.005


def test_visits_follow_each_other_at_the_interval() -> None:
    n_visits = np.array([1, 4, 9])
    series = simulate_series(POPULATION, np.repeat(n_visits, 200), 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(series.mask.sum(1), np.repeat(n_visits, 200))
    assert (series.mask == np.sort(series.mask, axis=1)[:, ::-1]).all()
    gaps = np.diff(series.years, axis=1)
    assert (series.years[:, 0] == 0).all() and gaps.min() > 0
    assert gaps.mean() == pytest.approx(0.5, abs=0.01)


def test_noise_has_the_spread_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    only_noise(monkeypatch)
    series = simulated(2000, 4)
    level = np.broadcast_to(series.level[:, None], series.td.shape)
    noise = series.td - level
    for low, high in [(-18, -14), (-13, -10), (-9, -7), (-5, -3), (-2.5, -1), (0, 2)]:
        inside = (level > low) & (level < high)
        assert inside.sum() > 5000
        expected = np.sqrt((noise_sd(level[inside]) ** 2).mean() + 1 / 12)  # rounding to whole dB
        assert noise[inside].std() == pytest.approx(expected, rel=0.05), (low, high)
        assert abs(noise[inside].mean()) < 0.1 * expected, (low, high)
    # Skewed towards loss where loss is mild.
    mild = noise[(level > -7) & (level < -3)]
    assert ((mild - mild.mean()) ** 3).mean() / mild.std() ** 3 < -0.5


def test_neighbours_err_together_and_distant_locations_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    only_noise(monkeypatch)
    series = simulated(1500, 3)
    z = ((series.td - series.level[:, None]) / noise_sd(series.level)[:, None]).reshape(-1, 52)
    correlation = np.corrcoef(z.T)
    xy = module.load_grid("24-2").xy
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
    assert 0.05 < correlation[np.isclose(distance, 6)].mean() < 0.2
    assert abs(correlation[distance > 30].mean()) < 0.02


def test_slopes_of_simulated_series_are_the_true_ones_on_average() -> None:
    series = simulated(4000, 8)
    eyes = series.level.mean(1) > -8  # the floor hides part of the loss of the others
    years, mtd = (
        series.years[eyes, 1:],
        series.td[eyes, 1:].mean(2),
    )  # the first visit lacks what is yet to be learnt
    centred = years - years.mean(1, keepdims=True)
    slope = (centred * mtd).sum(1) / (centred**2).sum(1)
    truth = series.slope[eyes].mean(1)
    error = slope - truth
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error))
    # Regression of estimate on truth: slopes come back whole, not shrunk.
    assert np.polyfit(truth, slope, 1)[0] == pytest.approx(1, abs=0.1)
    assert truth.mean() < -0.02


def test_first_visits_lack_what_is_yet_to_be_learnt() -> None:
    series = simulated(4000, 3)
    eyes = series.level.mean(1) > -8
    mtd = series.td[eyes].mean(2)
    assert (mtd[:, 1] - mtd[:, 0]).mean() == pytest.approx(LEARNING[0], abs=0.12)


def test_treatment_slows(monkeypatch: pytest.MonkeyPatch) -> None:
    spread = {}
    for treated in (TREATED, 1.0):
        monkeypatch.setattr(module, "TREATED", treated)
        spread[treated] = simulated(500, 2).slope.std()
    assert spread[TREATED] == pytest.approx(0.5 * spread[1.0], rel=1e-6)


def test_level_is_that_of_mid_follow_up(monkeypatch: pytest.MonkeyPatch) -> None:
    only_noise(monkeypatch)
    monkeypatch.setattr(module, "TREATED", 1.0)
    monkeypatch.setattr(module, "_noise", lambda population, truth, distance, rng: np.zeros_like(truth))
    series = simulated(300, 5)
    middle = (series.years[:, -1] / 2)[:, None]
    expected = series.level[:, None] + series.slope[:, None] * (series.years - middle)[..., None]
    normal = series.sens - series.td
    seen = (expected + normal > 0) & (expected + normal < CEILING)
    assert np.abs(series.td - expected)[seen].max() <= 0.5 + 1e-9
    assert np.isin(series.sens[~seen], [FLOOR, CEILING]).all()


# Cohorts


def test_visits_lie_within_their_limits() -> None:
    fields, truth = cohort_of(eyes=200, visits=[2, 5])
    counts = fields.groupby(c.EYE_KEY).size()
    assert len(counts) == len(truth) == 200
    assert set(counts) == {2, 3, 4, 5}
    assert fields[c.sens(52)].dtypes.eq("int64").all()
    assert fields[c.FALSE_POSITIVES].between(0, 1).all() and fields[c.AGE].between(30, 100).all()


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_patients_have_two_eyes_at_the_configured_rate(share: float) -> None:
    _, truth = cohort_of(eyes=1000, visits=[1, 1], fellow_eyes=share)
    eyes = truth.groupby(c.PATIENT)[c.EYE]
    assert eyes.nunique().equals(eyes.size()), "a patient has two eyes of one side"
    two = (eyes.size() == 2).mean()
    patients = eyes.ngroups
    assert eyes.size().max() <= 2
    assert abs(two - share) <= 4 * np.sqrt(share * (1 - share) / patients) + 1 / patients
    assert 0.4 < (truth[c.EYE] == c.RIGHT).mean() < 0.6


def test_truth_stands_in_the_order_of_the_fields_and_fits_them() -> None:
    fields, truth = cohort_of(eyes=60, visits=[10, 10])
    assert fields[c.EYE_KEY].drop_duplicates(ignore_index=True).equals(truth[c.EYE_KEY])
    np.testing.assert_allclose(truth["rate"], truth.filter(regex=r"^slope_\d+$").mean(axis=1))
    seen = fields.groupby(c.EYE_KEY, sort=False)[c.sens(52)].mean().mean(axis=1).to_numpy()
    level = truth.filter(regex=r"^level_\d+$").mean(axis=1)
    assert np.corrcoef(seen, level)[0, 1] > 0.9


def test_no_field_of_a_simulated_cohort_contradicts_another(tmp_path: Path) -> None:
    simulation = Simulation(eyes=100, visits=(1, 6))
    fields, _ = simulate_cohort(POPULATION, simulation, seed=1)
    write_table(fields, tmp_path / "fields.csv")
    config = CohortConfig(role="both", format="simulated", simulate=simulation)
    visits, qc, quarantine = preprocess(read_cohort(config, [tmp_path / "fields.csv"]), config)
    assert quarantine.empty and set(qc["excluded"]) <= {"false positives above the limit"}
    assert qc["fields"] == len(fields) == len(visits)
    assert not any(qc["findings"].values()), qc["findings"]
