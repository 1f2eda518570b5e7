"""Search in latent space: the nearest plausible field with a wanted property, and the ways between two fields.

After Gomez-Bombarelli et al. 2018 (ACS Cent Sci 4:268): a property is read off the latents by a differentiable
function, and moving along its gradient changes it. Here the move is the shortest that reaches a wanted value, and
stays where the data are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vfprog.inference.latent_density import LatentDensity

Property = Callable[[Tensor], Tensor]  # latents (..., row, latent) -> its value (..., row), in any unit

MOST_STEPS = 100
LONGEST_STEP = 1.0  # prior SDs: as far as the property may be taken for linear
SHORTER = 2.0 ** -torch.arange(0, 9)  # of a step, those tried
STILL = 1e-3  # prior SDs: a search whose steps are shorter has come to rest
AT_OPTIMUM = 0.05  # prior SDs: a whole step this short says that it rests where it should
PARALLEL = 1e-4  # radians: between directions closer than this the arc is straight


@dataclass(frozen=True)
class Present:
    """Where searches start: an eye's posterior q(z | x) = N(z, precision^-1); (row, latent), (row, latent, latent)."""

    z: Tensor
    precision: Tensor

    def __getitem__(self, rows: Tensor) -> Present:
        return Present(self.z[rows], self.precision[rows])

    def squared_distance(self, z: Tensor) -> Tensor:
        """Of latents from each row's own, in posterior SDs: (..., row, latent) -> (..., row)."""
        away = z - self.z
        return torch.einsum("...ra,rab,...rb->...r", away, self.precision, away)


@dataclass(frozen=True)
class Found:
    """Where searches end.

    Attributes
    ----------
    z : Tensor (row, latent)
    value : Tensor (row,)
        The property there.
    distance : Tensor (row,)
        From the present latents, in posterior SDs.
    percentile : Tensor (row,)
        Percent of training fields at a lower density.
    converged : Tensor (row,) of bool
        The target was reached, to the tolerance asked for, and what is left of the way to the optimum is short.
    steps : int
        Until the last of them rested.
    """

    z: Tensor
    value: Tensor
    distance: Tensor
    percentile: Tensor
    converged: Tensor
    steps: int


@dataclass(frozen=True)
class Search:
    """What is sought, row by row: minimise over z

        (z - z_0)' P (z - z_0) / 2 - plausibility log p(z)   subject to   property(z) = target,

    with z_0 and P the mean and precision of the posterior. In its metric a latent that the field does not determine
    moves freely, and one that shows in it costs what its change of the field would weigh against the noise. p is the
    density of the training fields' latents, which keeps the search where the data are.

    Attributes
    ----------
    prop : Property
        Differentiable; of each row alone.
    present : Present
    target : Tensor (row,)
        In the property's unit.
    density : LatentDensity
    plausibility : float
        Weight of the density's logarithm, >= 0.
    """

    prop: Property
    present: Present
    target: Tensor
    density: LatentDensity
    plausibility: float

    def step(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Step (row, latent) to the optimum of the problem made linear and quadratic at z; its multiplier (row,)."""
        value, slope = _with_gradient(self.prop, z)
        pull, curvature = self.density.pull(z)
        precision = self.present.precision
        gradient = torch.einsum("rab,rb->ra", precision, z - self.present.z) + self.plausibility * pull
        hessian = precision + self.plausibility * curvature
        solved = torch.linalg.solve(hessian, torch.stack([gradient, slope], -1))
        along = (slope * solved[..., 1]).sum(1).clamp(min=torch.finfo(z.dtype).tiny)
        multiplier = (value - self.target - (slope * solved[..., 0]).sum(1)) / along
        move = -solved[..., 0] - multiplier[:, None] * solved[..., 1]
        length = move.norm(dim=1, keepdim=True)
        return move * (LONGEST_STEP / length.clamp(min=LONGEST_STEP)), multiplier

    @torch.no_grad()
    def merit(self, z: Tensor, penalty: Tensor) -> Tensor:
        """What a step must lower: the objective, and what is missed of the target times a penalty; (..., row)."""
        objective = 0.5 * self.present.squared_distance(z) - self.plausibility * self.density.log_prob(z)
        return objective + penalty * (self.prop(z) - self.target).abs()


def nearest(search: Search, tolerance: float) -> Found:
    """Solve a search by sequential quadratic programming (Nocedal and Wright, Numerical Optimization, ch. 18).

    Each step solves the problem with the property linear and the objective quadratic, and is shortened until objective
    and constraint together improve. ``tolerance`` is how far from the target counts as reached, in the property's unit.
    """
    z = search.present.z.clone()
    penalty = torch.zeros_like(search.target)
    resting = torch.zeros_like(search.target, dtype=torch.bool)
    steps = 0
    while steps < MOST_STEPS and not bool(resting.all()):
        move, multiplier = search.step(z)
        penalty = torch.maximum(penalty, 2 * multiplier.abs())
        tried = z + SHORTER.to(z)[:, None, None] * move
        merit, best = search.merit(tried, penalty).min(0)
        better = merit < search.merit(z, penalty)
        move = SHORTER.to(z)[best, None] * move * better[:, None]
        resting = resting | (move.norm(dim=1) < STILL)
        z = z + torch.where(resting[:, None], 0.0, move)
        steps += 1
    with torch.no_grad():
        value = search.prop(z)
    left, _ = search.step(z)
    distance = search.present.squared_distance(z).clamp(min=0).sqrt()
    converged = (left.norm(dim=1) <= AT_OPTIMUM) & ((value - search.target).abs() <= tolerance)
    return Found(z, value, distance, search.density.percentile(z), converged, steps)


def _with_gradient(prop: Property, z: Tensor) -> tuple[Tensor, Tensor]:
    """The property (row,) and its gradient (row, latent)."""
    with torch.enable_grad():
        at = z.detach().requires_grad_()
        value = prop(at)
        (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach(), gradient


def straight(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Evenly spaced latents on the line from start to end, both included: (row, latent) -> (step, row, latent)."""
    share = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[:, None, None]
    return (1 - share) * start + share * end


def spherical(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """The same along the arc between them (Shoemake, SIGGRAPH 1985; White 2016, arXiv:1609.04468).

    The straight line between two draws of a normal in many dimensions passes nearer the origin than draws ever lie;
    the arc keeps their distance from it, which goes evenly from that of the one to that of the other.
    """
    share = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[:, None]
    norms = start.norm(dim=-1), end.norm(dim=-1)
    tiny = torch.finfo(start.dtype).tiny
    a, b = start / norms[0].clamp(min=tiny)[:, None], end / norms[1].clamp(min=tiny)[:, None]
    # Not acos of the product, which loses half the digits of small angles.
    angle = 2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1))
    curved = (angle > PARALLEL) & (angle < torch.pi - PARALLEL)  # between opposites there is no one arc
    sine = torch.where(curved, angle.sin(), 1.0)
    weights = [
        torch.where(curved, (part * angle).sin() / sine, part.expand_as(share * angle))
        for part in (1 - share, share)
    ]
    radius = (1 - share) * norms[0] + share * norms[1]
    return radius[..., None] * (weights[0][..., None] * a + weights[1][..., None] * b)
