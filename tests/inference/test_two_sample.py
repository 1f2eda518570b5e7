"""Drawn fields against held-out ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vfprog.inference.two_sample import (
    as_recorded,
    classifier_accuracy,
    compare_correlations,
    compare_indices,
    recorded_floor,
)

LINE = np.stack([np.arange(6) * 6.0, np.zeros(6)], axis=1)


def walk(rng: np.random.Generator, fields: int, together: float) -> np.ndarray:
    """Fields on a line whose locations correlate as ``together`` to the power of their distance."""
    covariance = together ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    return rng.normal(size=(fields, 6)) @ np.linalg.cholesky(covariance).T


def test_draws_are_written_as_a_perimeter_would() -> None:
    drawn = np.array([[-3.6, 2.4, -40.2]])
    found = as_recorded(drawn, np.array([[True, False, True]]), np.array([-np.inf, -np.inf, -29.7]), cell=1.0)
    np.testing.assert_equal(found, [[-4.0, np.nan, -30.0]])


def test_floor_is_what_was_recorded_there() -> None:
    values = np.array([[-30.0, -2.0], [-32.0, -3.0], [0.0, -1.0]])
    at_floor = np.array([[True, False], [True, False], [False, False]])
    np.testing.assert_allclose(recorded_floor(values, at_floor), [-31.0, -31.0])
    assert (recorded_floor(values, np.zeros_like(at_floor)) == -np.inf).all()


def test_indices_side_by_side() -> None:
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"md": rng.normal(size=4000), "psd": rng.normal(size=4000)})
    drawn = pd.DataFrame({"md": rng.normal(size=4000), "psd": rng.normal(2, 1, 4000)})
    found = compare_indices(real, drawn).set_index(["statistic", "at"])
    assert found.loc[("md", 0.5), "held_out"] == np.median(real["md"])
    assert found.loc["md", "ks"].iloc[0] < 0.05
    # Two normals two SDs apart: the distribution functions are 0.683 apart half way.
    assert found.loc["psd", "ks"].iloc[0] == pytest.approx(0.683, abs=0.04)


def test_correlation_falls_with_distance_as_it_should() -> None:
    rng = np.random.default_rng(1)
    real, drawn = walk(rng, 5000, 0.7), walk(rng, 5000, 0.3)
    real[rng.random(real.shape) < 0.1] = np.nan
    found = compare_correlations(real, drawn, LINE)
    assert list(found["at"]) == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found["held_out"], 0.7 ** found["at"], atol=0.04)
    np.testing.assert_allclose(found["drawn"], 0.3 ** found["at"], atol=0.04)


def test_classifier_is_at_a_loss_where_both_are_alike_and_not_where_they_differ() -> None:
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(100), 4)
    real, alike = walk(rng, 400, 0.7), walk(rng, 400, 0.7)
    found = classifier_accuracy(real, alike, patient, LINE, seed=1)
    assert found.lower < 0.5 < found.upper
    # The same spread at every location, but locations that do not go together.
    apart = classifier_accuracy(real, rng.normal(size=real.shape), patient, LINE, seed=1)
    assert apart.lower > 0.6


def test_classifier_does_not_learn_patients_by_heart() -> None:
    rng = np.random.default_rng(3)
    # Ten patients of forty fields each, all much alike: known by heart, they would be told from any draw.
    real = np.repeat(rng.normal(size=(10, 6)), 40, axis=0) + 0.01 * rng.normal(size=(400, 6))
    drawn = rng.normal(size=(400, 6))
    by_heart = classifier_accuracy(real, drawn, np.arange(400), LINE, seed=1).mean
    assert by_heart > 0.85
    assert classifier_accuracy(real, drawn, np.repeat(np.arange(10), 40), LINE, seed=1).mean < 0.7


def test_one_patient_cannot_be_tested() -> None:
    assert np.isnan(classifier_accuracy(np.zeros((5, 6)), np.ones((5, 6)), np.zeros(5), LINE, seed=1).mean)
