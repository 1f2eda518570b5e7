"""Series: the fields of many eyes as padded tensors, eye by eye.

Missing values are filled with 0 and carried in a mask: a NaN behind a mask would still poison gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog import columns as c
from vfprog.perimetry.floor import BRIGHTEST
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class Series:
    """Fields of many eyes, visits in order of time and padded at the end.

    Attributes
    ----------
    td : Tensor (eye, visit, location)
        Total deviation, dB; 0 where not tested.
    mask : Tensor (eye, visit, location) of bool
        True = tested.
    years : Tensor (eye, visit)
        Since the eye's first field; padding repeats the last visit.
    n_visits : Tensor (eye,) of int
        Visits of each eye.
    at_floor : Tensor (eye, visit, location) of bool, or None
        Tested, and not seen unless at full brightness: the value is "at or below". None where total deviation is all
        that is given: forecasts are not better for a floor estimated from it.
    """

    td: Tensor
    mask: Tensor
    years: Tensor
    n_visits: Tensor
    at_floor: Tensor | None = None

    def __len__(self) -> int:
        return len(self.n_visits)

    def __getitem__(self, eyes: Tensor | np.ndarray | slice) -> Series:
        """The series of some eyes."""
        at_floor = None if self.at_floor is None else self.at_floor[eyes]
        return Series(self.td[eyes], self.mask[eyes], self.years[eyes], self.n_visits[eyes], at_floor)

    def first(self, n: int | Tensor) -> Series:
        """Each eye's first ``n`` visits (an integer, or one for each eye); shorter series stay as they are."""
        n_visits = torch.minimum(self.n_visits, torch.as_tensor(n, device=self.td.device))
        most = int(n_visits.max())
        kept = torch.arange(most, device=self.td.device) < n_visits[:, None]
        mask = self.mask[:, :most] & kept[..., None]
        last = self.years.gather(1, (n_visits - 1)[:, None])
        years = torch.where(kept, self.years[:, :most], last)
        at_floor = None if self.at_floor is None else self.at_floor[:, :most] & mask
        return Series(self.td[:, :most] * mask, mask, years, n_visits, at_floor)

    @property
    def visits(self) -> Tensor:
        """True for real visits, False for padding: (eye, visit)."""
        return torch.arange(self.td.shape[1], device=self.td.device) < self.n_visits[:, None]

    @property
    def last_years(self) -> Tensor:
        """Time of each eye's last visit, years: (eye,)."""
        return self.years.gather(1, (self.n_visits - 1)[:, None])[:, 0]

    def to(self, device: torch.device | str) -> Series:
        """The same series on a device."""
        moved = {f.name: t.to(device) for f in fields(self) if (t := getattr(self, f.name)) is not None}
        return replace(self, **moved)


def eyes_of(visits: pd.DataFrame) -> pd.DataFrame:
    """The eyes of a table of visits sorted by eye, in its order: ``patient_id, eye``."""
    return visits[c.EYE_KEY].drop_duplicates(ignore_index=True)


def series_from_visits(visits: pd.DataFrame, grid: Grid, dtype: torch.dtype = torch.float32) -> Series:
    """Series of the eyes of a table of visits, which is sorted by eye and visit.

    Eye ``i`` of the result is row ``i`` of :func:`eyes_of`; its visits keep their order.
    """
    n_visits = visits.groupby(c.EYE_KEY, sort=False).size().to_numpy()
    series = padded_series(visits[c.td(grid.n)].to_numpy(), visits[c.YEARS].to_numpy(), n_visits, dtype)
    floor = at_floor(visits, grid)
    return series if floor is None else replace(series, at_floor=torch.as_tensor(floor) & series.mask)


def padded_series(td: np.ndarray, years: np.ndarray, n_visits: np.ndarray, dtype: torch.dtype) -> Series:
    """Series from fields laid end to end.

    ``td`` is (field, location) in dB, NaN where not tested; ``years`` (field,); ``n_visits`` (eye,).
    """
    kept = np.arange(n_visits.max(initial=1)) < n_visits[:, None]
    values = np.full((*kept.shape, td.shape[1]), np.nan)
    values[kept] = td
    times = np.zeros(kept.shape)
    times[kept] = years
    times = np.maximum.accumulate(times, axis=1)
    mask = np.isfinite(values)
    return Series(
        torch.as_tensor(np.where(mask, values, 0.0), dtype=dtype),
        torch.as_tensor(mask),
        torch.as_tensor(times, dtype=dtype),
        torch.tensor(n_visits),
    )


def at_floor(visits: pd.DataFrame, grid: Grid) -> np.ndarray | None:
    """Where no stimulus but the brightest, or none at all, was seen: array (eye, visit, location) of bool.

    Laid out as :func:`series_from_visits` lays out the same table. None where the table gives total deviation
    alone: that does not tell.
    """
    names = c.sens(grid.n)
    if not set(names) <= set(visits):
        return None
    n_visits = visits.groupby(c.EYE_KEY, sort=False).size().to_numpy()
    sens = padded_series(visits[names].to_numpy(), visits[c.YEARS].to_numpy(), n_visits, torch.float32)
    return (sens.mask & (sens.td <= BRIGHTEST)).numpy()
