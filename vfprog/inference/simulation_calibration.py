"""Simulation-based calibration: are paths drawn from the prior found again as often as the posterior claims?

A path is drawn from the prior, tests from the path, and the path is looked up among draws of its posterior. Where the
posterior is exact, its rank is uniform (Talts et al., arXiv 1804.06788). It is not quite: the decoder is taken as
linear on average over the posterior; the noise of tests, which goes with the level, says something of the start that
the fit does not use; and in use it is looked up at a level that the tests themselves say.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import binom
from torch import Tensor

from vfprog.model.linear import Known
from vfprog.model.path_model import Eyes, PathGuide, PathModel

POSTERIOR_DRAWS = 99  # ranks 0 to 99
SIMULATED_BANDS = 2000  # sets of uniform ranks that say how far an ECDF strays by chance
LEVEL = 0.95  # of the bands, simultaneous over ranks and over the quantities of a group


@torch.no_grad()
def simulation_calibration(model: PathModel, guide: PathGuide, eyes: Eyes, seed: int) -> pd.DataFrame:
    """``sbc.csv``: ECDF of the ranks of true starts, slopes and rates among posterior draws, with bands.

    Parameters
    ----------
    model : PathModel
    guide : PathGuide
    eyes : Eyes
        Lend their visits; their tests are not used.
    seed : int

    Returns
    -------
    DataFrame with one row for each ``noise`` (known: the fit is given the level and noise that tests were drawn with;
    looked_up: it looks them up from the tests, as in use), ``quantity`` (of a ``group``) and evaluation point:
    ``n_eyes, share`` (of ranks below, were they uniform), ``difference`` (of the ECDF from it), ``lower, upper``
    (band), ``p`` (that uniform ranks stray so far at one point or another), ``inside`` (the whole ECDF is in the band).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        simulated, paths = simulate(model, eyes)
        looked_up = Eyes.of(simulated.series, guide.method)
        truth = _quantities(model, paths, simulated)
        ranks = {
            (noise, group): rank
            for noise, fitted in (("known", simulated), ("looked_up", looked_up))
            for group, rank in _ranks(model, guide, fitted, truth).items()
        }
    chance = farthest_by_chance(len(eyes), np.random.default_rng(seed))
    tables = [
        ecdf_table(rank, chance, len(of_group)).assign(
            noise=noise, group=group, quantity=f"{group}_{k}" if len(of_group) > 1 else group
        )
        for (noise, group), of_group in ranks.items()
        for k, rank in enumerate(of_group, start=1)
    ]
    table = pd.concat(tables, ignore_index=True)
    keys = ["noise", "group", "quantity"]
    return table[[*keys, *table.columns.drop(keys)]]


def _ranks(model: PathModel, guide: PathGuide, eyes: Eyes, truth: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Ranks (quantity, eye) of the truth among posterior draws, by group of quantities."""
    drawn = _quantities(model, guide.path_dist(eyes).sample((POSTERIOR_DRAWS,)), eyes)
    ranks = {group: (drawn[group] < truth[group]).sum(0) for group in truth}
    return {group: rank.reshape(len(eyes), -1).T.cpu().numpy() for group, rank in ranks.items()}


def simulate(model: PathModel, eyes: Eyes) -> tuple[Eyes, Tensor]:
    """Eyes with the same visits and tests drawn, at the level where each starts, and their true paths."""
    start = model.path_dist(eyes.known.level).sample()[:, : model.vae.latent_dim]
    level = model.vae.model.decoder(start) + model.residual.scalars["offset"]
    noise = model.method.noise(level)
    drawn = replace(eyes, known=Known(torch.zeros_like(level), level, noise, eyes.known.unrest))
    # Start and movement are independent given the component of drift, which depends on the level alone.
    paths = torch.cat([start, model.path_dist(level).sample()[:, start.shape[1] :]], 1)
    return drawn.with_tests(model.td_dist(paths, drawn).sample()), paths


def _quantities(model: PathModel, path: Tensor, eyes: Eyes) -> dict[str, Tensor]:
    start, slope = model.latents(path)
    return {"z_start": start, "z_slope": slope, "rate": model.rate(path, eyes)}


def strangeness(ranks: np.ndarray) -> np.ndarray:
    """How improbable, at its most improbable point, the ECDF of ranks (..., eye) is if they are uniform: (...,).

    The smaller two-sided binomial tail over all points (Säilynoja, Bürkner and Vehtari, Stat Comput 2022;32:32).
    """
    n, shares = ranks.shape[-1], _shares()
    counts = np.apply_along_axis(np.bincount, -1, ranks, minlength=POSTERIOR_DRAWS + 1).cumsum(-1)[..., :-1]
    below, above = binom.cdf(counts, n, shares), binom.sf(counts - 1, n, shares)
    return 2 * np.minimum(below, above).min(-1)


def _shares() -> np.ndarray:
    """Points at which ECDFs are looked at: share of ranks at or below 0, 1, ... if they are uniform."""
    return np.arange(1, POSTERIOR_DRAWS + 1) / (POSTERIOR_DRAWS + 1)


def farthest_by_chance(eyes: int, rng: np.random.Generator) -> np.ndarray:
    """:func:`strangeness` of sets of as many uniform ranks, sorted."""
    return np.sort(strangeness(rng.integers(0, POSTERIOR_DRAWS + 1, (SIMULATED_BANDS, eyes))))


def ecdf_table(ranks: np.ndarray, chance: np.ndarray, in_group: int) -> pd.DataFrame:
    """ECDF of one quantity's ranks (eye,) less that of uniform ranks; the band serves all ``in_group`` at once."""
    n, shares = len(ranks), _shares()
    ecdf = np.bincount(ranks, minlength=POSTERIOR_DRAWS + 1).cumsum()[:-1] / n
    tail = np.quantile(chance, (1 - LEVEL) / in_group)
    found = strangeness(ranks)
    return pd.DataFrame(
        {
            "n_eyes": n,
            "share": shares,
            "difference": ecdf - shares,
            "lower": binom.ppf(tail / 2, n, shares) / n - shares,
            "upper": binom.isf(tail / 2, n, shares) / n - shares,
            "p": (1 + np.searchsorted(chance, found, side="right")) / (1 + len(chance)),
            "inside": bool(found >= tail),
        }
    )
