"""Repeated tests of one field: the density of sufficient statistics is that of the visits themselves."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal

from vfprog.model.distributions import RepeatedTests


def random_parameters(seed: int, shape: tuple[int, ...] = (7,)) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    loc = -3 + 4 * torch.randn(shape, dtype=torch.float64, generator=generator)
    between, within = (0.2 + 3 * torch.rand((2, *shape), dtype=torch.float64, generator=generator)).unbind()
    return loc, between, within


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("n", range(1, 7))
def test_density_is_that_of_the_visits_under_compound_symmetry(n: int, seed: int) -> None:
    loc, between, within = random_parameters(seed)
    y = loc[:, None] + 3 * torch.randn(
        7, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    own = torch.diag_embed((within**2)[:, None].expand(7, n))
    visits = MultivariateNormal(loc[:, None].expand(7, n), own + (between**2)[:, None, None])
    squares = ((y - y.mean(1, keepdim=True)) ** 2).sum(1)
    count = torch.full((7,), float(n), dtype=torch.float64)
    found = RepeatedTests(loc, between, within, count).log_prob(torch.stack([y.mean(1), squares], -1))
    torch.testing.assert_close(found, visits.log_prob(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_draws_have_the_moments_of_the_statistics(n: int) -> None:
    draws = 200_000
    torch.manual_seed(0)
    loc, between, within = (torch.tensor(v, dtype=torch.float64) for v in (-2.0, 1.5, 2.0))
    tests = RepeatedTests(loc, between, within, torch.tensor(float(n), dtype=torch.float64))
    mean, squares = tests.rsample((draws,)).unbind(-1)
    variance = 1.5**2 + 2.0**2 / n
    assert abs(mean.mean() + 2) < 5 * (variance / draws) ** 0.5
    assert mean.var().item() == pytest.approx(variance, rel=5 * (2 / draws) ** 0.5)
    # Sum of squares: within^2 times chi-squared of n - 1 degrees of freedom.
    assert squares.mean().item() == pytest.approx(4.0 * (n - 1), rel=0.02)
    assert squares.var().item() == pytest.approx(16 * 2 * (n - 1), rel=0.05)
    if n > 1:
        assert abs(torch.corrcoef(torch.stack([mean, squares]))[0, 1]) < 5 / draws**0.5


def test_draws_and_density_take_batches() -> None:
    loc, between, within = random_parameters(3, (4, 1))
    tests = RepeatedTests(loc, between, within, torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64))
    draw = tests.rsample((6,))
    assert draw.shape == (6, 4, 3, 2)
    assert (draw[..., :2, 1] == 0).all() and (draw[..., 2, 1] > 0).all()
    wide = tests.expand(torch.Size([5, 4, 3]))
    assert wide.batch_shape == (5, 4, 3)
    torch.testing.assert_close(wide.log_prob(draw[0])[2], tests.log_prob(draw[0]))


def test_untested_locations_add_nothing_and_pull_nothing() -> None:
    loc, between, within = (p.requires_grad_() for p in random_parameters(4))
    count = torch.tensor([0, 1, 2, 0, 3, 1, 0], dtype=torch.float64)
    value = torch.stack([torch.linspace(-9, 2, 7, dtype=torch.float64), 2.0 * (count > 1)], -1)
    garbage = torch.where((count > 0)[:, None], value, 1e9)
    tests = RepeatedTests(loc, between, within, count).mask(count > 0)
    log_prob = tests.log_prob(garbage)
    assert (log_prob[count == 0] == 0).all() and (log_prob[count > 0] != 0).all()
    torch.testing.assert_close(log_prob, tests.log_prob(value))
    gradient = torch.autograd.grad(log_prob.sum(), (loc, between, within))
    for g in gradient:
        assert torch.isfinite(g).all()
        assert (g[count == 0] == 0).all() and (g[count > 0] != 0).all()
