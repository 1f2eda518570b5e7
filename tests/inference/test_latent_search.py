"""Search and ways in latent space, against closed forms and another optimiser; the density, against its source."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.distributions import MultivariateNormal

from vfprog.inference.latent_density import LatentDensity, fit_density
from vfprog.inference.latent_search import Present, Search, nearest, spherical, straight

LATENTS = 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def precision_of(rows: int, seed: int) -> Tensor:
    factor = drawn(rows, LATENTS, LATENTS, seed=seed)
    return factor @ factor.mT + 2 * torch.eye(LATENTS, dtype=torch.float64)


def one_normal() -> LatentDensity:
    mean, precision = torch.tensor([[0.5, -0.3, 0.0]]).double(), precision_of(1, 7)
    levels = torch.linspace(-20, 0, 21, dtype=torch.float64)
    return LatentDensity(torch.ones(1, dtype=torch.float64), mean, precision, levels)


def two_clusters() -> LatentDensity:
    centres = torch.tensor([[-2.0, 0, 0], [2.0, 0, 0]])
    cluster = torch.arange(4000) % 2
    z = centres.double()[cluster] + 0.4 * drawn(4000, LATENTS, seed=1)
    return fit_density(z, z, seed=0)


def bent(z: Tensor) -> Tensor:
    return z[..., 0] + 0.4 * (2 * z[..., 1]).sin() + 0.2 * z[..., 2] ** 2


def test_linear_property_has_the_closed_form() -> None:
    density, slope = one_normal(), torch.tensor([1.0, -2.0, 0.5]).double()
    present, target = Present(drawn(5, LATENTS), precision_of(5, 2)), drawn(5, seed=3)
    found = nearest(Search(lambda z: z @ slope, present, target, density, 0.7), 1e-6)
    pull = 0.7 * density.precisions[0]
    hessian = present.precision + pull
    free = torch.linalg.solve(
        hessian, torch.einsum("rab,rb->ra", present.precision, present.z) + pull @ density.means[0]
    )
    along = torch.linalg.solve(hessian, slope.expand(5, -1))
    expected = free + along * ((target - free @ slope) / (along @ slope))[:, None]
    assert found.converged.all()
    torch.testing.assert_close(found.z, expected, atol=1e-8, rtol=0)
    away = expected - present.z
    torch.testing.assert_close(
        found.distance, torch.einsum("ra,rab,rb->r", away, present.precision, away).sqrt()
    )


def test_bent_property_agrees_with_another_optimiser() -> None:
    density = two_clusters()
    present, target = Present(drawn(6, LATENTS, seed=4), precision_of(6, 5)), 1.5 * drawn(6, seed=6)
    found = nearest(Search(bent, present, target, density, 1.0), 1e-3)
    assert found.converged.all()
    for i in range(6):

        def energy(z: np.ndarray, i: int = i) -> float:
            away = torch.tensor(z) - present.z[i]
            return float(0.5 * away @ present.precision[i] @ away - density.log_prob(torch.tensor(z)))

        reached = {"type": "eq", "fun": lambda z, i=i: float(bent(torch.tensor(z)[None])[0] - target[i])}
        other = minimize(energy, found.z[i].numpy(), method="SLSQP", constraints=[reached])
        assert energy(found.z[i].numpy()) <= other.fun + 0.01


def test_rows_are_searched_each_for_itself() -> None:
    density, target = two_clusters(), torch.tensor([1.0, -1.5, 0.3]).double()
    present = Present(drawn(3, LATENTS, seed=8), precision_of(3, 9))
    together = nearest(Search(bent, present, target, density, 1.0), 1e-3)
    for i in range(3):
        alone = nearest(Search(bent, present[torch.tensor([i])], target[i : i + 1], density, 1.0), 1e-3)
        torch.testing.assert_close(alone.z[0], together.z[i], atol=2e-3, rtol=0)


def test_plausibility_draws_towards_the_data() -> None:
    density = two_clusters()
    present = Present(torch.tensor([[0.0, 1.5, 1.0]]).double(), 0.5 * torch.eye(LATENTS).double()[None])
    target = torch.tensor([1.0]).double()
    scores = [
        float(density.log_prob(nearest(Search(lambda z: z[..., 0], present, target, density, w), 1e-3).z))
        for w in (0.0, 0.5, 4.0)
    ]
    assert scores[0] + 1 < scores[1] < scores[2]


def test_what_cannot_be_reached_has_not_converged() -> None:
    present = Present(drawn(2, LATENTS), precision_of(2, 2))
    target = torch.tensor([0.5, 3.0]).double()
    found = nearest(Search(lambda z: z[..., 0].tanh(), present, target, one_normal(), 0.1), 1e-3)
    assert found.converged.tolist() == [True, False]


def test_a_mixture_is_found_and_its_percentiles_are_those_of_the_fields() -> None:
    density = two_clusters()
    assert len(density.weights) == 2
    assert density.means[:, 0].sort().values.tolist() == pytest.approx([-2, 2], abs=0.05)
    exact = [
        MultivariateNormal(m, 0.16 * torch.eye(3).double())
        for m in ([-2.0, 0, 0], [2.0, 0, 0])
        for m in [torch.tensor(m).double()]
    ]
    z = drawn(50, LATENTS, seed=11)
    expected = torch.stack([normal.log_prob(z) for normal in exact]).logsumexp(0) - np.log(2)
    assert (density.log_prob(z) - expected).abs().max() < 0.1 * expected.abs().max()
    cluster = torch.tensor([[-2.0, 0, 0]]).double() + 0.4 * drawn(4000, LATENTS, seed=12)
    assert density.percentile(cluster).mean() == pytest.approx(50, abs=2)
    assert density.percentile(torch.zeros(1, LATENTS).double()).item() < 1


def test_pull_is_the_gradient_and_its_curvature_bounds_the_hessian() -> None:
    density = two_clusters()
    for z in 2 * drawn(5, LATENTS, seed=13):
        pull, curvature = density.pull(z)
        at = z.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(-density.log_prob(at), at)
        torch.testing.assert_close(pull, gradient)
        hessian = torch.autograd.functional.hessian(lambda z: -density.log_prob(z), z)
        assert torch.linalg.eigvalsh(curvature - hessian).min() > -1e-8


def test_a_density_is_written_and_read() -> None:
    density, z = two_clusters(), drawn(7, LATENTS)
    again = LatentDensity.from_card(json.loads(json.dumps(density.to_card())), z)
    torch.testing.assert_close(again.log_prob(z), density.log_prob(z))
    torch.testing.assert_close(again.percentile(z), density.percentile(z))


def test_ways_begin_and_end_at_the_fields() -> None:
    start, end = drawn(4, LATENTS, seed=1), 2 * drawn(4, LATENTS, seed=2)
    for way in (straight(start, end, 7), spherical(start, end, 7)):
        assert way.shape == (7, 4, LATENTS)
        torch.testing.assert_close(way[0], start)
        torch.testing.assert_close(way[-1], end)


def test_the_arc_turns_evenly_and_keeps_its_distance() -> None:
    start, end = drawn(4, LATENTS, seed=1), drawn(4, LATENTS, seed=2)
    end = end * (start.norm(dim=1) / end.norm(dim=1))[:, None]
    way = spherical(start, end, 9)
    torch.testing.assert_close(way.norm(dim=-1), start.norm(dim=1).expand(9, 4))
    chords = (way[1:] - way[:-1]).norm(dim=-1)
    torch.testing.assert_close(chords, chords[:1].expand(8, 4))
    assert (straight(start, end, 9)[4].norm(dim=1) < start.norm(dim=1)).all()


def test_the_arc_between_like_directions_is_straight() -> None:
    start = drawn(2, LATENTS)
    torch.testing.assert_close(spherical(start, 3 * start, 5), straight(start, 3 * start, 5))
