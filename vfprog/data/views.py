"""Both views of many eyes as arrays: fields, and the nerve fibre layer where a cohort has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.data.nerve_fibres import THICKNESS_LIMITS
from vfprog.data.series import at_floor, series_from_visits
from vfprog.errors import UserError
from vfprog.perimetry.floor import hold_floor
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class Views:
    """Visits of many eyes in order of time, padded at the end.

    Attributes
    ----------
    td : array (eye, visit, location)
        Total deviation, dB; 0 where not tested.
    mask : array of bool, same shape
        True = tested.
    years : array (eye, visit)
        Since the eye's first field; padding repeats the last visit.
    n_visits : array (eye,) of int
        Visits of each eye.
    thickness : array (eye, visit, sector) or None
        Of the retinal nerve fibre layer, micrometres; 0 where not measured. None: no such view.
    measured : array of bool, same shape, or None
        True = measured.
    at_floor : array (eye, visit, location) of bool or None
        Where no stimulus but the brightest was seen; None where total deviation alone is given.
    """

    td: np.ndarray
    mask: np.ndarray
    years: np.ndarray
    n_visits: np.ndarray
    thickness: np.ndarray | None = None
    measured: np.ndarray | None = None
    at_floor: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.n_visits)

    def __getitem__(self, eyes: np.ndarray | slice) -> Views:
        """The views of some eyes."""
        return self._each(lambda a: a[eyes])

    def first(self, n: int) -> Views:
        """The first ``n`` visits of eyes that all have as many."""
        return replace(self._each(lambda a: a[:, :n] if a.ndim > 1 else a), n_visits=np.full(len(self), n))

    def until(self, years: float) -> Views:
        """The visits up to a time after the first."""
        kept = self.visits & (self.years <= years)
        n = kept.sum(1)
        last = np.take_along_axis(self.years, n[:, None] - 1, axis=1)
        masked = self._each(lambda a: a * kept[:, :, None] if a.ndim == 3 else a)
        return replace(masked, years=np.where(kept, self.years, last), n_visits=n)

    def without_structure(self) -> Views:
        """The fields alone."""
        return replace(self, thickness=None, measured=None)

    def floor_held(self) -> Views:
        """With values at the floor, where these are known, as trends take them: see :func:`hold_floor`."""
        if self.at_floor is None:
            return self
        td, mask = hold_floor(self.td, self.mask, self.at_floor)
        return replace(self, td=td * mask, mask=mask)

    def reversed(self) -> Views:
        """The same visits with time running backwards: improving eyes worsen."""
        return replace(self, years=self.years.max(1, keepdims=True) - self.years)

    def shuffled(self, rng: np.random.Generator) -> Views:
        """The same visits, each eye's in a random order: the times change places among them."""
        key = np.where(self.visits, rng.random(self.years.shape), 2.0)
        return replace(self, years=np.take_along_axis(self.years, key.argsort(1), axis=1))

    def _each(self, change: Callable[[np.ndarray], np.ndarray]) -> Views:
        """The same change made to every array."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: change(a) for name, a in arrays.items() if a is not None})

    @property
    def visits(self) -> np.ndarray:
        """True for real visits, False for padding: (eye, visit)."""
        return np.arange(self.years.shape[1]) < self.n_visits[:, None]


def views_from_visits(visits: pd.DataFrame, grid: Grid, sectors: list[str]) -> Views:
    """Views of the eyes of a table of visits, sorted by eye and visit; ``sectors`` names the columns of the second.

    Raises
    ------
    UserError
        If a column of ``sectors`` is missing, or holds anything but micrometres.
    """
    series = series_from_visits(visits, grid)
    arrays = (series.td.numpy().astype(float), series.mask.numpy(), series.years.numpy().astype(float))
    views = Views(*arrays, series.n_visits.numpy(), at_floor=at_floor(visits, grid))
    if not sectors:
        return views
    given = thickness(visits, sectors)
    values = np.full((*views.years.shape, len(sectors)), np.nan)
    values[views.visits] = given
    measured = np.isfinite(values)
    return replace(views, thickness=np.where(measured, values, 0.0), measured=measured)


def thickness(visits: pd.DataFrame, sectors: list[str]) -> np.ndarray:
    """The sectors' columns, micrometres: (field, sector), NaN where not measured.

    Raises
    ------
    UserError
        If a column is missing, or holds anything but micrometres.
    """
    for name in sectors:
        if name not in visits:
            raise UserError(f"structure: the visits have no column {name}; mend the cohort's `structure`")
        cells = visits[name]
        number = pd.to_numeric(cells, errors="coerce")
        wrong = cells.notna() & ~number.between(*THICKNESS_LIMITS)
        if wrong.any():
            at = visits.loc[wrong].iloc[0]
            raise UserError(
                f"{at.get(c.SOURCE, 'visits.parquet')}: row {at.get(c.ROW, '?')}: {name}: {at[name]} is no thickness "
                f"in micrometres ({THICKNESS_LIMITS[0]:g} to {THICKNESS_LIMITS[1]:g}); mend it, or leave it empty"
            )
    return visits[sectors].apply(pd.to_numeric).to_numpy(float)
