"""Figures of detection hold the tables' numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.report.fake_run import load, write_run
from vfprog.config import PlotsConfig
from vfprog.plots.detection import plot_detection, plot_flagged, plot_times, scores_in_order
from vfprog.plots.figures import draw_detection
from vfprog.plots.results import DetectionResults, Results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(write_run(tmp_path_factory.mktemp("detection")))


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def tables(results: Results) -> DetectionResults:
    assert results.detection is not None
    return results.detection


def test_known_scores_come_first() -> None:
    assert scores_in_order({"own", "p_progressing", "md_trend"}) == ["md_trend", "p_progressing", "own"]


def test_auc_of_every_score_and_number_of_visits(results: Results, ax: Axes) -> None:
    plot_detection(tables(results).scores, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "Trend of MD", "PoPLR", "Weighted slope", "p_progressing"
    ]  # fmt: skip
    drawn = ax.containers[0][0].get_xydata()[:, 0]
    np.testing.assert_allclose(drawn, tables(results).scores["auc"][:4])


def test_time_to_detection_is_a_line_a_score(results: Results, ax: Axes) -> None:
    plot_times(tables(results).times, ax)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[3, 0.15], [5, 0.25], [8, 0.4]])
    assert len(ax.get_legend_handles_labels()[1]) == 4


def test_share_flagged_by_years(results: Results, ax: Axes) -> None:
    plot_flagged(results.flagged, ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2 years", "4 years"]
    np.testing.assert_allclose(ax.containers[0][0].get_xydata()[:, 1], 0.3)


def test_a_cohort_without_truth_shows_the_share_flagged_alone(results: Results, tmp_path: Path) -> None:
    assert len(draw_detection(results, PlotsConfig()).axes) == 3
    short = load(write_run(tmp_path, scored=False))
    assert draw_detection(short, PlotsConfig()).texts[0].get_text().startswith("No detection")
