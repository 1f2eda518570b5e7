"""What a model makes, as tables that figures are drawn from: draws, reconstructions, the manifold of two latents."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from torch import Tensor
from torch.distributions import Distribution

from vfprog.config import LatentVariableConfig, NetworkConfig
from vfprog.data.examples import Examples
from vfprog.data.images import load_images
from vfprog.data.split import TRAIN
from vfprog.inference.device import seed_everything
from vfprog.inference.held_out import HeldOut
from vfprog.inference.two_sample import as_recorded, recorded_floor

SHOWN = 16  # rows of each origin in the gallery
RECONSTRUCTED = 8  # rows measured and reconstructed
QUANTILES = np.linspace(0.02, 0.98, 11)  # of N(0, 1), along each latent of the manifold


class Decoding(Protocol):
    """What pictures need of a model; see ``LatentVariableModel``."""

    latent_dim: int
    device: torch.device

    def prior(self, rows: int) -> Distribution:
        """p(z): one event (latent,) a row."""

    def posterior(self, batch: Examples) -> Distribution:
        """q(z | seen): one event (latent,) a row."""

    def kl_by_latent(self, batch: Examples) -> Tensor:
        """KL of each latent's marginal: (row, latent)."""

    def decode(self, z: Tensor) -> Tensor:
        """f(z): (..., latent) -> (..., location)."""

    def draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Values drawn from the likelihood about f(z): (..., location)."""


@torch.no_grad()
def gallery_table(network: Decoding, held_out: Examples, seed: int) -> pd.DataFrame:
    """``gallery.parquet``: rows measured, reconstructed and drawn, ``origin, number, x_1..x_N``; NaN is not recorded.

    ``held_out`` are rows taken at random, ``prior_draw`` as many drawn from the model and recorded alike,
    ``prior_mean`` the f(z) beneath these, all in the order of their means. ``measured`` are spread evenly over the
    order of the rows' means, ``reconstruction`` is decoded from the mean of q(z | seen) of each.

    Parameters
    ----------
    network : Decoding
    held_out : Examples
    seed : int
        Of the rows taken and the draws.
    """
    x = np.where(_array(held_out.mask), _array(held_out.x), np.nan)
    level = np.nanmean(x, axis=1)
    some = np.random.default_rng(seed).permutation(len(x))[:SHOWN]
    spread = np.argsort(level)[np.linspace(0, len(x) - 1, min(RECONSTRUCTED, len(x))).round().astype(int)]
    decoded = network.decode(network.posterior(held_out[torch.as_tensor(spread)]).mean)

    seed_everything(seed)
    z = network.prior(SHOWN).sample()
    field = network.decode(z)
    order = field.mean(-1).argsort()
    drawn = _array(network.draw(z[order], torch.Generator(device=network.device).manual_seed(seed)))
    floor = recorded_floor(x, _array(held_out.at_floor).astype(bool))
    origins = {
        "held_out": x[some[np.argsort(level[some])]],
        "prior_draw": as_recorded(drawn, np.ones(drawn.shape, dtype=bool), floor, held_out.cell),
        "prior_mean": _array(field[order]),
        "measured": x[spread],
        "reconstruction": _array(decoded),
    }
    return pd.concat([_rows(values).assign(origin=origin) for origin, values in origins.items()])


@torch.no_grad()
def manifold_table(network: Decoding, held_out: Examples) -> pd.DataFrame:
    """``manifold.parquet``: f(z) over a grid of prior quantiles of the two latents that carry most, the others at 0.

    Columns ``first, second`` (numbers of the latents, 1..; the second is 0 where there is but one), ``p_first,
    p_second`` (quantiles of N(0, 1)), ``x_1..x_N``.
    """
    carried = network.kl_by_latent(held_out).mean(0)
    latents = [0, 1] if network.latent_dim == 2 else carried.argsort(descending=True)[:2].tolist()
    up = QUANTILES if len(latents) == 2 else np.array([0.5])
    p_first, p_second = (axis.ravel() for axis in np.meshgrid(QUANTILES, up))
    z = torch.zeros(len(p_first), network.latent_dim, device=network.device)
    for latent, p in zip(latents, (p_first, p_second), strict=False):
        z[:, latent] = torch.as_tensor(norm.ppf(p)).to(z)
    first, second = [latent + 1 for latent in [*latents, -1]][:2]
    where = {"first": first, "second": second, "p_first": p_first, "p_second": p_second}
    return _rows(_array(network.decode(z))).drop(columns="number").assign(**where)


def canvas_of(options: NetworkConfig, held_out: HeldOut) -> dict[str, Any]:
    """``canvas.json``: what the columns ``x_1..x_N`` are.

    Fields have ``xy``, positions of their locations in degrees; images a ``shape``, and how they are shown.
    """
    if not isinstance(options, LatentVariableConfig) or not options.on_images:
        return {"xy": held_out.xy.tolist()}
    images = load_images(options.data)
    ink = options.data == "digits"  # dark on paper, where a face is bright on black
    return {
        "shape": list(images.shape),
        "limits": [0.0, float(images.of(TRAIN).max())],
        "colours": "gray_r" if ink else "gray",
        "label": "Ink" if ink else "Brightness",
    }


def _rows(values: np.ndarray) -> pd.DataFrame:
    columns = [f"x_{j}" for j in range(1, values.shape[1] + 1)]
    return pd.DataFrame(values, columns=columns).assign(number=np.arange(1, len(values) + 1))


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
