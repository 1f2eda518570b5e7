"""Where in latent space the data are: a mixture of normals fitted to the latents of training fields.

The prior N(0, I) says where latents may lie, the training fields where they do lie: the aggregated posterior, the
mean of q(z | x) over them, often fills a smaller part of the prior, and what is decoded from the rest resembles no
field that was ever measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

COMPONENTS = (1, 2, 4, 8, 16)  # the Bayesian information criterion chooses
MOST_DRAWS = 8000  # fields that the mixture is fitted to; more would change nothing but the time
SMALLEST_VARIANCE = 1e-3  # of a component along any latent, prior = 1
PERCENTILES = 201  # levels at which the training fields' log densities are kept


@dataclass(frozen=True)
class LatentDensity:
    """The aggregated posterior of training fields as a mixture of normals.

    Attributes
    ----------
    weights : Tensor (component,)
    means : Tensor (component, latent)
    precisions : Tensor (component, latent, latent)
    levels : Tensor (level,)
        Log density at the posterior means of the training fields: its quantiles at evenly spaced probabilities.
    """

    weights: Tensor
    means: Tensor
    precisions: Tensor
    levels: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density at latents: (..., latent) -> (...)."""
        return self._joint(z).logsumexp(-1)

    def _joint(self, z: Tensor) -> Tensor:
        """Log of weight times density of each component: (..., component)."""
        away = z[..., None, :] - self.means
        distance = torch.einsum("...ka,kab,...kb->...k", away, self.precisions, away)
        normaliser = torch.logdet(self.precisions) - z.shape[-1] * np.log(2 * np.pi)
        return self.weights.log() + 0.5 * (normaliser - distance)

    def pull(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of -log density (..., latent), and a curvature (..., latent, latent) that bounds its own above.

        The bound is the mean of the components' precisions by responsibility: what the mixture's Hessian lacks of it
        is the covariance of the components' gradients, which is never negative.
        """
        share = self._joint(z).softmax(-1)
        curvature = torch.einsum("...k,kab->...ab", share, self.precisions)
        away = z[..., None, :] - self.means
        return torch.einsum("...k,kab,...kb->...a", share, self.precisions, away), curvature

    def percentile(self, z: Tensor) -> Tensor:
        """Percent of training fields that lie at a lower density than latents do: (..., latent) -> (...)."""
        below = torch.searchsorted(self.levels, self.log_prob(z).contiguous())
        return 100 * below.to(z.dtype) / len(self.levels)

    def to_card(self) -> dict[str, Any]:
        """As plain numbers."""
        return {name: value.tolist() for name, value in vars(self).items()}

    @classmethod
    def from_card(cls, card: dict[str, Any], like: Tensor) -> LatentDensity:
        """From :meth:`to_card`, in the dtype and on the device of ``like``."""
        return cls(**{name: like.new_tensor(value) for name, value in card.items()})


def fit_density(draws: Tensor, means: Tensor, seed: int) -> LatentDensity:
    """Fit the mixture to one draw of q(z | x) a training field; ``draws`` and ``means`` of q are (field, latent).

    Draws and not means: where a latent is unused, the means of all fields coincide and a density of them would have
    no width. Percentiles are those of the means, for what is asked about is a mean or a point chosen like one.
    """
    kept = torch.linspace(0, len(draws) - 1, min(len(draws), MOST_DRAWS)).round().long()
    points = draws.cpu()[kept].double().numpy()
    candidates = [
        GaussianMixture(k, reg_covar=SMALLEST_VARIANCE, random_state=seed).fit(points)
        for k in COMPONENTS
        if k == 1 or len(points) >= 10 * k * points.shape[1]
    ]
    best = min(candidates, key=lambda mixture: float(mixture.bic(points)))
    weights, centres, precisions = (
        means.new_tensor(value) for value in (best.weights_, best.means_, best.precisions_)
    )
    density = LatentDensity(weights, centres, precisions, levels=means.new_zeros(0))
    at = torch.linspace(0, 1, PERCENTILES, dtype=means.dtype, device=means.device)
    return replace(density, levels=torch.quantile(density.log_prob(means), at))
