"""Training tables: the right patients of several cohorts, and none of the others."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import SplitConfig
from vfprog.data.schema import write_visits
from vfprog.data.split import TEST, TRAIN, VALIDATION, split_patients
from vfprog.data.training import read_parts
from vfprog.errors import UserError
from vfprog.io import write_table
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")


def write_cohort(folder: Path, patients: int) -> tuple[Path, Path]:
    """Two visits of both eyes of patients 001, 002, ..; the second visit of left eyes is not included."""
    keys = [
        (f"{i:03d}", eye, visit)
        for i in range(1, patients + 1)
        for eye in (c.LEFT, c.RIGHT)
        for visit in (1, 2)
    ]
    visits = pd.DataFrame(keys, columns=c.VISIT_KEY)
    visits = visits.assign(
        **{c.YEARS: visits[c.VISIT] - 1.0, c.AGE: 60.0} | dict.fromkeys((c.MD, c.MTD), -3.0)
    )
    visits[c.PSD] = 2.0
    visits[c.INCLUDED] = ~((visits[c.EYE] == c.LEFT) & (visits[c.VISIT] == 2))
    visits[c.REASON] = visits[c.INCLUDED].map({True: "", False: "unreliable"})
    visits = visits.join(pd.DataFrame(-3.0, index=visits.index, columns=c.td(52)))
    write_visits(visits.sample(frac=1, random_state=0), GRID, folder / "visits.parquet")
    write_table(split_patients(visits, SplitConfig(), seed=1), folder / "split.csv")
    return folder / "visits.parquet", folder / "split.csv"


def test_parts_of_several_cohorts_stand_together_and_apart(tmp_path: Path) -> None:
    files = [write_cohort(tmp_path / name, patients) for name, patients in (("b", 8), ("a", 12))]
    visits, splits = ([pair[i] for pair in files] for i in (0, 1))
    seen = {part: read_parts(visits, splits, (part,), GRID) for part in (TRAIN, VALIDATION, TEST)}
    patients = [set(table[c.PATIENT]) for table in seen.values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 20
    assert {"a/001", "b/001", "a/012"} <= set.union(*patients)
    assert sum(map(len, seen.values())) == 20 * 3
    for table in seen.values():
        assert table[c.INCLUDED].all() and table.index.equals(pd.RangeIndex(len(table)))
        pd.testing.assert_frame_equal(table, table.sort_values(c.VISIT_KEY, ignore_index=True))
    both = read_parts(visits, splits, (TRAIN, VALIDATION), GRID)
    assert set(both[c.PATIENT]) == patients[0] | patients[1]
    assert len(both) == len(seen[TRAIN]) + len(seen[VALIDATION])


def test_an_empty_part_is_named(tmp_path: Path) -> None:
    visits, split = write_cohort(tmp_path, 8)
    table = pd.read_csv(split, dtype=str)
    write_table(table.assign(**{c.PART: TEST}), split)
    with pytest.raises(UserError, match="no included field among the train and validation patients"):
        read_parts([visits], [split], (TRAIN, VALIDATION), GRID)
