"""Golden values of visualFields and the shipped cohorts they were made from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vfprog.perimetry.deviation import global_indices, load_norms, total_deviation
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
FULL_LOCATIONS = [f"l{i}" for i in range(1, GRID.n_full + 1)]


@dataclass(frozen=True)
class Fields:
    """A cohort's fields in the order of its file: key, age (years), sensitivity and total deviation (dB)."""

    table: pd.DataFrame
    age: np.ndarray
    sens: np.ndarray
    td: np.ndarray
    indices: dict[str, np.ndarray]

    def eye(self, patient: str, eye: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows of an eye's fields by time, and the years since its first."""
        rows = self.table[(self.table["id"] == patient) & (self.table["eye"] == eye)]
        rows = rows.sort_values(["date", "time"])
        days = (pd.to_datetime(rows["date"]) - pd.Timestamp(rows["date"].iloc[0])).dt.days
        return rows.index.to_numpy(), days.to_numpy() / 365.25


def _fields(cohort: str) -> Fields:
    table = pd.read_csv(str(files("vfprog") / "resources" / "cohorts" / f"{cohort}.csv"), dtype={"id": str})
    sens = GRID.without_blind_spot(table[FULL_LOCATIONS].to_numpy(float))
    age = table["age"].to_numpy(float)
    norms = load_norms("24-2")
    return Fields(table, age, sens, total_deviation(sens, age, norms), global_indices(sens, age, norms))


@pytest.fixture(scope="session")
def fields() -> dict[str, Fields]:
    return {name: _fields(name) for name in ("halifax", "sunyiu_healthy", "sunyiu_patient")}


@pytest.fixture(scope="session")
def golden():
    """Read a table of golden values by its name."""
    folder = Path(__file__).parents[1] / "golden"
    return lambda name: pd.read_csv(folder / f"{name}.csv", dtype={"id": str})


@pytest.fixture(scope="session")
def golden_locations(golden):
    """Read a golden map: array (field, location) without the blind spot."""
    return lambda name: GRID.without_blind_spot(golden(name)[FULL_LOCATIONS].to_numpy(float))
