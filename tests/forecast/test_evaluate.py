"""The evaluation tables against brute force over values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vfprog.config import EvaluationConfig
from vfprog.data.series import Series
from vfprog.forecast.baselines import BASELINES
from vfprog.forecast.calibrate import normal_calibration
from vfprog.forecast.evaluate import COLUMNS, evaluate, published_comparison
from vfprog.inference.origins import origin

METHODS = {name: BASELINES[name] for name in ("mean", "median_shifted_mean", "last", "plr")}
CALIBRATION = dict.fromkeys(METHODS, normal_calibration())
OPTIONS = EvaluationConfig(first_visits=[3], bootstrap=200, min_values=50)


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
    table, _ = evaluate(make_eyes(20), series, METHODS, CALIBRATION, OPTIONS, seed=1)
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
    table, _ = evaluate(make_eyes(20), series, METHODS, CALIBRATION, OPTIONS, seed=1)
    rows = table[(table.method == "mean") & (table.metric == "mae") & (table.horizon == "all")].set_index(
        "severity"
    )
    assert {"mild", "moderate"} <= set(rows.index)
    assert rows.loc[["mild", "moderate"], "n_visits"].sum() == rows.loc["all", "n_visits"]
    assert "md_mae" not in set(table[table.severity == ">-5"].metric)


def test_a_small_cell_does_not_appear(series, make_eyes):
    many = EvaluationConfig(first_visits=[3], bootstrap=100, min_values=100_000)
    table, differences = evaluate(make_eyes(20), series, METHODS, CALIBRATION, many, seed=1)
    assert table.empty and differences.empty and list(table.columns) == COLUMNS


def test_no_eye_with_enough_visits_gives_empty_tables(make_series, make_eyes):
    table, _ = evaluate(
        make_eyes(4), make_series(np.zeros(4), visits=3), METHODS, CALIBRATION, OPTIONS, seed=1
    )
    assert table.empty
    three = make_series(np.zeros(4), visits=3)
    assert published_comparison(make_eyes(4), three, METHODS, CALIBRATION, OPTIONS, seed=1).empty


def test_differences_are_paired(series, make_eyes):
    table, differences = evaluate(make_eyes(20), series, METHODS, CALIBRATION, OPTIONS, seed=1)
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
    _, differences = evaluate(make_eyes(30), make_series(np.zeros(30)), METHODS, CALIBRATION, OPTIONS, seed=1)
    row = _value(differences, method="plr", baseline="mean", horizon="all", severity="all", metric="mae")
    assert row["lower"] > 0


def test_published_comparison_scores_single_visits(series, make_eyes):
    table = published_comparison(make_eyes(20), series, METHODS, CALIBRATION, OPTIONS, seed=1)
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
    table, _ = evaluate(make_eyes(20), ragged, METHODS, CALIBRATION, OPTIONS, seed=1)
    assert _value(table, method="mean", horizon="all", severity="all", metric="mae")["n_visits"] == 19 * 6 + 2
