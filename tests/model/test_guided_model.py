"""The guided model: its loss and its parts, and that what is unknown or unseen changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal

from vfprog.config import GuidedConfig
from vfprog.data.examples import Examples, one_view
from vfprog.inference.networks import build_guided
from vfprog.inference.objective import WeightedLoss
from vfprog.model.guided import GuidedModel

LOCATIONS, LATENTS, ROWS = 6, 2, 9


def fields(seed: int = 0) -> Examples:
    """Fields with two properties; some locations and some properties are missing."""
    torch.manual_seed(seed)
    x = 4 * torch.randn(ROWS, LOCATIONS, dtype=torch.float64) - 5
    properties = torch.stack([x.mean(1), 60 + 10 * torch.randn(ROWS).double()], 1)
    known = torch.rand(ROWS, 2) < 0.7
    return one_view(x, torch.rand(ROWS, LOCATIONS) < 0.8, None, torch.where(known, properties, 0.0), known)


@pytest.fixture()
def model() -> GuidedModel:
    torch.manual_seed(1)
    options = GuidedConfig(kind="guided", latent_dim=LATENTS, decoder_hidden=[4], encoder_hidden=[4])
    sizes = {"locations": LOCATIONS, "inputs": LOCATIONS, "properties": 2}
    made = build_guided(options, sizes).double()
    made.standardise(fields())
    return made


@torch.no_grad()
def log_likelihood_by_hand(model: GuidedModel, examples: Examples, z: torch.Tensor) -> torch.Tensor:
    """Field and properties value by value: (row,)."""
    total = torch.zeros(ROWS, dtype=torch.float64)
    field, read, head = model.decode(z), model.properties(z), model.model.head
    noise = model.model.likelihood(field)
    for row, location in torch.nonzero(examples.mask).tolist():
        at = Normal(noise.loc[row, location], noise.scale[row, location])
        total[row] += at.log_prob(examples.x[row, location])
    for row, k in torch.nonzero(examples.property_mask).tolist():
        away = (examples.properties[row, k] - read[row, k]) / head.scale[k]
        total[row] += Normal(0.0, head.log_sd[k].exp()).log_prob(away)
    return total


@torch.no_grad()
def test_log_likelihood_counts_field_and_known_properties(model: GuidedModel) -> None:
    z = torch.randn(ROWS, LATENTS, dtype=torch.float64)
    found = model.log_likelihood(fields(), z)
    torch.testing.assert_close(found, log_likelihood_by_hand(model, fields(), z))


@torch.no_grad()
@pytest.mark.parametrize(("beta", "kl_weight"), [(1.0, 1.0), (0.3, 0.5), (4.0, 1.0)])
def test_loss_is_weighted_kl_minus_beta_log_likelihood(
    model: GuidedModel, beta: float, kl_weight: float
) -> None:
    examples = fields()
    torch.manual_seed(5)
    found = WeightedLoss(model, 1)(examples, beta, kl_weight)
    torch.manual_seed(5)
    z = model.guide(examples)
    expected = (kl_weight * model.kl(examples) - beta * log_likelihood_by_hand(model, examples, z)).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-10)


@torch.no_grad()
def test_unknown_properties_change_nothing(model: GuidedModel) -> None:
    examples, z = fields(), torch.randn(ROWS, LATENTS, dtype=torch.float64)
    other = replace(examples, properties=torch.where(examples.property_mask, examples.properties, 1e6))
    torch.testing.assert_close(model.log_likelihood(other, z), model.log_likelihood(examples, z))


@torch.no_grad()
def test_the_guide_sees_the_field_alone(model: GuidedModel) -> None:
    examples = fields()
    other = replace(examples, properties=examples.properties + 5)
    torch.testing.assert_close(model.posterior(other).mean, model.posterior(examples).mean)


@torch.no_grad()
def test_properties_are_read_in_their_own_units(model: GuidedModel) -> None:
    examples, head = fields(), model.model.head
    known = examples.properties[examples.property_mask[:, 1], 1]
    assert head.centre[1].item() == pytest.approx(known.mean().item())
    assert head.scale[1].item() == pytest.approx(known.std(correction=0).item())
    z = torch.randn(3, 4, LATENTS, dtype=torch.float64)
    torch.testing.assert_close(model.properties(z), head.centre + head.scale * head.mlp(z))


def test_the_head_shapes_the_latents(model: GuidedModel) -> None:
    WeightedLoss(model, 1)(fields(), 1.0, 1.0).backward()
    assert model.model.head.log_sd.grad.abs().min() > 0
    assert model.model.head.mlp[0].weight.grad.abs().max() > 0
