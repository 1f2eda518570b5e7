"""Locations at the floor carry no trend: what a perimeter cannot measure neither improves nor worsens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfprog.perimetry.classical import classical_rates, poplr_cohort
from vfprog.perimetry.criteria import plr_criteria
from vfprog.perimetry.deviation import load_norms, total_deviation
from vfprog.perimetry.floor import hold_floor

NORMS = load_norms("24-2")
FLOOR = -2.0  # dB, as recorded
BLIND = slice(0, 8)
seeds = st.integers(0, 2**32 - 1)


def blind_in_part(change: float, seed: int = 1, visits: int = 9) -> tuple[np.ndarray, ...]:
    """An eye with eight locations never seen, six that change by ``change`` dB/year, and others that only age:
    td, mask, years, at_floor."""
    rng = np.random.default_rng(seed)
    years = np.arange(visits) * 0.75
    sens = NORMS.normal_sensitivity(60 + years) + rng.normal(-2, 1, size=(visits, 52))
    sens[:, 20:26] += change * years[:, np.newaxis]
    sens[:, BLIND] = FLOOR
    td = total_deviation(sens, 60 + years, NORMS)[np.newaxis]
    return td, np.ones(td.shape, bool), years[np.newaxis], sens[np.newaxis] <= 0


def random_fields(seed: int) -> tuple[np.ndarray, ...]:
    """Eyes with gaps and many values at the floor: td, mask, years, at_floor."""
    rng = np.random.default_rng(seed)
    years = rng.uniform(0.3, 1, size=(3, 7)).cumsum(axis=1)
    sens = rng.normal(rng.uniform(-5, 10, size=(3, 1, 6)), 4, size=(3, 7, 6))
    floor = sens <= 0
    td = np.where(floor, FLOOR, sens) - 30 + 0.08 * years[..., np.newaxis]
    return td, rng.random(td.shape) < 0.8, years, floor


def p_of_improvement(td: np.ndarray, mask: np.ndarray, years: np.ndarray) -> float:
    return poplr_cohort(-td, mask, years, 999, seed=1).item()


def test_taken_as_measured_a_field_blind_in_part_worsens_and_improves_at_once():
    td, mask, years, _ = blind_in_part(change=-1.0)
    plain = classical_rates(td, mask, years, permutations=999, seed=1)
    assert plain["poplr_p"].item() < 0.05
    assert p_of_improvement(td, mask, years) < 0.05


def test_taken_as_censored_it_only_worsens():
    td, mask, years, floor = blind_in_part(change=-1.0)
    censored = classical_rates(td, mask, years, permutations=999, seed=1, at_floor=floor)
    assert censored["poplr_p"].item() < 0.01
    assert p_of_improvement(*hold_floor(td, mask, floor), years) > 0.2


def test_a_steady_field_blind_in_part_does_not_improve():
    p = [
        p_of_improvement(*hold_floor(td, mask, floor), years)
        for td, mask, years, floor in (blind_in_part(0.0, seed) for seed in range(40))
    ]
    assert np.mean(np.array(p) < 0.1) < 0.3
    assert 0.35 < np.mean(p) < 0.65


@given(seeds)
def test_locations_never_seen_contribute_nothing(seed):
    td, mask, years, floor = random_fields(seed)
    floor[..., :3] = True
    without = mask.copy()
    without[..., :3] = False
    found = classical_rates(td, mask, years, 99, 1, floor).drop(columns=["md_slope", "md_slope_p"])
    expected = classical_rates(td, without, years, 99, 1, floor).drop(columns=["md_slope", "md_slope_p"])
    assert found.equals(expected)


@given(seeds)
def test_at_the_floor_values_hold_still_and_others_stay(seed):
    td, mask, _, floor = random_fields(seed)
    held, kept = hold_floor(td, mask, floor)
    np.testing.assert_array_equal(held[~floor], td[~floor])
    assert (held <= td).all()
    censored = mask & floor
    spread = np.where(censored, held, -np.inf).max(axis=1) - np.where(censored, held, np.inf).min(axis=1)
    assert (spread[censored.any(axis=1)] == 0).all()
    np.testing.assert_array_equal(kept, mask & (mask & ~floor).any(axis=1, keepdims=True))


@given(seeds)
def test_holding_twice_changes_nothing_more(seed):
    td, mask, _, floor = random_fields(seed)
    once = hold_floor(td, mask, floor)
    for found, expected in zip(hold_floor(*once, floor), once, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_no_floor_is_the_plain_analysis():
    td, mask, years, floor = blind_in_part(change=-1.0)
    plain = classical_rates(td, mask, years, permutations=99, seed=1)
    assert classical_rates(td, mask, years, 99, 1, np.zeros_like(floor)).equals(plain)


def test_a_location_lost_to_the_floor_still_worsens():
    years = np.arange(8.0)[np.newaxis]
    sens = np.array([14.0, 10, 8, 3, FLOOR, FLOOR, FLOOR, FLOOR])
    td = (sens - 30 + 0.08 * years).reshape(1, 8, 1)
    held, kept = hold_floor(td, np.ones(td.shape, bool), sens.reshape(td.shape) <= 0)
    assert plr_criteria(held, years, kept).points == 1


def test_the_mean_of_the_field_is_not_touched():
    td, mask, years, floor = blind_in_part(change=0.0)
    plain, censored = (classical_rates(td, mask, years, 99, 1, at_floor) for at_floor in (None, floor))
    assert plain["md_slope"].item() == pytest.approx(censored["md_slope"].item())


def test_of_a_blind_eye_pointwise_methods_say_nothing():
    td, mask, years, _ = blind_in_part(change=-1.0)
    blind = classical_rates(td, mask, years, 99, 1, at_floor=np.ones(td.shape, bool))
    assert np.isnan(blind["poplr_p"].item())
    assert blind["plr_points"].item() == 0
