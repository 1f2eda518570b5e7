"""What every reader returns: fields in one shape, and the rows it could not use."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Problem:
    """A row that could not be used, for ``quarantine.csv``: where it is, and how to mend it."""

    source: str  # file name
    row: int  # as a spreadsheet counts it: the header is row 1
    column: str
    value: str
    problem: str


@dataclass(frozen=True)
class Reading:
    """Fields read from a cohort's sources.

    ``fields`` has one row per usable field: ``patient_id, eye`` (OD or OS), ``age`` (years, may be missing), and
    for time either ``date`` (datetime64) or ``time_years`` (any origin); ``td_1..`` and/or ``sens_1..`` in
    right-eye format without the blind spot (NaN = not tested); ``md``, reliability fractions and carried columns
    where given; ``source`` and ``row``.
    """

    fields: pd.DataFrame
    rows_read: int
    problems: list[Problem] = field(default_factory=list)
