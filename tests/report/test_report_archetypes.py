"""The section of archetypes on a model's page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vfprog.io import write_table
from vfprog.report.archetypes import archetypes_section


def write_tables(folder: Path, *, of_fields: bool, again: bool) -> Path:
    names = ["normal", "superior arcuate"] if of_fields else [np.nan, np.nan]
    table = pd.DataFrame(
        {"archetype": [1, 2], "name": names, "correlation": [np.nan, 0.8], "mean": [2.0, -9.5]}
    )
    table = table.assign(mean_weight=[0.7, 0.3], largest_weight=[0.99, 0.9], dominant=[0.75, 0.25])
    errors = {"error": [2.4, 2.6, 2.5], "lower": 2.0, "upper": 3.0, "n_rows": 40, "n_patients": 40}
    apart = {"difference": [-0.2, 0.0, -0.1], "difference_lower": -0.3, "difference_upper": -0.1}
    number = pd.DataFrame({"archetypes": 2, "method": ["deep", "linear", "pca"], **errors, **apart})
    if of_fields:
        table = table.assign(side_md=[2.5, -8.0])
        own = {f"next_{name}": number[name] for name in [*errors, *apart]}
        number = number.assign(**own | {"next_error": [2.1, 2.3, 2.2], "next_n_patients": 15})
    stability = pd.DataFrame(
        {
            "against": ["seed", "seed", "half", "half"],
            "archetype": [1, 2, 1, 2],
            "correlation": [0.98, 1, 0.7, 0.9],
        }
    )
    write_table(table, folder / "archetypes.csv")
    write_table(number, folder / "archetypes_number.csv")
    write_table(stability if again else stability.iloc[:0], folder / "archetypes_stability.csv")
    return folder


def test_fields_have_names_and_are_held_against_the_next_field(tmp_path: Path) -> None:
    section = archetypes_section(write_tables(tmp_path, of_fields=True, again=True))
    [table] = section.tables
    texts = [[cell.text for cell in row] for row in table.rows]
    assert [row[1] for row in texts] == ["normal", "superior arcuate"]
    assert texts[1][2:] == ["0.80", "\N{MINUS SIGN}9.50", "30 %", "90 %", "25 %", "\N{MINUS SIGN}8.0"]
    error, again = section.text
    assert "eye's next field" in error
    assert "2.100 [2.000, 3.000]" in error
    assert "differs by \N{MINUS SIGN}0.200 [\N{MINUS SIGN}0.300, \N{MINUS SIGN}0.100]" in error
    assert "40 rows of 15 patients" in error
    assert (
        "by 0.99 on average (lowest 0.98); trained on either half of the rows, by 0.80 (lowest 0.70)" in again
    )


def test_images_have_neither_names_nor_patients(tmp_path: Path) -> None:
    section = archetypes_section(write_tables(tmp_path, of_fields=False, again=False))
    assert len(section.text) == 1
    assert "patient" not in section.text[0]
    assert "2.400" in section.text[0]
    assert [row[0].text for row in section.tables[0].rows] == ["1", "2"]
    assert "Nearest defect" not in [head.label for head in section.tables[0].headers]
