"""The figure of rates."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.axes import Axes

from vfprog.plots.rates import draw_rates, plot_prior_sensitivity, plot_rate_errors, plot_shrinkage
from vfprog.plots.results import Results


def test_shrinkage_shows_every_eye_with_a_slope(results: Results, ax: Axes) -> None:
    plot_shrinkage(results.rates, ax)
    shown = sum(len(line.get_xdata()) for line in ax.lines[:3])
    assert shown == results.rates["md_slope"].notna().sum()


def test_slopes_over_weeks_are_not_drawn(results: Results, ax: Axes) -> None:
    """They run to tens of dB/year and would squeeze all others into a point."""
    rates = results.rates.copy()
    rates.loc[rates.index[0], ["years_followed", "md_slope"]] = 0.02, 90.0
    plot_shrinkage(rates, ax)
    assert max(line.get_xdata().max() for line in ax.lines[:-1]) < 90


def test_a_cohort_of_weeks_says_that_nothing_is_drawn(results: Results, ax: Axes) -> None:
    plot_shrinkage(results.rates.assign(years_followed=0.2), ax)
    assert [text.get_text() for text in ax.texts] == ["No eye was followed for half a year."]


def test_errors_stand_at_their_kinds(results: Results, ax: Axes) -> None:
    plot_rate_errors(results.rates_truth, ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["all", "fast"]
    assert len(ax.containers) == 4  # two estimators at two numbers of visits


def test_doubled_priors_move_rates(results: Results, ax: Axes) -> None:
    plot_prior_sensitivity(results.prior_sensitivity, ax)
    halved, doubled = ax.lines[:2]
    assert (abs(doubled.get_ydata()) >= abs(halved.get_ydata())).all()


def test_without_truth_there_is_one_row_of_panels(results: Results) -> None:
    assert len(draw_rates(results).axes) == 4
    assert len(draw_rates(replace(results, rates_truth=None)).axes) == 2


def test_no_eye_with_three_visits_is_said(results: Results, ax: Axes) -> None:
    plot_prior_sensitivity(results.prior_sensitivity.iloc[:0], ax)
    assert ax.texts[0].get_text() == "No eye has three visits."
