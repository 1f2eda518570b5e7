"""Lines through eyes' series: from UWHVF's published regressions, and from any cohort's visits."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vfprog.config import CohortConfig, Simulation
from vfprog.data.eye_summaries import read_eye_summaries, read_uwhvf_summaries, summarise_series
from vfprog.data.population import load_population
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.schema import write_visits
from vfprog.data.simulated_cohort import simulate_cohort
from vfprog.errors import UserError
from vfprog.io import write_table
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import growth, noise_sd


def write_summaries(folder: Path, eyes: pd.DataFrame, intercept: np.ndarray, slope: np.ndarray) -> None:
    key = eyes["PatID"].astype(str) + "_" + eyes["Eye"]
    for name, values in (("Intercept", intercept), ("Slope", slope)):
        table = pd.DataFrame(values, columns=[f"l{i}" for i in range(1, 55)])
        table.insert(0, "PatID_Eye", key)
        table.iloc[::-1].to_csv(folder / f"Location_{name}_TD.csv", index=False)
    eyes.to_csv(folder / "Series_Summary.csv", index=False)


def test_summaries_give_levels_slopes_and_their_errors(tmp_path: Path) -> None:
    keys = [*product((1, 2), ("Left", "Right")), (3, "Right")]
    eyes = pd.DataFrame(keys, columns=["PatID", "Eye"])
    eyes["Baseline_MTD"] = [-2.0, 4.5, -2, -2, -2]  # the second is too good to be true
    eyes["Follow_up_length"] = [4.0, 4, 1, 4, 6]  # the third too short
    eyes["N_fields"] = [5, 5, 5, 5, 7]
    intercept, slope = np.full((5, 54), -4.0), np.full((5, 54), -0.5)
    slope[3, 10] = 9.0  # the fourth has an absurd slope
    slope[4] = 1.0
    write_summaries(tmp_path, eyes, intercept, slope)
    found = read_eye_summaries(tmp_path)
    assert found.level.shape == found.level_variance.shape == found.slope_variance.shape == (2, 52)
    by_slope = np.argsort(found.slope[:, 0])
    np.testing.assert_allclose(found.slope[by_slope][:, 0], [-0.5, 1.0])
    np.testing.assert_allclose(found.level[by_slope][:, 0], [-4 - 0.5 * 2, -4 + 1.0 * 3])
    # The table at -5 and at -1 dB, which are -2.8 and 1.2 under the perimeter's own norms.
    sd = np.array([2.44 + 1.2 / 2 * (1.77 - 2.44), 1.54 + 1.2 / 2 * (1.49 - 1.54)])
    sd *= 1.3 ** ((np.hypot(9, 21) - 17.5) / 10)  # the first location's place
    np.testing.assert_allclose(found.level_variance[by_slope][:, 0], sd**2 / [5, 7])
    sxx = [np.square(np.linspace(0, t, n) - t / 2).sum() for t, n in ((4, 5), (6, 7))]
    np.testing.assert_allclose(found.slope_variance[by_slope][:, 0], sd**2 / sxx)
    assert found.offset > 0 and found.offset_sd > 0 and "UWHVF" in found.source


def test_missing_summaries_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no Location_Intercept_TD\.csv"):
        read_uwhvf_summaries(tmp_path)


def test_lines_of_series_and_their_errors() -> None:
    years = np.tile([0.0, 1, 2, 5, 5], (4, 1))
    mask = np.arange(5) < np.array([4, 4, 4, 2])[:, None]  # the last has too few visits
    td = np.tile(-4 - 0.5 * years[..., None], (1, 1, 52))
    td[1] += 9.0  # too good to be true
    td[2] -= 9.0 * years[2][:, None]  # absurdly fast
    found = summarise_series(td, years, mask, "here")
    np.testing.assert_allclose(found.slope, np.full((1, 52), -0.5))
    np.testing.assert_allclose(found.level, np.full((1, 52), -4 - 0.5 * 2.5))
    level = np.full((1, 52), -5.25)
    sxx, sd = np.square(years[0, :4] - 2).sum(), noise_sd(level) * growth(level, load_grid("24-2").xy)
    np.testing.assert_allclose(found.slope_variance, sd**2 / sxx)
    np.testing.assert_allclose(found.level_variance, sd**2 * (1 / 4 + 0.5**2 / sxx))
    assert (found.source, found.offset, found.offset_sd) == ("here", 0, 0)


def test_visits_of_a_cohort_are_summarised(tmp_path: Path) -> None:
    simulation = Simulation(eyes=60, visits=(2, 9))
    cohort = simulate_cohort(load_population(), simulation, seed=1)
    write_table(cohort.fields, tmp_path / "fields.csv")
    config = CohortConfig(role="both", format="simulated", simulate=simulation)
    visits, _, _ = preprocess(read_cohort(config, [tmp_path / "fields.csv"]), config)
    write_visits(visits, load_grid("24-2"), tmp_path / "clinic" / "visits.parquet")
    found = read_eye_summaries(tmp_path / "clinic" / "visits.parquet")
    assert 20 < len(found.level) < 60 and "clinic" in found.source
    assert np.isfinite(found.level).all() and (found.slope_variance > 0).all()
