from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from vfprog.perimetry.poplr import combined_statistics, poplr, visit_orders

# Two locations have the same smallest p in exact arithmetic; rounding left R one of them in the truncated
# product, so its S there is half of what it finds from the same eye's TD.
ROUNDED_IN_R = ("halifax", "3", "OD", "s", 5, 0.05, "csr")
DIRECTIONS = [("csl", "cslp", 1), ("csr", "csrp", -1)]


def series(fields, row) -> tuple[np.ndarray, np.ndarray]:
    cohort = fields[row["set"]]
    rows, years = cohort.eye(row["id"], row["eye"])
    return {"s": cohort.sens, "td": cohort.td}[row["what"]][rows], years


def bounds_of_p(values: np.ndarray, years: np.ndarray, truncation: float) -> tuple[float, float]:
    """Lowest and highest p, the observed order not counted, that rounding can make of ties.

    Series of whole dB tie often: two S, or the smallest p of two locations, of which a truncated product then
    takes one or both. Jitters far below the values' precision break all ties of the second kind.
    """
    rng = np.random.default_rng(0)
    orders = visit_orders(len(years), 0, rng)
    jitters = [np.zeros(values.shape), *rng.uniform(-5e-7, 5e-7, size=(4, *values.shape))]
    s = np.array([combined_statistics(values + jitter, years, orders, truncation) for jitter in jitters])
    taking_one, taking_all = s.min(axis=0), s[0]
    lowest = (taking_one > s[0, 0] + 1e-4).mean()
    highest = (taking_all[1:] > s[0, 0] - 1e-4).sum() / len(orders)
    return lowest, highest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("truncation", [1.0, 0.05])
@pytest.mark.parametrize(("statistic", "p", "sign"), DIRECTIONS, ids=["worsening", "improving"])
def test_exhaustive_permutations_equal_visualfields(fields, golden, rng, truncation, statistic, p, sign):
    table = golden("poplr_exhaustive")
    for _, row in table[table["trunc"] == truncation].iterrows():
        visits = row["first_visits"]
        case = (*row[["set", "id", "eye", "what"]], visits, truncation, statistic)
        if case == ROUNDED_IN_R:
            continue
        values, years = series(fields, row)
        values, years = sign * values[:visits], years[:visits]
        found = poplr(values, years, 0, rng, truncation)
        assert found.s == pytest.approx(row[statistic], abs=1e-9), case
        if found.p - 1 / factorial(visits) != pytest.approx(row[p], abs=1e-9):
            assert truncation < 1, case
            lowest, highest = bounds_of_p(values, years, truncation)
            assert lowest - 1e-9 <= row[p] <= highest + 1e-9, case


@pytest.mark.parametrize(("statistic", "p", "sign"), DIRECTIONS, ids=["worsening", "improving"])
def test_sampled_permutations_agree_with_visualfields(fields, golden, rng, statistic, p, sign):
    for _, row in golden("poplr_sampled").iterrows():
        values, years = series(fields, row)
        found = poplr(sign * values, years, 5000, rng)
        assert found.s == pytest.approx(row[statistic], abs=1e-9)
        pooled = np.clip((found.p + row[f"{p}_seed1"]) / 2, 0.001, 0.999)
        standard_error = np.sqrt(2 * pooled * (1 - pooled) / 5000)
        assert abs(found.p - row[f"{p}_seed1"]) < 4 * standard_error


def test_the_table_of_log_p_changes_no_statistic_noticeably(rng):
    values, years = rng.normal(size=(12, 52)), np.arange(12) / 2
    orders = visit_orders(12, 2000, rng)
    few = np.concatenate(
        [combined_statistics(values, years, part, 1.0) for part in np.array_split(orders, 5)]
    )
    np.testing.assert_allclose(combined_statistics(values, years, orders, 1.0), few, rtol=0, atol=1e-6)


def test_orders_are_exhaustive_up_to_seven_visits_and_sampled_beyond(rng):
    for visits in (3, 5, 7):
        orders = visit_orders(visits, 100, rng)
        assert len(np.unique(orders, axis=0)) == factorial(visits)
    assert visit_orders(9, 100, rng).shape == (101, 9)


@pytest.mark.parametrize("visits", [4, 9])
def test_orders_are_permutations_beginning_with_the_observed_one(rng, visits):
    orders = visit_orders(visits, 100, rng)
    np.testing.assert_array_equal(orders[0], np.arange(visits))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.broadcast_to(orders[0], orders.shape))


def test_a_field_without_change_gives_uniform_p_values(rng):
    shared = rng.normal(size=(400, 8, 1))  # whole fields vary together, as in real eyes
    noise = shared + rng.normal(size=(400, 8, 10))
    p = [poplr(eye, np.arange(8) / 2, 199, rng).p for eye in noise]
    assert kstest(p, "uniform").pvalue > 0.01
    assert min(p) >= 1 / 200


def test_a_worsening_location_is_found(rng):
    years = np.arange(10) / 2
    values = rng.normal(size=(10, 52))
    values[:, :10] -= 2 * years[:, np.newaxis]
    assert poplr(values, years, 999, rng).p == 1 / 1000
    assert poplr(-values, years, 999, rng).p > 0.05


def test_a_field_that_never_changes_is_no_evidence_either_way(rng):
    found = poplr(np.full((5, 52), -2.0), np.arange(5.0), 0, rng)
    assert found.s == pytest.approx(52 * np.log(2))
    assert found.p == pytest.approx(0.5, abs=1 / 120)


def test_eyes_together_equal_each_alone(rng):
    values, years = rng.normal(size=(6, 5, 52)), rng.uniform(0.3, 1, size=(6, 5)).cumsum(axis=1)
    values[1, 2, :30] = np.nan
    values[2, 0] = np.nan
    years[3] = 1.0
    found = poplr(values, years, 0, rng)
    for eye in range(6):
        alone = poplr(values[eye], years[eye], 0, rng)
        np.testing.assert_allclose([found.s[eye], found.p[eye]], [alone.s, alone.p], rtol=1e-12)
    assert np.isnan(found.p).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("truncation", [1.0, 0.05])
def test_how_many_eyes_go_together_does_not_matter(rng, monkeypatch, truncation):
    values, years = rng.normal(size=(7, 9, 52)), rng.uniform(0.3, 1, size=(7, 9)).cumsum(axis=1)
    results = []
    for chunk in (1, 3 * 1000 * 52, 10**9):
        monkeypatch.setattr("vfprog.perimetry.poplr.CHUNK", chunk)
        results.append(poplr(values, years, 999, np.random.default_rng(5), truncation))
    for other in results[1:]:
        np.testing.assert_allclose(other.s, results[0].s, rtol=1e-12)
        np.testing.assert_array_equal(other.p, results[0].p)


def test_a_location_with_a_gap_is_left_out(rng):
    values, years = rng.normal(size=(6, 52)), np.arange(6.0)
    values[2, :5] = np.nan
    found, without = poplr(values, years, 0, rng), poplr(values[:, 5:], years, 0, rng)
    assert found.s == pytest.approx(without.s)
    assert found.p == without.p


@pytest.mark.parametrize(
    ("values", "years"),
    [
        (np.zeros((2, 3)), np.arange(2.0)),
        (np.full((4, 3), np.nan), np.arange(4.0)),
        (np.arange(12.0).reshape(4, 3), np.ones(4)),
    ],
    ids=["two visits", "no location tested throughout", "all at one time"],
)
def test_without_a_series_there_is_no_p_value(rng, values, years):
    assert np.isnan(poplr(values, years, 99, rng)).all()


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.05]))
def test_units_and_origins_do_not_matter(seed, truncation):
    rng = np.random.default_rng(seed)
    values, years = rng.normal(size=(5, 8)), rng.uniform(0.3, 1, 5).cumsum()
    found = poplr(3 * values + 7, 365.25 * years + 2000, 0, rng, truncation)
    expected = poplr(values, years, 0, rng, truncation)
    assert found.s == pytest.approx(expected.s)
    assert found.p == pytest.approx(expected.p)
