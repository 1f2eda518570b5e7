"""Likelihoods: densities that integrate to their distribution functions, cells that sum to one, floors."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from vfprog.data.examples import one_view
from vfprog.model.likelihoods import (
    DEGREES,
    LIKELIHOODS,
    Recorded,
    log_cell,
    student_log_cdf,
)


def fields() -> Tensor:
    return torch.linspace(-34, 3, 38, dtype=torch.float64)


def test_students_distribution_function_is_exact_in_both_tails() -> None:
    t = torch.tensor([-1e4, -60.0, -5, -1, -0.01, 0, 0.5, 3, 40], dtype=torch.float64)
    expected = torch.as_tensor(stats.t.logcdf(t.numpy(), DEGREES))
    torch.testing.assert_close(student_log_cdf(t), expected, rtol=1e-12, atol=1e-12)
    at = torch.linspace(-4, 4, 50, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(student_log_cdf(at).exp().sum(), at)
    torch.testing.assert_close(slope, torch.as_tensor(stats.t.pdf(at.detach().numpy(), DEGREES)))


@pytest.mark.parametrize("name", LIKELIHOODS)
@torch.no_grad()
def test_cells_of_a_location_share_out_all_probability(name: str) -> None:
    likelihood = LIKELIHOODS[name]().double()
    field, floor = fields(), -33.0
    cells = torch.arange(floor, 200, dtype=torch.float64)[:, None]
    base = likelihood(field.expand(len(cells), -1))
    log_prob = log_cell(base, cells, cells == floor, 1.0)
    torch.testing.assert_close(log_prob.exp().sum(0), torch.ones_like(field), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", LIKELIHOODS)
@torch.no_grad()
def test_a_cell_is_the_difference_of_the_distribution_function(name: str) -> None:
    base = LIKELIHOODS[name]().double()(fields())
    x = fields() + 2
    difference = base.log_cdf(x + 0.5).exp() - base.log_cdf(x - 0.5).exp()
    found = log_cell(base, x, torch.zeros_like(x, dtype=torch.bool), 1.0).exp()
    torch.testing.assert_close(found, difference, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("name", LIKELIHOODS)
@torch.no_grad()
def test_draws_follow_the_distribution(name: str) -> None:
    base = LIKELIHOODS[name]().double()(torch.full((4000,), -12.0, dtype=torch.float64))
    drawn = base.draw(torch.Generator().manual_seed(3))
    uniform = base.log_cdf(drawn).exp().numpy()
    assert stats.kstest(uniform, "uniform").pvalue > 0.01


@torch.no_grad()
def test_a_value_at_the_floor_is_a_bound() -> None:
    base = LIKELIHOODS["normal"](2.0).double()(torch.tensor([-30.0, -30.0], dtype=torch.float64))
    recorded = Recorded(base, torch.tensor([True, False]), 1.0)
    found = recorded.log_prob(torch.tensor([-31.0, -31.0], dtype=torch.float64))
    assert found[0].item() == pytest.approx(stats.norm.logcdf(-30.5, -30, 2))
    assert found[1].item() == pytest.approx(stats.norm.logpdf(-31, -30, 2))


@torch.no_grad()
def test_a_scale_of_images_spans_their_values() -> None:
    images = one_view(torch.arange(17.0).repeat(4, 1))
    likelihood = LIKELIHOODS["heteroscedastic"]()
    likelihood.standardise(images.x, images.mask)
    assert likelihood.noise.level[0] == 0 and likelihood.noise.level[-1] == 16
