"""The contract of visits.parquet is checked when it is written and when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.data.schema import read_visits, write_visits
from vfprog.errors import UserError
from vfprog.io import write_table
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")


def visits_table() -> pd.DataFrame:
    rows = [(p, e, v, v - 1.0, 60.0 + v) for p, e in (("02", "OD"), ("01", "OS")) for v in (1, 2)]
    visits = pd.DataFrame(rows, columns=[*c.VISIT_KEY, c.YEARS, c.AGE])
    visits[[c.MD, c.MTD, c.PSD]] = [-2.0, -2.5, 3.0]
    visits[c.td(GRID.n)] = -2.0
    return visits.assign(
        **{c.INCLUDED: [True, False, True, True], c.REASON: ["", "why", "", ""], "iop": 15.0}
    )


def test_round_trip_sorts_and_keeps_further_columns(tmp_path: Path) -> None:
    path = tmp_path / "visits.parquet"
    write_visits(visits_table(), GRID, path)
    visits = read_visits(path, GRID)
    assert visits[c.VISIT_KEY].to_numpy().tolist() == [
        ["01", "OS", 1],
        ["01", "OS", 2],
        ["02", "OD", 1],
        ["02", "OD", 2],
    ]
    assert (visits["iop"] == 15).all()
    assert len(read_visits(path, GRID, included_only=True)) == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (c.EYE, "OU"),
        (c.YEARS, -0.5),
        (c.YEARS, np.nan),
        (c.AGE, 130.0),
        ("td_52", -60.0),
        (c.PSD, -1.0),
        (c.FALSE_POSITIVES, 12.0),
        ("sens_3", 99.0),
    ],
)
def test_bad_values_are_refused_at_write_and_read(tmp_path: Path, column: str, value: Any) -> None:
    path = tmp_path / "visits.parquet"
    visits = visits_table().assign(**{c.FALSE_POSITIVES: 0.1, "sens_3": 20.0})
    visits.loc[1, column] = value
    with pytest.raises(UserError, match=rf"visits.parquet: not a table of visits:[\s\S]*{column}"):
        write_visits(visits, GRID, path)
    assert not path.exists()
    write_table(visits, path)
    with pytest.raises(UserError, match="not a table of visits"):
        read_visits(path, GRID)


def test_a_repeated_visit_or_a_missing_column_is_refused(tmp_path: Path) -> None:
    visits = visits_table()
    with pytest.raises(UserError, match="td_7"):
        write_visits(visits.drop(columns="td_7"), GRID, tmp_path / "v.parquet")
    with pytest.raises(UserError, match="not a table of visits") as refusal:
        write_visits(visits.assign(**{c.VISIT: 1, c.PATIENT: "secret"}), GRID, tmp_path / "v.parquet")
    assert "secret" not in str(refusal.value)


def test_all_bad_rows_are_listed_at_once(tmp_path: Path) -> None:
    visits = visits_table()
    visits.loc[0, "td_1"] = 99.0
    visits.loc[3, c.AGE] = -1.0
    with pytest.raises(UserError, match=r"99[\s\S]*-1|-1[\s\S]*99"):
        write_visits(visits, GRID, tmp_path / "v.parquet")
