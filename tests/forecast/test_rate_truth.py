"""Rates held against known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import RatesConfig, parse_config, read_config
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.errors import UserError
from vfprog.forecast.rate_prior import DEFAULT
from vfprog.forecast.rate_truth import rate_truth, true_fields
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
OPTIONS = RatesConfig(truth_visits=[5, 8])


def _cohort(noise: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Visits of 20 patients' eyes whose true fields run on lines, and those true fields."""
    rng = np.random.default_rng(1)
    eyes, visits = 20, 6
    keys = pd.DataFrame(
        {
            c.PATIENT: np.repeat([f"P{i:02d}" for i in range(eyes)], visits),
            c.EYE: c.RIGHT,
            c.VISIT: np.tile(np.arange(1, visits + 1), eyes),
            c.YEARS: np.tile(np.arange(visits) / 2, eyes),
        }
    )
    rate = np.repeat(np.linspace(-1.4, 0.2, eyes), visits)
    true = (-5 + rate * keys[c.YEARS].to_numpy())[:, None] + np.zeros(GRID.n)
    measured = true + noise * rng.standard_normal(true.shape)
    tables = [pd.concat([keys, pd.DataFrame(td, columns=c.td(GRID.n))], axis=1) for td in (measured, true)]
    return tables[0], tables[1]


def test_perfect_tests_leave_least_squares_no_error():
    visits, truth = _cohort(noise=0.0)
    table = rate_truth(visits, truth, GRID, DEFAULT, OPTIONS, seed=1).set_index(["estimator", "eyes"])
    assert table.loc[("least_squares", "all"), "rmse"] == pytest.approx(0, abs=1e-5)
    assert table.loc[("vfprog", "all"), "coverage95"] == 1


def test_cells_count_their_eyes_and_hold_their_intervals():
    visits, truth = _cohort(noise=3.0)
    table = rate_truth(visits, truth, GRID, DEFAULT, OPTIONS, seed=1)
    assert set(table["n_visits"]) == {5}  # no eye has eight
    assert table.set_index(["estimator", "eyes"]).loc[("vfprog", "fast"), "n_eyes"] == 9
    assert ((table["rmse_lower"] <= table["rmse"]) & (table["rmse"] <= table["rmse_upper"])).all()
    assert (table["coverage95"] >= table["coverage90"]).all()


def test_truth_is_the_line_over_the_visits_used():
    """A true field that bends after the fifth visit: over five visits nothing of it shows."""
    visits, truth = _cohort(noise=0.0)
    sixth = (truth[c.VISIT] == 6).to_numpy()
    for table in (visits, truth):
        table.loc[sixth, c.td(GRID.n)] -= 20.0
    cell = rate_truth(visits, truth, GRID, DEFAULT, OPTIONS, seed=1).set_index(["estimator", "eyes"])
    assert cell.loc[("least_squares", "all"), "rmse"] == pytest.approx(0, abs=1e-5)


def test_visits_without_a_true_field_are_an_error():
    visits, truth = _cohort(noise=0.0)
    with pytest.raises(UserError, match="6 of 120 included visits have no true field"):
        true_fields(visits, truth.iloc[6:], GRID)


@pytest.mark.shared_data
def test_true_fields_laid_out_as_the_cohorts_own_are_read(shared: Path):
    example = Path(__file__).parents[2] / "config" / "examples" / "lei_sfd.yaml"
    cohort = read_config(example).cohorts["progressing"]
    assert cohort.truth is not None and cohort.join is not None
    folder = shared / "data" / "lei_sfd"
    join = cohort.join.model_copy(update={"path": str(folder / "person.csv")})
    here = cohort.model_copy(update={"join": join})
    visits, truth = (
        preprocess(read_cohort(here, [folder / Path(name).name]), here)[0]
        for name in (cohort.paths[0], cohort.truth)
    )
    joined = true_fields(visits[visits[c.INCLUDED]], truth, GRID)
    assert len(joined) == 810
    # Measured fields lie below the true ones by about 0.9 dB.
    assert 0.5 < joined[c.td(GRID.n)].mean(axis=None) - visits[c.td(GRID.n)].mean(axis=None) < 1.3


def test_a_simulated_cohort_takes_no_further_truth():
    cohort = {"role": "train", "format": "simulated", "simulate": {}, "truth": "true.csv"}
    with pytest.raises(UserError, match="a simulated cohort brings its own"):
        parse_config({"cohorts": {"demo": cohort}})
