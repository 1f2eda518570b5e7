"""Trajectories: what a method knows of each eye's path, and what it predicts. The interface of all methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from vfprog.data.series import Series

SWEPT = 4  # work on a test that is not a plain value, in units of work on a visit's other tests
ALIKE = (
    1.25  # an eye joins a batch if it costs no more than so many times what the first of it does, nor less
)


@dataclass(frozen=True)
class Path:
    """Posterior of the paths of many eyes through latent space and field space.

    z(t) = z_start + z_slope * t, with t in years since the eye's first field.

    Attributes
    ----------
    last_years : Tensor (eye,)
        Time of the last visit, years.
    n_visits : Tensor (eye,)
        Number of visits, a whole number in the type of the others.
    z_start, z_start_sd, z_slope, z_slope_sd, z_correlation : Tensor (eye, latent)
        Posterior means and SDs of start and slope (per year), and the correlation of the two.
    noise : Tensor (eye, location)
        SD of one test there, dB.
    state : Tensor (eye, location, part)
        The underlying field at the last visit in parts: level (dB), drift (dB/year) and a wander that fades (dB).
    state_cov : Tensor (eye, location, part, part)
        Their posterior covariance at each location.
    md_cov : Tensor (eye, part, part)
        The same of the mean over locations.
    floor : Tensor (eye, location)
        No test can be recorded below, dB.
    """

    last_years: Tensor
    n_visits: Tensor
    z_start: Tensor
    z_start_sd: Tensor
    z_slope: Tensor
    z_slope_sd: Tensor
    z_correlation: Tensor
    noise: Tensor
    state: Tensor
    state_cov: Tensor
    md_cov: Tensor
    floor: Tensor

    @property
    def td(self) -> Tensor:
        """The underlying field at the last visit: (eye, location), dB."""
        return torch.maximum(self.state[..., 0] + self.state[..., 2], self.floor)

    @property
    def td_sd(self) -> Tensor:
        """Its posterior SD: (eye, location), dB."""
        return _now(self.state_cov)

    @property
    def md_sd(self) -> Tensor:
        """Posterior SD of its mean over locations: (eye,), dB."""
        return _now(self.md_cov)

    def __getitem__(self, eyes: Tensor | slice) -> Path:
        """The paths of some eyes."""
        return Path(*(getattr(self, f.name)[eyes] for f in fields(self)))

    @classmethod
    def concatenate(cls, parts: list[Path]) -> Path:
        """The eyes of several paths, one after another."""
        return _concatenate(cls, parts)


@dataclass(frozen=True)
class Prediction:
    """Predicted future tests of many eyes, before calibration.

    Attributes
    ----------
    td, td_sd : Tensor (eye, time, location)
        Mean and SD of a measured test's total deviation, dB.
    md, md_sd : Tensor (eye, time)
        Mean and SD of its mean TD, dB.
    """

    td: Tensor
    td_sd: Tensor
    md: Tensor
    md_sd: Tensor

    @classmethod
    def concatenate(cls, parts: list[Prediction]) -> Prediction:
        """The eyes of several predictions, one after another."""
        return _concatenate(cls, parts)


R = TypeVar("R", Path, Prediction)


def _concatenate(record: type[R], parts: list[R]) -> R:
    return record(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(record)))


def eye_batches(eyes: int, size: int = 2048) -> list[slice]:
    """Slices that cover ``eyes`` eyes: work on a hospital's series goes batch by batch to bound its memory."""
    return [slice(start, start + size) for start in range(0, eyes, size)]


def alike_batches(series: Series, entries: int = 6_000_000) -> list[Tensor]:
    """Batches of eyes with about as many visits and tests that are not plain values: so little of them is padding.

    None of the tensors of a batch has many more than ``entries`` numbers. Together the batches are every eye once.
    """
    floor = series.at_floor if series.at_floor is not None else torch.zeros_like(series.mask)
    odd = SWEPT * (series.visits[..., None] & (~series.mask | floor)).sum((1, 2))
    locations = series.mask.shape[2]
    # By location and visit: other visits, such tests, and the coordinates of a path.
    cost = series.n_visits * locations * (series.n_visits + odd + 2 * locations) + odd**2
    order = torch.argsort(series.n_visits * (odd.max() + 1) + odd, stable=True)
    cost = cost[order]
    batches, start = [], 0
    while start < len(order):
        first = int(cost[start])
        ahead = cost[start : start + max(entries // first, 1)]
        most = ahead.cummax(0).values  # within a batch all cost what its most costly eye does
        eyes = torch.arange(1, len(ahead) + 1, device=ahead.device)
        fits = (most * eyes <= entries) & (most <= ALIKE * first) & (ALIKE * ahead >= first)
        size = max(int(fits.cumprod(0).sum()), 1)
        batches.append(order[start : start + size])
        start += size
    return batches


Forecaster = Callable[[Series, Tensor], Prediction]  # tests at years (eye, time), from the eyes' visits


class Trajectory(Protocol):
    """A method of following eyes: it fits paths to series and predicts tests from paths."""

    def fit(self, series: Series) -> Path:
        """Posterior of each eye's path from its visits."""

    def predict(self, path: Path, years: Tensor) -> Prediction:
        """Tests at ``years`` (eye, time) since the eye's first field, none before its last visit."""

    def underlying(self, path: Path, years: Tensor) -> Prediction:
        """The underlying field then: the same without the noise and the shift of a test."""


def _now(covariance: Tensor) -> Tensor:
    """SD of level plus wander from a covariance of the parts (..., part, part)."""
    variance = covariance[..., 0, 0] + covariance[..., 2, 2] + 2 * covariance[..., 0, 2]
    return variance.clamp(min=1e-8).sqrt()
