"""The section of a two-view model's page that holds it against ridge regression, in a sentence and a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vfprog.io import read_table
from vfprog.plots.bottleneck import METHODS, better_ridge
from vfprog.report.blocks import Cell, Header, Section, Table, number_cell
from vfprog.report.format import estimate, interval, number, percent, quantity

METRICS = {
    "mae": ("Mean absolute error (dB)", 2),
    "coverage90": ("Coverage of the 90 % interval", 3),
    "interval_score": ("Interval score (dB)", 1),
}


def bottleneck_section(folder: Path) -> Section:
    """Scores of every method on patients left out, from ``bottleneck_scores.csv``."""
    scores = read_table(folder / "bottleneck_scores.csv")
    names = [name for name in METHODS if name in set(scores["method"])]
    cells = cells_of(scores)
    rows = [
        [
            Cell(METHODS[name]),
            *(_score(cells[name, metric], digits) for metric, (_, digits) in METRICS.items()),
            Cell(_against(cells[name, "mae"])),
        ]
        for name in names
    ]
    heads = [Header("Method"), *(Header(label) for label, _ in METRICS.values()), Header("The bottleneck")]
    table = Table("Held-out rows, each predicted without its patient", heads, rows)
    return Section("bottleneck", "Against ridge regression", [verdict(scores)], tables=[table])


def verdict(scores: pd.DataFrame) -> str:
    """Whether the bottleneck beats, ties with or loses to the better ridge regression, in plain words."""
    best, cells = better_ridge(scores), cells_of(scores)
    error, coverage = (float(cells["bottleneck", metric]["value"]) for metric in ("mae", "coverage90"))
    size = (
        f"{quantity(int(best['n_rows']), 'row')} of {quantity(int(best['n_patients']), 'patient')}, each predicted by "
        "models that never saw its patient"
    )
    apart = f"{number(best['difference'])} dB {interval(best['difference_lower'], best['difference_upper'])}"
    return (
        f"On {size}, the bottleneck {best['verdict']} ridge regression: its mean absolute error is "
        f"{number(error)} dB, {number(best['value'])} dB that of the better ridge regression, a "
        f"difference of {apart} (95 % patient-bootstrap interval). Its 90 % intervals hold "
        f"{percent(coverage, 1)} of the measured values. All methods learn from the same rows."
    )


def cells_of(scores: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """The table's rows by method and metric."""
    return {(row["method"], row["metric"]): row for _, row in scores.iterrows()}


def _score(row: pd.Series, digits: int) -> Cell:
    value = float(row["value"])
    return number_cell(estimate(value, float(row["lower"]), float(row["upper"]), digits), value)


def _against(row: pd.Series) -> str:
    """What the bottleneck does against a method; nothing against itself."""
    if pd.isna(row["difference"]):
        return ""
    apart = estimate(row["difference"], row["difference_lower"], row["difference_upper"])
    return f"{row['verdict']} it: {apart} dB"
