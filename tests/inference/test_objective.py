"""The objective: its parts by hand, and its bound against evidence that is known exactly."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import FixedEncoder, linear_vae, random_series, random_summary, tiny_vae
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from vfprog.data.series import Series
from vfprog.inference.evidence import bound_evidence
from vfprog.inference.objective import WeightedLoss, evaluate_objective
from vfprog.model.field_vae import FieldVAE
from vfprog.model.nets import CENTRE, SCALE
from vfprog.model.summary import FieldSummary, summarise


def log_evidence(vae: FieldVAE, summary: FieldSummary, draws: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return bound_evidence(vae, summary, vae.log_likelihood, (draws,)).best


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def log_likelihood(vae: FieldVAE, series: Series, z: Tensor) -> Tensor:
    """log p(td | z) of each eye, visit by visit and location by location: (eye,)."""
    field = vae.model.decoder(z)
    sd, ratio = vae.model.noise(field), vae.model.log_ratio.exp()
    total = torch.zeros(len(series), dtype=torch.float64)
    for eye, location in torch.nonzero(series.mask.any(1)).tolist():
        y = series.td[eye, series.mask[eye, :, location], location]
        n, variance = len(y), sd[eye, location] ** 2
        covariance = variance * (torch.eye(n, dtype=torch.float64) + ratio**2)
        total[eye] += MultivariateNormal(field[eye, location].expand(n), covariance).log_prob(y)
    return total


@pytest.mark.parametrize("particles", [1, 3])
@pytest.mark.parametrize(
    ("beta", "kl_weight"), [(1.0, 1.0), (0.25, 1.0), (4.0, 1.0), (1.0, 1e-3), (2.0, 0.4)]
)
@torch.no_grad()
def test_loss_is_weighted_kl_minus_beta_log_likelihood(beta: float, kl_weight: float, particles: int) -> None:
    vae, series = tiny_vae(), random_series(0)
    summary = summarise(series.td, series.mask)
    torch.manual_seed(3)
    found = WeightedLoss(vae, particles)(summary, beta, kl_weight)
    torch.manual_seed(3)
    draws = [vae.guide(summary) for _ in range(particles)]
    reconstruction = torch.stack([log_likelihood(vae, series, z) for z in draws]).mean()
    loc, sd = vae.guide.encoder(summary)
    kl = 0.5 * (sd**2 + loc**2 - 1 - 2 * sd.log()).sum(1).mean()
    assert found.item() == pytest.approx((kl_weight * kl - beta * reconstruction).item(), rel=1e-10)


@torch.no_grad()
def test_parts_of_the_elbo_are_those_of_the_loss() -> None:
    vae, series = tiny_vae(), random_series(1)
    summary = summarise(series.td, series.mask)
    z = torch.randn(6, 2, dtype=torch.float64)
    torch.testing.assert_close(vae.log_likelihood(summary, z), log_likelihood(vae, series, z))
    parts = evaluate_objective(vae, summary, 400, generator())
    assert parts.reconstruction.shape == (6,) and parts.kl.shape == (6,)
    torch.testing.assert_close(parts.elbo, parts.reconstruction - parts.kl)
    torch.manual_seed(0)
    loss = torch.stack([WeightedLoss(vae, 1)(summary, 1.0, 1.0) for _ in range(200)])
    assert abs(loss.mean() + parts.elbo.mean()) < 5 * loss.std() / 200**0.5


@torch.no_grad()
def test_closed_form_kl_is_what_draws_say() -> None:
    vae, summary, draws = tiny_vae(seed=2), random_summary(2), 40_000
    q = Normal(*vae.guide.encoder(summary))
    torch.manual_seed(0)
    z = q.sample((draws,))
    ratio = q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    error = ratio.std(0) / draws**0.5
    kl = vae.kl_by_latent(summary)
    assert ((ratio.mean(0) - kl).abs() < 5 * error).all()
    assert (kl > 5 * error).any()


@torch.no_grad()
def test_the_bound_is_above_the_elbo_and_grows_with_draws() -> None:
    vae, summary = tiny_vae(seed=1), random_summary(1, eyes=300)
    elbo = evaluate_objective(vae, summary, 64, generator()).elbo.mean()
    bounds = [log_evidence(vae, summary, draws, seed=draws).mean() for draws in (1, 4, 16, 128)]
    assert elbo < bounds[1] < bounds[2] < bounds[3]
    # One draw is the ELBO but for chance.
    assert abs(bounds[0] - elbo) < abs(bounds[3] - elbo)


# Exactness: with a linear decoder and normal noise of one SD the evidence is known.

SD = 2.5


def orthogonal_columns(locations: int = 6, latent_dim: int = 2) -> Tensor:
    basis = torch.linalg.qr(torch.randn(locations, latent_dim, dtype=torch.float64, generator=generator(1)))[
        0
    ]
    return basis * torch.tensor([0.9, 0.4], dtype=torch.float64)


def fields_of(vae: FieldVAE, eyes: int = 40) -> FieldSummary:
    """One test of each of ``eyes`` eyes drawn from the model itself."""
    z = torch.randn(eyes, 2, dtype=torch.float64, generator=generator(2))
    noise = SD * torch.randn(eyes, 1, 6, dtype=torch.float64, generator=generator(3))
    td = vae.model.decoder(z)[:, None] + noise
    return summarise(td, torch.ones_like(td, dtype=torch.bool))


def exact_log_evidence(weight: Tensor, summary: FieldSummary) -> Tensor:
    covariance = SCALE**2 * weight @ weight.T + SD**2 * torch.eye(6, dtype=torch.float64)
    return MultivariateNormal(torch.full((6,), CENTRE, dtype=torch.float64), covariance).log_prob(
        summary.mean
    )


def exact_guide(weight: Tensor, widened: float = 1.0) -> FixedEncoder:
    """The posterior of a linear model whose latents do not mix: W has orthogonal columns."""
    variance = 1 / (1 + SCALE**2 * (weight**2).sum(0) / SD**2)
    return FixedEncoder(variance[:, None] * SCALE * weight.T / SD**2, CENTRE, widened * variance.sqrt())


@torch.no_grad()
def test_importance_weighted_bound_reaches_the_exact_evidence() -> None:
    weight = orthogonal_columns()
    vae = linear_vae(weight, SD)
    summary = fields_of(vae)
    exact = exact_log_evidence(weight, summary)
    vae.guide.encoder = exact_guide(weight, widened=1.3)
    elbo = evaluate_objective(vae, summary, 500, generator()).elbo
    bound = log_evidence(vae, summary, 1500)
    assert abs((bound - exact).mean()) < 0.02
    assert (bound - exact).abs().max() < 0.1
    assert (exact - elbo).mean() > 0.05  # a guide too wide costs something, which the bound makes good


@torch.no_grad()
def test_the_exact_posterior_as_guide_has_no_gap() -> None:
    weight = orthogonal_columns()
    vae = linear_vae(weight, SD)
    vae.guide.encoder = exact_guide(weight)
    summary = fields_of(vae)
    exact = exact_log_evidence(weight, summary)
    # Every weight p(td, z) / q(z) is the evidence itself, so one draw of any seed will do.
    for seed in range(3):
        torch.testing.assert_close(log_evidence(vae, summary, 1, seed), exact, rtol=1e-7, atol=1e-7)
    assert abs((evaluate_objective(vae, summary, 2000, generator()).elbo - exact).mean()) < 0.02


@torch.no_grad()
def test_evidence_of_a_wide_gap_is_normalised() -> None:
    # Integrated over a location's value the evidence is 1: a constant left out would show here.
    vae = linear_vae(torch.tensor([[0.7]], dtype=torch.float64), SD)
    grid = torch.linspace(-60, 60, 1201, dtype=torch.float64)[:, None]
    summary = summarise(grid[:, None], torch.ones(1201, 1, 1, dtype=torch.bool))
    weight = torch.tensor([[0.7]], dtype=torch.float64)
    vae.guide.encoder = exact_guide(weight)
    density = log_evidence(vae, summary, 1).exp()
    assert density.sum().item() * 0.1 == pytest.approx(1, abs=1e-6)
    assert math.isfinite(density.max())
