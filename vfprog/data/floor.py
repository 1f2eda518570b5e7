"""Which values of a table of visits are at the perimeter's floor: known to be at or below it, not measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.floor import BRIGHTEST
from vfprog.perimetry.grid import Grid


def floored_values(visits: pd.DataFrame, grid: Grid) -> np.ndarray:
    """True where no stimulus but the brightest, or none at all, was seen: array (field, location).

    Sensitivities tell. Where total deviation alone is given, they are computed back by the shipped norms and held
    against ``sens_floor``, which preprocessing was given or has estimated; without it nothing is at the floor. A table
    may hold cohorts of both kinds.
    """
    names = c.sens(grid.n)
    floored = np.zeros((len(visits), grid.n), dtype=bool)
    if set(names) <= set(visits):
        floored |= visits[names].to_numpy(float) <= BRIGHTEST
    if c.SENS_FLOOR in visits:
        floored |= implied_sensitivity(visits, grid) <= visits[[c.SENS_FLOOR]].to_numpy(float)
    return floored


def implied_sensitivity(visits: pd.DataFrame, grid: Grid) -> np.ndarray:
    """Total deviation plus the shipped norms' sensitivity at that age, dB: (field, location), NaN where unknown."""
    normal = load_norms(grid.name).normal_sensitivity(visits[c.AGE].to_numpy(float))
    return visits[c.td(grid.n)].to_numpy(float) + normal
