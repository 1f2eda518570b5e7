"""The contract of ``visits.parquet``, checked at every write and read: all bad rows are listed at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa

from vfprog import columns as c
from vfprog.errors import UserError
from vfprog.io import read_table, write_table
from vfprog.perimetry.grid import Grid

# Beyond these no perimeter reports a value: sensitivities end near 40 dB, and total deviation cannot fall
# below minus the normal sensitivity (at most about 36 dB) and the -2 dB some files give to "not seen".
TD_LIMITS = (-45.0, 25.0)
SENS_LIMITS = (-2.0, 50.0)


def visits_schema(grid: Grid) -> pa.DataFrameSchema:
    """Schema of a cohort's visits on a grid; further columns are carried along unchecked."""
    text = {c.PATIENT: pa.Column(str), c.EYE: pa.Column(str, pa.Check.isin([c.RIGHT, c.LEFT]))}
    number = {
        c.VISIT: pa.Column(int, pa.Check.ge(1), coerce=True),
        c.YEARS: pa.Column(float, pa.Check.ge(0)),
        c.AGE: pa.Column(float, pa.Check.in_range(0, 125), nullable=True),
        c.MD: pa.Column(float, pa.Check.in_range(*TD_LIMITS), nullable=True),
        c.MTD: pa.Column(float, pa.Check.in_range(*TD_LIMITS), nullable=True),
        c.PSD: pa.Column(float, pa.Check.ge(0), nullable=True),
    }
    rates = {
        name: pa.Column(float, pa.Check.in_range(0, 1), nullable=True, required=False)
        for name in c.RELIABILITY
    }
    fields = {
        name: pa.Column(float, pa.Check.in_range(*limits), nullable=True, required=required)
        for names, limits, required in (
            (c.td(grid.n), TD_LIMITS, True),
            (c.sens(grid.n), SENS_LIMITS, False),
        )
        for name in names
    }
    use = {c.INCLUDED: pa.Column(bool), c.REASON: pa.Column(str)}
    return pa.DataFrameSchema({**text, **number, **rates, **fields, **use}, unique=c.VISIT_KEY, strict=False)


def _checked(visits: pd.DataFrame, grid: Grid, path: Path) -> pd.DataFrame:
    try:
        return visits_schema(grid).validate(visits, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.head(10)[["column", "check", "failure_case", "index"]]
        # Key values can identify a patient, so only the columns of measurements show the offending value.
        cases["failure_case"] = cases["failure_case"].where(~cases["column"].isin([c.PATIENT]), "(hidden)")
        raise UserError(f"{path}: not a table of visits:\n{cases.to_string(index=False)}") from None


def write_visits(
    visits: pd.DataFrame, grid: Grid, path: Path, provenance: dict[str, Any] | None = None
) -> None:
    """Check and write ``visits.parquet``; raises :class:`UserError` listing every bad row."""
    write_table(_checked(visits, grid, path), path, provenance)


def read_visits(path: Path, grid: Grid, *, included_only: bool = False) -> pd.DataFrame:
    """Read and check ``visits.parquet``, sorted by eye and visit; optionally only the included fields."""
    visits = _checked(read_table(path), grid, path).sort_values(c.VISIT_KEY, ignore_index=True)
    return visits[visits[c.INCLUDED]].reset_index(drop=True) if included_only else visits
