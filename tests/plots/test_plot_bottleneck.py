"""Figures of two-view models, from tables as their rule writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.io import write_table
from vfprog.perimetry.grid import load_grid
from vfprog.plots.bottleneck import against_ridge, draw_information, draw_views, plot_information, plot_seen

GRID = load_grid("24-2")


def curve() -> pd.DataFrame:
    table = pd.DataFrame(
        {"beta": [0.1, 1.0], "rate": [0.5, 2.0], "gain": [-3.0, 1.0], "gain_independent": [4.0, 9.0]}
    )
    for name in ("rate", "gain", "gain_independent"):
        table[f"{name}_lower"], table[f"{name}_upper"] = table[name] - 0.25, table[name] + 0.5
    return table.assign(n_rows=120, n_patients=12)


def scores(ridge: str, shifted: str) -> pd.DataFrame:
    rows = []
    for metric in ("mae", "coverage90"):
        rows.append({"method": "bottleneck", "metric": metric, "value": 3.0, "verdict": ""})
        rows.append({"method": "ridge", "metric": metric, "value": 3.5, "difference": -0.5, "verdict": ridge})
        rows.append(
            {"method": "ridge_shifted", "metric": metric, "value": 2.9, "difference": 0.1, "verdict": shifted}
        )
        rows.append(
            {"method": "mean", "metric": metric, "value": 5.0, "difference": -2.0, "verdict": "beats"}
        )
    table = pd.DataFrame(rows)
    around = {
        f"{name}{end}": table[of] + by
        for name, of in (("", "value"), ("difference_", "difference"))
        for end, by in (("lower", -0.05), ("upper", 0.25))
    }
    return table.assign(**around)


def examples(names: list[str], locations: list[float]) -> pd.DataFrame:
    seen = pd.DataFrame({"view": "seen", "name": names, c.LOCATION: locations, "value": 60.0})
    numbers = np.arange(1.0, GRID.n + 1)
    explained = pd.DataFrame(
        {"view": "explained", "name": c.td(GRID.n), c.LOCATION: numbers, "value": -5.0, "median": -4.0}
    ).assign(lower=-9.0, upper=1.0)
    table = pd.concat([seen, explained], ignore_index=True)
    at = table[c.LOCATION].fillna(1).astype(int).to_numpy() - 1
    known = table[c.LOCATION].notna().to_numpy()[:, None]
    table[[c.X, c.Y]] = np.where(known, GRID.xy[at], np.nan)
    return pd.concat([table.assign(example=i, patient_id=f"p{i}", eye="OS", visit=1) for i in (1, 2)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table(curve(), tmp_path / "bottleneck_curve.csv")
    write_table(scores("beats", "loses to"), tmp_path / "bottleneck_scores.csv")
    write_table(examples(["oct.T", "oct.TS"], [np.nan, np.nan]), tmp_path / "bottleneck_example.parquet")
    return tmp_path


def test_the_curve_shows_both_gains_against_the_rate_and_names_betas(ax: Axes) -> None:
    plot_information(curve(), ax)
    lines = {bar.get_label(): bar.lines[0].get_xydata().tolist() for bar in ax.containers}
    assert list(lines.values()) == [[[0.5, -3.0], [2.0, 1.0]], [[0.5, 4.0], [2.0, 9.0]]]
    assert [text.get_text() for text in ax.texts] == ["β 0.1", "β 1"]
    assert ax.get_title() == "120 rows of 12 patients"


@pytest.mark.parametrize(
    ("verdict", "words"), [("loses to", "Loses to ridge: +0.10 dB"), ("ties with", "Ties with ridge")]
)
def test_the_verdict_is_on_the_better_ridge(verdict: str, words: str) -> None:
    assert against_ridge(scores("beats", verdict)).startswith(words)


def test_losing_stands_in_the_figure(folder: Path, options: PlotsConfig) -> None:
    figure = draw_information(folder, options)
    assert figure.axes[1].get_title() == "Loses to ridge: +0.10 dB (+0.05 to +0.35)"
    assert figure.axes[1].get_yticklabels()[0].get_text() == "Bottleneck"


def test_views_stand_side_by_side(folder: Path, options: PlotsConfig) -> None:
    figure = draw_views(folder, options)
    bars, measured, predicted, width = figure.axes[:4]
    assert [bar.get_width() for bar in bars.patches] == [60, 60]
    for ax, value in ((measured, -5), (predicted, -4), (width, 10)):
        np.testing.assert_array_equal(ax.collections[0].get_array(), np.full(GRID.n, value))


def test_a_seen_field_is_a_map_with_its_other_inputs_beneath(ax: Axes, options: PlotsConfig) -> None:
    table = examples(["mean_td_1", "mean_td_2", c.YEARS_AHEAD], [1, 2, np.nan])
    plot_seen(table[(table["view"] == "seen") & (table["example"] == 1)], ax, "OS", options)
    assert len(ax.collections[0].get_array()) == 2
    assert "years ahead 60.0" in [text.get_text() for text in ax.texts]
