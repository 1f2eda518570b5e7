"""The spread over seeds of models that were trained from several, as a section of the models' page."""

from __future__ import annotations

import pandas as pd

from vfprog.report.blocks import Cell, Section, Table, headers, number_cell
from vfprog.report.format import count, number
from vfprog.report.model_words import COLUMNS

SHOWN = ("evidence", "kl", "distortion", "active_units", "retest_mae", "forecast_mae", "c2st_accuracy")
TEXT = (
    "The same training from several seeds, on the same rows: mean and, in parentheses, standard deviation over seeds. "
    "A difference between two models that is no larger than this spread may be the seed's."
)


def seeds_section(trainings: pd.DataFrame) -> Section:
    """Mean and SD over seeds of every model with several rows in ``models.csv``."""
    several = trainings[trainings["model"].duplicated(keep=False)]
    shown = [name for name in SHOWN if several[name].notna().any()]
    rows = []
    for name, seeds in several.groupby("model", sort=False):
        values = (
            number_cell(_spread(seeds[column], COLUMNS[column][1]), seeds[column].mean()) for column in shown
        )
        rows.append([Cell(str(name)), number_cell(count(len(seeds)), len(seeds)), *values])
    heads = headers("Model", "Seeds", *(COLUMNS[name][0] for name in shown))
    return Section("seeds", "Spread over seeds", [TEXT], tables=[Table("Mean (SD over seeds)", heads, rows)])


def _spread(values: pd.Series, digits: int) -> str:
    if values.isna().any():
        return number(float("nan"))
    return f"{number(values.mean(), digits)} ({number(values.std(), digits)})"
