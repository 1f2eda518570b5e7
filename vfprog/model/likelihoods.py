"""Likelihoods: how a recorded value strays from the underlying field f(z), and the probability of a record.

A perimeter records whole decibels, and at its floor no more than "at or below". Densities of several likelihoods
do not compare where some values are censored, so evidence is the log probability of the recorded cells.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn
from torch.special import log_ndtr

from vfprog.model.distributions import Shape
from vfprog.model.nets import TestNoise

DEGREES = 6  # of Student's t; even, so that its distribution function is a finite sum
NODES, WEIGHTS = (torch.as_tensor(a / 2) for a in np.polynomial.legendre.leggauss(5))  # of a cell of width 1


class Normal(dist.Normal):
    """A normal distribution that also knows the logarithm of its distribution function."""

    def log_cdf(self, x: Tensor) -> Tensor:
        """log P(X <= x)."""
        return log_ndtr((x - self.loc) / self.scale)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Values from a generator of one's own: shape of the batch."""
        return self.loc + self.scale * _standard_normal(self.loc, generator)


class StudentT(dist.StudentT):
    """Student's t with :data:`DEGREES` degrees of freedom, likewise."""

    def log_cdf(self, x: Tensor) -> Tensor:
        """log P(X <= x), by the finite sum for even degrees (Abramowitz and Stegun 1964, 26.7.4)."""
        return student_log_cdf((x - self.loc) / self.scale)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Values from a generator of one's own: shape of the batch."""
        squares = torch.stack([_standard_normal(self.loc, generator) ** 2 for _ in range(DEGREES)])
        return self.loc + self.scale * _standard_normal(self.loc, generator) / squares.mean(0).sqrt()


def _standard_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)


def student_log_cdf(t: Tensor) -> Tensor:
    """log P(T <= t) of Student's t with :data:`DEGREES` degrees of freedom, exact in the lower tail as well.

    With c and s the squared cosine and the sine of the angle whose tangent is t / sqrt(degrees), the distribution
    function is (1 + s S) / 2, S = 1 + c/2 + 3 c^2 / 8. In the lower tail 1 - |s| S cancels to 0, so it is written
    as (1 - s^2 S^2) / (1 + |s| S), whose numerator is a polynomial in c.
    """
    c = DEGREES / (DEGREES + t**2)
    s = t.abs() / torch.sqrt(DEGREES + t**2)
    total = 1 + c / 2 + 3 * c**2 / 8
    # 1 - (1 - c) S^2 multiplied out
    tail = c**3 * (0.625 + 15 * c / 64 + 9 * c**2 / 64) / (1 + s * total) / 2
    return torch.where(t < 0, tail.log(), torch.log1p(-tail))


class Likelihood(nn.Module, ABC):
    """p(x | z) by location: called with the underlying field (..., location), it gives a distribution of that shape."""

    @abstractmethod
    def forward(self, field: Tensor) -> Normal | StudentT:
        """Distribution of a value about the field."""

    @abstractmethod
    def standardise(self, x: Tensor, mask: Tensor) -> None:
        """Start from the spread of the values x (row, location) where ``mask`` is True."""


class NormalLikelihood(Likelihood):
    """N(f(z), sigma^2), one SD everywhere: the plain version."""

    def __init__(self, sd: float = 3.0) -> None:
        super().__init__()
        self.log_sd = nn.Parameter(torch.tensor(math.log(sd)))

    def forward(self, field: Tensor) -> Normal:
        """Normal about the field."""
        return Normal(field, self.log_sd.exp().expand_as(field), validate_args=False)

    @torch.no_grad()
    def standardise(self, x: Tensor, mask: Tensor) -> None:
        """Start from half the values' SD."""
        self.log_sd.copy_((x[mask].std() / 2).log())


class HeteroscedasticLikelihood(Likelihood):
    """N(f(z), s(f(z))^2), the SD a smooth function of the level."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = TestNoise()

    def forward(self, field: Tensor) -> Normal:
        """Normal about the field, its SD looked up at the field's level."""
        return Normal(field, self.noise(field), validate_args=False)

    @torch.no_grad()
    def standardise(self, x: Tensor, mask: Tensor) -> None:
        """Keep the perimeter's table where the values are total deviation; else span the values evenly."""
        values = x[mask]
        if values.min() < 0:
            return
        knots = len(self.noise.level)
        self.noise.level.copy_(torch.linspace(float(values.min()), float(values.max()), knots))
        self.noise.log_sd.fill_(math.log(float(values.std()) / 2))


class StudentTLikelihood(HeteroscedasticLikelihood):
    """Student's t about f(z), its scale a smooth function of the level."""

    def forward(self, field: Tensor) -> StudentT:
        """Student's t about the field."""
        return StudentT(DEGREES, field, self.noise(field), validate_args=False)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "normal": NormalLikelihood,
    "heteroscedastic": HeteroscedasticLikelihood,
    "student_t": StudentTLikelihood,
}


class Recorded(TorchDistribution):
    """Density of a recorded value, or where it is at the floor, the probability of a true value at or below it."""

    arg_constraints: ClassVar = {}
    support = constraints.real

    def __init__(self, base: Normal | StudentT, at_floor: Tensor, cell: float) -> None:
        self.base, self.at_floor, self.cell = base, at_floor, cell
        super().__init__(base.batch_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (per unit), or log probability at the floor: shape of the batch."""
        return torch.where(self.at_floor, self.base.log_cdf(value + self.cell / 2), self.base.log_prob(value))

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Draw values, not recorded in cells."""
        return self.base.sample(torch.Size(sample_shape))

    def expand(self, batch_shape: Shape, _instance: object = None) -> Recorded:
        """The same distribution with a larger batch shape."""
        shape = torch.Size(batch_shape)
        return Recorded(self.base.expand(shape), self.at_floor.expand(shape), self.cell)


def log_cell(base: Normal | StudentT, x: Tensor, at_floor: Tensor, cell: float) -> Tensor:
    """Log probability of the recorded cell: within half a cell of x, or where at the floor, anything up to there.

    The density is integrated over the cell by Gauss and Legendre's rule, so that a cell far out in a tail, where a
    difference of distribution functions cancels to 0, keeps its probability. x (..., location) broadcasts.
    """
    nodes, weights = (cell * t.to(x) for t in (NODES, WEIGHTS))
    log_density = torch.stack([base.log_prob(x + node) for node in nodes], dim=-1)
    within = torch.logsumexp(log_density + weights.log(), dim=-1)
    return torch.where(at_floor, base.log_cdf(x + cell / 2), within)
