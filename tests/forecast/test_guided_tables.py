"""Tables of a guided model: R^2 against ridge regression, searches, further loss, ways between fields."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from linear_guided import GRID, NAMES, linear_guided, space, training, visits

from vfprog import columns as c
from vfprog.config import EvaluationConfig, SearchConfig
from vfprog.errors import UserError
from vfprog.forecast.guided_scores import guided_predictions, guided_scores
from vfprog.forecast.guided_tables import further_loss, guided_interpolation, guided_paths, last_fields
from vfprog.inference.guided import GuidedSpace
from vfprog.model.guided import GuidedModel

OPTIONS = EvaluationConfig(bootstrap=200)


@pytest.fixture(scope="module")
def model() -> GuidedModel:
    return linear_guided()


@pytest.fixture(scope="module")
def known(model: GuidedModel) -> GuidedSpace:
    return space(model)


@pytest.fixture(scope="module")
def predictions(model: GuidedModel) -> pd.DataFrame:
    return guided_predictions(model, NAMES, visits(40), training(), GRID)


def test_ridge_regression_finds_the_weights_of_md(predictions: pd.DataFrame) -> None:
    np.testing.assert_allclose(predictions["md_ridge"], predictions["md"], atol=0.01)
    np.testing.assert_allclose(predictions["md_head"], predictions["md"], atol=0.7)
    assert list(predictions)[:5] == [*c.VISIT_KEY, "z_1", "z_2"]


def test_r_squared_is_one_less_the_share_of_squares(predictions: pd.DataFrame) -> None:
    scores = guided_scores(predictions, NAMES, OPTIONS, 1).set_index(["property", "of", "method"])
    y, head = predictions["psd"], predictions["psd_head"]
    row = scores.loc["psd", "same", "head"]
    assert row["r2"] == pytest.approx(1 - ((y - head) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    assert row["mae"] == pytest.approx((y - head).abs().mean())
    assert (row["n_fields"], row["n_eyes"], row["n_patients"]) == (80, 40, 20)
    following = predictions.groupby(c.EYE_KEY, sort=False)["md"].shift(-1)
    first = following.notna()
    y, head = following[first], predictions.loc[first, "md_head"]
    row = scores.loc["md", "next", "head"]
    assert row["r2"] == pytest.approx(1 - ((y - head) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    assert row["n_fields"] == 40
    assert (scores["lower"] < scores["r2"]).all() and (scores["r2"] <= scores["upper"]).all()


def test_a_property_that_is_unknown_has_no_score(predictions: pd.DataFrame) -> None:
    unknown = predictions.assign(psd=np.nan)
    row = guided_scores(unknown, ["psd"], OPTIONS, 1).iloc[0]
    assert np.isnan(row["r2"]) and row["n_fields"] == 0


def test_intervals_are_those_of_resampled_patients(predictions: pd.DataFrame) -> None:
    found = guided_scores(predictions, ["psd"], EvaluationConfig(bootstrap=4000), 1).iloc[0]
    rng, replicates = np.random.default_rng(9), []
    by_patient = [rows for _, rows in predictions.groupby(c.PATIENT)]
    for _ in range(400):
        drawn = pd.concat([by_patient[i] for i in rng.integers(0, 20, 20)])
        y, head = drawn["psd"], drawn["psd_head"]
        replicates.append(1 - ((y - head) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    lower, upper = np.quantile(replicates, [0.025, 0.975])
    width = upper - lower
    assert found["lower"] == pytest.approx(lower, abs=0.25 * width)
    assert found["upper"] == pytest.approx(upper, abs=0.25 * width)


def test_paths_begin_at_the_present_and_end_at_the_targets(model: GuidedModel, known: GuidedSpace) -> None:
    options = SearchConfig(targets={"md": [-6.0, -14.0]}, plausibility=1.0)
    table = guided_paths(model, known, visits(8), GRID, options)
    assert len(table) == 8 * 3 and table["converged"].all()
    present, reached = table[table["target"].isna()], table.dropna(subset="target")
    assert (present["distance"] == 0).all()
    np.testing.assert_allclose(reached["value"], reached["target"], atol=0.1)
    # The head is exact and nothing lies at the floor, so the decoded field has the MD that was asked for.
    np.testing.assert_allclose(reached["decoded_md"], reached["target"], atol=0.1)
    assert (present[c.VISIT] == 2).all()
    with pytest.raises(UserError, match="beyond what the training fields cover"):
        guided_paths(model, known, visits(8), GRID, SearchConfig(targets={"md": [-60.0]}))


def test_further_loss_takes_the_steps_that_training_fields_cover(
    model: GuidedModel, known: GuidedSpace
) -> None:
    last = last_fields(visits(30))
    td, age = last[c.td(GRID.n)].to_numpy(float), last[c.AGE].to_numpy(float)
    table = further_loss(model, known, last[c.EYE_KEY], td, age, 1.0)
    low, high = known.covered[0]
    by_eye = {key: rows.set_index("step") for key, rows in table.groupby(c.EYE_KEY)}
    assert len(by_eye) == 30
    for rows in by_eye.values():
        md = rows.loc["present", "value"]
        expected = {f"{below} dB lower": md - below for below in (3, 6)}
        expected |= {f"MD {level} dB": level for level in (-12.0, -22.0) if level < md - 7}
        expected = {k.replace(".0", ""): v for k, v in expected.items() if low <= v <= high}
        assert set(rows.index) == {"present", *expected}
        for step, target in expected.items():
            assert rows.loc[step, "value"] == pytest.approx(target, abs=0.1)


def test_ways_go_between_the_fields_that_differ_most(model: GuidedModel, known: GuidedSpace) -> None:
    held_out = visits(30)
    table = guided_interpolation(model, known, held_out, GRID, 5)
    assert len(table) == 2 * 2 * 5
    way = table.set_index(["pair", "way", "step"])
    loss = way.loc["from mild to severe loss", "straight"]
    assert loss["decoded_md"].is_monotonic_decreasing
    superior = GRID.xy[:, 1] > 0
    fields = way.loc["from superior to inferior loss"][c.td(GRID.n)].to_numpy().reshape(2, 5, GRID.n)
    above = fields[..., superior].mean(-1) - fields[..., ~superior].mean(-1)
    assert (above[:, 0] < 0).all() and (above[:, -1] > 0).all()
    # Both ways begin and end at the same fields; between, the arc keeps its distance from the prior's centre.
    np.testing.assert_allclose(fields[0, [0, -1]], fields[1, [0, -1]], atol=1e-8)
    radius = way.loc["from mild to severe loss"]["radius"]
    np.testing.assert_allclose(np.diff(radius.loc["spherical"], 2), 0, atol=1e-8)
