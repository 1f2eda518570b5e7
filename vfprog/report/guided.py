"""The section of a guided model: what its head knows of held-out fields, and how well its searches end."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vfprog.io import read_table
from vfprog.plots.guided import METHODS, OF, PROPERTIES
from vfprog.report.blocks import Cell, Section, Table, headers, number_cell
from vfprog.report.format import count, estimate, number, percent


def guided_section(folder: Path) -> Section:
    """From ``guided_scores.csv`` and ``guided_paths.parquet``."""
    scores, paths = read_table(folder / "guided_scores.csv"), read_table(folder / "guided_paths.parquet")
    text = [
        "A head reads properties off the latents. What it says of held-out patients' fields is held against ridge "
        "regression from the locations' values, which learned from the same fields.",
    ]
    return Section("guided", "Properties", text, tables=[scores_table(scores), searches_table(paths)])


def scores_table(scores: pd.DataFrame) -> Table:
    """R^2 and mean absolute error, a row a property, field asked of and method."""
    rows = [
        [
            Cell(f"{PROPERTIES[row['property']].split(' (')[0]} of {OF[row['of']]}"),
            Cell(METHODS[row["method"]]),
            number_cell(estimate(row["r2"], row["lower"], row["upper"], 3), row["r2"]),
            number_cell(f"{number(row['mae'], 2)} {row['unit']}", row["mae"]),
            number_cell(count(int(row["n_fields"])), row["n_fields"]),
            number_cell(count(int(row["n_patients"])), row["n_patients"]),
        ]
        for row in scores.to_dict("records")
    ]
    heads = headers("Property", "Method", "R² (95 % interval)", "Mean absolute error", "Fields", "Patients")
    return Table("Properties of held-out fields", heads, rows)


def searches_table(paths: pd.DataFrame) -> Table:
    """How the searches ended, a row a wanted value; both ways, so from some eyes for better fields too."""
    ended = paths.dropna(subset="target").groupby(["property", "target"])
    means = ended[["converged", "decoded_md"]].mean().join(ended[["distance", "percentile"]].median())
    rows = [
        [
            Cell(PROPERTIES[row["property"]]),
            number_cell(number(row["target"], 1), row["target"]),
            number_cell(percent(row["converged"]), row["converged"]),
            number_cell(number(row["distance"], 1), row["distance"]),
            number_cell(number(row["percentile"], 0), row["percentile"]),
            number_cell(number(row["decoded_md"], 1), row["decoded_md"]),
        ]
        for row in means.reset_index().to_dict("records")
    ]
    heads = headers(
        "Property",
        "Wanted",
        "Reached",
        "Median distance (posterior SDs)",
        "Median percentile of density",
        "Mean MD of the decoded fields (dB)",
    )
    return Table("Searches from held-out eyes' last fields", heads, rows)
