"""The trajectory in Pyro: densities against dense normals, and the guide against the evidence of a linear decoder."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pyro.infer import Trace_ELBO
from tiny import linear_vae, random_series, tiny_vae
from torch import Tensor
from torch.distributions import MultivariateNormal

from vfprog.model import latent
from vfprog.model.path_model import Eyes, PathGuide, PathModel, SeriesTests
from vfprog.model.residual import SCALES, START, ResidualProcess

XY = torch.tensor([[-9, 3], [-3, 3], [3, 9], [3, -3], [-15, -3]], dtype=torch.float64)


def model_and_guide(linear: bool) -> tuple[PathModel, PathGuide]:
    torch.manual_seed(2)
    vae = linear_vae(torch.randn(5, 2, dtype=torch.float64), sd=2.0) if linear else tiny_vae()
    residual = ResidualProcess(XY).double()
    return PathModel(vae, residual), PathGuide(vae, residual)


def some_eyes(guide: PathGuide, tested: float = 0.8, eyes: int = 5) -> Eyes:
    return Eyes.of(random_series(3, eyes=eyes, tested=tested), guide.method)


def dense_covariance(model: PathModel, eyes: Eyes, eye: int) -> Tensor:
    """Of all tests of an eye about its path, visit by visit, dB^2: (visit x location, visit x location)."""
    p, years, s = model.residual, eyes.series.years[eye], eyes.known.noise[eye]
    apart = (years[:, None] - years).abs()
    same_visit = torch.eye(len(years), dtype=years.dtype)
    left = eyes.known.unrest[eye] * p.wander_left(apart)
    blocks = p.spectrum("standing")[:, None, None] + p.spectrum("wander")[:, None, None] * left
    blocks = blocks + p.spectrum("noise")[:, None, None] * same_visit
    of_tests = torch.einsum("ji,ki,itu->tjuk", p.vectors, p.vectors, blocks) * s[:, None, None] * s
    of_shifts = eyes.known.unrest[eye] * p.visit_variance * same_visit[:, None, :, None] * torch.ones(5, 1, 5)
    return (of_tests + of_shifts).reshape(5 * len(years), -1).detach()


@torch.no_grad()
def test_tests_have_the_density_of_a_dense_normal_over_those_made() -> None:
    model, guide = model_and_guide(linear=False)
    eyes = some_eyes(guide)
    path = model.path_dist(eyes.known.level).sample((3,))
    found, expected = model.td_dist(path, eyes).log_prob(eyes.series.td), model.expected(path, eyes)
    for eye in range(len(eyes)):
        made = eyes.series.mask[eye].flatten()
        covariance = dense_covariance(model, eyes, eye)[made][:, made]
        normal = MultivariateNormal(expected[:, eye].flatten(1)[:, made], covariance)
        torch.testing.assert_close(found[:, eye], normal.log_prob(eyes.series.td[eye].flatten()[made]))


@torch.no_grad()
def test_draws_have_that_covariance_and_none_where_nothing_was_tested() -> None:
    model, guide = model_and_guide(linear=False)
    eyes = some_eyes(guide, eyes=2)
    path = model.path_dist(eyes.known.level).sample()
    torch.manual_seed(0)
    drawn = model.td_dist(path, eyes).sample((20_000,))
    assert (drawn[:, ~eyes.series.mask] == 0).all()
    for eye in range(len(eyes)):
        made = eyes.series.mask[eye].flatten()
        chol = torch.linalg.cholesky(dense_covariance(model, eyes, eye)[made][:, made])
        away = (drawn - model.expected(path, eyes))[:, eye].flatten(1)[:, made]
        white = torch.linalg.solve_triangular(chol, away.T, upper=False)
        np.testing.assert_allclose(white @ white.T / 20_000, np.eye(int(made.sum())), atol=0.05)


def test_what_is_behind_the_mask_says_nothing() -> None:
    model, guide = model_and_guide(linear=False)
    eyes = some_eyes(guide, tested=0.5)
    tests = model.td_dist(model.path_dist(eyes.known.level).sample(), eyes)
    spoilt = torch.where(eyes.series.mask, eyes.series.td, 1e6)
    assert torch.equal(tests.log_prob(spoilt), tests.log_prob(eyes.series.td))


@torch.no_grad()
def test_elbo_of_a_linear_decoder_is_the_log_evidence() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = some_eyes(guide)
    # A unit of each coordinate moves the tests by a column, so each component leaves a dense normal.
    count = 2 * 2 + 5
    still = model.expected(torch.zeros(1, len(eyes), count, dtype=torch.float64), eyes)
    units = torch.eye(count, dtype=torch.float64)[:, None].expand(-1, len(eyes), -1)
    columns = (model.expected(units, eyes) - still).flatten(2)  # (coordinate, eye, test)
    weights = model.residual.log_weights(eyes.known.level.mean(1))
    evidence = []
    for eye in range(len(eyes)):
        made = eyes.series.mask[eye].flatten()
        mean, design = still[0, eye].flatten()[made], columns[:, eye, made]
        by_component = []
        for scale in SCALES:
            sd = torch.tensor([1.0, 1] + [scale] * 7, dtype=torch.float64)[:, None]
            covariance = dense_covariance(model, eyes, eye)[made][:, made] + (design * sd).T @ (design * sd)
            by_component.append(
                MultivariateNormal(mean, covariance).log_prob(eyes.series.td[eye].flatten()[made])
            )
        evidence.append(torch.logsumexp(torch.stack(by_component) + weights[eye], 0).item())
    elbo = Trace_ELBO(num_particles=16, vectorize_particles=True, max_plate_nesting=1)
    assert -elbo(model, guide)(eyes).item() == pytest.approx(math.fsum(evidence), rel=1e-9)


@torch.no_grad()
def test_elbo_of_a_bent_decoder_stays_below_importance_weighted_evidence() -> None:
    model, guide = model_and_guide(linear=False)
    eyes = some_eyes(guide)
    torch.manual_seed(1)
    q = guide.path_dist(eyes)
    path = q.sample((2000,))
    joint = model.path_dist(eyes.known.level).log_prob(path) + model.td_dist(path, eyes).log_prob(
        eyes.series.td
    )
    log_weight = joint - q.log_prob(path)
    gap = log_weight.logsumexp(0) - math.log(2000) - log_weight.mean(0)
    assert (gap > 0).all()
    assert (gap < 0.5).all()


@torch.no_grad()
def test_linear_on_average_is_closer_to_the_posterior_than_linear_about_its_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One latent, so that its posterior can be summed over a grid; few tests, so that the decoder bends within it."""
    vae = tiny_vae(latent_dim=1)
    vae.model.decoder.mlp[-1].weight.mul_(6)
    method = latent.LatentTrajectory(vae, ResidualProcess(XY).double(), network=True, drift=False)
    series = random_series(3, eyes=60, most=1, tested=0.3)
    linear = method.encoded(series)
    z = torch.linspace(-6, 6, 2401, dtype=torch.float64)
    beside = linear.known.apart + method.residual.scalars["offset"] + method.residual.scalars["learning"]
    expected = (vae.model.decoder(z[:, None])[:, None] + beside)[:, :, None]
    tests = SeriesTests(expected, series.mask, linear.known.noise, method.covariance(series, linear.known))
    weight = (tests.log_prob(series.td) - 0.5 * z[:, None] ** 2).softmax(0)
    mean = weight.T @ z
    sd = (weight.T @ z**2 - mean**2).sqrt()
    of_mean, of_sd = {}, {}
    for averages in (0, latent.AVERAGES):
        monkeypatch.setattr(latent, "AVERAGES", averages)
        found = method.refined(series, linear)[1].posterior
        of_mean[averages] = ((found.centre()[:, 0] - mean) / sd).abs().mean()
        of_sd[averages] = (found.covariance()[:, 0, 0].sqrt() / sd).log().abs().mean()
    assert of_mean[latent.AVERAGES] < 0.75 * of_mean[0]
    assert of_sd[latent.AVERAGES] < 0.9 * of_sd[0]


@torch.no_grad()
def test_rate_is_the_change_of_the_mean_field_at_the_last_visit() -> None:
    model, guide = model_and_guide(linear=False)
    eyes = some_eyes(guide)
    path, step = model.path_dist(eyes.known.level).sample(), 1e-5
    start, slope = model.latents(path)
    last = eyes.series.last_years[:, None]

    def mean_field(years: Tensor) -> Tensor:
        return (model.vae.model.decoder(start + slope * years) + model.drift(path, eyes) * years).mean(1)

    change = (mean_field(last + step) - mean_field(last - step)) / (2 * step)
    torch.testing.assert_close(model.rate(path, eyes), change, rtol=1e-6, atol=1e-8)


@torch.no_grad()
def test_the_guide_is_the_posterior_that_fits_report() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = some_eyes(guide)
    fitted = guide.method.fit(eyes.series)
    for name in ("state", "z_start", "z_slope"):
        torch.testing.assert_close(getattr(guide.path(eyes), name), getattr(fitted, name))
    torch.manual_seed(0)
    drawn = guide.path_dist(eyes).sample((20_000,))
    start, slope = model.latents(drawn)
    np.testing.assert_allclose(start.mean(0), fitted.z_start, atol=0.04)
    np.testing.assert_allclose(slope.std(0) / fitted.z_slope_sd, 1, atol=0.04)
    rate = model.rate(drawn, eyes)
    np.testing.assert_allclose((rate.mean(0) - fitted.state[..., 1].mean(1)) / rate.std(0), 0, atol=0.04)


@torch.no_grad()
def test_the_rate_of_a_bent_path_is_the_mean_rate_of_its_draws() -> None:
    """Derivative and slope go together where the decoder bends: their mean product is not the product of means."""
    vae = tiny_vae()
    vae.model.decoder.mlp[-1].weight.mul_(8)
    residual = ResidualProcess(XY, {**START, "latent_drift": -1.0}).double()
    model, guide = PathModel(vae, residual), PathGuide(vae, residual)
    eyes = some_eyes(guide, tested=0.4, eyes=40)
    torch.manual_seed(0)
    drawn = model.rate(guide.path_dist(eyes).sample((20_000,)), eyes)
    path = guide.path(eyes)
    start, slope = path.z_start, path.z_slope
    last = start + slope * path.last_years[:, None]
    of_means = torch.func.jvp(vae.model.decoder, (last,), (slope,))[1].mean(1)
    of_means = of_means + model.drift(guide.posterior(eyes).centre(), eyes).mean(-1)
    ours, plain = (
        ((rate - drawn.mean(0)).abs() / drawn.std(0)).mean()
        for rate in (path.state[..., 1].mean(1), of_means)
    )
    assert ours < 0.03 and ours < 0.6 * plain, (ours, plain)
