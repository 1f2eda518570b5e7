"""Fields from any table, through the cohort's column map.

Every cell that matters is checked. A row that cannot be used becomes a :class:`Problem` (its first one) that
names the column, the value and a remedy; the other rows stay.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import CohortConfig, ColumnMap, Join
from vfprog.data.readers.base import Problem, Reading
from vfprog.data.readers.source import SourceTable, as_text, read_source
from vfprog.data.schema import SENS_LIMITS, TD_LIMITS
from vfprog.errors import UserError
from vfprog.perimetry.grid import Grid, load_grid

DAYS_PER_YEAR = 365.25
AGE_LIMITS = (0.0, 125.0)  # years, as in the schema of visits
DATE_LIMITS = (pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01"))
ISO_DATE = r"\d{4}-?\d{2}-?\d{2}([ T].*)?"
UTC_OFFSET = r"(:\d{2})(\.\d+)?(Z|[+-]\d{2}:?\d{2})$"
BOTH_EYES = "OU"
PLAIN_NUMBER = r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?"  # without leading zeros, which a code may need

# A carried column of a name that vfprog uses itself becomes given_<name>.
OWN_COLUMNS = {
    *(c.PATIENT, c.EYE, c.VISIT, c.YEARS, c.AGE, c.DATE, c.TIME_YEARS, c.MD, c.MTD, c.PSD, *c.RELIABILITY),
    *(c.INCLUDED, c.REASON, c.SOURCE, c.ROW),
}
OWN_LOCATIONS = re.compile(r"(td|sens|pd)_\d+")


def read_table(cohort: CohortConfig, path: Path) -> Reading:
    """Read a file of ``format: table``: CSV, TSV, Excel or Parquet.

    Raises
    ------
    UserError
        If the file or a mapped column is absent, or the joined table has two rows for one key.
    """
    assert cohort.columns is not None, "the config's checks give every table a column map"
    table = read_source(path, cohort.sheet)
    if cohort.join is not None:
        table = join_table(table, cohort.join)
    return fields_of(table, cohort.columns, cohort)


def join_table(table: SourceTable, join: Join) -> SourceTable:
    """Add the columns of a further table to each row; keys are compared as text.

    Raises
    ------
    UserError
        If a key column is absent, or the further table has two rows for one key.
    """
    further = read_source(Path(join.path))
    keys = pd.DataFrame({name: as_text(table.require(name)) for name in join.by})
    further_keys = pd.DataFrame({name: as_text(further.require(name)) for name in join.by})
    repeated = further_keys.duplicated()
    if repeated.any():
        raise UserError(
            f"{further.name}: row {repeated.idxmax()} has the {' and '.join(join.by)} of an earlier row: "
            "unclear which to join. Remove one, or name a further column in join.by"
        )
    new = [name for name in further.names if name not in table.cells]
    added = keys.merge(further_keys.join(further.cells[new]), on=join.by, how="left")[new]
    return SourceTable(table.name, table.cells.join(added.set_axis(table.cells.index)), table.problems)


def fields_of(
    table: SourceTable, columns: ColumnMap, cohort: CohortConfig, time_of_day: str | None = None
) -> Reading:
    """Turn the cells of a table into fields.

    Parameters
    ----------
    table : SourceTable
    columns : ColumnMap
        Which column holds what.
    cohort : CohortConfig
        Grid, codes and the format of left eyes.
    time_of_day : str, optional
        Column of the time on ``columns.date``, HH:MM:SS.

    Raises
    ------
    UserError
        If a mapped column is absent.
    """
    rows = _Rows(table, columns, cohort)
    fields = pd.DataFrame(
        {
            **rows.identity(),
            **rows.time(time_of_day),
            **rows.indices(),
            **rows.locations(),
            **rows.carried(),
            c.SOURCE: table.name,
            c.ROW: table.cells.index,
        },
        index=table.cells.index,
    )
    problems = sorted([*table.problems, *rows.problems], key=lambda problem: problem.row)
    return Reading(fields[~rows.bad].reset_index(drop=True), len(table.cells) + len(table.problems), problems)


class _Rows:
    """The rows of a table while they are read; keeps the first problem of each."""

    def __init__(self, table: SourceTable, columns: ColumnMap, cohort: CohortConfig) -> None:
        self.table = table
        self.columns = columns
        self.cohort = cohort
        self.grid = load_grid(cohort.grid)
        self.bad = np.zeros(len(table.cells), bool)
        self.problems: list[Problem] = []
        codes = {code.casefold(): eye for code, eye in columns.eye_codes.items()}
        self.eye = self._text(columns.eye).str.casefold().map(codes)
        for key in set(cohort.missing_in) - {"td", "sens"}:
            table.require(key)

    def identity(self) -> dict[str, pd.Series]:
        """Patient and eye."""
        patient, code = self._text(self.columns.patient), self._text(self.columns.eye)
        self._flag(patient == "", self.columns.patient, "no patient identifier; fill it in or remove the row")
        both = (code == BOTH_EYES) & self.eye.isna()
        self._flag(both, self.columns.eye, "a test of both eyes at once belongs to neither; remove the row")
        known = ", ".join(self.columns.eye_codes)
        remedy = f"unknown eye code, known are {known}; mend it, or add it to columns.eye_codes"
        self._flag(self.eye.isna(), self.columns.eye, remedy)
        return {c.PATIENT: patient, c.EYE: self.eye}

    def time(self, time_of_day: str | None) -> dict[str, pd.Series | float]:
        """Age in years where given, and the date or another time in years."""
        columns = self.columns
        age = self._age(columns.age) if columns.age else None
        if columns.date is None:
            return {c.AGE: np.nan if age is None else age, c.TIME_YEARS: self._time_years(age)}
        date = self._dates(columns.date)
        self._flag(date.isna(), columns.date, "no date; fill it in")
        if age is None and columns.birth_date:
            age = (date - self._dates(columns.birth_date)).dt.days / DAYS_PER_YEAR
            self._flag_outside(age, AGE_LIMITS, columns.birth_date, "not an age in years at the test")
        if time_of_day:
            time = pd.to_timedelta(self._text(time_of_day), errors="coerce")
            date = date + time.fillna(pd.Timedelta(0))
        return {c.AGE: np.nan if age is None else age, c.DATE: date}

    def _age(self, name: str) -> pd.Series:
        days = self.columns.age_unit == "days"
        age = self._numbers(name) / (DAYS_PER_YEAR if days else 1.0)
        self._flag_outside(age, AGE_LIMITS, name, "not an age in years; mend it, or set columns.age_unit")
        return age

    def _time_years(self, age: pd.Series | None) -> pd.Series:
        """Years as given, else of visits numbered at a known interval, else the age."""
        columns = self.columns
        if columns.years:
            name, time = columns.years, self._numbers(columns.years)
        elif columns.visit and columns.visit_interval:
            name, time = columns.visit, self._numbers(columns.visit) * columns.visit_interval
        else:
            assert columns.age is not None and age is not None, "the config's checks ask for a column of time"
            name, time = columns.age, age
        self._flag(time.isna(), name, "no time of the test; fill it in")
        self._flag_outside(time.abs(), AGE_LIMITS, name, "not a time in years; mend it")
        return time

    def indices(self) -> dict[str, pd.Series]:
        """Mean deviation (dB) and reliability (fractions), where given."""
        indices = {}
        if self.columns.md:
            indices[c.MD] = self._numbers(self.columns.md)
            self._flag_outside(indices[c.MD], TD_LIMITS, self.columns.md, "not in dB; mend it")
        scale = 100.0 if self.columns.reliability_unit == "percent" else 1.0
        for name in c.RELIABILITY:
            column = getattr(self.columns, name)
            if column:
                indices[name] = self._numbers(column) / scale
                problem = f"not a {self.columns.reliability_unit}; mend it, or set columns.reliability_unit"
                self._flag_outside(indices[name], (0.0, 1.0), column, problem)
        return indices

    def locations(self) -> dict[str, np.ndarray]:
        """Total deviation and sensitivity by location, dB: right-eye format, blind spot dropped."""
        fields: dict[str, np.ndarray] = {}
        if self.columns.td:
            td = self._fields(self.columns.td, "td", TD_LIMITS)
            fields.update(zip(c.td(self.grid.n), td.T, strict=True))
        if self.columns.sens:
            sens = self._fields(self.columns.sens, "sens", SENS_LIMITS)
            fields.update(zip(c.sens(self.grid.n), sens.T, strict=True))
        return fields

    def _fields(self, pattern: str, kind: str, limits: tuple[float, float]) -> np.ndarray:
        """(row, location) dB. Cells of the blind spot are not looked at: they often hold other values."""
        names = location_columns(self.table, pattern, self.grid)
        analysed = ~self.grid.blind_spot if len(names) == self.grid.n_full else np.ones(len(names), bool)
        as_seen = np.zeros(len(self.bad), bool)
        if self.cohort.left_eyes == "as_seen":
            as_seen = (self.eye == c.LEFT).to_numpy()
        values = np.empty((len(self.bad), len(names)))
        codes = "missing or not_seen" if kind == "sens" else "missing"
        for j, (name, right, left) in enumerate(
            zip(names, analysed, self.grid.mirror(analysed), strict=True)
        ):
            used = np.where(as_seen, left, right)
            column = self._numbers(name, kind, used)
            problem = f"not in dB; mend it, or list the code under {codes}"
            self._flag_outside(column.where(used), limits, name, problem)
            values[:, j] = column
        values[as_seen] = self.grid.mirror(values[as_seen])
        return self.grid.without_blind_spot(values)

    def carried(self) -> dict[str, pd.Series]:
        """Further columns that the cohort asks for."""
        names = self.columns.carry
        if names == "all":
            mapped = set(self.columns.model_dump(exclude={"eye_codes", "carry"}).values())
            patterns = [
                _location_pattern(pattern) for pattern in (self.columns.td, self.columns.sens) if pattern
            ]
            free = [name for name in self.table.names if name not in mapped]
            names = [name for name in free if not any(pattern.fullmatch(name) for pattern in patterns)]
        names = list(dict.fromkeys([*names, *self.cohort.structure]))
        return {_carried_name(name): self._carry(name) for name in names}

    def _carry(self, name: str) -> pd.Series:
        """Cells as numbers where all of them are; else as text."""
        text = self._text(name)
        given = text != ""
        if given.any() and text[given].str.fullmatch(PLAIN_NUMBER).all():
            return self._numbers(name)
        return text.where(given)

    def _text(self, name: str) -> pd.Series:
        """Cells as text, '' where missing."""
        text = as_text(self.table.require(name))
        return text.mask(text.isin([str(code) for code in self._missing(name)]), "")

    def _missing(self, name: str, kind: str = "") -> list[str | float]:
        codes = self.cohort.missing_in
        return [*self.cohort.missing, *codes.get(name, []), *codes.get(kind, [])]

    def _numbers(self, name: str, kind: str = "", used: np.ndarray | None = None) -> pd.Series:
        """Cells as numbers, codes replaced; cells that are neither are flagged in the ``used`` rows."""
        cells = self.table.require(name)
        if pd.api.types.is_numeric_dtype(cells):
            text, number = None, cells.astype(float)
            missing = number.isna()
        else:
            text = as_text(cells)
            number = pd.to_numeric(text, errors="coerce").astype(float)
            missing = text == ""
        missing |= _coded(text, number, self._missing(name, kind))
        not_seen = _coded(text, number, self.cohort.not_seen) & (kind == "sens")
        unreadable = number.isna() & ~missing & ~not_seen
        self._flag(unreadable if used is None else unreadable & used, name, _unreadable(kind))
        return number.mask(missing).mask(not_seen, self.cohort.floor)

    def _dates(self, name: str) -> pd.Series:
        """Cells as days and local times; NaT where missing."""
        cells = self.table.require(name)
        if pd.api.types.is_datetime64_any_dtype(cells):
            dates, missing = cells.dt.tz_localize(None), cells.isna()
        else:
            text, expected = self._text(name), self.columns.date_format
            missing = text == ""
            if expected is None:
                # A local day is what counts: an offset from UTC says nothing of it.
                text = text.where(text.str.fullmatch(ISO_DATE)).str.replace(UTC_OFFSET, r"\1", regex=True)
            dates = pd.to_datetime(text, format=expected or "ISO8601", errors="coerce")
        believable = dates.between(*DATE_LIMITS)
        expected = self.columns.date_format or "ISO: 2015-06-14"
        problem = f"not a date ({expected}) from 1900 to 2100; mend it, or set columns.date_format"
        self._flag(~believable & ~missing, name, problem)
        return dates

    def _flag_outside(self, values: pd.Series, limits: tuple[float, float], name: str, problem: str) -> None:
        """Flag values beyond limits; a missing value is none."""
        lower, upper = limits
        outside = values.notna() & ~values.between(lower, upper)
        self._flag(outside, name, f"outside {lower:g} to {upper:g}: {problem}")

    def _flag(self, bad: pd.Series | np.ndarray, name: str, problem: str) -> None:
        """Keep a problem of the rows that have none yet."""
        new = np.asarray(bad, bool) & ~self.bad
        self.bad |= new
        if not new.any():
            return
        private = name in (self.columns.patient, self.columns.birth_date)
        for row, value in self.table.cells.loc[new, name].items():
            shown = "(hidden)" if private else "" if pd.isna(value) else str(value)
            self.problems.append(Problem(self.table.name, int(str(row)), name, shown, problem))


def location_columns(table: SourceTable, pattern: str, grid: Grid) -> list[str]:
    """Columns of the locations in reading order, with or without those of the blind spot.

    Raises
    ------
    UserError
        Naming the columns that lack.
    """
    matches = {name: _location_pattern(pattern).fullmatch(name) for name in table.names}
    found = {int(match[1]): name for name, match in matches.items() if match}
    if not found:
        table.require(pattern.replace("{}", "1"))
    wanted = grid.n if max(found) <= grid.n else grid.n_full
    lacking = [pattern.replace("{}", str(i)) for i in range(1, wanted + 1) if i not in found]
    beyond = [name for i, name in found.items() if not 1 <= i <= wanted]
    if lacking or beyond:
        said = [f"lacks {', '.join(lacking)}"] if lacking else []
        said += [f"has {', '.join(beyond)}"] if beyond else []
        raise UserError(
            f"{table.name}: {' and '.join(said)}, but grid {grid.name} has locations 1 to {grid.n} "
            f"(1 to {grid.n_full} with the blind spot); mend the table or the pattern '{pattern}'"
        )
    return [found[i] for i in range(1, wanted + 1)]


def _location_pattern(pattern: str) -> re.Pattern[str]:
    before, after = pattern.split("{}")
    return re.compile(rf"{re.escape(before)}0*(\d+){re.escape(after)}")


def _carried_name(name: str) -> str:
    return f"given_{name}" if name in OWN_COLUMNS or OWN_LOCATIONS.fullmatch(name) else name


def _coded(text: pd.Series | None, number: pd.Series, codes: list[str | float]) -> pd.Series:
    """Which cells hold one of the codes, as text (NA) or by value (-1, also where written -1.0)."""
    values = pd.to_numeric(pd.Series(codes, dtype=object), errors="coerce").dropna()
    coded = number.isin(values)
    return coded if text is None else coded | text.isin([str(code) for code in codes])


def _unreadable(kind: str) -> str:
    codes = "missing or not_seen" if kind == "sens" else "missing"
    return f"not a number; mend it, or list the code under {codes}"
