"""The evaluation tables against brute force over values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from vfprog.config import EvaluationConfig
from vfprog.data.series import Series
from vfprog.forecast.baselines import BASELINES
from vfprog.forecast.calibrate import normal_calibration
from vfprog.forecast.evaluate import COLUMNS, Unseen, evaluate, published_comparison, score
from vfprog.inference.origins import origin

METHODS = {name: BASELINES[name] for name in ("mean", "median_shifted_mean", "last", "plr")}
CALIBRATION = dict.fromkeys(METHODS, normal_calibration())
OPTIONS = EvaluationConfig(first_visits=[3], bootstrap=200, min_values=50)


PATIENTS = 10  # of 20 eyes


def unseen(eyes: pd.DataFrame, series: Series) -> Unseen:
    return Unseen(eyes, series, METHODS, CALIBRATION)


@pytest.fixture
def series(make_series) -> Series:
    made = make_series(np.random.default_rng(0).normal(-0.5, 0.5, 20), visits=9, level=-5.0)
    mask = made.mask & (torch.rand(made.mask.shape, generator=torch.Generator().manual_seed(0)) > 0.1)
    return Series(made.td * mask, mask, made.years, made.n_visits)


def _value(table, **where):
    for key, value in where.items():
        table = table[table[key] == value]
    assert len(table) == 1, where
    return table.iloc[0]


def test_cells_agree_with_brute_force(series, make_eyes):
    table, _ = evaluate([unseen(make_eyes(20), series)], OPTIONS, seed=1)
    assert list(table.columns) == COLUMNS
    cut = origin(series, 3)
    for name, method in METHODS.items():
        error = (cut.td - method(cut.past, cut.years).td).abs()
        for horizon, low, high in (("all", 0, 99), ("<1", 0, 1), ("1-3", 1, 3)):
            chosen = cut.mask & ((cut.horizon >= low) & (cut.horizon < high))[..., None]
            row = _value(table, method=name, horizon=horizon, severity="all", metric="mae")
            assert row["value"] == pytest.approx(float(error[chosen].mean()), rel=1e-6)
            assert row["lower"] < row["value"] < row["upper"]
            assert (row["n_eyes"], row["n_patients"]) == (20, 10)


def test_severities_divide_the_values(series, make_eyes):
    table, _ = evaluate([unseen(make_eyes(20), series)], OPTIONS, seed=1)
    rows = table[(table.method == "mean") & (table.metric == "mae") & (table.horizon == "all")].set_index(
        "severity"
    )
    assert {"mild", "moderate"} <= set(rows.index)
    assert rows.loc[["mild", "moderate"], "n_visits"].sum() == rows.loc["all", "n_visits"]
    assert "md_mae" not in set(table[table.severity == ">-5"].metric)


def test_a_small_cell_does_not_appear(series, make_eyes):
    many = EvaluationConfig(first_visits=[3], bootstrap=100, min_values=100_000)
    table, differences = evaluate([unseen(make_eyes(20), series)], many, seed=1)
    assert table.empty and differences.empty and list(table.columns) == COLUMNS


def test_no_eye_with_enough_visits_gives_empty_tables(make_series, make_eyes):
    three = [unseen(make_eyes(4), make_series(np.zeros(4), visits=3))]
    table, _ = evaluate(three, OPTIONS, seed=1)
    assert table.empty and published_comparison(three, OPTIONS, seed=1).empty


def test_differences_are_paired(series, make_eyes):
    table, differences = evaluate([unseen(make_eyes(20), series)], OPTIONS, seed=1)
    where = {"method": "last", "horizon": "all", "severity": "all", "metric": "mae"}
    row = _value(differences, baseline="mean", **where)
    reference = _value(table, **{**where, "method": "mean"})
    assert row["value"] == pytest.approx(_value(table, **where)["value"] - reference["value"])
    width = reference["upper"] - reference["lower"]
    assert row["upper"] - row["lower"] < width  # pairing takes the eyes' own difficulty out
    moved = _value(differences, baseline="median_shifted_mean", **where)
    assert moved["value"] == pytest.approx(row["value"])  # normal quantiles have their median at the mean
    assert set(differences[differences.method == "mean"].baseline) == {"median_shifted_mean"}


def test_mean_beats_regression_on_stable_eyes(make_series, make_eyes):
    _, differences = evaluate([unseen(make_eyes(30), make_series(np.zeros(30)))], OPTIONS, seed=1)
    row = _value(differences, method="plr", baseline="mean", horizon="all", severity="all", metric="mae")
    assert row["lower"] > 0


def test_published_comparison_scores_single_visits(series, make_eyes):
    table = published_comparison([unseen(make_eyes(20), series)], OPTIONS, seed=1)
    cut = origin(series, 3)
    error = (cut.td - BASELINES["plr"](cut.past, cut.years).td).abs()
    for visit in (4, 6, 8):
        row = _value(table, method="plr", visit=visit)
        assert row["value"] == pytest.approx(
            float(error[:, visit - 4][cut.mask[:, visit - 4]].mean()), rel=1e-6
        )


def test_padding_never_counts(series, make_eyes):
    """An eye with fewer visits gives the same scores as alone."""
    n = series.n_visits.clone()
    n[0] = 5
    kept = torch.arange(9) < n[:, None]
    ragged = Series(series.td * kept[..., None], series.mask & kept[..., None], series.years, n)
    table, _ = evaluate([unseen(make_eyes(20), ragged)], OPTIONS, seed=1)
    assert _value(table, method="mean", horizon="all", severity="all", metric="mae")["n_visits"] == 19 * 6 + 2


def _slow_bootstrap(
    value: np.ndarray, patient: np.ndarray, replicates: int, seed: int
) -> tuple[float, float, float]:
    """Mean and 95 % interval value by value, with the patients that the same generator draws."""
    drawn = np.random.default_rng(seed).multinomial(PATIENTS, np.full(PATIENTS, 1 / PATIENTS), replicates)
    means = [np.average(value, weights=times[patient]) for times in drawn if times[patient].any()]
    return float(value.mean()), *(float(q) for q in np.quantile(means, [0.025, 0.975]))


@pytest.mark.parametrize("cell", [("all", "all"), ("1-3", "moderate"), (">=3", "all"), ("all", ">-5")])
def test_bootstrap_of_scores_differences_and_ratios_equals_a_slow_one(series, make_eyes, cell):
    table, differences = evaluate([unseen(make_eyes(20), series)], OPTIONS, seed=1)
    cut = origin(series, 3)
    mask = cut.mask.numpy()
    eye, time, location = np.nonzero(mask)
    horizon, severity = cell
    level = cut.past.td.sum(1) / cut.past.mask.sum(1).clamp(min=1)
    low, high = {"all": (0, 99), "1-3": (1, 3), ">=3": (3, 99)}[horizon]
    ahead = cut.horizon.numpy()[eye, time]
    kept = (ahead >= low) & (ahead < high)
    mtd = (cut.past.td.sum(-1) / cut.past.mask.sum(-1)).mean(1).numpy()
    kept &= {
        "all": np.ones(len(eye), bool),
        "moderate": (mtd[eye] <= -6) & (mtd[eye] > -12),
        ">-5": level.numpy()[eye, location] > -5,
    }[severity]
    where = {"horizon": horizon, "severity": severity}
    scores = {
        name: score(METHODS[name](cut.past, cut.years), cut, CALIBRATION[name], name)[0] for name in METHODS
    }
    for metric in ("mae", "crps", "coverage90", "interval_score"):
        last, mean = scores["last"][metric][kept], scores["mean"][metric][kept]
        row = _value(table, method="last", metric=metric, **where)
        expected = _slow_bootstrap(last, eye[kept] // 2, 200, 1)
        np.testing.assert_allclose(row[["value", "lower", "upper"]].astype(float), expected)
        row = _value(differences, method="last", baseline="mean", metric=metric, **where)
        expected = _slow_bootstrap(last - mean, eye[kept] // 2, 200, 1)
        np.testing.assert_allclose(row[["value", "lower", "upper"]].astype(float), expected, atol=1e-12)
        assert row["ratio"] == pytest.approx(last.mean() / mean.mean())
        assert row["ratio_lower"] <= row["ratio"] <= row["ratio_upper"]


def test_folds_are_pooled_before_cells_and_bootstrap(series, make_eyes):
    """The same methods on two groups of patients give the tables of all patients together."""
    eyes = make_eyes(20)
    whole = evaluate([unseen(eyes, series)], OPTIONS, seed=1)
    parts = [unseen(eyes[:8].reset_index(drop=True), series[:8]), unseen(eyes[8:], series[8:])]
    for one, pooled in zip(whole, evaluate(parts, OPTIONS, seed=1), strict=True):
        pd.testing.assert_frame_equal(one, pooled)
    published = published_comparison([unseen(eyes, series)], OPTIONS, seed=1)
    pd.testing.assert_frame_equal(published, published_comparison(parts, OPTIONS, seed=1))
