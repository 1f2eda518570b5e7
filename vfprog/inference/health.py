"""Health of a trained model on fields it never saw: latents in use, and whether its noise is that of the tests."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kstest
from torch import Tensor

log = logging.getLogger(__name__)

ACTIVE_KL = 0.05  # a latent with less information than this, nats a field, is not in use
COLLAPSED_SHARE = 0.25  # fewer latents in use than this share: the decoder ignores its latents
BINS = 20  # of the histogram of the probability integral transform
LEVELS = (-np.inf, -15.0, -5.0, np.inf)  # dB; edges of the bands of f(z)


@torch.no_grad()
def latent_health(network: Any, batch: Any) -> pd.DataFrame:
    """``health.csv``: one row per latent.

    Returns
    -------
    DataFrame
        ``latent`` (1..), ``kl`` (mean KL of its marginal from the prior, nats a field), ``mean_variance`` (variance
        over fields of its posterior mean; Burda et al. 2016, section 5.1; the prior's variance is 1), ``active``.
    """
    kl = network.kl_by_latent(batch).mean(0).cpu().numpy()
    spread = network.posterior(batch).mean.var(0, correction=0).cpu().numpy()
    latent = np.arange(1, len(kl) + 1)
    return pd.DataFrame({"latent": latent, "kl": kl, "mean_variance": spread, "active": kl > ACTIVE_KL})


def collapse_warnings(health: pd.DataFrame, name: str) -> list[str]:
    """Words on posterior collapse, where there is any; they also go to the log."""
    active, latents = int(health["active"].sum()), len(health)
    if active >= COLLAPSED_SHARE * latents and active > 0:
        return []
    words = (
        f"posterior collapse: {active} of {latents} latents tell fields apart (KL above {ACTIVE_KL} nats a field), so "
        "draws hardly depend on them; raise train.beta or train.kl_warmup, or take fewer latents"
    )
    log.warning("%s: %s", name, words)
    return [words]


@torch.no_grad()
def transformed(base: Any, x: Tensor, at_floor: Tensor, cell: float) -> Tensor:
    """Randomised probability integral transform of recorded values: uniform where ``base`` is right.

    A record stands for all values of its cell, at the floor for all below too; one of them is taken at random by what
    ``base`` gives them (Czado et al. 2009).

    Parameters
    ----------
    base : Normal or StudentT (row, location)
        With ``log_cdf``.
    x, at_floor : Tensor (row, location)
    cell : float
        Width of a cell, in the unit of ``x``.
    """
    upper = base.log_cdf(x + cell / 2).exp()
    lower = torch.where(at_floor, 0.0, base.log_cdf(x - cell / 2).exp())
    return lower + torch.rand_like(upper) * (upper - lower)


def pit_table(values: np.ndarray, level: np.ndarray, by_level: bool) -> pd.DataFrame:
    """``pit.csv``: histogram of transformed values, for all and by level of the underlying field.

    Parameters
    ----------
    values, level : array (value,)
        Transformed values, and f(z) where they were taken.
    by_level : bool
        Whether levels are decibels, and so have bands.

    Returns
    -------
    DataFrame
        ``band, lower, upper`` (of the bin), ``count``, ``share`` (times the number of bins: 1 where calibrated),
        ``ks`` (largest distance of the band's distribution function from the uniform one), ``n``.
    """
    bands = {"all": (-np.inf, np.inf)}
    if by_level:
        bands |= {f"{low:g} to {high:g}": (low, high) for low, high in pairwise(LEVELS)}
    parts = []
    for band, (low, high) in bands.items():
        inside = values[(level > low) & (level <= high)]
        if len(inside) == 0:
            continue
        count, edges = np.histogram(inside, BINS, (0.0, 1.0))
        parts.append(
            pd.DataFrame(
                {
                    "band": band,
                    "lower": edges[:-1],
                    "upper": edges[1:],
                    "count": count,
                    "share": count / len(inside) * BINS,
                    "ks": kstest(inside, "uniform").statistic,
                    "n": len(inside),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
