"""The training objective and its parts: loss = kl_weight KL - beta log p(td | z), and the ELBO.

In the lecture's notation the reparameterised draw is z = g_mu + sigma xi and the loss KL - log-likelihood. Here
beta multiplies the log-likelihood; much of the literature puts it on KL, which is its inverse up to the loss's
scale. The ELBO is always log p(td | z) - KL, unweighted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyro.distributions as dist
import torch
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor

from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import FieldSummary


@dataclass(frozen=True)
class Objective:
    """Parts of the ELBO of each eye, nats a series.

    Attributes
    ----------
    reconstruction : Tensor (eye,)
        Expected log p(td | z).
    kl : Tensor (eye, latent)
        KL(q(z | td) || p(z)) by latent, closed form.
    """

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """reconstruction - KL: (eye,)."""
        return self.reconstruction - self.kl.sum(-1)


class WeightedLoss:
    """The loss that training descends, nats a series, by Pyro's mean-field ELBO."""

    def __init__(self, vae: FieldVAE, num_particles: int) -> None:
        self.elbo = TraceMeanField_ELBO(num_particles=num_particles)(vae.model, vae.guide)

    def __call__(self, summary: FieldSummary, beta: float, kl_weight: float) -> Tensor:
        """Mean over a batch of eyes of kl_weight KL - beta log p(td | z)."""
        return self.elbo(summary, beta=beta, kl_weight=kl_weight) / len(summary)


def evaluate_objective(
    vae: FieldVAE, summary: FieldSummary, draws: int, generator: torch.Generator
) -> Objective:
    """The ELBO's parts by Monte Carlo over ``draws`` draws of z, and closed-form KL."""
    q = vae.guide.z_dist(summary).base_dist
    kl = dist.kl.kl_divergence(q, vae.model.z_dist(len(summary)).base_dist)
    log_likelihood = torch.stack([log_prob_td(vae, summary, _draw(q, generator)) for _ in range(draws)])
    return Objective(log_likelihood.mean(0), kl)


def log_evidence(vae: FieldVAE, summary: FieldSummary, draws: int, generator: torch.Generator) -> Tensor:
    """Importance-weighted bound on log p(td) (Burda et al. 2016, eq. 8), nats a series: (eye,)."""
    q = vae.guide.z_dist(summary)
    p = vae.model.z_dist(len(summary))
    weights = []
    for _ in range(draws):
        z = _draw(q.base_dist, generator)
        weights.append(log_prob_td(vae, summary, z) + p.log_prob(z) - q.log_prob(z))
    return torch.logsumexp(torch.stack(weights), 0) - math.log(draws)


def log_prob_td(vae: FieldVAE, summary: FieldSummary, z: Tensor) -> Tensor:
    """log p(td | z) of each eye's tests: (eye,), nats."""
    observed = torch.stack([summary.mean, summary.squares], dim=-1)
    return vae.model.td_dist(z, summary.count).mask(summary.mask).to_event(1).log_prob(observed)


def _draw(q: dist.Normal, generator: torch.Generator) -> Tensor:
    noise = torch.randn(q.loc.shape, dtype=q.loc.dtype, device=q.loc.device, generator=generator)
    return q.loc + q.scale * noise
