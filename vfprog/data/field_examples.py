"""Single fields as examples: of a table of visits, and of simulated eyes laid out as one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from vfprog import columns as c
from vfprog.data.examples import Examples, one_view
from vfprog.data.floor import floored_values
from vfprog.data.population import load_population
from vfprog.data.properties import field_properties, refuse_constant
from vfprog.data.simulate import simulate_series
from vfprog.errors import UserError
from vfprog.perimetry.grid import Grid

SIMULATED_INTERVAL = 0.5  # years between visits


def field_examples(visits: pd.DataFrame, grid: Grid, properties: list[str] | None = None) -> Examples:
    """Every field of a table of visits, in its order.

    Parameters
    ----------
    visits : DataFrame
        Total deviation in dB; see :func:`floored_values` for which are at the floor.
    grid : Grid
    properties : list of str, optional
        Of md, psd (dB), age (years): what a head is to predict.
    """
    td = visits[c.td(grid.n)].to_numpy(float, copy=True)  # a view of the table could not be written to
    names = properties or []
    values = np.zeros((len(td), 0))
    if names:
        values = field_properties(td, visits[c.AGE].to_numpy(float), names)
    return one_view(
        torch.as_tensor(td, dtype=torch.float32),
        torch.as_tensor(np.isfinite(td)),
        torch.as_tensor(floored_values(visits, grid)),
        torch.as_tensor(np.nan_to_num(values), dtype=torch.float32),
        torch.as_tensor(np.isfinite(values)),
    )


def simulated_visits(eyes: int, visits: int, grid: Grid, seed: int) -> pd.DataFrame:
    """Fields of ``eyes`` simulated eyes of as many ``visits``, laid out as a cohort's: each eye its own patient."""
    rng = np.random.default_rng(seed)
    drawn = simulate_series(load_population(), np.full(eyes, visits), SIMULATED_INTERVAL, rng)
    eye = np.repeat(np.arange(eyes), visits)
    keys = {
        c.PATIENT: np.char.add("simulated", eye.astype(str)),
        c.EYE: "OD",
        c.VISIT: np.tile(np.arange(1, visits + 1), eyes),
        c.YEARS: drawn.years.reshape(-1),
        c.AGE: (drawn.age[:, None] + drawn.years).reshape(-1),
    }
    td = pd.DataFrame(drawn.td.reshape(len(eye), -1), columns=c.td(grid.n))
    sens = pd.DataFrame(drawn.sens.reshape(len(eye), -1), columns=c.sens(grid.n))
    return pd.concat([pd.DataFrame(keys), td, sens], axis=1)


def refuse_constant_fields(visits: pd.DataFrame, grid: Grid, properties: list[str] | None = None) -> None:
    """Refuse to learn from fields of which a location, or a property to be predicted, is the same in all.

    Raises
    ------
    UserError
        Naming what does not vary.
    """
    td = visits[c.td(grid.n)].to_numpy(float)
    lowest, highest = (np.where(np.isfinite(td), td, bound) for bound in (np.inf, -np.inf))
    constant = np.array(c.td(grid.n))[lowest.min(0) >= highest.max(0)]
    if len(constant):
        raise UserError(
            f"{', '.join(constant)}: the same in all {len(td)} fields to be learnt from, or missing in all; "
            "mend the cohort's columns"
        )
    if properties:
        refuse_constant(field_properties(td, visits[c.AGE].to_numpy(float), properties), properties)
