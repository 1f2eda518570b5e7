"""ROC statistics against scikit-learn and against eyes counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vfprog.forecast.roc import auc, sensitivity, weighted_auc, weighted_sensitivity

RNG = np.random.default_rng(0)
PROGRESSING, STABLE = RNG.integers(0, 12, 40).astype(float), RNG.integers(0, 9, 30).astype(float)


def reference(progressing: np.ndarray, stable: np.ndarray) -> float:
    truth = np.repeat([1, 0], [len(progressing), len(stable)])
    return float(roc_auc_score(truth, np.concatenate([progressing, stable])))


def test_auc_counts_ties_half_along_any_axis():
    assert auc(PROGRESSING, STABLE) == pytest.approx(reference(PROGRESSING, STABLE))
    two = auc(np.stack([PROGRESSING, -PROGRESSING]), np.stack([STABLE, -STABLE]))
    assert two.sum() == pytest.approx(1.0)


def test_weights_are_repeated_eyes_in_every_replicate(monkeypatch):
    monkeypatch.setattr("vfprog.forecast.roc.CHUNK", 60)  # two replicates at once
    wp, ws = RNG.integers(0, 3, (5, 40)), RNG.integers(0, 3, (5, 30))
    areas = weighted_auc(PROGRESSING, STABLE, wp.astype(float), ws.astype(float))
    found = weighted_sensitivity(PROGRESSING, STABLE, wp.astype(float), ws.astype(float))
    for r in range(5):
        p, s = np.repeat(PROGRESSING, wp[r]), np.repeat(STABLE, ws[r])
        assert areas[r] == pytest.approx(reference(p, s))
        assert found[r] == pytest.approx(sensitivity(p, s))


def test_a_group_without_weight_has_no_value():
    none = np.zeros((1, 30))
    assert np.isnan(weighted_auc(PROGRESSING, STABLE, np.ones((1, 40)), none)).all()
    assert np.isnan(weighted_sensitivity(PROGRESSING, STABLE, np.ones((1, 40)), none)).all()


@pytest.mark.parametrize("n", [10, 20, 100])
def test_at_most_five_percent_of_stable_eyes_are_above_the_threshold(n):
    stable = np.arange(n, dtype=float)
    assert sensitivity(stable, stable) == pytest.approx(np.floor(0.05 * n) / n)
    assert sensitivity(np.zeros(5), np.zeros(n)) == 0.0  # ties at the threshold are not above it
