"""Guides: q(z | seen), a normal whose mean and covariance a network reads off what it sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from vfprog.data.examples import Examples
from vfprog.model.nets import LARGEST_LOG_SD, mean_and_sd, mlp

LARGEST_INPUT = (
    10.0  # SDs; an input that hardly varied in training, a pixel at the edge, would throw the network off
)
SMALLEST_LOG_SD = -6.0  # an exactly known latent would make the KL, and its gradient, infinite


class GuideNetwork(nn.Module, ABC):
    """The network of a guide: standardises what it sees, and gives ``outputs`` numbers a row; 0 where missing."""

    seen_centre: Tensor
    seen_scale: Tensor

    def __init__(self, latent_dim: int, inputs: int, hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.mlp = mlp([inputs, *hidden, outputs])
        self.register_buffer("seen_centre", torch.zeros(inputs))
        self.register_buffer("seen_scale", torch.ones(inputs))

    def read(self, examples: Examples) -> Tensor:
        """Outputs of the network: (row, output)."""
        standard = ((examples.seen - self.seen_centre) / self.seen_scale).clamp(-LARGEST_INPUT, LARGEST_INPUT)
        return self.mlp(torch.where(examples.seen_mask, standard, 0.0))

    @torch.no_grad()
    def standardise(self, examples: Examples) -> None:
        """Take centre and scale of each input from the rows to be trained on."""
        mean, sd = mean_and_sd(examples.seen, examples.seen_mask)
        self.seen_centre.copy_(mean)
        self.seen_scale.copy_(sd)

    @abstractmethod
    def z_dist(self, examples: Examples) -> dist.TorchDistribution:
        """q(z | seen) of each row."""


class DiagonalGuide(GuideNetwork):
    """One SD a latent."""

    def __init__(self, latent_dim: int, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__(latent_dim, inputs, hidden, 2 * latent_dim)

    def z_dist(self, examples: Examples) -> dist.TorchDistribution:
        """Independent normals: event (latent,)."""
        z_loc, log_scale = self.read(examples).chunk(2, dim=-1)
        return _independent(z_loc, log_scale)


class IsotropicGuide(GuideNetwork):
    """One SD in all, as in the lecture: q(z | x) = N(g_mu(x), g_sigma(x)^2 I)."""

    def __init__(self, latent_dim: int, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__(latent_dim, inputs, hidden, latent_dim + 1)

    def z_dist(self, examples: Examples) -> dist.TorchDistribution:
        """Independent normals of one SD: event (latent,)."""
        output = self.read(examples)
        z_loc = output[:, : self.latent_dim]
        return _independent(z_loc, output[:, self.latent_dim :].expand_as(z_loc))


class FullGuide(GuideNetwork):
    """A full covariance, by its Cholesky factor."""

    def __init__(self, latent_dim: int, inputs: int, hidden: Sequence[int]) -> None:
        super().__init__(latent_dim, inputs, hidden, latent_dim + latent_dim * (latent_dim + 1) // 2)

    def z_dist(self, examples: Examples) -> dist.TorchDistribution:
        """A multivariate normal: event (latent,)."""
        output, k = self.read(examples), self.latent_dim
        z_loc, log_scale, below = output.split([k, k, k * (k - 1) // 2], dim=-1)
        rows, columns = torch.tril_indices(k, k, offset=-1, device=output.device)
        factor = torch.diag_embed(log_scale.clamp(SMALLEST_LOG_SD, LARGEST_LOG_SD).exp())
        factor = factor.index_put(
            (torch.arange(len(output), device=output.device)[:, None], rows, columns), below
        )
        return dist.MultivariateNormal(z_loc, scale_tril=factor, validate_args=False)


def make_guide(name: str, latent_dim: int, inputs: int, hidden: Sequence[int]) -> GuideNetwork:
    """A guide by its name in the config: diagonal, isotropic or full."""
    guides: dict[str, Callable[[int, int, Sequence[int]], GuideNetwork]] = {
        "diagonal": DiagonalGuide,
        "isotropic": IsotropicGuide,
        "full": FullGuide,
    }
    return guides[name](latent_dim, inputs, hidden)


def _independent(z_loc: Tensor, log_scale: Tensor) -> dist.TorchDistribution:
    scale = log_scale.clamp(SMALLEST_LOG_SD, LARGEST_LOG_SD).exp()
    return dist.Normal(z_loc, scale, validate_args=False).to_event(1)


@torch.distributions.kl.register_kl(dist.MultivariateNormal, torch.distributions.Independent)
def _kl_from_full(q: dist.MultivariateNormal, p: dist.TorchDistribution) -> Tensor:
    """KL from a full normal to independent normals: (row,), nats."""
    loc, scale = p.base_dist.loc, p.base_dist.scale
    factor = q.scale_tril / scale[..., None]
    squares = factor.square().sum((-1, -2)) + ((q.loc - loc) / scale).square().sum(-1)
    log_det = factor.diagonal(dim1=-1, dim2=-2).log().sum(-1)
    return 0.5 * (squares - loc.shape[-1]) - log_det


def kl_by_latent(q: dist.TorchDistribution, p: dist.TorchDistribution) -> Tensor:
    """KL between the marginals of each latent, q a guide's normal and p independent normals: (row, latent), nats."""
    if isinstance(q, dist.MultivariateNormal):
        q = dist.Normal(q.loc, q.variance.sqrt()).to_event(1)
    return dist.kl.kl_divergence(q.base_dist, p.base_dist)
