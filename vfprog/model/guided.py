"""A latent space guided by properties: a head reads MD, PSD and age off the latents that the decoder makes a field of.

After the chemical autoencoder of Gomez-Bombarelli et al. 2018 (ACS Cent Sci 4:268), where molecules lie in latent
space by their properties because a predictor of these is trained together with the autoencoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from vfprog.data.examples import Examples
from vfprog.model.guides import GuideNetwork
from vfprog.model.latent_variable import Amortised, Generative, LatentVariableModel
from vfprog.model.likelihoods import Likelihood
from vfprog.model.nets import Decoder, mean_and_sd, mlp

HEAD_HIDDEN = (32,)  # widths: a property is a smooth function of the latents, far simpler than a field


class PropertyHead(PyroModule):
    """p(y | z): each property normal about a network's reading of z, with a learnt SD; in SDs of the training rows."""

    centre: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, properties: int, hidden: Sequence[int] = HEAD_HIDDEN) -> None:
        super().__init__()
        self.mlp = mlp([latent_dim, *hidden, properties])
        self.log_sd = nn.Parameter(torch.zeros(properties))
        self.register_buffer("centre", torch.zeros(properties))
        self.register_buffer("scale", torch.ones(properties))

    def forward(self, z: Tensor) -> Tensor:
        """Mean of the properties in their own units: (..., latent) -> (..., property)."""
        return self.centre + self.scale * self.mlp(z)

    def y_dist(self, z: Tensor, known: Tensor) -> dist.TorchDistribution:
        """p(y | z) of standardised properties, those that are ``known`` (row, property): event (property,)."""
        mean = self.mlp(z)
        return (
            dist.Normal(mean, self.log_sd.exp().expand_as(mean), validate_args=False).mask(known).to_event(1)
        )

    def standard(self, properties: Tensor) -> Tensor:
        """Properties (row, property) in SDs of the training rows about their mean."""
        return (properties - self.centre) / self.scale

    @torch.no_grad()
    def standardise(self, properties: Tensor, known: Tensor) -> None:
        """Take centre and scale of each property from the rows to be trained on."""
        mean, sd = mean_and_sd(properties, known)
        self.centre.copy_(mean)
        self.scale.copy_(sd)


class GuidedGenerative(Generative):
    """p(z) p(x | z) p(y | z): beside the field x its properties y are observed, where they are known."""

    def __init__(
        self, latent_dim: int, decoder: Decoder, likelihood: Likelihood, censored: bool, properties: int
    ) -> None:
        super().__init__(latent_dim, decoder, likelihood, censored)
        self.head = PropertyHead(latent_dim, properties)

    def observe(self, z: Tensor, examples: Examples) -> None:
        """Score field and properties, given z."""
        super().observe(z, examples)
        known = self.head.y_dist(z, examples.property_mask)
        pyro.sample("properties", known, obs=self.head.standard(examples.properties))

    def log_likelihood(self, z: Tensor, examples: Examples) -> Tensor:
        """log p(x | z) + log p(y | z), y in SDs of the training rows: (..., row), nats."""
        known = self.head.y_dist(z, examples.property_mask)
        return super().log_likelihood(z, examples) + known.log_prob(self.head.standard(examples.properties))


class GuidedModel(LatentVariableModel):
    """The latent-variable model with its head; the guide sees the field alone, so properties are predictions."""

    model: GuidedGenerative

    def __init__(self, model: GuidedGenerative, network: GuideNetwork) -> None:
        super().__init__(model, Amortised(network))

    def standardise(self, examples: Examples) -> None:
        """Take centres and scales, the properties' as well, from the rows to be trained on."""
        super().standardise(examples)
        self.model.head.standardise(examples.properties, examples.property_mask)

    def properties(self, z: Tensor) -> Tensor:
        """Properties as the head reads them off latents, in their own units: (..., latent) -> (..., property)."""
        return self.model.head(z)
