"""Examples: the rows that a latent-variable model explains, of fields, views of them, or images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

FIELD_CELL = 1.0  # dB: perimeters record whole decibels


@dataclass(frozen=True)
class Examples:
    """Rows to explain, in the data's own units (dB for fields), and what the guide reads of each.

    Missing values are filled with 0 and masked, as in :class:`vfprog.data.series.Series`.

    Attributes
    ----------
    x, mask, at_floor : Tensor (row, location)
        Recorded values; True = recorded; True = the true value is at or below the recorded one.
    seen, seen_mask : Tensor (row, input)
        What the guide reads: ``x`` itself for models of one view, another view of the eye for those of two.
    properties, property_mask : Tensor (row, property)
        What a head predicts beside ``x``; no column for models without one.
    cell : float
        Width of a recorded value: a record says that the value lies within half a cell of it.
    """

    x: Tensor
    mask: Tensor
    at_floor: Tensor
    seen: Tensor
    seen_mask: Tensor
    properties: Tensor
    property_mask: Tensor
    cell: float = FIELD_CELL

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Tensor | slice) -> Examples:
        return self._each(lambda t: t[rows])

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on a device."""
        return self._each(lambda t: t.to(device))

    def double(self) -> Examples:
        """The same examples in double precision."""
        return self._each(lambda t: t.double() if t.is_floating_point() else t)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Examples:
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in TENSORS}
        return replace(self, **changed)


TENSORS = [f.name for f in fields(Examples) if f.name != "cell"]


def one_view(
    x: Tensor,
    mask: Tensor | None = None,
    at_floor: Tensor | None = None,
    properties: Tensor | None = None,
    property_mask: Tensor | None = None,
    cell: float = FIELD_CELL,
) -> Examples:
    """Examples whose guide reads ``x`` (row, location) itself; all recorded, none at the floor, unless said."""
    recorded = torch.ones_like(x, dtype=torch.bool) if mask is None else mask
    floor = torch.zeros_like(recorded) if at_floor is None else at_floor & recorded
    wanted = x.new_zeros(len(x), 0) if properties is None else properties
    known = torch.ones_like(wanted, dtype=torch.bool) if property_mask is None else property_mask
    x = torch.where(recorded, x, 0.0)
    return Examples(x, recorded, floor, x, recorded, wanted, known, cell)


def concatenate_examples(parts: list[Examples]) -> Examples:
    """The rows of several sets of examples, one after another."""
    joined: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in TENSORS}
    return replace(parts[0], **joined)
