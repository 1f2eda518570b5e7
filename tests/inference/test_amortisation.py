"""What a guide gives away, where the best normal is known (float64)."""

from __future__ import annotations

import pytest
import torch
from ppca import Ppca
from torch.distributions import MultivariateNormal, kl_divergence

from vfprog.inference.amortisation import amortisation_gap, refine_posterior


def test_full_covariance_ends_at_the_posterior() -> None:
    ppca = Ppca(rows=40)
    ppca.answer(1.5 * torch.linalg.cholesky(ppca.covariance), shift=0.3)
    score = ppca.network.log_likelihood
    refined = refine_posterior(ppca.network, ppca.examples, score)
    assert float(kl_divergence(refined, ppca.posterior).mean()) < 0.02
    guide = ppca.network.posterior(ppca.examples)
    lost = kl_divergence(MultivariateNormal(guide.mean, scale_tril=guide.scale_tril), ppca.posterior).mean()
    assert float(amortisation_gap(ppca.network, ppca.examples, score).mean()) == pytest.approx(
        lost.item(), abs=0.05
    )
    assert lost > 0.5


def test_diagonal_ends_at_the_best_diagonal() -> None:
    """For a normal posterior that has its mean, and the inverse of its precision's diagonal for variance."""
    ppca = Ppca("diagonal", rows=40)
    ppca.answer(1.5 * torch.linalg.cholesky(ppca.covariance), shift=0.3)
    refined = refine_posterior(ppca.network, ppca.examples, ppca.network.log_likelihood)
    variance = 1 / torch.linalg.inv(ppca.covariance).diagonal()
    assert (refined.scale_tril.tril(-1) == 0).all()
    found = refined.variance.mean(0)
    torch.testing.assert_close(found, variance, rtol=0.05, atol=0)
    torch.testing.assert_close(refined.mean, ppca.posterior.mean, rtol=0, atol=0.1)


def test_nothing_is_gained_on_the_exact_posterior() -> None:
    ppca = Ppca(rows=40)
    ppca.answer()
    gap = amortisation_gap(ppca.network, ppca.examples, ppca.network.log_likelihood)
    assert float(gap.mean()) == pytest.approx(0, abs=0.03)


def test_weights_are_left_alone() -> None:
    ppca = Ppca(rows=5)
    ppca.answer(shift=0.1)
    before = {name: value.clone() for name, value in ppca.network.state_dict().items()}
    refine_posterior(ppca.network, ppca.examples, ppca.network.log_likelihood)
    assert all(torch.equal(before[name], value) for name, value in ppca.network.state_dict().items())
    assert all(p.grad is None for p in ppca.network.parameters())
