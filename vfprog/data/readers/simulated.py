"""Reader of the fields that :mod:`vfprog.data.simulated_cohort` writes: a table whose columns are known."""

from __future__ import annotations

from pathlib import Path

from vfprog import columns as c
from vfprog.config import CohortConfig, ColumnMap
from vfprog.data.readers.base import Reading
from vfprog.data.readers.source import as_text, read_source
from vfprog.data.readers.table import fields_of

COLUMNS = ColumnMap(
    patient=c.PATIENT,
    eye=c.EYE,
    date=c.DATE,
    age=c.AGE,
    sens="sens_{}",
    false_positives=c.FALSE_POSITIVES,
    carry="all",
)


def read_simulated(cohort: CohortConfig, path: Path) -> Reading:
    """Read a simulated cohort's fields as if a clinic had exported them."""
    table = read_source(path)
    reading = fields_of(table, COLUMNS, cohort)
    # Carried columns of digits become numbers; a person, like a patient, is text.
    person = as_text(table.require(c.PERSON)).loc[reading.fields[c.ROW]]
    return Reading(
        reading.fields.assign(**{c.PERSON: person.to_numpy()}), reading.rows_read, reading.problems
    )
