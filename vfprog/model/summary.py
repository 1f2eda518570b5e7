"""What the field model needs of an eye's visits: their sufficient statistics."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from vfprog.data.examples import Examples
from vfprog.data.series import Series


@dataclass(frozen=True)
class FieldSummary:
    """Statistics of exchangeable tests of an eye, location by location; 0 where never tested.

    Attributes
    ----------
    mean : Tensor (eye, location)
        Mean TD over the eye's tests, dB.
    squares : Tensor (eye, location)
        Sum of squared differences from that mean, dB^2.
    skew : Tensor (eye, location)
        Median minus mean, dB.
    count : Tensor (eye, location)
        Number of tests.
    n_visits : Tensor (eye,)
        Number of visits.
    """

    mean: Tensor
    squares: Tensor
    skew: Tensor
    count: Tensor
    n_visits: Tensor

    @property
    def mask(self) -> Tensor:
        """True where the location was tested at least once: (eye, location)."""
        return self.count > 0

    def __len__(self) -> int:
        return len(self.n_visits)

    def __getitem__(self, eyes: Tensor | slice) -> FieldSummary:
        return FieldSummary(*(getattr(self, f.name)[eyes] for f in fields(self)))

    def to(self, device: torch.device | str) -> FieldSummary:
        """The same summary on a device."""
        return FieldSummary(*(getattr(self, f.name).to(device) for f in fields(self)))


def summarise(td: Tensor, mask: Tensor) -> FieldSummary:
    """Summarise fields ``td`` (eye, visit, location), dB, where ``mask`` (same shape) is True."""
    count = mask.sum(1)
    at_least_one = count.clamp(min=1)
    mean = torch.where(mask, td, 0.0).sum(1) / at_least_one
    squares = torch.where(mask, (td - mean[:, None]) ** 2, 0.0).sum(1)
    # Tested values first in order; the middle one, or the mean of the two in the middle, is the median.
    ordered = torch.where(mask, td, torch.inf).sort(1).values
    middle = torch.stack([(at_least_one - 1) // 2, at_least_one // 2], dim=1)
    median = ordered.gather(1, middle).mean(1)
    skew = torch.where(count > 0, median - mean, 0.0)
    return FieldSummary(mean, squares, skew, count.to(td.dtype), mask.any(2).sum(1).to(td.dtype))


def visit_summary(series: Series) -> FieldSummary:
    """Every visit as a series of its own: (eye * visit) rows, padding included."""
    eyes, visits, locations = series.td.shape
    flat = (eyes * visits, 1, locations)
    return summarise(series.td.reshape(flat), series.mask.reshape(flat))


def single_fields(examples: Examples) -> FieldSummary:
    """Every row as a series of one visit."""
    return summarise(examples.x[:, None], examples.mask[:, None])


def concatenate(summaries: list[FieldSummary]) -> FieldSummary:
    """The eyes of several summaries, one after another."""
    return FieldSummary(*(torch.cat([getattr(s, f.name) for s in summaries]) for f in fields(FieldSummary)))
