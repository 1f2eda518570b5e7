"""Test grids: where the locations of a field lie, in right-eye format.

Right-eye format: x < 0 is nasal, left eyes mirrored. Locations stand in reading order (superior row first,
nasal to temporal within a row). The full order counts the blind-spot locations (24-2: 54); everything vfprog
analyses leaves them out (24-2: 52).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

# Sectors of the optic disc by the angle at which fibres enter, from temporal (0 degrees) over superior: T 311 to 40, TS
# 41 to 80, NS 81 to 120, N 121 to 230, NI 231 to 270, TI 271 to 310 (Garway-Heath et al., Ophthalmology 2000;107:1809).
# T holds the centre of the field, TS and NS its inferior half, TI and NI its superior half, N its temporal edge.
SECTORS = ("TS", "T", "TI", "NI", "N", "NS")


@dataclass(frozen=True)
class Grid:
    """A test grid.

    Attributes
    ----------
    name : str
        Name of the pattern, e.g. "24-2".
    full_xy : array (full locations, 2)
        Positions in degrees, right-eye format, blind spot included.
    blind_spot : array (full locations,) of bool
        True at the blind-spot locations.
    full_sectors : array (full locations,) of str
        Sector of the optic disc that a location's nerve fibres enter; empty at the blind spot.
    """

    name: str
    full_xy: np.ndarray
    blind_spot: np.ndarray
    full_sectors: np.ndarray

    @property
    def xy(self) -> np.ndarray:
        """Positions of the analysed locations, degrees: array (location, 2)."""
        return self.full_xy[~self.blind_spot]

    @property
    def sectors(self) -> np.ndarray:
        """One of ``SECTORS`` for each analysed location: array (location,) of str."""
        return self.full_sectors[~self.blind_spot]

    @property
    def regions(self) -> dict[str, np.ndarray]:
        """Locations of each region, whole field first: arrays (location,) of bool."""
        superior = self.xy[:, 1] > 0
        halves = {"field": np.ones(self.n, dtype=bool), "superior": superior, "inferior": ~superior}
        return halves | {sector: self.sectors == sector for sector in SECTORS}

    @property
    def n(self) -> int:
        """Number of analysed locations."""
        return int((~self.blind_spot).sum())

    @property
    def n_full(self) -> int:
        """Number of locations with the blind spot."""
        return len(self.blind_spot)

    def without_blind_spot(self, values: np.ndarray) -> np.ndarray:
        """Drop the blind spot: (..., full location) -> (..., location). Values without it pass unchanged.

        Raises
        ------
        ValueError
            If the last axis has neither length.
        """
        if values.shape[-1] == self.n:
            return values
        if values.shape[-1] == self.n_full:
            return values[..., ~self.blind_spot]
        raise ValueError(
            f"grid {self.name} has {self.n} locations ({self.n_full} with the blind spot), "
            f"not {values.shape[-1]}"
        )

    def mirror(self, values: np.ndarray) -> np.ndarray:
        """Mirror fields left to right: between a left eye as the patient sees it and right-eye format.

        A left eye as seen has its locations at (-x, y), so its rows, read from left to right, are those of
        right-eye format reversed. ``values`` is (..., full location) or (..., location); mirroring twice is
        the identity.

        Raises
        ------
        ValueError
            If the last axis has neither length.
        """
        if values.shape[-1] == self.n_full:
            return values[..., _row_reversal(self.full_xy)]
        return self.without_blind_spot(values)[..., _row_reversal(self.xy)]


def _row_reversal(xy: np.ndarray) -> np.ndarray:
    """Index that reverses each row of locations (equal y)."""
    order = np.arange(len(xy))
    for y in np.unique(xy[:, 1]):
        row = np.flatnonzero(xy[:, 1] == y)
        order[row] = row[::-1]
    return order


@cache
def load_grid(name: str) -> Grid:
    """The grid of that name, from the tables shipped in ``resources/grids``."""
    path = files("vfprog") / "resources" / "grids" / f"{name}.csv"
    table = pd.read_csv(str(path), keep_default_na=False)
    return Grid(
        name,
        table[["x", "y"]].to_numpy(float),
        table["blindspot"].to_numpy(bool),
        table["sector"].to_numpy(str),
    )
