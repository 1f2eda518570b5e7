"""Deep archetypal analysis: every row a convex mixture of archetypes in a latent simplex, in Pyro.

After Keller, Samarin, Arend Torres, Wieser and Roth, "Learning extremal representations with deep archetypal analysis",
Int J Comput Vis 2021;129:805: archetypes are the fixed vertices of a regular simplex of K - 1 dimensions, a network
reads a row's weights on the simplex, and the decoder explains the row, and side information, from the point
sum_k w_k v_k. There, a normal latent scatters about that point and two penalties hold the simplex to the data; neither
belongs to a likelihood, so such models have no evidence. Here the weights themselves are the latent variable:

    z ~ N(0, I_{K-1}),   w = softmax(s C z),   x ~ likelihood about f(sum_k w_k v_k),

a logistic-normal prior on the simplex, C orthonormal contrasts of the archetypes. With s^2 = trigamma(a) its log-ratios
have the mean and covariance of those of a symmetric Dirichlet distribution of concentration a (Aitchison 1986, section
7.4); a below 1 puts mass at the vertices, so that archetypes are fields that occur and not extrapolations, which is
what the penalties were for. The decoder starts from linear archetypal analysis of the rows to be trained on: left to
chance, ELBOs within a nat of each other go with quite different archetypes.

A Dirichlet guide would serve as well in principle, but has one parameter for both how sharp a weight is and how sure,
and its gradients fail at small concentrations (Srivastava and Sutton, ICLR 2017, who choose a logistic normal too).
Here the KL is that of normals, exact, and everything that checks a model of normal latents (evidence, tightness,
refined posteriors) holds for this one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyro
import torch
from scipy.special import polygamma
from torch import Tensor, nn

from vfprog.data.examples import Examples
from vfprog.errors import UserError
from vfprog.model.guided import PropertyHead
from vfprog.model.guides import GuideNetwork
from vfprog.model.latent_variable import Amortised, Generative, LatentVariableModel
from vfprog.model.likelihoods import Likelihood
from vfprog.model.linear_archetypes import LinearArchetypes, filled
from vfprog.model.nets import Decoder

CONCENTRATION = (
    0.5  # of the Dirichlet distribution that the prior is like: mixtures of few archetypes are common
)
START_ROWS = 1000  # that linear archetypes are found of
NONLINEAR_START = 0.1  # of the last layer's weights: training starts near linear archetypes
SPREAD = float(np.sqrt(polygamma(1, CONCENTRATION)))  # of the log-ratios of weights, for z of SD 1


def regular_simplex(vertices: int) -> np.ndarray:
    """Vertices of a regular simplex about the origin: array (vertex, vertex - 1).

    Every vertex lies on the unit sphere; their sum is 0; all distances between two are equal; the columns are
    orthogonal, of equal length; the vertices are affinely independent, so a point of the simplex is one mixture only.
    """
    column = np.arange(1, vertices)
    row = np.arange(vertices)[:, None]
    # Helmert's contrasts: column j sets the mean of the first j vertices against the next one.
    contrasts = np.where(row < column, 1.0, np.where(row == column, -column, 0.0)) / np.sqrt(
        column * (column + 1)
    )
    return contrasts * np.sqrt(vertices / (vertices - 1))


class ArchetypeDecoder(Decoder):
    """f: latents (..., latent) -> weights on the simplex -> field (..., location).

    Without hidden layers a field is the mixture of the archetypal fields itself, as in linear archetypal analysis.
    """

    vertices: Tensor

    def __init__(self, archetypes: int, locations: int, hidden: Sequence[int]) -> None:
        super().__init__(archetypes - 1, locations, hidden)
        vertices = torch.as_tensor(regular_simplex(archetypes), dtype=torch.get_default_dtype())
        self.register_buffer("vertices", vertices)

    def weights(self, z: Tensor) -> Tensor:
        """Weights of the archetypes: (..., latent) -> (..., archetype), not negative, their sum 1."""
        return torch.softmax(z @ self._contrasts().T, dim=-1)

    def _contrasts(self) -> Tensor:
        """Log weights per unit of each latent: (archetype, latent)."""
        return SPREAD * math.sqrt(1 - 1 / len(self.vertices)) * self.vertices

    def mix(self, weights: Tensor) -> Tensor:
        """Field of a mixture: (..., archetype) -> (..., location)."""
        return super().forward(weights @ self.vertices)

    def forward(self, z: Tensor) -> Tensor:
        """Decode latents."""
        return self.mix(self.weights(z))

    def with_jacobian(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded latents and their derivatives, as :meth:`Decoder.with_jacobian`."""
        weights, contrasts = self.weights(z), self._contrasts()
        field, outer = super().with_jacobian(weights @ self.vertices)
        of_weights = weights[..., None] * (contrasts - (weights @ contrasts)[..., None, :])
        return field, outer @ (self.vertices.T @ of_weights)

    @torch.no_grad()
    def standardise(self, x: Tensor, mask: Tensor) -> None:
        """Centre and scale of the values x (row, location) where ``mask`` is True, and linear archetypes to start from.

        Raises
        ------
        UserError
            If there are fewer rows than archetypes.
        """
        super().standardise(x, mask)
        k = len(self.vertices)
        if len(x) < k:
            raise UserError(
                f"config: models: archetypes: {k} archetypes of {len(x)} training rows; at most {len(x)}"
            )
        rows = filled(x.double().cpu().numpy(), mask.cpu().numpy())
        found = LinearArchetypes(rows, k, START_ROWS).archetypes
        standard = (torch.as_tensor(found).to(x) - self.centre) / self.scale
        middle = standard.mean(0)
        # The linear map that takes each vertex to its archetype: of the vertices V, V'V = k / (k - 1) I.
        self.linear.weight.copy_((standard - middle).T @ self.vertices * ((k - 1) / k))
        if self.mlp is None:
            self.linear.bias.copy_(middle)
            return
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(NONLINEAR_START)
        last.bias.copy_(middle)


class ArchetypeGenerative(Generative):
    """p(z) p(x | w) p(side | w), w = w(z): what is known beside the field depends on the same mixture."""

    decoder: ArchetypeDecoder

    def __init__(self, decoder: ArchetypeDecoder, likelihood: Likelihood, censored: bool, side: int) -> None:
        archetypes = len(decoder.vertices)
        super().__init__(archetypes - 1, decoder, likelihood, censored)
        self.head = PropertyHead(archetypes, side) if side else None

    def observe(self, z: Tensor, examples: Examples) -> None:
        """Score the field, and the side information where there is any, given z."""
        super().observe(z, examples)
        if self.head is not None:
            side = self.head.y_dist(self.decoder.weights(z), examples.property_mask)
            pyro.sample("side", side, obs=self.head.standard(examples.properties))

    def log_likelihood(self, z: Tensor, examples: Examples) -> Tensor:
        """What :meth:`observe` scores: (..., row), nats; side information in SDs of the training rows."""
        field = super().log_likelihood(z, examples)
        if self.head is None:
            return field
        side = self.head.y_dist(self.decoder.weights(z), examples.property_mask)
        return field + side.log_prob(self.head.standard(examples.properties))


class ArchetypeModel(LatentVariableModel):
    """Model and guide; the guide sees the field alone, so side information is predicted from it."""

    model: ArchetypeGenerative

    def __init__(self, model: ArchetypeGenerative, network: GuideNetwork) -> None:
        super().__init__(model, Amortised(network))

    def standardise(self, examples: Examples) -> None:
        """Take centres and scales, those of side information as well, from the rows to be trained on."""
        super().standardise(examples)
        if self.model.head is not None:
            self.model.head.standardise(examples.properties, examples.property_mask)

    def weights(self, examples: Examples) -> Tensor:
        """Weights of the archetypes at the posterior mean of z: (row, archetype)."""
        return self.model.decoder.weights(self.posterior(examples).mean)

    def mix(self, weights: Tensor) -> Tensor:
        """Field of a mixture, in the data's units: (..., archetype) -> (..., location)."""
        return self.model.decoder.mix(weights)

    @property
    def archetypes(self) -> Tensor:
        """The archetypes as fields: (archetype, location)."""
        vertices = self.model.decoder.vertices
        return self.mix(torch.eye(len(vertices), dtype=vertices.dtype, device=vertices.device))

    def side(self, weights: Tensor) -> Tensor:
        """Side information of a mixture, in its own units: (..., archetype) -> (..., property)."""
        if self.model.head is None:
            return weights.new_zeros(*weights.shape[:-1], 0)
        return self.model.head(weights)
