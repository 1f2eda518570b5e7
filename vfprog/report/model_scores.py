"""Models' scores as cells of a table."""

from __future__ import annotations

import pandas as pd

from vfprog.report.blocks import Cell, number_cell
from vfprog.report.format import estimate
from vfprog.report.model_words import COLUMNS


def shown_columns(rows: pd.DataFrame) -> dict[str, tuple[str, int, str]]:
    """The columns of ``models.csv`` in which some model has a value: as ``COLUMNS``."""
    return {name: spec for name, spec in COLUMNS.items() if name in rows and rows[name].notna().any()}


def score_cell(row: pd.Series, name: str) -> Cell:
    """One score of a row of ``models.csv``, with its interval where it has one."""
    value = float(row[name])
    stem = name.removesuffix("_accuracy")
    bounds = [float(row.get(f"{stem}_{side}", float("nan"))) for side in ("lower", "upper")]
    return number_cell(estimate(value, bounds[0], bounds[1], COLUMNS[name][1]), value)
