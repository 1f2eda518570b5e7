"""Simulated series: what a perimeter would print, of a truth that can be found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import Conditions, VisitShift
from vfprog.data import simulate as module
from vfprog.data.eye_summaries import FASTEST
from vfprog.data.population import load_population
from vfprog.data.simulate import LEARNING, Simulated, TrueSeries, draw_truth, retest_series, simulate_series
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import GROWTH, noise_sd
from vfprog.perimetry.staircase import DIMMEST, FLOOR

POPULATION = load_population()
# Nothing between the level of an eye and its measurement but the noise of a test.
ONLY_NOISE = Conditions(stable=True, wander=False, visit_sd=0, learning=False)


def simulated(eyes: int, visits: int, conditions: Conditions | None = None, seed: int = 1) -> Simulated:
    rng = np.random.default_rng(seed)
    return simulate_series(POPULATION, np.full(eyes, visits), 0.5, rng, conditions=conditions or Conditions())


def test_a_perimeter_prints_whole_decibels_between_its_limits() -> None:
    series, norms = simulated(3000, 4), load_norms("24-2")
    assert (series.sens == series.sens.round()).all()
    assert series.sens.min() == FLOOR and not ((series.sens > FLOOR) & (series.sens < 0)).any()
    age = series.age[:, None] + series.years
    np.testing.assert_allclose(series.td, series.sens - (norms.intercept + norms.slope * age[..., None]))
    assert series.sens.max() == DIMMEST
    assert 0.001 < (series.sens == FLOOR).mean() < 0.1 and (series.sens == DIMMEST).mean() < 0.005


def test_visits_follow_each_other_at_the_interval() -> None:
    n_visits = np.array([1, 4, 9])
    series = simulate_series(POPULATION, np.repeat(n_visits, 200), 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(series.mask.sum(1), np.repeat(n_visits, 200))
    assert (series.mask == np.sort(series.mask, axis=1)[:, ::-1]).all()
    gaps = np.diff(series.years, axis=1)
    assert (series.years[:, 0] == 0).all() and gaps.min() > 0
    assert gaps.mean() == pytest.approx(0.5, abs=0.01)


def test_noise_has_the_spread_of_the_table() -> None:
    series = simulated(2000, 4, ONLY_NOISE)
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


def test_noise_grows_outwards_but_where_little_is_seen() -> None:
    series = simulated(4000, 4, ONLY_NOISE)
    noise = series.td - series.level[:, None]
    eccentricity = np.hypot(*load_grid("24-2").xy.T)
    near, far = eccentricity < 10, eccentricity > 20
    apart = (eccentricity[far].mean() - eccentricity[near].mean()) / 10
    for low, high, expected in ((-5, -3, GROWTH**apart), (-2, 0, GROWTH**apart), (-20, -16, 1.0)):
        sd = [
            noise.transpose(0, 2, 1)[:, place][(level > low) & (level < high)].std()
            for place in (near, far)
            for level in [series.level[:, place]]
        ]
        assert sd[1] / sd[0] == pytest.approx(expected, rel=0.06), (low, high)


def test_neighbours_err_together_and_distant_locations_do_not() -> None:
    series = simulated(1500, 3, ONLY_NOISE)
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


def test_locations_lose_as_their_level_says() -> None:
    """Within progressing eyes the scotoma deepens and what is still normal, or blind already, hardly changes."""
    level, slope = draw_truth(POPULATION, 20_000, np.random.default_rng(3), (1.0, 1.0))
    worst = slope.mean(1) < np.quantile(slope.mean(1), 0.3)
    found = {
        edges: slope[worst][(level[worst] >= edges[0]) & (level[worst] < edges[1])].mean()
        for edges in [(-40, -28), (-20, -16), (-2, 0)]
    }
    assert found[-20, -16] < 2.5 * found[-2, 0] < 0
    assert found[-20, -16] < 4 * found[-40, -28] < 0
    assert np.abs(slope).max() <= FASTEST


def test_treatment_slows() -> None:
    treated, untreated = (simulated(500, 2, Conditions(rate_scale=scale)) for scale in ((0, 0.5), (0, 1)))
    np.testing.assert_allclose(treated.slope, 0.5 * untreated.slope)


def test_level_is_that_of_mid_follow_up() -> None:
    series = simulated(
        300, 5, Conditions(rate_scale=(1, 1), noise=0, wander=False, visit_sd=0, learning=False)
    )
    middle = (series.years[:, -1] / 2)[:, None]
    expected = series.level[:, None] + series.slope[:, None] * (series.years - middle)[..., None]
    np.testing.assert_allclose(series.course, expected)
    normal = series.sens - series.td
    seen = (expected + normal > 0) & (expected + normal < DIMMEST)
    assert np.abs(series.td - expected)[seen].max() <= 0.5 + 1e-9
    assert np.isin(series.sens[~seen], [FLOOR, DIMMEST]).all()


def test_the_stable_twin_is_the_same_eyes_without_change() -> None:
    progressing, stable = (simulated(50, 6, Conditions(stable=twin)) for twin in (False, True))
    np.testing.assert_array_equal(stable.level, progressing.level)
    np.testing.assert_array_equal(stable.years, progressing.years)
    assert not stable.slope.any() and progressing.slope.any()
    assert (stable.course == stable.level[:, None]).all()
    # What else befalls the eyes befalls both: visits that fall on mid-follow-up are measured alike.
    near = np.abs(progressing.course - stable.course) < 0.01
    assert near.mean() > 0.05 and (progressing.sens == stable.sens)[near].mean() > 0.9


@pytest.mark.parametrize(
    ("quiet", "changes"),
    [({"wander": False}, 0.5), ({"visit_sd": 0.0}, 0.3), ({"noise": 0.5}, 0.5), ({"learning": False}, 0.05)],
)
def test_what_is_switched_off_leaves_the_eyes_as_they_are(quiet: dict[str, Any], changes: float) -> None:
    usual, other = simulated(40, 5), simulated(40, 5, Conditions(**quiet))
    np.testing.assert_array_equal(usual.course, other.course)
    assert (usual.sens != other.sens).mean() > changes
    assert other.td.std(1).mean() < usual.td.std(1).mean()


def test_some_visits_are_shifted_up_or_down() -> None:
    shift = VisitShift(probability=0.25, size=2)
    quiet = {"stable": True, "wander": False, "visit_sd": 0.0, "learning": False, "noise": 0.0}
    series = simulated(1000, 8, Conditions(**quiet, visit_shift=shift))
    eyes = series.level.mean(1) > -4  # not at the floor
    shifts = (series.td - series.level[:, None])[eyes].mean(2)
    assert (np.abs(shifts) > 1).mean() == pytest.approx(0.25, abs=0.03)
    assert (shifts > 1).mean() == pytest.approx(0.125, abs=0.02)
    assert shifts[shifts > 1].mean() == pytest.approx(2, abs=0.15)


def test_a_staircase_can_take_the_place_of_the_noise_table() -> None:
    careful, careless = (
        simulated(300, 4, Conditions(test="staircase", false_positives=rate)) for rate in (0.0, 0.15)
    )
    np.testing.assert_array_equal(careful.course, careless.course)
    for series in (careful, careless):
        assert (series.sens == series.sens.round()).all()
        assert series.sens.min() == FLOOR and series.sens.max() <= DIMMEST
    assert (
        careless.td[careless.level.mean(1) < -15].mean() > careful.td[careful.level.mean(1) < -15].mean() + 1
    )


# Known true fields


def known(eyes: int = 30, visits: int = 6) -> TrueSeries:
    """Eyes that lose 1 dB/year at one location and none elsewhere; the last of them has half as many visits."""
    n = np.where(np.arange(eyes) == eyes - 1, visits // 2, visits)
    mask = np.arange(visits) < n[:, None]
    years = np.minimum(np.arange(visits), n[:, None] - 1) * 0.5
    td = np.full((eyes, visits, 52), -3.0) * mask[..., None]
    td[..., 10] -= years * mask
    ids = pd.DataFrame({c.PATIENT: np.arange(eyes).astype(str), c.EYE: c.RIGHT})
    return TrueSeries(ids, years, np.full(eyes, 60.0), td, mask)


@pytest.mark.parametrize("test", ["population_noise", "staircase"])
def test_known_fields_are_tested_as_they_are(test: Any) -> None:
    truth = known()
    series = retest_series(truth, POPULATION, np.random.default_rng(1), Conditions(test=test))
    np.testing.assert_array_equal(series.course, truth.td)
    expected = np.zeros(52)
    expected[10] = -1.0
    np.testing.assert_allclose(series.slope, np.tile(expected, (30, 1)), atol=1e-9)
    np.testing.assert_allclose(series.level[:, 0], -3)
    np.testing.assert_allclose(series.level[[0, -1], 10], [-3 - 1.25, -3 - 0.5])
    error = (series.td - truth.td)[truth.mask]
    assert abs(error.mean()) < 1.5 and 1 < error.std() < 4
    age = truth.age[:, None] + truth.years
    norms = load_norms("24-2")
    np.testing.assert_allclose(series.td, series.sens - (norms.intercept + norms.slope * age[..., None]))


def test_stable_known_fields_stay_at_their_mean() -> None:
    stable = retest_series(known(), POPULATION, np.random.default_rng(1), Conditions(stable=True))
    assert not stable.slope.any()
    np.testing.assert_allclose(stable.course[0, :, 10], -3 - 1.25)
