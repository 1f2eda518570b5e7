"""The decoder made linear about a path, and the noise of an eye's tests: where the fit of a path begins."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.least_squares import fit_lines
from vfprog.model.residual import ResidualProcess
from vfprog.model.summary import FieldSummary
from vfprog.perimetry.noise import LOCATION_DEGREES

FAR = 1.0  # SDs of the residual process; what stands further from the decoded field is taken as known
PSEUDO_TESTS = 200.0  # about four visits
USUAL_SCATTER = 0.8  # variance of a location's tests about its line, in units of s^2
PSEUDO_VISITS = 3.0  # chosen, like all of these, on Rotterdam's development eyes
# Usual SDs; one visit of an eye that strays further, a blank one say, counts as straying so far.
FURTHEST_VISIT = 3.0
USUAL_UNREST = 0.9  # variance of a visit's mean TD about the eye's line over the years, dB^2


@dataclass(frozen=True)
class Known:
    """What the fit of an eye's path takes as known of it, though it is read from the same tests.

    Attributes
    ----------
    apart : Tensor (eye, location)
        What stands beside the decoded field, dB: see :func:`stands_apart`.
    level, noise : Tensor (eye, location)
        Of the eye, and the SD s of a test there, dB.
    unrest : Tensor (eye,)
        Factor on the variance of its wander and of its visits' shifts: see :func:`own_unrest`.
    """

    apart: Tensor
    level: Tensor
    noise: Tensor
    unrest: Tensor

    def __getitem__(self, eyes: Tensor | slice) -> Known:
        """Of some of the eyes."""
        return Known(*(getattr(self, f.name)[eyes] for f in fields(self)))


@dataclass(frozen=True)
class Linear:
    """The decoded path about a path, and what does not change while it is refined.

    Attributes
    ----------
    start, slope : Tensor (eye, latent)
        The path about which the decoder is linear; slopes per year.
    field : Tensor (eye, visit, location)
        Decoded at each visit, and what stands beside, dB.
    jacobian : Tensor (eye, visit, location, latent)
        Of the decoder there.
    known : Known
    """

    start: Tensor
    slope: Tensor
    field: Tensor
    jacobian: Tensor
    known: Known


def average(linears: list[Linear]) -> Linear:
    """Linear on average over several paths: about their mean, with the mean field and Jacobian."""
    names = ("start", "slope", "field", "jacobian")
    start, slope, field, jacobian = (torch.stack([getattr(one, n) for one in linears]).mean(0) for n in names)
    return Linear(start, slope, field, jacobian, linears[0].known)


def stands_apart(summary: FieldSummary, field: Tensor, noise: Tensor, residual: ResidualProcess) -> Tensor:
    """What of the eye's median field lies more than ``FAR`` SDs from the decoded one: (eye, location), dB.

    The posterior mode of a standing residual with Huber's density (Ann Math Stat 1964;35:73): normal within, with
    long tails beyond.
    """
    varying = residual.spectrum("wander").mean() + residual.spectrum("noise").mean()
    variance = residual.spectrum("standing").mean() + varying / summary.count.clamp(min=1)
    reach = FAR * noise * variance.sqrt()
    difference = summary.mean + summary.skew - field
    beyond = difference.sign() * (difference.abs() - reach).clamp(min=0)
    return torch.where(summary.mask, beyond, 0.0)


def own_scatter(series: Series, noise: Tensor) -> Tensor:
    """How much more or less an eye's tests scatter than ``noise`` lets expect: a factor, (eye, location) like it.

    Without it a restless eye's scatter passes for drift. Scatter is that about each location's line, or a location that
    moves fast would pass for a noisy one. That of the eye is moderated as if ``PSEUDO_TESTS`` had scattered as
    expected, and that of each of its locations as if ``LOCATION_DEGREES`` had scattered as the eye does. Locations
    never seen scatter by nothing, which says nothing of the others.
    """
    mask = series.mask
    if series.at_floor is not None:
        mask = mask & (mask & ~series.at_floor).any(1, keepdim=True)
    line = fit_lines(series.td, mask, series.years)
    several = line.n > 2
    degrees = torch.where(several, line.n - 1 - (line.sxx > 0).to(line.n), 0.0)
    squares = torch.where(several, (line.n - 2) * (line.residual_sd / noise) ** 2, 0.0) / USUAL_SCATTER
    of_eye = (PSEUDO_TESTS + squares.sum(1)) / (PSEUDO_TESTS + degrees.sum(1))
    return ((LOCATION_DEGREES * of_eye[:, None] + squares) / (LOCATION_DEGREES + degrees)).sqrt()


def own_unrest(series: Series) -> Tensor:
    """How much more or less an eye's visits stray from a line than usual, as wholes: a factor of variance (eye,).

    Without it a steady eye's trend passes for wander, and a restless eye's wander for a trend. Moderated as if
    ``PSEUDO_VISITS`` had strayed as usual.
    """
    tested = series.mask.sum(2, keepdim=True)
    mean = (series.td * series.mask).sum(2, keepdim=True) / tested.clamp(min=1)
    line = fit_lines(mean, tested > 0, series.years)
    degrees = (line.n[:, 0] - 2).clamp(min=0)
    residual = torch.where(tested > 0, mean - line.at(series.years), 0.0)[..., 0]
    # What each visit adds to the sum of squares of a line through the others.
    strays = residual**2 / (1 - line.leverage(series.years)[..., 0]).clamp(min=0.05)
    beyond = (strays.amax(1) - FURTHEST_VISIT**2 * USUAL_UNREST).clamp(min=0)
    squares = torch.where(degrees > 0, (residual**2).sum(1) - beyond, 0.0).clamp(min=0)
    return (PSEUDO_VISITS + squares / USUAL_UNREST) / (PSEUDO_VISITS + degrees)
