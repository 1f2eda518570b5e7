"""Tables of two-view models, from scored rows made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from vfprog import columns as c
from vfprog.config import EvaluationConfig
from vfprog.data.examples import one_view
from vfprog.data.two_views import TwoViews
from vfprog.forecast.bottleneck_tables import EXAMPLES, curve_table, example_table, scores_table
from vfprog.inference.bottleneck import BOTTLENECK, MEAN, RIDGE, CrossValidated
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
OPTIONS = EvaluationConfig(bootstrap=200)
PATIENTS, ROWS = 20, 60


@pytest.fixture
def scored() -> CrossValidated:
    rng = np.random.default_rng(1)
    x = rng.normal(-6, 5, size=(ROWS, 2)) + rng.normal(0, 3, size=(ROWS, 1))
    x[0, 0] = np.nan
    examples = one_view(torch.as_tensor(np.nan_to_num(x)), torch.as_tensor(np.isfinite(x)))
    seen = torch.as_tensor(rng.normal(size=(ROWS, 2)))
    examples = replace(examples, seen=seen, seen_mask=torch.ones_like(seen, dtype=torch.bool))
    patient = np.repeat([f"p{i}" for i in range(PATIENTS)], ROWS // PATIENTS)
    rows = pd.DataFrame({c.PATIENT: patient, c.EYE: "OS", c.VISIT: np.tile([1, 2, 3], PATIENTS)})
    value = examples.x.numpy()
    spread = np.array([-4.0, 0.0, 4.0])[:, None, None]
    quantiles = {
        BOTTLENECK: value + 1 + spread,  # always 1 dB off, and within its interval
        RIDGE: value + 2 + spread,
        MEAN: value + rng.choice([-1.0, 1.0], size=value.shape) * 0.5 + spread * 0,
    }
    return CrossValidated(
        TwoViews(examples, rows, ("mean_td_3", c.YEARS_AHEAD), np.array([30, 31]), {}),
        np.array([0.1, 1.0]),
        np.stack([np.full(ROWS, 0.5), np.full(ROWS, 2.0)]),
        np.stack([np.full(ROWS, -9.0), np.full(ROWS, -7.0)]),
        np.full(ROWS, -8.0),
        np.full(ROWS, -10.0),
        quantiles,
        [1.0],
    )


def test_gain_is_over_each_marginal_model(scored):
    table = curve_table(scored, OPTIONS, 1).set_index("beta")
    assert table["rate"].tolist() == [0.5, 2.0]
    assert table["gain"].tolist() == [-1.0, 1.0]
    assert table["gain_independent"].tolist() == [1.0, 3.0]
    assert (table["n_rows"] == ROWS).all()
    assert (table["n_patients"] == PATIENTS).all()


def test_a_varying_gain_has_an_interval_over_patients(scored):
    per_patient = np.repeat(np.arange(PATIENTS, dtype=float), ROWS // PATIENTS)
    varied = replace(scored, log_likelihood=scored.log_likelihood + per_patient)
    row = curve_table(varied, OPTIONS, 1).iloc[1]
    assert row["gain"] == pytest.approx(1 + 9.5)
    # The SD of a mean of 20 patients' 0, 1, .. 19.
    assert (row["gain_upper"] - row["gain_lower"]) / 3.92 == pytest.approx(5.77 / np.sqrt(20), rel=0.15)


def test_scores_and_verdicts(scored):
    table = scores_table(scored, OPTIONS, 1).set_index(["method", "metric"])
    assert table.loc[(BOTTLENECK, "mae"), "value"] == pytest.approx(1)
    assert table.loc[(BOTTLENECK, "coverage90"), "value"] == 1
    assert table.loc[(BOTTLENECK, "interval_score"), "value"] == pytest.approx(8)
    assert (table["n_values"] == 2 * ROWS - 1).all()  # one was not tested
    assert table.loc[(RIDGE, "mae"), "difference"] == pytest.approx(-1)
    assert table.loc[(RIDGE, "mae"), "verdict"] == "beats"
    assert table.loc[(MEAN, "mae"), "verdict"] == "loses to"
    assert table.loc[(MEAN, "coverage90"), "value"] == 0
    assert set(table.xs("coverage90", level="metric")["verdict"]) == {""}
    assert set(table.loc[BOTTLENECK, "verdict"]) == {""}


def test_a_tie_is_a_tie(scored):
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.3, size=scored.quantiles[RIDGE].shape[1:])
    noise -= noise[scored.views.examples.mask.numpy()].mean()
    same = replace(scored, quantiles=scored.quantiles | {RIDGE: scored.quantiles[BOTTLENECK] + noise})
    table = scores_table(same, OPTIONS, 1).set_index(["method", "metric"])
    assert table.loc[(RIDGE, "mae"), "verdict"] == "ties with"


def test_examples_are_of_different_patients_from_little_loss_to_much(scored):
    table = example_table(scored, GRID)
    explained = table[table["view"] == "explained"]
    assert explained["example"].nunique() == explained[c.PATIENT].nunique() == EXAMPLES
    means = explained.groupby("example")["value"].mean()
    assert means.is_monotonic_decreasing
    assert explained.groupby("example")[c.LOCATION].apply(list).tolist() == [[30, 31]] * EXAMPLES
    np.testing.assert_array_equal(explained[[c.X, c.Y]].to_numpy()[:2], GRID.xy[[29, 30]])
    inside = explained["value"].between(explained["lower"], explained["upper"])
    assert inside[explained["value"].notna()].all()
    seen = table[table["view"] == "seen"].drop_duplicates("name").set_index("name")
    assert seen.loc["mean_td_3", c.LOCATION] == 3
    assert np.isnan(seen.loc[c.YEARS_AHEAD, c.LOCATION])
