"""The evaluation in tables and words."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from vfprog.plots.results import Results
from vfprog.report.scores import (
    evaluated,
    further_tables,
    own_table,
    pivot,
    score_tables,
    standings,
    verdict,
    worst_cells,
)


def difference(
    method: str, value: float, lower: float, upper: float, baseline: str = "mean"
) -> dict[str, object]:
    cell = {"baseline": baseline, "metric": "mae", "n_first": 3, "horizon": "all", "severity": "all"}
    return cell | {"method": method, "value": value, "lower": lower, "upper": upper}


DIFFERENCES = pd.DataFrame(
    [
        difference("static", -0.07, -0.10, -0.04),
        difference("published", 4.5, 4.0, 5.0),
        difference("trajectory", -0.02, -0.05, 0.01),
        difference("last", 0.3, math.nan, math.nan),
        difference("static", -0.01, -0.04, 0.02, "median_shifted_mean"),
        difference("published", 4.4, 3.9, 4.9, "median_shifted_mean"),
        difference("trajectory", 0.05, 0.01, 0.09, "median_shifted_mean"),
    ]
)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (
            "static",
            "errs less than the mean of past visits (−0.070 [−0.100, −0.040] dB, the interval excludes zero), and "
            "ties with the calibrated mean (−0.010 [−0.040, 0.020] dB, the interval includes zero).",
        ),
        (
            "published",
            "errs more than the mean of past visits (4.500 [4.000, 5.000] dB, the interval excludes zero), and "
            "errs more than the calibrated mean (4.400 [3.900, 4.900] dB, the interval excludes zero).",
        ),
        (
            "trajectory",
            "ties with the mean of past visits (−0.020 [−0.050, 0.010] dB, the interval includes zero), and "
            "errs more than the calibrated mean (0.050 [0.010, 0.090] dB, the interval excludes zero).",
        ),
        ("last", "cannot be judged against the mean of past visits with fewer than 10 patients (0.300 dB)."),
    ],
)
def test_the_report_s_method_is_judged_against_both_baselines(method: str, words: str) -> None:
    (sentence,) = verdict(DIFFERENCES, method)
    assert sentence.startswith("Given the first 3 visits")
    assert sentence.endswith(f"(the method of this report) {words}")


def test_every_method_is_better_a_tie_or_worse() -> None:
    table = standings(DIFFERENCES, "mean")
    assert table.caption == "MAE against the mean of past visits"
    assert [cell.text for cell in table.rows[0]] == [
        "First 3 visits",
        "VAE, static field",
        "VAE, latent trajectory",
        "Published latent regression",
    ]
    only_ties = standings(DIFFERENCES[DIFFERENCES["method"] == "trajectory"], "mean")
    assert [cell.text for cell in only_ties.rows[0]][1::2] == ["none", "none"]


def test_against_the_calibrated_mean_methods_may_stand_otherwise() -> None:
    table = standings(DIFFERENCES, "median_shifted_mean")
    assert table.caption == "MAE against the calibrated mean"
    assert [cell.text for cell in table.rows[0]][1:] == [
        "none",
        "VAE, static field",
        "Published latent regression; VAE, latent trajectory",
    ]


def test_tables_of_differences_take_the_plain_mean_for_baseline(results: Results) -> None:
    _, table = score_tables(results.evaluation, results.differences)
    body = {row[0].text: row[1].text for row in table.rows}
    assert body["VAE, static field"] == "−0.070 [−0.100, −0.040]"
    further = further_tables(results.evaluation, results.differences, results.published)
    ahead = next(t for t in further if t.caption.startswith("MAE minus that of the mean, by time ahead"))
    assert {row[0].text: row[1].text for row in ahead.rows}["VAE, static field"] == "−0.070 [−0.100, −0.040]"


def test_a_pivot_has_a_row_a_method_and_counts_at_the_foot(results: Results) -> None:
    mae, differences = score_tables(results.evaluation, results.differences)
    assert [h.label for h in mae.headers] == ["Method", "First 3 visits", "First 5 visits", "First 7 visits"]
    body = {row[0].text: [cell.text for cell in row[1:]] for row in mae.rows}
    assert body["Mean of past visits"][0] == "2.16 [2.10, 2.22]"
    assert body["Visits / eyes / patients"] == ["400 / 40 / 25"] * 3
    assert "Mean of past visits" not in {row[0].text for row in differences.rows}


def test_a_missing_cell_of_a_pivot_is_empty() -> None:
    counts = {"n_visits": 1, "n_eyes": 1, "n_patients": 1}
    rows = [
        {"method": "mean", "visit": 4, "value": 1.0, "lower": 0.5, "upper": 2.0} | counts,
        {"method": "last", "visit": 6, "value": 2.0, "lower": 1.5, "upper": 3.0} | counts,
    ]
    table = pivot(pd.DataFrame(rows), "visit", {4: "Visit 4", 6: "Visit 6", 8: "Visit 8"}, "MAE")
    assert [[cell.text for cell in row] for row in table.rows[:2]] == [
        ["Last visit", "", "2.00 [1.50, 3.00]"],
        ["Mean of past visits", "1.00 [0.50, 2.00]", ""],
    ]


def test_further_tables_cover_metrics_horizons_severity_and_the_published_comparison(
    results: Results,
) -> None:
    tables = further_tables(results.evaluation, results.differences, results.published)
    captions = [table.caption for table in tables]
    assert captions[:2] == ["CRPS (dB)", "Coverage of the 90 % interval"]
    assert "MAE by time ahead, given the first 5 visits (dB)" in captions
    assert captions[-1].startswith("Published comparison")
    assert tables[-1].rows[-1][0].text == "Eyes / patients"
    severity = next(t for t in tables if t.caption.startswith("MAE by severity"))
    assert [h.label for h in severity.headers][1:] == [
        "mild (above −6 dB)",
        "moderate",
        "severe (below −12 dB)",
    ]


def test_without_a_published_comparison_there_is_no_empty_table(results: Results) -> None:
    tables = further_tables(results.evaluation, results.differences, results.published.iloc[:0])
    assert not any(t.caption.startswith("Published") for t in tables)


def test_how_much_the_evaluation_rests_on(results: Results) -> None:
    assert (
        evaluated(results.evaluation) == "400 later visits of 40 eyes of 25 patients given the first 3 visits"
    )


def test_the_report_s_method_has_a_row_for_every_number_of_first_visits(results: Results) -> None:
    table = own_table(results.evaluation, results.differences, "static")
    assert [row[0].text for row in table.rows] == ["3", "5", "7"]
    texts = [cell.text for cell in table.rows[0]]
    assert texts[1:3] == ["2.16", "2.09"] and texts[3].startswith("−0.070 [−0.100")
    assert texts[4] == "0.970 [0.950, 0.990]" and texts[5].startswith("0.9")
    of_baseline = own_table(
        results.evaluation, results.differences, "mean"
    )  # which has no difference from itself
    assert of_baseline.rows[0][3].text == ""


def _cell(severity: str, value: float, **more: object) -> dict[str, object]:
    cell = {"method": "static", "n_first": 7, "horizon": ">=3", "severity": severity, "n_eyes": 20}
    return cell | {"value": value} | more


def test_cells_worse_than_the_mean_and_miscovered_cells_are_listed_worst_first() -> None:
    error = {"baseline": "mean", "metric": "mae"}
    differences = pd.DataFrame(
        [_cell("all", 0.02, **error), _cell("<-15", 0.3, **error), _cell("mild", 0.05, **error),
         _cell(">-5", 0.9, **error | {"baseline": "median_shifted_mean"}),
         _cell("severe", 0.9, **error | {"metric": "crps"})]
    )  # fmt: skip
    coverage = {"metric": "coverage90"}
    evaluation = pd.DataFrame(
        [_cell("all", 0.9, **coverage), _cell("<-15", 0.83, **coverage), _cell("mild", 0.96, **coverage)]
    )
    worse, off = worst_cells(evaluation, differences, "static")
    ahead = "given 7 visits, 3 years and more ahead"
    assert worse == (
        "Its MAE is more than 0.02 dB above that of the mean of past visits in 2 of 3 cells of the tables: "
        f"{ahead}, locations below −15 dB (+0.300 dB, 20 eyes); {ahead}, mild (above −6 dB) (+0.050 dB, 20 eyes)."
    )
    assert "in 2 of 3 cells of the tables" in off
    assert off.index("(83.0 %, 20 eyes)") < off.index("(96.0 %, 20 eyes)")


def test_nothing_to_list_is_said_and_a_long_list_is_cut() -> None:
    error = {"baseline": "mean", "metric": "mae"}
    empty = pd.DataFrame([_cell("all", 0.9, metric="coverage90")])
    good, covered = worst_cells(empty, pd.DataFrame([_cell("all", -0.1, **error)]), "static")
    assert good.endswith("in 0 of 1 cell of the tables.") and covered.endswith(
        "in 0 of 1 cell of the tables."
    )
    many = pd.DataFrame([_cell("all", 0.1 * n, **error) | {"n_first": n} for n in range(1, 10)])
    (worse, _) = worst_cells(empty, many, "static")
    assert "9 of 9 cells of the tables: the 6 worst, given 9 visits" in worse and worse.count(" dB, ") == 6
