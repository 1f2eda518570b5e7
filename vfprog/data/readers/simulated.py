"""Reader of the fields that :mod:`vfprog.data.simulate` writes: a table whose columns are known."""

from __future__ import annotations

from pathlib import Path

from vfprog import columns as c
from vfprog.config import CohortConfig, ColumnMap
from vfprog.data.readers.base import Reading
from vfprog.data.readers.table import read_table

COLUMNS = ColumnMap(
    patient=c.PATIENT, eye=c.EYE, date=c.DATE, age=c.AGE, sens="sens_{}", false_positives=c.FALSE_POSITIVES
)


def read_simulated(cohort: CohortConfig, path: Path) -> Reading:
    """Read a simulated cohort's fields as if a clinic had exported them."""
    return read_table(cohort.model_copy(update={"columns": COLUMNS}), path)
