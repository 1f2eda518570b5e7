"""Nerve fibres: the second view follows the loss of its sector, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from vfprog.data.nerve_fibres import (
    AGEING,
    LEVEL_SD,
    MEAN_AGEING,
    MEASUREMENT_SD,
    NORMAL,
    RESIDUAL,
    mean_thinning,
    nerve_fibre_thickness,
    simulate_nerve_fibres,
)
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
HEALTHY = np.array(list(NORMAL.values()))


def test_thickness_falls_with_loss_from_normal_to_the_residual_layer() -> None:
    td = np.tile(np.array([4.0, 0, -3, -6, -12, -30])[:, None], (1, 52))
    thickness = nerve_fibre_thickness(td, HEALTHY, GRID)
    np.testing.assert_allclose(thickness[0], HEALTHY)
    np.testing.assert_allclose(thickness[1], HEALTHY)
    np.testing.assert_allclose(thickness[2], RESIDUAL + (HEALTHY - RESIDUAL) / 2, rtol=0.01)
    assert (np.diff(thickness[1:], axis=0) < 0).all()
    np.testing.assert_allclose(thickness[-1], RESIDUAL, atol=0.1)


def test_a_location_thins_its_own_sector_only() -> None:
    loss = np.where(np.eye(52, dtype=bool), -10.0, 0.0)
    thinned = nerve_fibre_thickness(loss, HEALTHY, GRID) < HEALTHY - 1e-9
    assert (thinned.sum(axis=1) == 1).all()
    sectors = np.array(list(NORMAL))[thinned.argmax(axis=1)]
    np.testing.assert_array_equal(sectors, GRID.sectors)


def test_the_mean_thins_as_the_derivative_averaged_over_levels_says() -> None:
    td = np.random.default_rng(1).uniform(-20, 5, 52)
    deviates = np.linspace(-6, 6, 4001)
    weights = norm.pdf(deviates) / norm.pdf(deviates).sum()
    around = td + LEVEL_SD * deviates[:, None]
    step = 0.05 * np.eye(52)[:, None]
    means = [nerve_fibre_thickness(around + move, HEALTHY, GRID).mean(2) @ weights for move in (step, -step)]
    np.testing.assert_allclose(mean_thinning(td, GRID), (means[0] - means[1]) / 0.1, atol=2e-4)


def test_the_mean_ages_as_its_sectors_do() -> None:
    assert pytest.approx(AGEING * HEALTHY.mean(), abs=0.005) == MEAN_AGEING


def test_an_eye_keeps_its_thickness_and_tests_scatter_about_it() -> None:
    age = np.full((3000, 4), 50.0)
    measured = simulate_nerve_fibres(np.zeros((3000, 4, 52)), age, GRID, np.random.default_rng(0))
    np.testing.assert_allclose(measured.mean((0, 1)), HEALTHY, rtol=0.02)
    between_tests = measured.std(axis=1, ddof=1)
    expected = np.sqrt(np.array(list(MEASUREMENT_SD.values())) ** 2 + 1 / 12)
    np.testing.assert_allclose(np.sqrt((between_tests**2).mean(0)), expected, rtol=0.04)
    share = measured.mean(1).std(0) / HEALTHY
    assert ((share > 0.11) & (share < 0.17)).all()


def test_layers_thin_with_age() -> None:
    age = np.broadcast_to([50.0, 60.0], (4000, 2))
    measured = simulate_nerve_fibres(np.zeros((4000, 2, 52)), age, GRID, np.random.default_rng(0))
    lost = (measured[:, 0] - measured[:, 1]).mean(0)
    np.testing.assert_allclose(lost, 10 * AGEING * HEALTHY, atol=0.4)
