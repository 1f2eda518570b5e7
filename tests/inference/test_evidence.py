"""Bounds on the evidence against exact answers (float64), and their table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ppca import LATENTS, Ppca
from torch.distributions import Distribution, Independent, kl_divergence

from vfprog.data.examples import one_view
from vfprog.inference import evidence as module
from vfprog.inference.evidence import DRAWS, bound_evidence, evidence_table
from vfprog.inference.objective import WeightedLoss

NATS = 0.02  # a field
GUIDES = ("diagonal", "isotropic", "full")


def full(q: Distribution) -> torch.distributions.MultivariateNormal:
    if isinstance(q, Independent):
        return torch.distributions.MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    return torch.distributions.MultivariateNormal(q.mean, scale_tril=q.scale_tril)


def test_every_bound_is_the_evidence_where_the_guide_is_the_posterior() -> None:
    ppca = Ppca()
    ppca.answer()
    found = bound_evidence(ppca.network, ppca.examples, ppca.network.log_likelihood)
    for bound in found.bounds:
        torch.testing.assert_close(bound, ppca.log_evidence, rtol=0, atol=1e-9)
    assert float((found.elbo - ppca.log_evidence).mean()) == pytest.approx(0, abs=NATS)
    # All weights are equal, so each draw counts in full.
    torch.testing.assert_close(found.ess.mean(1), torch.tensor(DRAWS, dtype=torch.float64))


@pytest.mark.parametrize("guide", ["diagonal", "full"])
def test_many_draws_reach_the_evidence_from_a_rough_guide(guide: str) -> None:
    ppca = Ppca(guide)
    ppca.answer(1.3 * torch.linalg.cholesky(ppca.covariance), shift=0.2)
    found = bound_evidence(ppca.network, ppca.examples, ppca.network.log_likelihood)
    gaps = (ppca.log_evidence - found.bounds).mean(1)
    assert gaps[0] > 0.3 and (gaps.diff() < 0).all() and abs(gaps[-1]) < NATS
    assert float((ppca.log_evidence - found.best).mean()) == pytest.approx(0, abs=NATS)
    assert (found.ess[-1] < 1000).all() and (found.ess[0] == 1).all()


@pytest.mark.parametrize("guide", ["diagonal", "full"])
def test_elbo_is_the_evidence_less_the_divergence_from_the_posterior(guide: str) -> None:
    ppca = Ppca(guide)
    ppca.answer(0.7 * torch.linalg.cholesky(ppca.covariance), shift=-0.3)
    found = bound_evidence(ppca.network, ppca.examples, ppca.network.log_likelihood)
    expected = ppca.log_evidence - kl_divergence(full(ppca.network.posterior(ppca.examples)), ppca.posterior)
    error = (found.elbo - expected).detach()
    # Monte Carlo in E_q log p(x | z) alone, independent by row.
    assert float(error.mean()) == pytest.approx(0, abs=4 * float(error.std()) / len(error) ** 0.5)
    assert float(error.mean()) == pytest.approx(0, abs=NATS)


def trained_guide(name: str) -> Ppca:
    """A guide with weights of some size, so that rows differ in mean and covariance."""
    ppca = Ppca(name, rows=5)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in ppca.network.guide.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return ppca


@pytest.mark.parametrize("name", GUIDES)
def test_divergence_in_closed_form_is_that_of_draws(name: str) -> None:
    ppca, draws = trained_guide(name), 200_000
    q, p = ppca.network.posterior(ppca.examples), ppca.network.prior(5)
    z = q.sample(torch.Size([draws]))
    ratio = q.log_prob(z) - p.log_prob(z)
    error = ratio.std(0) / draws**0.5
    assert ((ratio.mean(0) - ppca.network.kl(ppca.examples)).abs() < 4 * error).all()
    assert float(ppca.network.kl(ppca.examples).mean().detach()) > 0.3


@pytest.mark.parametrize("name", GUIDES)
@pytest.mark.parametrize(("beta", "kl_weight"), [(1.0, 1.0), (0.3, 1.0), (2.5, 0.4)])
def test_weighted_loss_is_the_sum_of_its_parts(name: str, beta: float, kl_weight: float) -> None:
    network, examples = trained_guide(name).network, trained_guide(name).examples
    torch.manual_seed(3)
    loss = WeightedLoss(network, num_particles=1)(examples, beta, kl_weight)
    torch.manual_seed(3)
    z = network.posterior(examples).rsample()
    parts = kl_weight * network.kl(examples) - beta * network.log_likelihood(examples, z)
    assert loss.item() == pytest.approx(parts.mean().item(), rel=1e-9)


def test_cells_are_the_density_where_noise_is_wide() -> None:
    """A cell of 1 dB under an SD of 2 dB: the mean density over it is that in its middle, to a part in fifty."""
    ppca = Ppca()
    ppca.answer()
    recorded = one_view(ppca.x.round())
    torch.manual_seed(4)
    by_cell = bound_evidence(ppca.network, recorded, ppca.network.log_cells, (10,))
    torch.manual_seed(4)
    by_density = bound_evidence(ppca.network, recorded, ppca.network.log_likelihood, (10,))
    assert float((by_cell.best - by_density.best).abs().max()) < 0.5
    assert not torch.equal(by_cell.best, by_density.best)


def test_chunks_change_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    ppca = Ppca()
    ppca.answer()
    monkeypatch.setattr(module, "VALUES", 7 * 1000 * 12)
    found = bound_evidence(ppca.network, ppca.examples, ppca.network.log_likelihood)
    torch.testing.assert_close(found.best, ppca.log_evidence, rtol=0, atol=1e-9)
    assert found.bounds.shape == found.ess.shape == (len(DRAWS), len(ppca.x)) and found.kl.shape == (
        len(ppca.x),
    )


def test_table_has_a_row_for_each_bound() -> None:
    ppca = Ppca()
    ppca.answer(1.3 * torch.linalg.cholesky(ppca.covariance))
    found = bound_evidence(ppca.network, ppca.examples, ppca.network.log_likelihood)
    table = evidence_table(found, np.arange(len(ppca.x)) // 2)
    gains = ["gain", "gain_lower", "gain_upper"]
    assert list(table.columns) == ["draws", "mean", "lower", "upper", *gains, "ess", "n_fields", "n_patients"]
    np.testing.assert_allclose(table["gain"], table["mean"] - table["mean"].iloc[0], atol=1e-9)
    assert list(table["draws"]) == [0, *DRAWS]
    assert table["mean"].iloc[0] == pytest.approx(float(found.elbo.mean()))
    assert (table["lower"] < table["mean"]).all() and (table["mean"] < table["upper"]).all()
    assert table["ess"].isna().tolist() == [True, False, False, False, False]
    assert table.loc[0, "n_fields"] == len(ppca.x) and table.loc[0, "n_patients"] == len(ppca.x) // 2
    assert ppca.network.latent_dim == LATENTS
