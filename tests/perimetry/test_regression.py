from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from vfprog.perimetry.regression import Regression, linear_regression

seeds = st.integers(0, 2**32 - 1)
GOLDEN_NAMES = {"intercept": "int", "slope": "sl", "se": "se", "t": "tval", "p": "pval"}


def regress(values: np.ndarray, years: np.ndarray) -> Regression:
    """One eye without gaps: values (visit[, location])."""
    return linear_regression(values[np.newaxis], years[np.newaxis], np.ones((1, *values.shape), dtype=bool))


def random_series(seed: int, eyes: int = 3, visits: int = 8, locations: int = 5):
    rng = np.random.default_rng(seed)
    years = rng.uniform(0.2, 1, size=(eyes, visits)).cumsum(axis=1)
    mask = rng.random((eyes, visits, locations)) < 0.8
    return rng.normal(-3, 3, size=mask.shape), years, mask


def assert_same(found: Regression, expected: Regression, **sign: float) -> None:
    for name in ("slope", "se", "t"):
        np.testing.assert_allclose(
            getattr(found, name),
            sign.get(name, 1) * getattr(expected, name),
            rtol=1e-7,
            atol=1e-9,
            err_msg=name,
        )


def test_pointwise_regression_equals_visualfields(fields, golden):
    table = golden("plr")
    table = table[~table["loc"].isin([26, 35])]
    for (cohort, patient, eye, what), expected in table.groupby(["set", "id", "eye", "what"]):
        rows, years = fields[cohort].eye(patient, eye)
        found = regress({"s": fields[cohort].sens, "td": fields[cohort].td}[what][rows], years)
        for name, column in GOLDEN_NAMES.items():
            np.testing.assert_allclose(getattr(found, name)[0], expected[column], rtol=1e-9, atol=1e-9)


def test_global_regression_equals_visualfields(fields, golden):
    table = golden("glr")
    for _, expected in table.iterrows():
        cohort = fields[expected["set"]]
        rows, years = cohort.eye(expected["id"], expected["eye"])
        found = regress(cohort.indices[expected["index"]][rows], years)
        assert found.n == expected["nvisits"]
        for name, column in GOLDEN_NAMES.items():
            np.testing.assert_allclose(getattr(found, name)[0], expected[column], rtol=1e-9, atol=1e-9)


@given(seeds)
def test_a_padded_batch_equals_each_series_alone(seed):
    values, years, mask = random_series(seed)
    found = linear_regression(values, years, mask)
    for eye, location in np.ndindex(found.n.shape):
        kept = mask[eye, :, location]
        if kept.sum() < 3:
            continue
        x, y = years[eye, kept], values[eye, kept, location]
        alone = linregress(x, y, alternative="less")
        assert found.slope[eye, location] == pytest.approx(alone.slope)
        assert found.intercept[eye, location] == pytest.approx(alone.intercept)
        assert found.se[eye, location] == pytest.approx(alone.stderr)
        assert found.p[eye, location] == pytest.approx(alone.pvalue)


@given(seeds, st.sampled_from([0.0, 1e6, np.nan, -np.inf]))
def test_masked_values_never_matter(seed, filling):
    values, years, mask = random_series(seed)
    found = linear_regression(np.where(mask, values, filling), years, mask)
    expected = linear_regression(values, years, mask)
    np.testing.assert_array_equal(found.slope, expected.slope)
    np.testing.assert_array_equal(found.p, expected.p)


@given(seeds)
def test_reversing_time_negates_slopes(seed):
    values, years, mask = random_series(seed)
    found = linear_regression(values, -years, mask)
    expected = linear_regression(values, years, mask)
    assert_same(found, expected, slope=-1, t=-1)
    np.testing.assert_allclose(found.p, 1 - expected.p, atol=1e-9)


@given(seeds)
def test_the_order_of_visits_does_not_matter(seed):
    values, years, mask = random_series(seed)
    order = np.random.default_rng(seed).permutation(values.shape[1])
    found = linear_regression(values[:, order], years[:, order], mask[:, order])
    assert_same(found, linear_regression(values, years, mask))


def test_a_series_that_never_changes_is_no_evidence_either_way():
    found = regress(np.full(5, -31.2), np.arange(5.0))
    assert (found.slope, found.t, found.p) == (0, 0, 0.5)
    assert found.intercept == pytest.approx(-31.2)


def test_a_perfect_fit_is_certain():
    years = np.array([0.0, 1, 2, 3])
    down, up = regress(-2 * years, years), regress(2 * years, years)
    assert (down.slope, down.p) == (-2, 0)
    assert (up.slope, up.p) == (2, 1)


@pytest.mark.parametrize(("second", "slope"), [(-3.0, -1.0), (-1.0, 0.0)])
def test_two_visits_have_a_slope_but_no_p_value(second, slope):
    found = regress(np.array([-1.0, second]), np.array([0.0, 2.0]))
    assert found.slope == slope
    assert np.isnan([found.se, found.t, found.p]).all()


@pytest.mark.parametrize(
    ("values", "years"),
    [([-1.0], [0.0]), ([-1.0, -3.0, -2.0], [2.0, 2.0, 2.0])],
    ids=["one visit", "all at one time"],
)
def test_no_slope_without_time(values, years):
    found = regress(np.array(values), np.array(years))
    assert np.isnan([found.intercept, found.slope, found.se, found.t, found.p]).all()


def test_an_eye_without_values_has_no_slope():
    found = linear_regression(np.zeros((1, 4)), np.arange(4.0)[np.newaxis], np.zeros((1, 4), dtype=bool))
    assert found.n == 0
    assert np.isnan(found.slope).all()
