"""Rolling origin: an eye's first visits, and the later ones to forecast from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vfprog.data.series import Series


@dataclass(frozen=True)
class Origin:
    """Eyes with more than ``n_first`` visits, cut there.

    Attributes
    ----------
    n_first : int
        Visits given.
    rows : Tensor (eye,)
        Which eyes of the series these are.
    past : Series
        Their first ``n_first`` visits.
    td, mask : Tensor (eye, time, location)
        Their later visits, dB, and where these are tested (padding is not).
    years : Tensor (eye, time)
        Times of the later visits since the eye's first field; padding repeats the last.
    """

    n_first: int
    rows: Tensor
    past: Series
    td: Tensor
    mask: Tensor
    years: Tensor

    @property
    def horizon(self) -> Tensor:
        """Years from the last visit given to each later visit: (eye, time)."""
        return self.years - self.past.last_years[:, None]

    @property
    def visits(self) -> Tensor:
        """True for real later visits with at least one tested location: (eye, time)."""
        return self.mask.any(-1)


def origin(series: Series, n_first: int) -> Origin | None:
    """Cut the series after ``n_first`` visits; None where no eye has a later one."""
    rows = torch.nonzero(series.n_visits > n_first)[:, 0]
    if len(rows) == 0:
        return None
    chosen = series[rows]
    mask = chosen.mask[:, n_first:] & chosen.visits[:, n_first:, None]
    return Origin(
        n_first, rows, chosen.first(n_first), chosen.td[:, n_first:], mask, chosen.years[:, n_first:]
    )
