"""A two-view model's section: what is said of ridge regression follows from the table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vfprog.io import write_table
from vfprog.report.bottleneck import bottleneck_section

SIZE = {"n_rows": 810, "n_patients": 54}


def scores(verdict: str, difference: float) -> pd.DataFrame:
    """Scores in which plain ridge regression is the worse of the two."""
    rows = []
    for metric, value in (("mae", 3.0), ("coverage90", 0.88), ("interval_score", 20.0)):
        rows.append({"method": "bottleneck", "metric": metric, "value": value, "verdict": ""})
        for method, worse, what in (("ridge", 1.0, "beats"), ("ridge_shifted", -difference, verdict)):
            rows.append(
                {
                    "method": method,
                    "metric": metric,
                    "value": value + worse,
                    "difference": -worse,
                    "verdict": what,
                }
            )
    table = pd.DataFrame(rows).assign(**SIZE)
    for name, of in (("", "value"), ("difference_", "difference")):
        table[f"{name}lower"], table[f"{name}upper"] = table[of] - 0.1, table[of] + 0.1
    return table


@pytest.mark.parametrize(("words", "difference"), [("loses to", 0.25), ("ties with", 0.05)])
def test_the_verdict_is_said_in_words_with_its_numbers(tmp_path: Path, words: str, difference: float) -> None:
    write_table(scores(words, difference), tmp_path / "bottleneck_scores.csv")
    section = bottleneck_section(tmp_path)
    assert f"the bottleneck {words} ridge regression" in section.text[0]
    assert "810 rows of 54 patients" in section.text[0]
    assert "hold 88.0 %" in section.text[0]
    assert f"{difference:.2f} dB [" in section.text[0]


def test_the_table_has_a_row_a_method(tmp_path: Path) -> None:
    write_table(scores("loses to", 0.25), tmp_path / "bottleneck_scores.csv")
    (table,) = bottleneck_section(tmp_path).tables
    assert [row[0].text for row in table.rows] == [
        "Bottleneck",
        "Ridge regression",
        "Ridge, moved to its median",
    ]
    assert table.rows[0][-1].text == ""
    assert table.rows[2][-1].text == "loses to it: 0.25 [0.15, 0.35] dB"
    assert table.rows[0][1].text == "3.00 [2.90, 3.10]"
