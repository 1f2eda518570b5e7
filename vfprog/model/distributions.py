"""The likelihood of repeated tests of one field."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

Shape = torch.Size | list[int] | tuple[int, ...]


class RepeatedTests(TorchDistribution):
    """Density of n tests y_v = loc + u + e_v that share a standing residual u, given by their statistics.

    u ~ N(0, between_sd^2) and e_v ~ N(0, within_sd^2), all independent: compound symmetry. The joint density of
    y_1..y_n depends on the data through their mean and the sum of squared differences from it only, so a value
    is the pair (mean, sum of squares) in the last axis, and no visit axis is ever needed::

        log p = log N(mean; loc, between_sd^2 + within_sd^2 / n) - log(n) / 2
                - (n - 1) log(2 pi within_sd^2) / 2 - squares / (2 within_sd^2)

    For n = 1 this is N(loc, between_sd^2 + within_sd^2). Batch shape: that of ``loc``; dB throughout.
    """

    arg_constraints: ClassVar = {
        "loc": constraints.real,
        "between_sd": constraints.positive,
        "within_sd": constraints.positive,
        "count": constraints.nonnegative,
    }
    support = constraints.real_vector

    def __init__(self, loc: Tensor, between_sd: Tensor, within_sd: Tensor, count: Tensor) -> None:
        self.loc, self.between_sd, self.within_sd, self.count = torch.broadcast_tensors(
            loc, between_sd, within_sd, count
        )
        super().__init__(self.loc.shape, torch.Size([2]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of (mean, sum of squares): (..., 2) -> (...). Where count is 0 it means nothing: mask it."""
        mean, squares = value.unbind(-1)
        n = self.count.clamp(min=1)
        within = self.within_sd**2
        variance = self.between_sd**2 + within / n
        of_mean = -0.5 * (
            torch.log(2 * math.pi * variance) + (mean - self.loc) ** 2 / variance + torch.log(n)
        )
        return of_mean - 0.5 * ((n - 1) * torch.log(2 * math.pi * within) + squares / within)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """Draw (mean, sum of squares) of ``count`` tests."""
        shape = self._extended_shape(torch.Size(sample_shape))[:-1]
        n = self.count.clamp(min=1)
        mean = self.loc + torch.sqrt(self.between_sd**2 + self.within_sd**2 / n) * torch.randn(
            shape, dtype=self.loc.dtype, device=self.loc.device
        )
        # A chi-squared variable of n - 1 degrees of freedom; none for a single test.
        degrees = (n - 1).clamp(min=1e-6).expand(shape)
        chi2 = 2 * torch._standard_gamma(degrees / 2)
        return torch.stack([mean, torch.where(n > 1, self.within_sd**2 * chi2, 0.0)], dim=-1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> RepeatedTests:
        """The same distribution with a larger batch shape."""
        return RepeatedTests(
            *(t.expand(batch_shape) for t in (self.loc, self.between_sd, self.within_sd, self.count))
        )
