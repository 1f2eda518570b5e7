"""The latent-variable model: its loss, its guides' KL, missing and censored values."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from vfprog.config import FieldConfig
from vfprog.data.examples import Examples, concatenate_examples, one_view
from vfprog.inference.batches import sizes_of
from vfprog.inference.networks import build_latent_variable
from vfprog.inference.objective import WeightedLoss, draw_z, evaluate_objective
from vfprog.model.latent_variable import LatentVariableModel

GUIDES = ["diagonal", "isotropic", "full"]


def examples(rows: int = 7, locations: int = 6, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, locations, generator=generator, dtype=torch.float64) * 5 - 6
    mask = torch.rand(rows, locations, generator=generator) > 0.2
    return one_view(x, mask, (x < -9))


def network(guide: str = "diagonal", likelihood: str = "student_t", seed: int = 0) -> LatentVariableModel:
    torch.manual_seed(seed)
    options = FieldConfig(
        kind="field", latent_dim=3, decoder_hidden=[5], encoder_hidden=[5], guide=guide, likelihood=likelihood
    )
    built = build_latent_variable(options, sizes_of(examples())).double()
    built.standardise(examples())
    return built


@pytest.mark.parametrize("guide", GUIDES)
@torch.no_grad()
def test_closed_form_kl_is_what_draws_say(guide: str) -> None:
    net, batch = network(guide), examples()
    q, p = net.posterior(batch), net.prior(len(batch))
    torch.manual_seed(1)
    z = q.sample((40_000,))
    ratio = q.log_prob(z) - p.log_prob(z)
    error = ratio.std(0) / 200
    kl = net.kl(batch)
    assert ((ratio.mean(0) - kl).abs() < 5 * error).all()
    marginal = net.kl_by_latent(batch)
    assert marginal.shape == (7, 3)
    if guide != "full":
        torch.testing.assert_close(marginal.sum(1), kl)
    else:
        assert (marginal.sum(1) <= kl + 1e-12).all()


@pytest.mark.parametrize("guide", GUIDES)
@torch.no_grad()
def test_a_generators_draws_follow_the_guide(guide: str) -> None:
    net, batch = network(guide), examples()
    q = net.posterior(batch)
    generator = torch.Generator().manual_seed(0)
    z = torch.stack([draw_z(q, generator) for _ in range(4000)])
    centred = z - q.mean
    found = torch.einsum("nri,nrj->rij", centred, centred) / len(z)
    factor = q.scale_tril if guide == "full" else torch.diag_embed(q.base_dist.scale)
    expected = factor @ factor.mT
    torch.testing.assert_close(found, expected, rtol=0.15, atol=0.05)


@pytest.mark.parametrize(("beta", "kl_weight"), [(1.0, 1.0), (0.3, 1.0), (2.0, 0.1)])
@pytest.mark.parametrize("guide", GUIDES)
@torch.no_grad()
def test_loss_is_weighted_kl_minus_beta_log_likelihood(guide: str, beta: float, kl_weight: float) -> None:
    net, batch = network(guide), examples()
    torch.manual_seed(5)
    loss = WeightedLoss(net, 1)(batch, beta, kl_weight)
    torch.manual_seed(5)
    z = net.guide(batch)
    expected = kl_weight * net.kl(batch) - beta * net.log_likelihood(batch, z)
    torch.testing.assert_close(loss, expected.mean())


@torch.no_grad()
def test_missing_values_change_nothing() -> None:
    net, batch = network(), examples()
    other = replace(
        batch, x=torch.where(batch.mask, batch.x, 17.0), seen=torch.where(batch.mask, batch.seen, -40.0)
    )
    z = torch.randn(7, 3, dtype=torch.float64)
    for score in (net.log_likelihood, net.log_cells):
        torch.testing.assert_close(score(batch, z), score(other, z))
    torch.testing.assert_close(net.kl(batch), net.kl(other))


@torch.no_grad()
def test_a_floor_taken_as_measured_is_a_density() -> None:
    net, batch = network(likelihood="normal"), examples()
    z = torch.randn(7, 3, dtype=torch.float64)
    censored = net.log_likelihood(batch, z)
    net.model.censored = False
    measured = net.log_likelihood(batch, z)
    base = net.model.likelihood(net.decode(z))
    at = batch.at_floor
    difference = torch.where(at, base.log_cdf(batch.x + 0.5) - base.log_prob(batch.x), 0.0).sum(1)
    assert at.any()
    torch.testing.assert_close(censored - measured, difference)


def test_gradients_reach_every_weight() -> None:
    net = network("full")
    WeightedLoss(net, 2)(examples(), 1.0, 1.0).backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


@torch.no_grad()
def test_without_hidden_layers_the_decoder_is_linear() -> None:
    options = FieldConfig(kind="field", latent_dim=2, decoder_hidden=[], encoder_hidden=[])
    net = build_latent_variable(options, sizes_of(examples())).double()
    a, b = torch.randn(2, 4, 2, dtype=torch.float64)

    def f(z: Tensor) -> Tensor:
        return net.decode(z) - net.decode(torch.zeros_like(z))

    torch.testing.assert_close(f(a + 2 * b), f(a) + 2 * f(b))


@torch.no_grad()
def test_draws_and_objective_have_the_shapes_they_say() -> None:
    net, batch = network(), examples()
    parts = evaluate_objective(net, batch, 4, torch.Generator().manual_seed(0))
    assert parts.reconstruction.shape == parts.kl.shape == (7,)
    z = torch.randn(5, 7, 3, dtype=torch.float64)
    assert net.log_cells(batch, z).shape == (5, 7)
    assert net.draw(z, torch.Generator()).shape == (5, 7, 6)


def test_kl_of_a_full_normal_equals_torchs() -> None:
    net, batch = network("full"), examples()
    q = net.posterior(batch)
    plain = torch.distributions.MultivariateNormal(q.loc, scale_tril=q.scale_tril)
    unit = torch.distributions.MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double())
    torch.testing.assert_close(net.kl(batch), kl_divergence(plain, unit))


def test_examples_join_and_move() -> None:
    both = concatenate_examples([examples(3), examples(4, seed=1)])
    assert len(both) == 7 and both[torch.tensor([0, 6])].x.shape == (2, 6)
    assert both.to("cpu").double().x.dtype == torch.float64


def test_an_input_far_beyond_the_training_rows_is_read_as_at_the_limit() -> None:
    net, batch = network(), examples()
    guide = net.guide.network
    far, further = (
        replace(batch, seen=guide.seen_centre + k * guide.seen_scale.expand_as(batch.x)) for k in (10, 85)
    )
    torch.testing.assert_close(net.posterior(further).mean, net.posterior(far).mean)
    nearer = replace(batch, seen=guide.seen_centre + 9 * guide.seen_scale.expand_as(batch.x))
    assert (net.posterior(nearer).mean - net.posterior(far).mean).abs().max() > 0
