"""The section of a model of archetypes: their names and use, their error beside other methods', whether they stay."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vfprog.io import read_table
from vfprog.report.blocks import Cell, Header, Section, Table, number_cell
from vfprog.report.format import estimate, number, percent, quantity

SIDE = {"side_md": ("MD decoded (dB)", 1), "side_age": ("Age decoded (years)", 0)}


def archetypes_section(folder: Path) -> Section:
    """From ``archetypes.csv``, ``archetypes_number.csv`` and ``archetypes_stability.csv``."""
    table, errors, stability = (
        read_table(folder / f"archetypes{name}.csv") for name in ("", "_number", "_stability")
    )
    text = [verdict(errors, len(table))] + ([again(stability)] if len(stability) else [])
    return Section("mixtures-of", "What a row is a mixture of", text, tables=[uses(table)])


def uses(table: pd.DataFrame) -> Table:
    """A row an archetype: name, use in held-out rows, side information decoded from it."""
    named = table["name"].notna().any()
    side = {name: spec for name, spec in SIDE.items() if name in table}
    heads = [Header("Archetype"), *([Header("Nearest defect"), Header("r")] if named else []), Header("Mean")]
    heads += [Header(label) for label in ("Mean weight", "Largest weight", "Weighs most in")]
    heads += [Header(label) for label, _ in side.values()]
    rows = []
    for _, row in table.iterrows():
        shape = [Cell(str(row["name"])), number_cell(number(row["correlation"]), row["correlation"])]
        cells = [number_cell(number(row["archetype"], 0), row["archetype"]), *(shape if named else [])]
        cells.append(number_cell(number(row["mean"], 2), row["mean"]))
        cells += [
            number_cell(percent(row[name]), row[name])
            for name in ("mean_weight", "largest_weight", "dominant")
        ]
        cells += [number_cell(number(row[name], digits), row[name]) for name, (_, digits) in side.items()]
        rows.append(cells)
    return Table("Archetypes from the best to the worst, and their use in held-out rows", heads, rows)


def verdict(errors: pd.DataFrame, archetypes: int) -> str:
    """The model's error on held-out rows beside those of linear archetypes and principal components."""
    own = {row["method"]: row for _, row in errors[errors["archetypes"] == archetypes].iterrows()}
    deep = own["deep"]
    prefix, what = ("next_", "the eye's next field") if "next_error" in deep else ("", "the row itself")
    deep_error, linear_error, pca_error = (
        _estimate(own[name], [f"{prefix}{column}" for column in ("error", "lower", "upper")])
        for name in ("deep", "linear", "pca")
    )
    apart = _estimate(deep, [f"{prefix}difference{end}" for end in ("", "_lower", "_upper")])
    rows, patients = (int(deep[f"{prefix}{name}"]) for name in ("n_rows", "n_patients"))
    of = quantity(rows, "row") + (f" of {quantity(patients, 'patient')}" if patients < rows else "")
    return (
        f"Mean absolute error of {what}, from the mixture of {archetypes} archetypes read off a held-out row: "
        f"{deep_error}. Linear archetypes: {linear_error}, from which the former differs by {apart}. As many principal "
        f"components, the mean counted as one: {pca_error}. On {of} that no method saw, with 95 % intervals."
    )


def _estimate(row: pd.Series, columns: list[str]) -> str:
    value, lower, upper = (float(row[name]) for name in columns)
    return estimate(value, lower, upper, 3)


def again(stability: pd.DataFrame) -> str:
    """Whether archetypes come out again, in words."""
    mean = stability.groupby("against")["correlation"].mean()
    lowest = stability.groupby("against")["correlation"].min()
    return (
        f"Trained again from another seed, archetypes correlate with their partners by {number(mean['seed'])} on "
        f"average (lowest {number(lowest['seed'])}); trained on either half of the rows, by {number(mean['half'])} "
        f"(lowest {number(lowest['half'])})."
    )
