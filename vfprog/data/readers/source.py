"""Source files as tables of cells: nothing is interpreted here, so that codes and bad cells stay visible.

Text files (CSV, TSV) give text. Excel and Parquet keep the numbers and dates they hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from vfprog.data.readers.base import Problem
from vfprog.errors import UserError

DELIMITERS = ",;\t"
# European exports write 3,5 for three and a half; only where commas do not already separate the columns.
DECIMAL_COMMA = r"^\s*([+-]?\d*),(\d+)\s*$"


@dataclass(frozen=True)
class SourceTable:
    """Cells of one file.

    Attributes
    ----------
    name : str
        Name of the file, without its folder.
    cells : DataFrame
        One row per record, indexed by row number as a spreadsheet counts it (the header is row 1).
    problems : list of Problem
        Rows that have too few or too many columns.
    """

    name: str
    cells: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.cells.columns]

    def require(self, column: str) -> pd.Series:
        """A column that must be there.

        Raises
        ------
        UserError
            Naming the column, the file and the closest names it has.
        """
        if column in self.cells:
            return self.cells[column]
        close = get_close_matches(column, self.names, n=3, cutoff=0.5) or self.names[:8]
        raise UserError(
            f"{self.name}: has no column '{column}'; the closest are {', '.join(close)}. "
            "Mend the table, or the cohort's `columns` or `structure`"
        )


def read_source(path: Path, sheet: str | int = 0) -> SourceTable:
    """Read a CSV, TSV, Excel (.xlsx) or Parquet file.

    Parameters
    ----------
    path : Path
    sheet : str or int
        Sheet of an Excel file, by name or number from 0.

    Raises
    ------
    UserError
        If the file is absent, unreadable or has two columns of one name.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; mend the cohort's `path`")
    suffix = path.suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        table = SourceTable(path.name, _read_excel(path, sheet))
    elif suffix in (".parquet", ".pq"):
        table = SourceTable(path.name, _read_parquet(path))
    elif suffix in (".xls", ".ods"):
        raise UserError(f"{path}: {suffix} files cannot be read; save the sheet as .xlsx or .csv")
    else:
        table = _read_delimited(path)
    repeated = sorted(set(table.cells.columns[table.cells.columns.duplicated()]))
    if repeated:
        raise UserError(f"{path}: two columns are called {', '.join(map(repr, repeated))}; rename one")
    return table


def as_text(column: pd.Series) -> pd.Series:
    """Cells as text without outer blanks: whole numbers without a decimal point, missing cells as ''."""
    if pd.api.types.is_float_dtype(column):
        whole = column.dropna() % 1 == 0
        column = column.astype("Int64") if whole.all() else column
    return column.astype("str").fillna("").str.strip()


def _read_delimited(path: Path) -> SourceTable:
    content = path.read_bytes()
    encoding = "utf-8"
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
    delimiter = max(DELIMITERS, key=content.partition(b"\n")[0].decode(encoding).count)
    broken: list[Problem] = []
    blank: list[int] = []

    def note(row: pa_csv.InvalidRow) -> str:
        # An empty line counts as a row of one empty cell; it is no record.
        if row.text:
            said = f"{row.actual_columns} columns where the header has {row.expected_columns}"
            remedy = f"look for a '{delimiter}' inside a text, or a line cut short"
            broken.append(Problem(path.name, row.number, "", "", f"{said}; {remedy}"))
        else:
            blank.append(row.number)
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            # One thread, or the handler is not told row numbers.
            read_options=pa_csv.ReadOptions(use_threads=False, encoding=encoding),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            convert_options=pa_csv.ConvertOptions(default_column_type=pa.string(), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: not a readable table: {error}") from None
    cells = table.to_pandas()
    cells.columns = cells.columns.str.strip()
    skipped = {*blank, *(problem.row for problem in broken)}
    numbers = range(2, 2 + len(cells) + len(skipped))
    cells.index = pd.Index([number for number in numbers if number not in skipped])
    if delimiter != ",":
        cells = cells.apply(lambda column: column.str.replace(DECIMAL_COMMA, r"\1.\2", regex=True))
    return SourceTable(path.name, _without_blank_rows(cells), broken)


def _without_blank_rows(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[~((cells == "") | cells.isna()).all(axis=1)]


def _read_excel(path: Path, sheet: str | int) -> pd.DataFrame:
    try:
        cells = pd.read_excel(path, sheet_name=sheet, dtype=object, keep_default_na=False, na_values=[""])
    except ImportError:
        raise UserError(f"{path}: Excel files need an extra package: pip install vfprog[excel]") from None
    except (ValueError, IndexError, KeyError, BadZipFile) as error:
        raise UserError(f"{path}: sheet {sheet!r} cannot be read: {error}") from None
    cells.columns = cells.columns.map(str).str.strip()
    cells.index = pd.RangeIndex(2, 2 + len(cells))
    return _without_blank_rows(cells).infer_objects()


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        cells = pd.read_parquet(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file: {error}") from None
    cells.index = pd.RangeIndex(2, 2 + len(cells))
    return cells
