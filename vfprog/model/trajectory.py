"""Trajectories: what a method knows of each eye's path, and what it predicts. The interface of all methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from vfprog.data.series import Series


@dataclass(frozen=True)
class Path:
    """Posterior of the paths of many eyes through latent space and field space.

    z(t) = z_start + z_slope * t, with t in years since the eye's first field.

    Attributes
    ----------
    last_years : Tensor (eye,)
        Time of the last visit, years.
    z_start, z_start_sd, z_slope, z_slope_sd, z_correlation : Tensor (eye, latent)
        Posterior means and SDs of start and slope (per year), and the correlation of the two.
    td, td_sd : Tensor (eye, location)
        The underlying field at the last visit and its posterior SD, dB.
    noise : Tensor (eye, location)
        SD of one test there, dB.
    md_sd : Tensor (eye,)
        Posterior SD of the underlying field's mean TD, dB.
    """

    last_years: Tensor
    z_start: Tensor
    z_start_sd: Tensor
    z_slope: Tensor
    z_slope_sd: Tensor
    z_correlation: Tensor
    td: Tensor
    td_sd: Tensor
    noise: Tensor
    md_sd: Tensor

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


Forecaster = Callable[[Series, Tensor], Prediction]  # tests at years (eye, time), from the eyes' visits


class Trajectory(Protocol):
    """A method of following eyes: it fits paths to series and predicts tests from paths."""

    def fit(self, series: Series) -> Path:
        """Posterior of each eye's path from its visits."""

    def predict(self, path: Path, years: Tensor) -> Prediction:
        """Tests at ``years`` (eye, time) since the eye's first field, none before its last visit."""
