"""Rates in the report: regions, milestones, other priors, the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from vfprog.plots.results import Results
from vfprog.report.rates import milestones, rates_content, regions_table


def test_errors_worse_than_least_squares_are_named(results: Results) -> None:
    text, tables = rates_content(results)
    said = next(sentence for sentence in text if sentence.startswith("After 10 visits"))
    assert "all \N{MINUS SIGN}0.05 [\N{MINUS SIGN}0.08, \N{MINUS SIGN}0.02] (better)" in said
    assert "fast 0.05 [0.02, 0.08] (worse)" in said
    assert [row[0].text for row in tables[0].rows][:2] == ["all, 5 visits", "all, 5 visits"]


def test_a_cohort_without_truth_shows_what_the_prior_does(results: Results) -> None:
    text, tables = rates_content(replace(results, rates_truth=None))
    assert [table.caption for table in tables] == ["Rates from the first three visits under other priors"]
    assert any("first three of 5 eyes" in sentence for sentence in text)


def test_series_too_short_for_any_prior_say_nothing_of_it(results: Results) -> None:
    nothing = replace(results, rates_truth=None, prior_sensitivity=results.prior_sensitivity.iloc[:0])
    assert rates_content(nothing)[1] == []


def test_untested_regions_have_no_rate() -> None:
    blank = {name: np.nan for name in ("rate", "rate_lower", "rate_upper", "p_worsening", "ls_slope")}
    blank |= {f"p_faster_{pace}": np.nan for pace in ("0_5", "1", "2")}
    table = regions_table(pd.DataFrame([{"region": "N", **blank, "n_locations": 0}]))
    assert {cell.text for cell in table.rows[0][1:-1]} == {"\N{EN DASH}"}


def test_milestones_say_reached_and_beyond() -> None:
    rate = pd.Series(
        {f"years_to_12_{name}": 0.0 for name in ("median", "lower", "upper")}
        | {"years_to_22_median": 23.4, "years_to_22_lower": 7.25, "years_to_22_upper": np.inf}
        | {f"p_reaches_{md}_in_{years}": 0.2 for md in (12, 22) for years in (5, 10)}
    )
    first, second = (row[1] for row in milestones(rate))
    assert first == "reached"
    assert second == "23 (7.2 to beyond 50)"
