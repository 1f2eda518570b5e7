"""Simulation-based calibration: the bands keep their promise, and the table tells right posteriors from wrong ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom
from test_path_model import model_and_guide, some_eyes
from tiny import random_series

from vfprog.inference.simulation_calibration import (
    POSTERIOR_DRAWS,
    ecdf_table,
    farthest_by_chance,
    simulate,
    simulation_calibration,
    strangeness,
)
from vfprog.model.path_model import Eyes, PathGuide
from vfprog.model.path_posterior import PathPosterior


def test_strangeness_by_hand() -> None:
    low = np.zeros(20, int)  # all truths below all draws: the ECDF is 1 where 1 % is expected
    assert strangeness(low) == pytest.approx(2 * binom.sf(19, 20, 0.01))
    even = np.arange(100)
    assert strangeness(even) > 0.9
    assert list(strangeness(np.stack([even, np.zeros(100, int)])) > 0.9) == [True, False]


@pytest.mark.parametrize("in_group", [1, 12])
def test_bands_hold_the_share_of_uniform_ecdfs_that_they_promise(in_group: int) -> None:
    rng = np.random.default_rng(3)
    chance = farthest_by_chance(80, rng)
    inside = [
        all(
            ecdf_table(rng.integers(0, POSTERIOR_DRAWS + 1, 80), chance, in_group)["inside"][0]
            for _ in range(in_group)
        )
        for _ in range(150)
    ]
    assert 0.88 <= np.mean(inside) <= 0.99


def test_inside_means_that_the_ecdf_keeps_to_its_band() -> None:
    rng = np.random.default_rng(5)
    chance = farthest_by_chance(60, rng)
    for skew in (1.0, 1.2, 1.5, 3.0):
        table = ecdf_table((rng.random(60) ** skew * (POSTERIOR_DRAWS + 1)).astype(int), chance, 1)
        # The band's edges are counts, so an ECDF on the edge is inside.
        kept = table["difference"].between(table["lower"] - 1e-12, table["upper"] + 1e-12).all()
        assert kept == table["inside"][0]
        assert (table["p"][0] > 0.05) == table["inside"][0]
    assert not kept


def test_right_posterior_passes_and_an_overconfident_one_does_not() -> None:
    model, guide = model_and_guide(linear=True)
    # Then the level says nothing of noise or drift, and the posterior of a linear decoder is exact.
    model.residual.scalars["drift_by_loss"].data.fill_(0.0)
    eyes = Eyes.of(random_series(8, eyes=250, most=4), guide.method)
    table = simulation_calibration(model, guide, eyes, seed=5)
    assert set(table["quantity"]) == {"z_start_1", "z_start_2", "z_slope_1", "z_slope_2", "rate"}
    assert table[table["noise"] == "known"]["inside"].all()

    class Overconfident(PathGuide):
        def posterior(self, eyes: Eyes) -> PathPosterior:
            honest = super().posterior(eyes)
            return replace(honest, chol=honest.chol * 2)

    wrong = simulation_calibration(model, Overconfident(guide.vae, guide.residual), eyes, seed=5)
    assert not wrong[(wrong["noise"] == "known") & (wrong["quantity"] == "rate")]["inside"].any()


@torch.no_grad()
def test_simulated_tests_come_from_the_paths_and_their_level() -> None:
    model, guide = model_and_guide(linear=False)
    torch.manual_seed(0)
    simulated, paths = simulate(model, some_eyes(guide))
    start = model.latents(paths)[0]
    torch.testing.assert_close(
        simulated.known.level, model.vae.model.decoder(start)
    )  # without offset at the start
    torch.testing.assert_close(simulated.known.noise, model.method.noise(simulated.known.level))
    assert (simulated.series.td[~simulated.series.mask] == 0).all()
