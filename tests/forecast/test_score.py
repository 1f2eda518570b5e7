"""Scores against closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from vfprog.forecast.calibrate import PROBABILITIES
from vfprog.forecast.score import PatientBootstrap, covered, crps, interval_score


@pytest.mark.parametrize("value", [-2.0, -0.3, 0.0, 0.8, 2.5])
def test_crps_of_a_normal_agrees_with_its_closed_form(value):
    exact = value * (2 * norm.cdf(value) - 1) + 2 * norm.pdf(value) - 1 / np.sqrt(np.pi)
    from_quantiles = crps(np.array([value]), (np.array([norm.ppf(p)]) for p in PROBABILITIES))[0]
    # The 39 quantiles leave out the outermost 2.5 % on each side.
    assert from_quantiles == pytest.approx(exact, abs=0.03)


def test_crps_of_a_point_forecast_is_the_absolute_error():
    value, point = np.array([-4.0, 1.0]), np.array([-1.0, 3.0])
    np.testing.assert_allclose(crps(value, (point for _ in PROBABILITIES)), np.abs(value - point))


def test_interval_score_and_coverage():
    value = np.array([-6.0, 0.0, 3.0, 5.0])
    lower, upper = np.full(4, -5.0), np.full(4, 3.0)
    np.testing.assert_allclose(covered(value, lower, upper), [0, 1, 1, 0])
    np.testing.assert_allclose(interval_score(value, lower, upper), [8 + 20, 8, 8, 8 + 40])


def test_bootstrap_resamples_patients_not_values():
    rng = np.random.default_rng(0)
    # 30 patients of 100 equal values each: the interval must be that of 30 independent values, not of 3,000.
    level = rng.normal(0, 1, 30)
    mean, lower, upper = PatientBootstrap(30, 4000, 1).mean(100 * level, np.full(30, 100))
    assert mean == pytest.approx(level.mean())
    assert (upper - lower) / 2 == pytest.approx(1.96 * level.std() / np.sqrt(30), rel=0.08)


def test_bootstrap_is_paired_and_repeatable():
    total, count = np.arange(8.0), np.full(8, 2)
    assert PatientBootstrap(8, 200, 3).mean(total, count) == PatientBootstrap(8, 200, 3).mean(total, count)
    # A constant difference between two methods has an interval of no width.
    _, lower, upper = PatientBootstrap(8, 200, 3).mean((total + 1.0) - total, np.ones(8))
    assert lower == upper == 1.0
