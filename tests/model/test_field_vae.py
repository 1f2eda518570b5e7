"""The field model: its densities, and that untested locations are never heard."""

from __future__ import annotations

import pyro
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from tiny import random_series, random_summary, tiny_vae

from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import FieldSummary, summarise


def test_prior_and_guide_are_normals_of_one_event_an_eye() -> None:
    vae, summary = tiny_vae(latent_dim=3), random_summary(0)
    prior, guide = vae.model.z_dist(6), vae.guide.z_dist(summary)
    for distribution in (prior, guide):
        assert (distribution.batch_shape, distribution.event_shape) == ((6,), (3,))
    assert (prior.base_dist.loc == 0).all() and (prior.base_dist.scale == 1).all()
    assert vae.latent_dim == 3 and vae.device.type == "cpu"


def test_tests_scatter_about_the_decoded_field_with_the_noise_of_its_level() -> None:
    vae = tiny_vae()
    z, count = torch.randn(4, 2, dtype=torch.float64), torch.ones(4, 5, dtype=torch.float64)
    tests = vae.model.td_dist(z, count)
    field = vae.model.decoder(z)
    assert torch.equal(tests.loc, field)
    assert torch.equal(tests.within_sd, vae.model.noise(field))
    torch.testing.assert_close(tests.between_sd, vae.model.log_ratio.exp() * tests.within_sd)


@pytest.mark.parametrize(("beta", "kl_weight"), [(1.0, 1.0), (0.25, 1.0), (3.0, 0.01)])
def test_sites_are_weighted_apart(beta: float, kl_weight: float) -> None:
    vae, summary = tiny_vae(), random_summary(1)
    plain, weighted = (
        poutine.trace(poutine.condition(vae.model, {"z": torch.ones(6, 2, dtype=torch.float64)})).get_trace(
            summary, *weights
        )
        for weights in ((), (beta, kl_weight))
    )
    for trace in (plain, weighted):
        trace.compute_log_prob()
    for site, weight in (("z", kl_weight), ("td", beta)):
        torch.testing.assert_close(weighted.nodes[site]["log_prob"], weight * plain.nodes[site]["log_prob"])


def elbo_and_gradients(vae: FieldVAE, summary: FieldSummary) -> list[torch.Tensor]:
    loss = TraceMeanField_ELBO()(vae.model, vae.guide)
    torch.manual_seed(5)
    value = loss(summary)
    return [value.detach(), *torch.autograd.grad(value, list(vae.parameters()))]


@given(seed=st.integers(0, 1000), garbage=st.sampled_from([-1e6, 3.0, float("nan"), float("inf")]))
def test_masked_values_never_change_the_elbo_nor_its_gradients(seed: int, garbage: float) -> None:
    vae, series = tiny_vae(), random_series(seed, tested=0.4)
    spoilt = torch.where(series.mask, series.td, garbage)
    clean = elbo_and_gradients(vae, summarise(series.td, series.mask))
    for expected, found in zip(clean, elbo_and_gradients(vae, summarise(spoilt, series.mask)), strict=True):
        assert torch.isfinite(expected).all()
        assert torch.equal(expected, found)


def test_an_eye_without_any_tested_location_weighs_nothing_in_the_likelihood() -> None:
    vae, summary = tiny_vae(), random_summary(2)
    blank = FieldSummary(
        *(torch.zeros_like(getattr(summary, name)) for name in FieldSummary.__dataclass_fields__)
    )
    trace = poutine.trace(vae.model).get_trace(blank)
    trace.compute_log_prob()
    assert (trace.nodes["td"]["log_prob"] == 0).all()
    assert all(torch.isfinite(t).all() for t in elbo_and_gradients(vae, blank))


def test_training_state_is_the_modules_own_and_not_global() -> None:
    elbo_and_gradients(tiny_vae(), random_summary(0))
    assert len(pyro.get_param_store()) == 0
