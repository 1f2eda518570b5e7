"""What the decoder's curvature does to a path's posterior: the decoder made linear on average over the posterior.

With the decoder linear about the posterior's mean alone, the posterior is that of a tangent, though it reaches as far
as the decoder bends. The normal closest to the posterior in Kullback-Leibler divergence has instead the precision
and the mean that Gauss-Newton's normal equations give on average over the normal itself (Opper and Archambeau,
Neural Comput 2009;21:786). The average is taken over a few quasi-random draws, in pairs on both sides of the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vfprog.model.path_posterior import PathPosterior

DRAWS = 8  # about which the decoder is made linear: each costs as much as a refinement
MANY_DRAWS = 64  # over which decoded values alone are averaged
FARTHEST = 1e-6  # probability beyond which no draw lies


def latent_draws(posterior: PathPosterior, latents: int, draws: int = DRAWS) -> Tensor:
    """Draws of the path's first coordinates, the latents, from one normal of the posterior's moments.

    Returns
    -------
    Tensor (draw, eye, latent), the same at every call
    """
    mean = posterior.centre()[:, :latents]
    engine = torch.quasirandom.SobolEngine(latents, scramble=True, seed=0)
    uniform = engine.draw(draws // 2, dtype=torch.float64).clamp(FARTHEST, 1 - FARTHEST)
    standard = torch.special.ndtri(uniform).to(mean)
    root = torch.linalg.cholesky(posterior.covariance()[:, :latents, :latents])
    apart = torch.einsum("ecd,md->mec", root, standard)
    return torch.cat([mean + apart, mean - apart])


def moved_gram(gram: Tensor, step: Tensor) -> Tensor:
    """X' K^-1 X after the tests, the first column of X, gain what a ``step`` of the next coordinates adds to them.

    Parameters
    ----------
    gram : Tensor (eye, column, column)
    step : Tensor (eye, coordinate)
    """
    taken = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device).repeat(len(gram), 1, 1)
    taken[:, 1 : 1 + step.shape[1], 0] = step
    return taken.transpose(1, 2) @ gram @ taken


def mean_change(decoder: Callable[[Tensor], Tensor], now: Tensor, slope: Tensor) -> Tensor:
    """Mean over draws (draw, eye, latent) of how the decoded field changes: (eye, location), dB/year.

    Not the change at the mean: a path that falls steeply falls where the decoder is steep.
    """
    change: Tensor = torch.func.jvp(decoder, (now,), (slope,))[1]
    return change.mean(0)
