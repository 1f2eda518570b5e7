from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfprog.errors import UserError
from vfprog.perimetry.deviation import (
    general_height,
    global_indices,
    global_probability,
    load_norms,
    mean_deviation,
    pattern_deviation,
    pattern_standard_deviation,
    probability,
    total_deviation,
    weighted_sd,
)

NORMS = load_norms("24-2")
COHORTS = ["halifax", "sunyiu_healthy", "sunyiu_patient"]
EXACT = {"rtol": 0, "atol": 1e-9}


@pytest.fixture
def td(rng) -> np.ndarray:
    return rng.normal(-3, 5, size=(20, 52))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("cohort", ["halifax", "sunyiu_patient"])
def test_deviations_and_their_probabilities_equal_visualfields(fields, golden_locations, cohort):
    expected = {kind: golden_locations(f"{cohort}_{kind}") for kind in ("td", "pd", "tdp", "pdp")}
    td = fields[cohort].td[: len(expected["td"])]
    pattern = pattern_deviation(td)
    np.testing.assert_allclose(td, expected["td"], **EXACT)
    np.testing.assert_allclose(pattern, expected["pd"], **EXACT)
    np.testing.assert_array_equal(probability(td, NORMS.td_cutoffs, NORMS.levels), expected["tdp"])
    np.testing.assert_array_equal(probability(pattern, NORMS.pd_cutoffs, NORMS.levels), expected["pdp"])


@pytest.mark.parametrize("cohort", COHORTS)
def test_global_indices_and_their_probabilities_equal_visualfields(fields, golden, cohort):
    values, levels = golden(f"{cohort}_g"), golden(f"{cohort}_gp")
    indices = fields[cohort].indices
    found = global_probability(indices, NORMS)
    for name in indices:
        np.testing.assert_allclose(indices[name], values[name], **EXACT, err_msg=name)
        np.testing.assert_array_equal(found[name], levels[name], err_msg=name)


@given(st.floats(-20, 20), st.integers(0, 2**32 - 1))
def test_a_constant_added_to_td_shifts_md_and_leaves_pd(shift, seed):
    td = np.random.default_rng(seed).normal(-3, 5, size=(4, 52))
    np.testing.assert_allclose(
        mean_deviation(td + shift, NORMS), mean_deviation(td, NORMS) + shift, atol=1e-9
    )
    np.testing.assert_allclose(pattern_deviation(td + shift), pattern_deviation(td), atol=1e-9)


def test_a_normal_field_deviates_by_nothing():
    age = np.array([30.0, 80.0])
    sens = NORMS.normal_sensitivity(age)
    indices = global_indices(sens, age, NORMS)
    for name in ("tmd", "tsd", "pmd", "psd", "gh"):
        np.testing.assert_allclose(indices[name], 0, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(indices["vfi"], 100)


def test_a_blind_field_has_no_visual_field_index():
    indices = global_indices(np.full((1, 52), -2.0), np.array([60.0]), NORMS)
    assert indices["vfi"] == pytest.approx(0)
    assert indices["tmd"] < -25


def test_the_general_height_is_the_seventh_best_of_52():
    assert general_height(np.arange(52.0)[np.newaxis]) == 45


@pytest.mark.parametrize(("tested", "height"), [(52, 45), (40, 34), (10, 9), (1, 0)])
def test_the_general_height_keeps_its_rank_among_tested_locations(tested, height):
    td = np.arange(52.0)[np.newaxis]
    td[:, tested:] = np.nan
    assert general_height(td) == height


def test_untested_locations_are_left_out_of_every_index(td):
    gaps = td.copy()
    gaps[:, ::4] = np.nan
    weights = 1 / NORMS.sd_td
    kept = np.isfinite(gaps[0])
    expected = (td[:, kept] * weights[kept]).sum(axis=1) / weights[kept].sum()
    np.testing.assert_allclose(mean_deviation(gaps, NORMS), expected)
    pattern = pattern_deviation(gaps)
    np.testing.assert_array_equal(np.isnan(pattern), np.isnan(gaps))
    assert np.isfinite(pattern_standard_deviation(pattern, NORMS)).all()
    np.testing.assert_array_equal(np.isnan(probability(gaps, NORMS.td_cutoffs, NORMS.levels)), np.isnan(gaps))


def test_a_field_without_tested_locations_has_no_indices_and_spoils_no_other(fields):
    halifax = fields["halifax"]
    sens, age = halifax.sens[:3].copy(), halifax.age[:3]
    sens[1] = np.nan
    for name, values in global_indices(sens, age, NORMS).items():
        assert np.isnan(values[1]), name
        np.testing.assert_allclose(values[[0, 2]], halifax.indices[name][[0, 2]], **EXACT, err_msg=name)


def test_a_missing_age_gives_no_deviation():
    assert np.isnan(total_deviation(np.full((1, 52), 30.0), np.array([np.nan]), NORMS)).all()


def test_the_spread_of_one_location_is_unknown():
    one = np.full((1, 52), np.nan)
    one[0, 0] = 3.0
    assert np.isnan(weighted_sd(one, np.ones(52)))


def test_a_value_at_a_cutoff_is_not_below_it():
    levels = np.array([0, 0.05, 0.95, 1])
    cutoffs = np.array([[-np.inf], [-5.0], [5.0], [np.inf]])
    found = probability(np.array([[-5.1], [-5.0], [4.9], [5.0], [99.0]]), cutoffs, levels)
    np.testing.assert_array_equal(found[:, 0], [0.05, 0.95, 0.95, 1, 1])


def test_a_grid_without_norms_is_a_users_error():
    with pytest.raises(UserError, match="no norms"):
        load_norms("64-4")
