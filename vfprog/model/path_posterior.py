"""A path's coordinates: their prior, a mixture of normals by component of drift, and its posterior in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PathPosterior:
    """Mixture of normals over the path's coordinates, in units of the slow component's prior SD.

    Attributes
    ----------
    weight : Tensor (eye, component)
    mean : Tensor (eye, component, coordinate)
    chol : Tensor (eye, component, coordinate, coordinate)
        L, with L L' the precision of the coordinates over their prior SD in the component.
    sd : Tensor (component, coordinate)
        These SDs.
    """

    weight: Tensor
    mean: Tensor
    chol: Tensor
    sd: Tensor

    def centre(self) -> Tensor:
        """Mean of the whole mixture: (eye, coordinate)."""
        return (self.weight[..., None] * self.mean).sum(1)

    def covariance(self) -> Tensor:
        """Covariance of the whole mixture: (eye, coordinate, coordinate)."""
        roots, weight = self._roots(torch.diag_embed(torch.ones_like(self.centre())))
        return (roots * weight).transpose(1, 2) @ roots

    def variance(self, rows: Tensor) -> Tensor:
        """Variance of linear functions, ``rows`` (eye, function, coordinate), of the coordinates: (eye, function)."""
        roots, weight = self._roots(rows)
        return (roots**2 * weight).sum(1)

    def _roots(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """A (eye, any, function) and w (eye, any, 1): A' w A is the covariance of linear functions, as above."""
        apart = (self.mean - self.centre()[:, None]) @ rows.transpose(1, 2)
        scaled = rows.transpose(1, 2)[:, None] * self.sd[..., None]
        within = torch.linalg.solve_triangular(self.chol, scaled, upper=False)
        weight = self.weight.repeat_interleave(within.shape[2], dim=1)
        return torch.cat([within.flatten(1, 2), apart], 1), torch.cat([weight, self.weight], 1)[..., None]


@dataclass(frozen=True)
class PathPrior:
    """Independent normal coordinates; the moving ones share an SD that differs between components.

    Attributes
    ----------
    sd : Tensor (component, coordinate)
    log_weight : Tensor (eye, component)
    """

    sd: Tensor
    log_weight: Tensor

    def posterior(self, gram: Tensor) -> PathPosterior:
        """Given tests, the first column of a design, that the coordinates, its others, add to.

        Parameters
        ----------
        gram : Tensor (eye, column, column)
            X' K^-1 X of the design, K the tests' covariance beyond the path.
        """
        sd = self.sd
        own = torch.eye(sd.shape[1], dtype=sd.dtype, device=sd.device)
        precision = (
            gram[:, None, 1:, 1:] * sd[:, :, None] * sd[:, None]
        )  # of coordinates in units of their SD
        chol = torch.linalg.cholesky(precision + own)
        score = gram[:, None, 1:, 0] * sd
        mean = torch.cholesky_solve(score[..., None], chol)[..., 0]
        log_det = torch.diagonal(chol, dim1=2, dim2=3).log().sum(2)
        log_weight = self.log_weight + 0.5 * (score * mean).sum(2) - log_det
        return PathPosterior(log_weight.softmax(1), mean * sd, chol, sd)
