"""Known true fields, read from a table, to be tested again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vfprog import columns as c
from vfprog.config import CohortConfig, TrueFields
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.simulate import TrueSeries
from vfprog.errors import UserError
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.grid import load_grid


def read_true_fields(truth: TrueFields) -> TrueSeries:
    """Read a table of true fields.

    Raises
    ------
    UserError
        If it cannot be read, or a row of it could not be used whole: noise replicates need the whole truth.
    """
    cohort = CohortConfig(role="apply", path=truth.path, columns=truth.columns, join=truth.join)
    visits, _, quarantine = preprocess(read_cohort(cohort, [Path(truth.path)]), cohort)
    grid, norms = load_grid(cohort.grid), load_norms(cohort.grid)
    if len(quarantine):
        row = quarantine.iloc[0]
        raise UserError(f"{truth.path}: row {row[c.ROW]}, column {row['column']}: {row['problem']}")
    untested = visits[c.sens(grid.n)].isna().any(axis=1)
    unused = untested | ~visits[c.INCLUDED]
    if unused.any():
        row = visits[unused].iloc[0]
        why = row[c.REASON] or "a location has no true sensitivity"
        raise UserError(
            f"{truth.path}: row {row[c.ROW]}: {why}; true fields must be whole: mend or remove the row"
        )
    n_visits = visits.groupby(c.EYE_KEY, sort=False).size().to_numpy()
    mask = np.arange(n_visits.max()) < n_visits[:, None]
    first = np.cumsum(n_visits) - n_visits
    age = visits[c.AGE].to_numpy(float)[first]
    years = np.zeros(mask.shape)
    years[mask] = visits[c.YEARS]
    years = np.maximum.accumulate(years, axis=1)
    normal = norms.intercept + norms.slope * (age[:, None] + years)[..., None]
    td = np.zeros(normal.shape)
    td[mask] = visits[c.sens(grid.n)].to_numpy(float) - normal[mask]
    return TrueSeries(visits.loc[first, c.EYE_KEY].reset_index(drop=True), years, age, td, mask)
