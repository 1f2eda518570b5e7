"""Means over fields, and intervals that know whose fields they are."""

from __future__ import annotations

import numpy as np
import pytest

from vfprog.inference.intervals import clustered_mean


def test_one_field_each_is_the_textbook_interval() -> None:
    values = np.random.default_rng(0).normal(2, 3, 400)
    found = clustered_mean(values, np.arange(400))
    assert found.mean == pytest.approx(values.mean())
    assert found.upper - found.mean == pytest.approx(1.959964 * values.std(ddof=1) / 20)
    assert found.mean - found.lower == pytest.approx(found.upper - found.mean)


def test_repeated_fields_of_a_patient_add_nothing() -> None:
    values = np.random.default_rng(1).normal(size=50)
    once = clustered_mean(values, np.arange(50))
    again = clustered_mean(np.repeat(values, 7), np.repeat(np.arange(50), 7))
    assert again == pytest.approx(once)


def test_covers_where_patients_differ() -> None:
    rng, held = np.random.default_rng(2), 0
    for _ in range(400):
        patient = np.repeat(np.arange(40), rng.integers(1, 12, 40))
        values = rng.normal(size=40)[patient] + rng.normal(size=len(patient))
        found = clustered_mean(values, patient)
        held += found.lower < 0 < found.upper
    assert 0.90 < held / 400 < 0.98


def test_one_patient_has_no_interval() -> None:
    found = clustered_mean(np.array([1.0, 3.0]), np.array(["a", "a"]))
    assert found.mean == 2 and np.isnan([found.lower, found.upper]).all()
