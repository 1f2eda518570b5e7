"""Series: the fields of many eyes as padded tensors, eye by eye.

Missing values are filled with 0 and carried in a mask: a NaN behind a mask would still poison gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog import columns as c
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
    """

    td: Tensor
    mask: Tensor
    years: Tensor
    n_visits: Tensor

    def __len__(self) -> int:
        return len(self.n_visits)

    def __getitem__(self, eyes: Tensor | np.ndarray | slice) -> Series:
        """The series of some eyes."""
        return Series(self.td[eyes], self.mask[eyes], self.years[eyes], self.n_visits[eyes])

    def first(self, n: int | Tensor) -> Series:
        """Each eye's first ``n`` visits (an integer, or one for each eye); shorter series stay as they are."""
        n_visits = torch.minimum(self.n_visits, torch.as_tensor(n, device=self.td.device))
        most = int(n_visits.max())
        kept = torch.arange(most, device=self.td.device) < n_visits[:, None]
        mask = self.mask[:, :most] & kept[..., None]
        last = self.years.gather(1, (n_visits - 1)[:, None])
        years = torch.where(kept, self.years[:, :most], last)
        return Series(self.td[:, :most] * mask, mask, years, n_visits)

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
        return Series(*(t.to(device) for t in (self.td, self.mask, self.years, self.n_visits)))


def eyes_of(visits: pd.DataFrame) -> pd.DataFrame:
    """The eyes of a table of visits sorted by eye, in its order: ``patient_id, eye``."""
    return visits[c.EYE_KEY].drop_duplicates(ignore_index=True)


def series_from_visits(visits: pd.DataFrame, grid: Grid, dtype: torch.dtype = torch.float32) -> Series:
    """Series of the eyes of a table of visits, which is sorted by eye and visit.

    Eye ``i`` of the result is row ``i`` of :func:`eyes_of`; its visits keep their order.
    """
    n_visits = visits.groupby(c.EYE_KEY, sort=False).size().to_numpy()
    return padded_series(visits[c.td(grid.n)].to_numpy(), visits[c.YEARS].to_numpy(), n_visits, dtype)


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
