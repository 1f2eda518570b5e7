"""Small models and random series for the rooms model and inference."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from vfprog.data.series import Series, padded_series
from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import FieldSummary, summarise
from vfprog.model.trajectory import Path


def tiny_vae(latent_dim: int = 2, locations: int = 5, seed: int = 0) -> FieldVAE:
    """An untrained model in float64 whose weights the seed decides."""
    torch.manual_seed(seed)
    return FieldVAE(latent_dim, locations, [8], [8]).double().eval()


def random_series(seed: int, eyes: int = 6, most: int = 5, locations: int = 5, tested: float = 0.8) -> Series:
    """Series of 1 to ``most`` visits, each location of each visit tested with probability ``tested``."""
    rng = np.random.default_rng(seed)
    n_visits = rng.integers(1, most + 1, eyes)
    td = rng.normal(-4, 4, (n_visits.sum(), locations))
    td[rng.random(td.shape) > tested] = np.nan
    years = np.concatenate([rng.uniform(0.2, 1.0, n).cumsum() - 0.2 for n in n_visits])
    return padded_series(td, years, n_visits, torch.float64)


def random_summary(seed: int, **options: float) -> FieldSummary:
    series = random_series(seed, **options)
    return summarise(series.td, series.mask)


def random_path(
    eyes: int, locations: int = 5, latent_dim: int = 2, dtype: torch.dtype = torch.float64
) -> Path:
    """Any path at all, but for covariances that are some."""

    def covariance(*shape: int) -> Tensor:
        root = torch.randn(*shape, 3, 3, dtype=dtype)
        return root @ root.transpose(-1, -2)

    latents = torch.randn(5, eyes, latent_dim, dtype=dtype).unbind()
    noise, floor = torch.rand(eyes, locations, dtype=dtype), torch.randn(eyes, locations, dtype=dtype)
    state = torch.randn(eyes, locations, 3, dtype=dtype)
    return Path(
        *torch.rand(2, eyes, dtype=dtype),
        *latents,
        noise,
        state,
        covariance(eyes, locations),
        covariance(eyes),
        floor,
    )


def linear_vae(weight: Tensor, sd: float) -> FieldVAE:
    """td = 5 W z - 3 + noise of one SD (dB), without standing residual; ``weight`` is W, (location, latent)."""
    locations, latent_dim = weight.shape
    vae = tiny_vae(latent_dim, locations)
    with torch.no_grad():
        vae.model.decoder.linear.weight.copy_(weight)
        vae.model.decoder.mlp[-1].weight.zero_()
        vae.model.decoder.mlp[-1].bias.zero_()
        vae.model.noise.log_sd.fill_(np.log(sd))
        vae.model.log_ratio.fill_(-20.0)
    return vae


class FixedEncoder(nn.Module):
    """Stands in for the encoder: latents are a linear function of the mean field, with one SD for each latent."""

    def __init__(self, matrix: Tensor, centre: float, sd: Tensor) -> None:
        super().__init__()
        self.matrix, self.centre, self.sd = matrix, centre, sd

    def forward(self, summary: FieldSummary) -> tuple[Tensor, Tensor]:
        loc = (summary.mean - self.centre) @ self.matrix.T
        return loc, self.sd.expand_as(loc)
