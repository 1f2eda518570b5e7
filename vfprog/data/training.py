"""The fields of training cohorts' patients, by part of the split."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vfprog import columns as c
from vfprog.data.schema import read_visits
from vfprog.data.split import SERVING, part_of
from vfprog.errors import UserError
from vfprog.io import read_table
from vfprog.perimetry.grid import Grid


def read_parts(
    visits: list[Path], splits: list[Path], parts: tuple[str, ...], grid: Grid, fold: int = SERVING
) -> pd.DataFrame:
    """Included visits of some parts of several cohorts, sorted by eye and visit.

    Parameters
    ----------
    visits, splits : list of Path
        ``visits.parquet`` and ``split.csv`` of each training cohort, in the same order; without any split, of cohorts
        that no model learns from, whose patients all belong to every part.
    parts : tuple of str
        Of train, validation, test.
    fold : int
        Whose model's parts these are.

    Raises
    ------
    UserError
        If no included field is left.
    """
    tables = []
    for i, visit_file in enumerate(visits):
        chosen = read_visits(visit_file, grid, included_only=True)
        if splits:
            split = read_table(splits[i])
            chosen = pd.concat([part_of(chosen, split, part, fold) for part in parts])
        # Patients of two cohorts are two patients, whatever their identifiers say.
        tables.append(chosen.assign(**{c.PATIENT: f"{visit_file.parent.name}/" + chosen[c.PATIENT]}))
    table = pd.concat(tables, ignore_index=True).sort_values(c.VISIT_KEY, ignore_index=True)
    if table.empty:
        raise UserError(f"no included field among the {' and '.join(parts)} patients of the cohorts")
    return table
