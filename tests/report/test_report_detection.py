"""The report's section on detection: numbers, and ties called ties."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.fake_run import load, write_run
from vfprog.plots.results import Results
from vfprog.report.detection import detection_content


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_run(tmp_path_factory.mktemp("detection")))


def test_a_tie_is_called_a_tie_and_a_win_a_win(results: Results) -> None:
    text, _, _ = detection_content(results)
    against_md = next(t for t in text if t.startswith("Against the trend of MD"))
    assert "ties after 5 visits (AUC +0.060 [−0.040, 0.120])" in against_md
    assert "is better after 8 visits (AUC +0.060 [0.010, 0.120])" in against_md
    assert "81 progressing eyes against 81 stable eyes of 54 persons" in text[0]
    assert "0.501 to 0.501" in text[0]


def test_few_persons_give_no_verdict(results: Results) -> None:
    assert results.detection is not None
    apart = results.detection.differences.assign(lower=float("nan"), upper=float("nan"))
    few = replace(results, detection=replace(results.detection, differences=apart))
    assert "cannot be judged with fewer than 10 persons after 5 visits" in detection_content(few)[0][1]


def test_tables_hold_every_score_and_number_of_visits(results: Results) -> None:
    _, (scores, flagged), details = detection_content(results)
    assert [cell.text for cell in scores.rows[0]][:2] == ["Trend of MD", "0.83 [0.76, 0.90] (0.50)"]
    assert len(scores.rows) == 4 and len(flagged.rows) == 4
    assert [len(table.rows) for table in details] == [3, 3, 3, 4, 4]


def test_without_truth_the_share_flagged_remains(results: Results) -> None:
    text, tables, details = detection_content(replace(results, detection=None))
    assert len(text) == len(tables) == 1 and not details
    assert "after 2 years 30 % of 40 eyes (0 [−10, 10] points against MD trend)" in text[0]


def test_short_series_have_no_section(tmp_path: Path) -> None:
    assert detection_content(load(write_run(tmp_path, scored=False))) == ([], [], [])
