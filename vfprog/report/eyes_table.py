"""The index page's table of eyes, a row each."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

from vfprog import columns as c
from vfprog.perimetry.weighted_slope import MIN_VISITS
from vfprog.plots.results import NUMBER, Results, closest_horizon
from vfprog.report.blocks import Cell, Header, Table, number_cell
from vfprog.report.eye import page_name
from vfprog.report.format import MINUS, count, estimate, number, p_value, probability, quantity

UNBROKEN = 16  # characters of an identifier that are kept on one line
FORECAST_SHOWN = 5.0  # years ahead, or the horizon closest to it


def eyes_text(eyes: int, pages: int) -> list[str]:
    """What stands above the table: its order, and which eyes have a page."""
    text = [
        "Sorted by rate, fastest worsening first; choose a heading to sort by it. Rates are drawn towards "
        "the population's where visits are few, so a fast eye with few visits is understated: compare the MD "
        "slope."
    ]
    if pages < eyes:
        text.append(
            f"Pages are written for the {quantity(pages, 'eye')} that worsen fastest; the other "
            f"{quantity(eyes - pages, 'eye')} appear in the table without a link (config: report.eye_pages)."
        )
    return text


def _headers(horizon: float) -> list[Header]:
    return [
        Header(
            "Eye", "eye", "Number of the eye in this report, 1 = worsening fastest; the link opens its page"
        ),
        Header("Patient", "patient", "Identifier as the source gives it"),
        Header("Side", "side", "OD right eye, OS left eye"),
        Header("Visits", "visits", "Fields used"),
        Header("Years", "years", "Years from the first field to the last used one"),
        Header("Baseline", "baseline", "Mean TD of the first used field, dB"),
        Header(
            "Rate [95 %]",
            "rate",
            "Rate of mean TD, dB/year, with its 95 % credible interval; below 0 worsens",
        ),
        Header("P(worse)", "worsening", "Posterior probability that the rate is below 0"),
        Header("P(progr.)", "progressing", "Posterior probability of progression against stability"),
        Header(
            "Flagged", "flag", "Progressing: that probability is above the threshold for the eye's visits"
        ),
        Header(f"P(< {MINUS}1)", "faster", f"Posterior probability of a rate below {MINUS}1 dB/year"),
        Header("MD slope", "slope", "Least-squares slope of mean TD, dB/year"),
        Header("p", "slopep", "One-sided p-value of that slope"),
        Header("PLR", "plr", f"Locations with a slope of {MINUS}1 dB/year or worse and p < 0.01"),
        Header("PoPLR p", "poplr", "Permutation p-value of worsening over all locations"),
        Header(
            f"MD in {horizon:g} y [90 %]",
            "forecast",
            f"Mean TD forecast {horizon:g} years after the last visit, dB, 90 % predictive interval",
        ),
    ]


def eyes_table(results: Results, pages: int) -> Table:
    """One row an eye, in the order of their numbers."""
    horizon = closest_horizon(results.forecasts_md[c.YEARS_AHEAD], FORECAST_SHOWN)
    forecast = results.forecasts_md[results.forecasts_md[c.YEARS_AHEAD] == horizon]
    table = results.rates.merge(forecast, on=c.EYE_KEY, validate="one_to_one").sort_values(NUMBER)
    rows = [_row(eye, pages) for eye in table.to_dict("records")]
    return Table(f"Eyes of the cohort ({count(len(rows))})", _headers(horizon), rows)


def _row(eye: dict[Hashable, Any], pages: int) -> list[Cell]:
    at, points = eye[NUMBER], eye["plr_points"] if eye["n_visits"] >= MIN_VISITS else math.nan
    return [
        Cell(str(at), sort=str(at), href=f"eyes/{page_name(at)}" if at <= pages else "", css="n"),
        Cell(eye[c.PATIENT], css="key" if len(eye[c.PATIENT]) <= UNBROKEN else ""),
        Cell(eye[c.EYE]),
        number_cell(count(eye["n_visits"]), eye["n_visits"]),
        number_cell(number(eye["years_followed"], 1), eye["years_followed"]),
        number_cell(number(eye["baseline_md"], 1), eye["baseline_md"]),
        number_cell(estimate(eye["rate"], eye["rate_lower"], eye["rate_upper"]), eye["rate"]),
        number_cell(probability(eye["p_worsening"]), eye["p_worsening"]),
        number_cell(probability(eye["p_progressing"]), eye["p_progressing"]),
        Cell("yes" if eye["progressing"] else "", css="flag"),
        number_cell(probability(eye["p_faster_1"]), eye["p_faster_1"]),
        number_cell(number(eye["md_slope"]), eye["md_slope"]),
        number_cell(p_value(eye["md_slope_p"]), eye["md_slope_p"]),
        number_cell(count(points), points),
        number_cell(p_value(eye["poplr_p"]), eye["poplr_p"]),
        number_cell(estimate(eye["md_median"], eye["md_lower"], eye["md_upper"], 1), eye["md_median"]),
    ]
