"""Space: how what happens at one location of the field goes with what happens at others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

REACH = 6.0  # degrees, of the weights between neighbours
ACROSS = 0.16  # weight of neighbours across the horizontal meridian: nerve fibres do not cross it


def spatial_basis(xy: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors of smoothness over the field: the basis in which all spatial covariances are diagonal.

    They are those of the graph Laplacian of the locations, neighbours weighed by exp(-d^2 / 2 REACH^2) and less
    across the horizontal meridian. Its first vector is constant; a diffusion exp(-length^2 L / 2) of it is the
    graph's squared-exponential covariance (Kondor and Lafferty, ICML 2002), so covariances of every length share one
    basis, and a process over locations and time falls apart into one small process over time for each vector. On a
    grid as coarse as 24-2 a diffusion reaches less far than its length says: take it as a parameter, not as degrees.

    Parameters
    ----------
    xy : Tensor (location, 2)
        Degrees, right-eye format.

    Returns
    -------
    vectors : Tensor (location, vector)
        Orthonormal columns, smoothest first.
    roughness : Tensor (vector,)
        Their eigenvalues in 1 / degrees^2; 0 for the constant one.
    """
    at = xy.double()
    distance = torch.cdist(at, at)
    same_hemifield = (at[:, None, 1] > 0) == (at[None, :, 1] > 0)
    weight = torch.exp(-(distance**2) / (2 * REACH**2)) * torch.where(same_hemifield, 1.0, ACROSS)
    weight.fill_diagonal_(0)
    roughness, vectors = torch.linalg.eigh(torch.diag(weight.sum(1)) - weight)
    # In the plane, sum_j w (f_i - f_j) is close to -(sum_j w d^2 / 4) times f's Laplacian.
    per_square_degree = 4 / (weight * distance**2).sum(1).mean()
    vectors[:, 0] = 1 / math.sqrt(len(at))
    return vectors.to(xy.dtype), (roughness.clamp(min=0) * per_square_degree).to(xy.dtype)
