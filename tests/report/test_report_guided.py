"""The section of a guided model: a row a score, a row a wanted value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vfprog.io import write_table
from vfprog.report.guided import guided_section


def test_scores_and_searches_stand_in_tables(tmp_path: Path) -> None:
    scores = {"r2": 0.9, "lower": 0.8, "upper": 0.95, "mae": 1.2, "n_fields": 40, "n_patients": 9}
    unknown = {**scores, "r2": np.nan, "lower": np.nan, "upper": np.nan, "mae": np.nan, "n_fields": 0}
    rows = [
        {"property": "md", "unit": "dB", "of": "next", "method": "head", **scores},
        {"property": "age", "unit": "years", "of": "same", "method": "ridge", **unknown},
    ]
    write_table(pd.DataFrame(rows), tmp_path / "guided_scores.csv")
    paths = pd.DataFrame(
        {"property": "md", "target": [np.nan, -12.0, -12.0], "converged": [True, True, False]}
    )
    paths = paths.assign(distance=[0.0, 10.0, 20.0], percentile=50.0, decoded_md=[-3.0, -12.0, -13.0])
    write_table(paths, tmp_path / "guided_paths.parquet")
    known, searched = guided_section(tmp_path).tables
    assert [cell.text for cell in known.rows[0]] == [
        "MD of the eye's next field",
        "Head, from the latents",
        "0.900 [0.800, 0.950]",
        "1.20 dB",
        "40",
        "9",
    ]
    assert known.rows[1][2].sort == "" and known.rows[1][4].text == "0"
    minus = "\N{MINUS SIGN}"
    assert [cell.text for cell in searched.rows[0]] == [
        "MD (dB)", f"{minus}12.0", "50 %", "15.0", "50", f"{minus}12.5",
    ]  # fmt: skip
