"""The Gaussian information bottleneck: against its own optimisation problem, and the trained models against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vfprog.data.examples import Examples, one_view
from vfprog.inference.gaussian_bottleneck import (
    canonical_correlations,
    critical_betas,
    gaussian_bottleneck,
    normal_entropy,
)
from vfprog.inference.objective import Objective, WeightedLoss
from vfprog.model.guides import DiagonalGuide
from vfprog.model.latent_variable import Amortised, Generative, LatentVariableModel
from vfprog.model.likelihoods import NormalLikelihood
from vfprog.model.nets import Decoder

ROWS = 2000
INPUTS = 4
CLOSE = 0.02  # nats


def test_correlations_do_not_depend_on_units_or_mixing():
    covariance = two_normal_views([0.9, 0.5, 0.1], np.array([0.1, 1.0, 30.0]), seed=5)
    np.testing.assert_allclose(canonical_correlations(covariance, INPUTS), [0.9, 0.5, 0.1])
    np.testing.assert_allclose(critical_betas(np.array([0.5, 0.0])), [4, np.inf])


def test_the_curve_rises_with_slope_one_over_beta():
    """The envelope theorem: at the optimum d I(z; x) / d I(z; x~) = 1 / beta."""
    correlations = np.array([0.95, 0.8, 0.5, 0.0])
    betas = np.geomspace(1.3, 50, 400)
    curve = gaussian_bottleneck(correlations, betas)
    slope = np.diff(curve.information) / np.diff(curve.rate)
    middle = np.sqrt(betas[1:] * betas[:-1])
    np.testing.assert_allclose(slope, 1 / middle, rtol=1e-3)


def test_the_curve_starts_at_the_critical_beta_and_ends_at_the_mutual_information():
    correlations = np.array([0.8, 0.6])
    first = critical_betas(correlations)[0]
    curve = gaussian_bottleneck(correlations, np.array([0.5, first, first * 1.001, 1e9]))
    np.testing.assert_array_equal(curve.rate[:2], 0)
    assert curve.rate[2] > 0
    assert curve.information[-1] == pytest.approx(-0.5 * np.log1p(-(correlations**2)).sum())


def test_one_direction_solves_the_bottleneck_by_search():
    """z = a x~ + noise of SD 1, x and x~ of SD 1 and correlation rho: the best a by a fine search."""
    rho, betas = 0.7, np.array([1.5, 3.0, 10.0])
    power = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 200_001)])  # a squared
    rate = 0.5 * np.log1p(power)
    information = -0.5 * np.log1p(-(rho**2) * power / (1 + power))
    best = (rate - betas[:, None] * information).argmin(axis=1)
    curve = gaussian_bottleneck(np.array([rho]), betas)
    np.testing.assert_allclose(curve.rate, rate[best], atol=1e-3)
    np.testing.assert_allclose(curve.information, information[best], atol=1e-3)


def two_normal_views(correlations: list[float], spread: np.ndarray, seed: int) -> np.ndarray:
    """Covariance of x~ (arbitrary) beside x, with these canonical correlations; x_i has SD spread_i."""
    rng = np.random.default_rng(seed)
    d = len(correlations)
    cross = np.zeros((INPUTS, d))
    cross[:d] = np.diag(correlations)
    whitened = np.block([[np.eye(INPUTS), cross], [cross.T, np.eye(d)]])
    mixing = np.zeros((INPUTS + d, INPUTS + d))
    mixing[:INPUTS, :INPUTS] = rng.normal(size=(INPUTS, INPUTS)) + 2 * np.eye(INPUTS)
    mixing[INPUTS:, INPUTS:] = np.diag(spread)
    return mixing @ whitened @ mixing.T


def rows_with(covariance: np.ndarray, latents: int) -> tuple[Examples, torch.Tensor]:
    """Rows and the guide's standard normal draws for them, whose sample moments are exactly those of the population.

    A linear model's loss is a function of these moments, so its optimum on the sample is the population's.
    """
    n = len(covariance)
    draws = np.random.default_rng(1).normal(size=(ROWS, n + latents))
    draws -= draws.mean(axis=0)
    draws @= np.linalg.inv(np.linalg.cholesky(draws.T @ draws / ROWS)).T
    rows = torch.as_tensor(draws[:, :n] @ np.linalg.cholesky(covariance).T)
    seen = rows[:, :INPUTS]
    examples = replace(
        one_view(rows[:, INPUTS:]), seen=seen, seen_mask=torch.ones_like(seen, dtype=torch.bool)
    )
    return examples, torch.as_tensor(draws[:, n:])


def trained(examples: Examples, noise: torch.Tensor, beta: float) -> tuple[Objective, float]:
    """Parts of the ELBO of a linear two-view model at the optimum of its loss, and the loss as training computes it."""
    torch.manual_seed(0)
    latents, d = noise.shape[1], examples.x.shape[1]
    generative = Generative(latents, Decoder(latents, d, []), NormalLikelihood(), censored=False)
    network = LatentVariableModel(generative, Amortised(DiagonalGuide(latents, INPUTS, []))).double()
    network.standardise(examples)
    optimiser = torch.optim.LBFGS(
        network.parameters(), max_iter=400, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def parts() -> Objective:
        q = network.posterior(examples).base_dist
        return Objective(network.log_likelihood(examples, q.loc + q.scale * noise), network.kl(examples))

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        now = parts()
        loss = (now.kl - beta * now.reconstruction).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        weighted = WeightedLoss(network, num_particles=20)(examples, beta=beta, kl_weight=1.0)
        return parts(), float(weighted)


def assert_on_curve(covariance: np.ndarray, latents: int, betas: np.ndarray) -> None:
    examples, noise = rows_with(covariance, latents)
    entropy = normal_entropy(covariance[INPUTS:, INPUTS:])
    curve = gaussian_bottleneck(canonical_correlations(covariance, INPUTS), betas)
    for beta, rate, information in zip(betas, curve.rate, curve.information, strict=True):
        parts, weighted = trained(examples, noise, beta)
        found = float(parts.kl.mean()), float(parts.reconstruction.mean())
        assert found[0] == pytest.approx(rate, abs=CLOSE)
        assert found[1] + entropy == pytest.approx(information, abs=CLOSE)
        assert weighted == pytest.approx(found[0] - beta * found[1], rel=0.02)  # by Monte Carlo


@pytest.mark.parametrize("correlations", [[0.8], [0.7, 0.7]])
def test_trained_models_lie_on_the_analytic_curve(correlations):
    """Equal correlations: what z leaves of x is spherical at every beta, as the model takes it to be."""
    covariance = two_normal_views(correlations, np.ones(len(correlations)), seed=3)
    critical = 1 / correlations[0] ** 2
    assert_on_curve(covariance, 3, critical * np.array([0.2, 0.5, 0.8, 0.95, 1.05, 1.2, 1.5, 2.0, 4.0, 8.0]))


def test_trained_models_lie_on_the_curve_of_unequal_directions():
    """With SD 1 / sqrt(1 - rho^2), what z leaves of x is spherical as soon as every direction is open."""
    correlations = np.array([0.9, 0.75, 0.6])
    covariance = two_normal_views(correlations.tolist(), 1 / np.sqrt(1 - correlations**2), seed=4)
    assert_on_curve(covariance, 3, critical_betas(correlations)[-1] * np.array([1.1, 2.0, 5.0]))
