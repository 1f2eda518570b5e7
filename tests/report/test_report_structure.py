"""The nerve fibre layer on pages: mean over sectors, words, and eyes with few scans or none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.plots.series import scan_means
from vfprog.report.structure import eye_thickness_chart, structure_rows, structure_words

SECTORS = ["a", "b"]


def _visits() -> pd.DataFrame:
    return pd.DataFrame(
        {c.YEARS: [0.0, 1.0, 2.0, 3.0], "a": [80.0, 78.0, 76.0, np.nan], "b": [100.0, np.nan, 96.0, np.nan]}
    )


def _rate(slope: float = -2.0, rate: float = -0.5) -> pd.Series:
    return pd.Series(
        {
            "rate": rate, "rate_lower": rate - 0.3, "rate_upper": rate + 0.3,
            "rnfl_slope": slope, "rnfl_lower": slope - 1, "rnfl_upper": slope + 1,
            "fields_alone_rate": -0.3, "fields_alone_lower": -0.7, "fields_alone_upper": 0.1,
        }
    )  # fmt: skip


def test_a_sector_missing_from_a_scan_does_not_move_its_mean():
    mean = scan_means(_visits(), SECTORS)
    assert mean[:3].tolist() == pytest.approx([90, 88, 86])
    assert np.isnan(mean[3])


def test_an_eye_shows_its_slope_and_the_rate_without_it():
    alone, slope = structure_rows(_rate())
    assert "\N{MINUS SIGN}0.30 dB/year" in alone[1] and "\N{MINUS SIGN}2.00 \N{MICRO SIGN}m/year" in slope[1]
    chart = eye_thickness_chart(_visits(), _rate(), SECTORS, 5.0)
    assert chart.count("<circle") == 3 and "<polygon" in chart


def test_few_scans_have_no_slope_and_none_no_chart():
    rate = _rate(slope=np.nan)
    (row,) = structure_rows(rate)
    assert "fewer than three scans" in row[2]
    two = eye_thickness_chart(_visits().iloc[:2], rate, SECTORS, 5.0)
    assert two.count("<circle") == 2 and "<polygon" not in two
    assert eye_thickness_chart(_visits().iloc[3:], rate, SECTORS, 5.0) == ""
    assert eye_thickness_chart(_visits(), rate.drop("rnfl_slope"), [], 5.0) == ""
    assert structure_rows(rate.drop("rnfl_slope")) == []


def test_a_cohort_hears_what_the_second_view_does():
    rates = pd.DataFrame([_rate(), _rate(slope=0.5, rate=-0.2), _rate(slope=np.nan)])
    (said,) = structure_words(rates)
    assert "2 eyes" in said and "0.15 dB/year on average" in said and "0.60 dB/year wide, 0.80" in said
    assert "50 % thin" in said
    assert structure_words(rates.iloc[2:]) == [
        "No eye has three scans of the nerve fibre layer: rates are of fields alone."
    ]
    assert structure_words(rates.drop(columns="rnfl_slope")) == []
