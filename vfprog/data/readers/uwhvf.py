"""The UWHVF dataset (Montesano et al., TVST 2022;11(1):2), in both of its forms.

It gives ages to a fraction of a year and no calendar dates, so age is the time. Its MTD is the plain mean of
TD and not the perimeter's MD, so vfprog computes MD itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import CohortConfig, ColumnMap
from vfprog.data.readers.base import Problem, Reading
from vfprog.data.readers.source import SourceTable, read_source
from vfprog.data.readers.table import fields_of
from vfprog.errors import UserError
from vfprog.perimetry.grid import Grid, load_grid

CSV_COLUMNS = ColumnMap(
    patient="PatID", eye="Eye", age="Age", td="TD_{}", sens="Sens_{}", carry=["Gender", "FieldN"]
)
JSON_COLUMNS = ColumnMap(age="age", td="td_{}", sens="sens_{}", carry=["Gender"])

UNTESTED = 100.0  # what alldata.json holds where nothing was measured
# Its grids of 8 rows and 9 columns: 6 degrees apart, the first cell at the upper left.
GRID_ROWS = {y: row for row, y in enumerate(range(21, -22, -6))}
GRID_COLUMNS = {x: column for column, x in enumerate(range(-27, 22, 6))}


def read_uwhvf_csv(cohort: CohortConfig, path: Path) -> Reading:
    """Read ``VF_Data.csv``; raises :class:`UserError` where one of its columns is absent."""
    return fields_of(read_source(path), CSV_COLUMNS, cohort)


def read_uwhvf_json(cohort: CohortConfig, path: Path) -> Reading:
    """Read ``alldata.json``. A row number is the number of the exam, counted through the file from 1.

    Raises
    ------
    UserError
        If the file is no JSON of that layout.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; mend the cohort's `path`")
    grid = load_grid(cohort.grid)
    try:
        content = json.loads(path.read_bytes())
        layout = _Layout.of(content["coords"], grid)
        exams = list(_exams(content["data"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not an alldata.json of UWHVF ({error!r}); fetch it again") from None
    return fields_of(_as_table(exams, layout, grid, path.name), JSON_COLUMNS, cohort)


@dataclass(frozen=True)
class _Layout:
    """Where the analysed locations of a field stand in the file: in its sequences and in its 8 x 9 grids."""

    sequence: np.ndarray
    sequence_length: int
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, coords: list[dict[str, Any]], grid: Grid) -> _Layout:
        """Find the locations by position, whatever the order of the sequences."""
        index = {(point["x"], point["y"]): point["index"] for point in coords}
        return cls(
            sequence=np.array([index[int(x), int(y)] for x, y in grid.xy]),
            sequence_length=len(coords),
            rows=np.array([GRID_ROWS[int(y)] for y in grid.xy[:, 1]]),
            columns=np.array([GRID_COLUMNS[int(x)] for x in grid.xy[:, 0]]),
        )

    def locations(self, exam: dict[str, Any], key: str) -> np.ndarray:
        """The analysed locations of an exam's sequence, or of its grid where it has no such sequence, dB.

        The blind spot is never among them: the grid of TD holds sensitivities there.
        """
        sequence = exam.get(f"{key}_seq", ())
        if len(sequence) == self.sequence_length:
            return np.asarray(sequence, float)[self.sequence]
        return np.asarray(exam[key], float)[self.rows, self.columns]


def _exams(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every exam with its patient, eye and gender."""
    for patient, record in data.items():
        for eye in ("R", "L"):
            for exam in record.get(eye, []):
                yield {**exam, c.PATIENT: patient, c.EYE: eye, "Gender": record.get("gender")}


def _as_table(exams: list[dict[str, Any]], layout: _Layout, grid: Grid, name: str) -> SourceTable:
    """One row per exam in the columns of ``JSON_COLUMNS``; exams of another shape become problems."""
    values, numbers, problems = [], [], []
    for number, exam in enumerate(exams, start=1):
        try:
            values.append(np.concatenate([layout.locations(exam, key) for key in ("td", "hvf")]))
            numbers.append(number)
        except (KeyError, IndexError, TypeError, ValueError):
            problem = "neither the sequence nor the 8 x 9 grid of a field; fetch the file again"
            problems.append(Problem(name, number, "td or hvf", "", problem))
    fields = np.reshape(values, (len(numbers), 2 * grid.n))
    fields[fields == UNTESTED] = np.nan
    cells = pd.DataFrame(fields, columns=[*c.td(grid.n), *c.sens(grid.n)], index=numbers)
    for column in (c.PATIENT, c.EYE, "age", "Gender"):
        cells[column] = [exams[number - 1].get(column) for number in numbers]
    return SourceTable(name, cells, problems)
