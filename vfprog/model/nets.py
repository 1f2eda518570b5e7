"""The networks of the field model: decoder, encoder, and the noise of a test as a function of level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vfprog.model.summary import FieldSummary
from vfprog.perimetry.noise import NOISE_LEVEL, NOISE_SD

# f(z) = SCALE (W z + MLP(z)) + CENTRE: network outputs of order 1 cover the fields of a glaucoma clinic.
SCALE, CENTRE = 5.0, -3.0  # dB
LARGEST_LOG_SD = 2.0  # a guide's SD stays below e^2 prior SDs, so that an odd field cannot blow up the ELBO


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths with GELU between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class Decoder(nn.Module):
    """f: latents (..., latent) -> underlying field (..., location), in the data's units (total deviation: dB).

    Without hidden layers f is linear: probabilistic principal components. ``centre`` and ``scale`` start at what
    fits total deviation; :meth:`standardise` takes them from other data.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, locations: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.linear = nn.Linear(latent_dim, locations, bias=not hidden)
        self.mlp = mlp([latent_dim, *hidden, locations]) if hidden else None
        self.register_buffer("centre", torch.full((locations,), CENTRE))
        self.register_buffer("scale", torch.tensor(SCALE))

    def forward(self, z: Tensor) -> Tensor:
        """Decode latents."""
        decoded = self.linear(z) if self.mlp is None else self.linear(z) + self.mlp(z)
        return self.scale * decoded + self.centre

    def with_jacobian(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded latents (..., location) and their derivatives by the latents (..., location, latent).

        Forward through the layers with all latents at once, several times as fast as torch.func's.
        """
        decoded, slopes = self.linear(z), self.linear.weight.T
        if self.mlp is not None:
            bent, bends = z, torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)  # (..., latent, unit)
            for layer in self.mlp:
                if isinstance(layer, nn.Linear):
                    bends = bends @ layer.weight.T
                else:
                    bends = bends * _gelu_slope(bent)[..., None, :]
                bent = layer(bent)
            decoded, slopes = decoded + bent, slopes + bends
        slopes = slopes.expand(*z.shape, -1).transpose(-1, -2)
        return self.scale * decoded + self.centre, self.scale * slopes

    def standardise(self, x: Tensor, mask: Tensor) -> None:
        """Take centre (by location) and scale (one) from the values x (row, location) where ``mask`` is True."""
        mean, sd = mean_and_sd(x, mask)
        self.centre.copy_(mean)
        self.scale.copy_(sd.square().mean().sqrt())


def _gelu_slope(x: Tensor) -> Tensor:
    """Derivative of x Phi(x)."""
    return torch.special.ndtr(x) + x * torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)


class Encoder(nn.Module):
    """Posterior of the latents from the statistics of an eye's tests, one field or many."""

    def __init__(self, latent_dim: int, locations: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.mlp = mlp([2 * locations + 1, *hidden, 2 * latent_dim])

    def forward(self, summary: FieldSummary) -> tuple[Tensor, Tensor]:
        """Mean and SD of q(z | visits): two tensors (eye, latent)."""
        # A location never tested gets the population's centre, so that it pulls no latent anywhere.
        mean = torch.where(summary.mask, (summary.mean - CENTRE) / SCALE, 0.0)
        inputs = [mean, summary.skew, summary.n_visits.clamp(min=1).log()[:, None]]
        z_loc, log_scale = self.mlp(torch.cat(inputs, dim=-1)).chunk(2, dim=-1)
        return z_loc, log_scale.clamp(-6.0, LARGEST_LOG_SD).exp()


def mean_and_sd(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and SD of each column of x (row, column) where ``mask`` is True; SD 1 where nothing varies."""
    count = mask.sum(0).clamp(min=1)
    mean = torch.where(mask, x, 0.0).sum(0) / count
    variance = torch.where(mask, (x - mean) ** 2, 0.0).sum(0) / count
    return mean, torch.where(variance > 0, variance, 1.0).sqrt()


class TestNoise(nn.Module):
    """SD of one test by level: the measured table, corrected by a learnt factor at each of its levels."""

    __test__ = False  # a noise model, not a pytest class
    level: Tensor
    log_sd: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.tensor(NOISE_LEVEL, dtype=torch.get_default_dtype()))
        self.register_buffer("log_sd", torch.tensor(NOISE_SD, dtype=torch.get_default_dtype()).log())
        self.log_factor = nn.Parameter(torch.zeros(len(NOISE_LEVEL)))

    def forward(self, level: Tensor) -> Tensor:
        """SD (dB) at levels of total deviation (dB), any shape."""
        return interpolate(level, self.level, self.log_sd + self.log_factor).exp()


def interpolate(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear through (knots, values), constant beyond the ends; differentiable in x and values."""
    x = x.clamp(knots[0], knots[-1])
    right = torch.searchsorted(knots, x.detach().contiguous()).clamp(1, len(knots) - 1)
    share = (x - knots[right - 1]) / (knots[right] - knots[right - 1])
    return torch.lerp(values[right - 1], values[right], share)
