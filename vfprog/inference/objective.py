"""The training objective and its parts: loss = kl_weight KL - beta log p(x | z), and the ELBO.

In the lecture's notation the reparameterised draw is z = g_mu + sigma xi and the loss KL - log-likelihood. Here
beta multiplies the log-likelihood; much of the literature puts it on KL, which is its inverse up to the loss's
scale. The ELBO is always log p(x | z) - KL, unweighted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from pyro.distributions import TorchDistribution
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor

from vfprog.inference.batches import Batch


class LatentModel(Protocol):
    """What training and assessment ask of a model; FieldVAE and LatentVariableModel answer alike."""

    model: Any
    guide: Any

    def prior(self, rows: int) -> TorchDistribution:
        """p(z)."""

    def posterior(self, batch: Batch) -> TorchDistribution:
        """q(z | seen)."""

    def kl(self, batch: Batch) -> Tensor:
        """KL(q || p) of each row."""

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        """log p(x | z) of each row, as trained on."""


@dataclass(frozen=True)
class Objective:
    """Parts of the ELBO of each row, nats.

    Attributes
    ----------
    reconstruction : Tensor (row,)
        Expected log p(x | z).
    kl : Tensor (row,)
        KL(q(z | x) || p(z)), closed form.
    """

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """reconstruction - KL: (row,)."""
        return self.reconstruction - self.kl


class WeightedLoss:
    """The loss that training descends, nats a row, by Pyro's mean-field ELBO."""

    def __init__(self, network: LatentModel, num_particles: int) -> None:
        self.elbo = TraceMeanField_ELBO(num_particles=num_particles)(network.model, network.guide)

    def __call__(self, batch: Batch, beta: float, kl_weight: float) -> Tensor:
        """Mean over a batch of kl_weight KL - beta log p(x | z)."""
        return self.elbo(batch, beta=beta, kl_weight=kl_weight) / len(batch)


def evaluate_objective(
    network: LatentModel, batch: Batch, draws: int, generator: torch.Generator
) -> Objective:
    """The ELBO's parts by Monte Carlo over ``draws`` draws of z, and closed-form KL."""
    q = network.posterior(batch)
    scores = [network.log_likelihood(batch, draw_z(q, generator)) for _ in range(draws)]
    return Objective(torch.stack(scores).mean(0), network.kl(batch))


def draw_z(q: TorchDistribution, generator: torch.Generator) -> Tensor:
    """A draw of each row's latents from a guide's normal, by a generator of one's own: (row, latent)."""
    noise = torch.randn(q.mean.shape, dtype=q.mean.dtype, device=q.mean.device, generator=generator)
    if hasattr(q, "scale_tril"):
        return q.mean + (q.scale_tril @ noise[..., None])[..., 0]
    return q.mean + q.base_dist.scale * noise
