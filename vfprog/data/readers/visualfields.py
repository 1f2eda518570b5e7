"""The CSV layout of the R package visualFields, as its ``vfwrite`` makes it.

Sensitivities stand in ``l1..l54`` with the blind spot, left eyes mirrored already; ages are completed years
and reliability indices fractions (Marin-Franch and Swanson, J Vis 2013;13(4):10).
"""

from __future__ import annotations

from pathlib import Path

from vfprog.config import CohortConfig, ColumnMap
from vfprog.data.readers.base import Reading
from vfprog.data.readers.source import read_source
from vfprog.data.readers.table import fields_of

COLUMNS = ColumnMap(
    patient="id",
    eye="eye",
    date="date",
    age="age",
    sens="l{}",
    false_positives="fpr",
    false_negatives="fnr",
    fixation_losses="fl",
    carry=["type", "duration"],
)


def read_visualfields(cohort: CohortConfig, path: Path) -> Reading:
    """Read a table of sensitivities; raises :class:`UserError` where a column of the layout is absent."""
    return fields_of(read_source(path), COLUMNS, cohort, time_of_day="time")
