"""Which values of a table of visits are at the floor, and what the QC says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import CohortConfig
from vfprog.data.field_examples import simulated_visits
from vfprog.data.floor import floored_values
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
COLUMNS = {
    "patient": "patient_id",
    "eye": "eye",
    "visit": "visit",
    "visit_interval": 0.5,
    "age": "age",
    "td": "td_{}",
}


@pytest.fixture
def fields(tmp_path: Path) -> tuple[pd.DataFrame, Path]:
    """Simulated fields of worn eyes, and a table that gives their total deviation in whole decibels alone."""
    table = simulated_visits(400, 1, GRID, seed=4)
    path = tmp_path / "td.csv"
    table.drop(columns=c.sens(52)).round({name: 0 for name in c.td(52)}).to_csv(path, index=False)
    return table, path


def prepared(path: Path, **options: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    cohort = CohortConfig(role="apply", path=str(path), columns=COLUMNS, **options)
    visits, qc, _ = preprocess(read_cohort(cohort, [path]), cohort)
    return visits, qc


def test_an_estimated_floor_finds_the_values_that_were_not_seen(fields: tuple[pd.DataFrame, Path]) -> None:
    table, path = fields
    visits, qc = prepared(path)
    truth = table.sort_values(c.PATIENT)[c.sens(52)].to_numpy() <= 0
    found = floored_values(visits.sort_values(c.PATIENT), GRID)
    assert truth.sum() > 100
    assert (found & truth).sum() > 0.9 * truth.sum()
    assert (found & ~truth).sum() < 0.25 * truth.sum()
    assert qc["floor"]["known"] == "estimated" and qc["floor"]["values"] == found.sum()
    assert f"{found.sum()} values of 400 fields" in qc["notes"][-1]


def test_a_configured_floor_is_taken_as_it_is(fields: tuple[pd.DataFrame, Path]) -> None:
    visits, qc = prepared(fields[1], td_floor=-30.0)
    assert qc["floor"] == {"known": "configured", "sensitivity": -30.0, "values": 0}
    assert not floored_values(visits, GRID).any()


def test_without_a_floor_every_value_is_measured(fields: tuple[pd.DataFrame, Path]) -> None:
    visits, qc = prepared(fields[1], td_floor=None)
    assert not floored_values(visits, GRID).any() and c.SENS_FLOOR not in visits
    assert qc["floor"]["known"] == "unknown" and "counts as measured" in qc["notes"][-1]


def test_sensitivities_tell(fields: tuple[pd.DataFrame, Path]) -> None:
    table, _ = fields
    np.testing.assert_array_equal(floored_values(table, GRID), table[c.sens(52)].to_numpy() <= 0)


def test_of_cohorts_read_together_each_has_its_own_floor(fields: tuple[pd.DataFrame, Path]) -> None:
    table, path = fields
    alone, _ = prepared(path)
    found = floored_values(pd.concat([table, alone], ignore_index=True), GRID)
    expected = [floored_values(table, GRID), floored_values(alone, GRID)]
    assert expected[1].any()
    np.testing.assert_array_equal(found, np.concatenate(expected))
