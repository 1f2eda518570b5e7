"""Thresholds of evidence by level."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vfprog.inference.typicality import Typicality, fit_typicality, for_whole_field


def by_level(rng: np.random.Generator, fields: int) -> tuple[np.ndarray, np.ndarray]:
    """Evidence that falls and spreads with damage, as that of fields does."""
    level = -rng.gamma(1.5, 4.0, fields)
    return -100 + 3 * level + (5 - level) * rng.normal(size=fields), level


def test_flags_the_stated_share_at_every_level() -> None:
    rng = np.random.default_rng(0)
    typical = fit_typicality(*by_level(rng, 20_000))
    evidence, level = by_level(rng, 200_000)
    flagged = evidence < typical.threshold(level)
    assert 0.0005 < flagged.mean() < 0.002
    mild = level > np.median(level)
    assert 0.0002 < flagged[mild].mean() < 0.004 and 0.0002 < flagged[~mild].mean() < 0.004


def test_an_odd_field_of_a_mild_eye_is_seen() -> None:
    rng = np.random.default_rng(1)
    evidence, level = by_level(rng, 5000)
    typical = fit_typicality(evidence, level)
    odd = np.array([-160.0])
    assert odd > np.quantile(evidence, 0.01) and odd < typical.threshold(np.array([-1.0]))


def test_kept_on_a_card() -> None:
    typical = fit_typicality(*by_level(np.random.default_rng(2), 300))
    again = Typicality.from_card(json.loads(json.dumps(typical.to_card())))
    assert again == typical and again.fields == 300


def test_one_level_for_all() -> None:
    rng = np.random.default_rng(3)
    typical = fit_typicality(rng.normal(-100, 5, 400), np.full(400, -2.0))
    assert -130 < typical.threshold(np.array([-2.0]))[0] < -105


def test_untested_locations_are_made_up_for() -> None:
    tested = np.array([[True, True, True, True], [True, True, False, False]])
    assert for_whole_field(np.array([-8.0, -4.0]), tested) == pytest.approx([-8.0, -8.0])
