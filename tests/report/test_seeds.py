"""The spread over seeds, as the models' page shows it."""

from __future__ import annotations

import pandas as pd

from vfprog.report.seeds import seeds_section


def test_only_models_of_several_seeds_are_shown_with_mean_and_sd() -> None:
    columns = [
        "model",
        "evidence",
        "kl",
        "distortion",
        "active_units",
        "retest_mae",
        "forecast_mae",
        "c2st_accuracy",
    ]
    rows = [
        ["plain", -130.0, 8.0, 120.0, 12, 1.5, None, 0.7],
        ["plain", -132.0, 8.2, 121.0, 10, 1.6, None, 0.8],
        ["other", -1.0, 1.0, 1.0, 1, 1.0, 1.0, 0.5],
    ]
    section = seeds_section(pd.DataFrame(rows, columns=columns).astype({"forecast_mae": float}))
    (table,) = section.tables
    assert [row[0].text for row in table.rows] == ["plain"]
    texts = [cell.text for cell in table.rows[0]]
    assert texts[1] == "2" and "\N{MINUS SIGN}131.00 (1.41)" in texts and "1.550 (0.071)" in texts
    assert "Forecast (dB)" not in [head.label for head in table.headers]
