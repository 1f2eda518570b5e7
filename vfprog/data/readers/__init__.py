"""Readers: from a cohort's source files to fields in one shape, one module per format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from vfprog.config import CohortConfig
from vfprog.data.readers.base import Problem, Reading
from vfprog.data.readers.simulated import read_simulated
from vfprog.data.readers.table import read_table
from vfprog.data.readers.uwhvf import read_uwhvf_csv, read_uwhvf_json
from vfprog.data.readers.visualfields import read_visualfields

__all__ = ["READERS", "Problem", "Reading", "read_cohort"]

READERS: dict[str, Callable[[CohortConfig, Path], Reading]] = {
    "table": read_table,
    "visualfields": read_visualfields,
    "uwhvf_csv": read_uwhvf_csv,
    "uwhvf_json": read_uwhvf_json,
    "simulated": read_simulated,
}


def read_cohort(cohort: CohortConfig, paths: list[Path]) -> Reading:
    """Read a cohort's files with the reader of its format, one after the other.

    Parameters
    ----------
    cohort : CohortConfig
        How they are laid out.
    paths : list of Path
        At least one.

    Raises
    ------
    UserError
        If a file is absent, unreadable or lacks a column.
    """
    readings = [READERS[cohort.format](cohort, path) for path in paths]
    return Reading(
        pd.concat([reading.fields for reading in readings], ignore_index=True),
        sum(reading.rows_read for reading in readings),
        [problem for reading in readings for problem in reading.problems],
    )
