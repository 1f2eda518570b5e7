"""NUTS on the latents: the density it takes, the drift drawn after it, and the table that compares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_path_model import model_and_guide, some_eyes
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from vfprog.inference.nuts_check import Chain, LatentDensity, nuts_table, run_nuts


@torch.no_grad()
def test_density_of_the_latents_is_the_posterior_s_marginal_where_the_decoder_is_linear() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = some_eyes(guide)
    posterior, kept = guide.posterior(eyes), slice(4)
    of_coordinates = posterior.sd[..., None] * torch.cholesky_inverse(posterior.chol) * posterior.sd[:, None]
    normal = MultivariateNormal(posterior.mean[..., kept], of_coordinates[..., kept, kept])
    marginal = MixtureSameFamily(Categorical(posterior.weight), normal)
    latents = 2 * torch.randn(20, len(eyes), 4, dtype=torch.float64)
    constant = LatentDensity(model, eyes).log_prob(latents) - marginal.log_prob(latents)
    torch.testing.assert_close(constant, constant[:1].expand(20, -1))


@torch.no_grad()
def test_drift_drawn_after_the_latents_completes_the_posterior() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = some_eyes(guide)
    torch.manual_seed(0)
    exact = guide.path_dist(eyes).sample((20_000,))
    completed = LatentDensity(model, eyes).draw_paths(exact[:500, :, :4])
    np.testing.assert_allclose(completed.mean(0), exact.mean(0), atol=0.25)
    completed = torch.cat([LatentDensity(model, eyes).draw_paths(part) for part in exact[..., :4].split(500)])
    np.testing.assert_allclose(completed.mean(0), exact.mean(0), atol=0.04)
    np.testing.assert_allclose(completed.std(0), exact.std(0), rtol=0.05)
    # Latents and drift go together as they should: the rate's SD tells.
    torch.testing.assert_close(
        model.rate(completed, eyes).std(0), model.rate(exact, eyes).std(0), rtol=0.05, atol=0
    )


def test_chain_finds_the_posterior_of_a_linear_decoder_and_repeats_itself() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = some_eyes(guide, eyes=1)
    chain, again = (run_nuts(model, guide, eyes, draws=150, warmup=50, seed=4) for _ in range(2))
    assert torch.equal(chain.paths, again.paths)
    assert chain.divergences == 0
    table = nuts_table(model, guide, eyes, chain)
    assert (table["ess"] > 50).all()
    assert (table["mean_apart"].abs() < 0.4).all()
    assert table["sd_ratio"].between(0.75, 1.3).all()


@torch.no_grad()
def test_table_says_which_eyes_agree() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = some_eyes(guide, eyes=3)
    torch.manual_seed(0)
    paths = guide.path_dist(eyes).sample((10_000,))
    assert nuts_table(model, guide, eyes, Chain(paths, 0))["agrees"].all()
    centre = paths.mean(0)
    paths[:, 1] = centre[1] + 1.3 * (paths[:, 1] - centre[1])
    table = nuts_table(model, guide, eyes, Chain(paths, 2))
    assert list(table["agrees"]) == [True, False, True]
    assert table["sd_ratio"][1] == pytest.approx(1 / 1.3, rel=0.05)
    assert list(table["n_visits"]) == eyes.series.n_visits.tolist()
    assert (table["divergences"] == 2).all()
