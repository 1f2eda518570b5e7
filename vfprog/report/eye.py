"""The page of one eye: its values formatted, its drawings made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from vfprog import columns as c
from vfprog.perimetry.criteria import NET_LOCATIONS
from vfprog.perimetry.weighted_slope import MIN_VISITS
from vfprog.plots.labels import FORECASTS, LATERALITY, SHORT_YEARS
from vfprog.plots.results import NUMBER, evenly_spaced
from vfprog.plots.series import choose_latents, rate_line
from vfprog.plots.style import FieldKind
from vfprog.report.blocks import Cell, Fact, Header, Map, Table, headers, number_cell, row
from vfprog.report.eyes import Z_PATH, EyeData
from vfprog.report.format import MISSING, interval, number, p_value, probability, quantity
from vfprog.report.further_loss import further_loss_maps, further_notes
from vfprog.report.rates import milestones, rate_map, regions_table
from vfprog.report.structure import eye_thickness_chart, structure_rows
from vfprog.report.svg import FieldMaps, latent_chart, md_chart

MOST_MAPS = 12
LATENTS_SHOWN = 4
LIKELY = 0.8  # posterior probability from which an eye is called likely to worsen
PATH_POINTS = 5  # at which a trajectory's band is drawn

PARTS = {
    "train": "The model learned from this patient's fields: this eye is no test of it.",
    "validation": "This patient decided when training stopped; the model did not learn from the fields.",
    "test": "The model never saw this patient.",
}
ONE_VISIT = (
    "One visit of this eye is used. A rate cannot be seen in one visit: what stands here is the population's prior, "
    "honestly wide."
)
SHRINKAGE = (
    "Rates are drawn towards the population's where visits are few, so the rate of an eye that worsens fast "
    "is understated at first; compare the least-squares slope."
)
SHORT = (
    "All visits lie within half a year. What a field moves in so short a time, as a rate in dB/year, is mostly noise "
    "and wander, in least squares above all: go by what of it lasts."
)


@dataclass(frozen=True)
class EyePage:
    """What ``eye.html.j2`` shows."""

    title: str
    facts: list[Fact]
    notes: list[str]
    verdicts: list[str]
    rates: Table
    regions: Table
    rate_map: Map
    rate_legend: Markup
    md_chart: Markup
    thickness_chart: Markup
    maps: list[Map]
    maps_note: str
    td_legend: Markup
    gray: list[Map]
    sens_legend: Markup
    forecast_notes: list[str]
    forecasts: list[Map]
    widths: list[Map]
    width_legend: Markup
    further_notes: list[str]
    further_loss: list[Map]
    latents: list[Map]
    visits: Table
    neighbours: list[Cell]


def page_name(eye_number: int) -> str:
    """File name of an eye's page; it holds no identifier."""
    return f"eye-{eye_number:04d}.html"


def eye_page(
    eye: EyeData, drawer: FieldMaps, method: str, pages: int, locations: int, sectors: Sequence[str] = ()
) -> EyePage:
    """Context of an eye's page.

    Parameters
    ----------
    method : str
        Of the trajectories: how the forecasts were made.
    pages : int
        Number of eye pages, for the links to neighbours.
    locations : int
        Number of locations of the grid.
    sectors : sequence of str
        Columns of the nerve fibre layer, where the cohort has one.
    """
    rate, used = eye.rate, eye.used
    at = int(rate[NUMBER])
    notes = [rate_note(rate)]
    shown = used.iloc[evenly_spaced(len(used), MOST_MAPS)]
    return EyePage(
        title=f"Eye {at}",
        facts=_facts(eye),
        notes=notes + ([PARTS[eye.part]] if eye.part else []),
        verdicts=verdicts(rate),
        rates=_rates_table(rate),
        regions=regions_table(eye.regions),
        rate_map=rate_map(eye.location_rates, rate[c.EYE], drawer),
        rate_legend=drawer.legend("rate"),
        md_chart=_md_chart(eye),
        thickness_chart=eye_thickness_chart(used, rate, sectors, _end(eye)),
        maps=_visit_maps(shown, c.td(locations), drawer, "td"),
        maps_note=_maps_note(len(shown), len(used)),
        td_legend=drawer.legend("td"),
        gray=_gray_maps(used, c.sens(locations), drawer),
        sens_legend=drawer.legend("sens"),
        forecast_notes=forecast_notes(rate, method),
        forecasts=_forecast_maps(eye, drawer, width=False),
        widths=_forecast_maps(eye, drawer, width=True),
        width_legend=drawer.legend("width"),
        further_notes=further_notes(eye.further_loss),
        further_loss=further_loss_maps(eye.further_loss, rate[c.EYE], locations, drawer),
        latents=_latent_charts(eye),
        visits=_visits_table(eye.visits),
        neighbours=_neighbours(at, pages),
    )


def rate_note(rate: pd.Series) -> str:
    """What to bear in mind of the eye's rate."""
    if rate["n_visits"] == 1:
        return ONE_VISIT
    return SHORT if rate["years_followed"] < SHORT_YEARS else SHRINKAGE


def forecast_notes(rate: pd.Series, method: str) -> list[str]:
    """What the forecast takes the future to be, and where an eye's rate speaks against it."""
    notes = [FORECASTS[method]]
    if method == "static" and rate["rate_upper"] < 0:
        notes.append(
            "This eye's rate is below 0 with its whole 95 % interval: expect later tests to fall below this forecast."
        )
    return notes


def _maps_note(shown: int, used: int) -> str:
    """Which fields are shown, where not all are."""
    if shown == used:
        return ""
    return f"{shown} of {used} fields: the first, the last, and evenly spaced ones between."


def _neighbours(at: int, pages: int) -> list[Cell]:
    """Links to the pages before and after."""
    before = [Cell(f"\N{LEFTWARDS ARROW} Eye {at - 1}", href=page_name(at - 1), css="prev")] if at > 1 else []
    after = (
        [Cell(f"Eye {at + 1} \N{RIGHTWARDS ARROW}", href=page_name(at + 1), css="next")] if at < pages else []
    )
    return before + after


def _judged(rate: pd.Series) -> bool:
    """Whether the detector had anything to go by."""
    return bool(rate["progressing_threshold"] < 1)


def verdicts(rate: pd.Series) -> list[str]:
    """The rate in words: how likely the eye worsens, and whether it is flagged."""
    if np.isnan(rate["md_slope"]):
        return ["Nothing can be said of the course of this eye yet: what stands below is the prior's."]
    p, score = rate["p_worsening"], rate["p_progressing"]
    worsens = (
        f"This eye is {likelihood(p)} worsening (probability {probability(p)} that its rate is below 0)."
    )
    verb = "is flagged as progressing" if rate["progressing"] else "is not flagged as progressing"
    if not _judged(rate):
        enough = rate["n_visits"] >= MIN_VISITS
        beyond = " at different times, and locations that see something" if enough else ""
        return [worsens, f"It {verb}: that takes {MIN_VISITS} visits{beyond}."]
    side = "above" if rate["progressing"] else "not above"
    threshold = rate["progressing_threshold"]
    digits = 2 if probability(score) != number(threshold) else 4
    said = number(score, digits) if digits > 2 else probability(score)
    flagged = (
        f"It {verb}: its probability of progression against stability, {said}, is {side} the "
        f"threshold for {quantity(int(rate['n_visits']), 'visit')} so far apart, {number(threshold, digits)}."
    )
    if p >= LIKELY and not rate["progressing"]:
        flagged += (
            " The flag is stricter: it asks whether stable eyes, which wander too, seldom look like this."
        )
    return [worsens, flagged]


def likelihood(p: float) -> str:
    """A probability as an adverb."""
    bands = [
        (0.95, "very likely"),
        (LIKELY, "likely"),
        (0.5, "possibly"),
        (0.2, "probably not"),
        (0.0, "unlikely to be"),
    ]
    return next(word for lowest, word in bands if p >= lowest)


def _facts(eye: EyeData) -> list[Fact]:
    rate, ages = eye.rate, eye.visits[c.AGE]
    excluded = len(eye.visits) - len(eye.used)
    fields = f"{len(eye.used)} used" + (f", {excluded} excluded" if excluded else "")
    return [
        Fact("Patient", rate[c.PATIENT]),
        Fact("Eye", f"{LATERALITY[rate[c.EYE]]} ({rate[c.EYE]})"),
        Fact("Fields", fields),
        Fact("Followed", f"{number(rate['years_followed'], 1)} years"),
        Fact("Age at the last field", f"{number(ages.iloc[-1], 1)} years"),
        Fact("Baseline mean TD", f"{number(rate['baseline_md'], 1)} dB"),
    ]


def _rates_table(rate: pd.Series) -> Table:
    """Every statement on the eye's rate: the model's first, the classical methods beside it."""
    spread, lasting = (interval(rate[f"{name}_lower"], rate[f"{name}_upper"]) for name in ("rate", "lasting"))
    rows = [
        (
            "Rate of mean TD over the visits",
            f"{number(rate['rate'])} dB/year",
            f"95 % credible interval {spread}",
        ),
        (
            "What of it lasts",
            f"{number(rate['lasting_rate'])} dB/year",
            f"95 % credible interval {lasting}: what goes on when the field's wander has faded",
        ),
        *structure_rows(rate),
        (
            "Probability of worsening",
            probability(rate["p_worsening"]),
            "posterior probability of a rate below 0",
        ),
        *[
            (
                f"Probability of worsening faster than \N{MINUS SIGN}{pace} dB/year",
                probability(rate[name]),
                "",
            )
            for pace, name in (("0.5", "p_faster_0_5"), ("1", "p_faster_1"), ("2", "p_faster_2"))
        ],
        *milestones(rate),
        (
            "Probability of progression",
            probability(rate["p_progressing"]),
            f"against stability; flagged above {number(rate['progressing_threshold'], 2)}"
            if _judged(rate)
            else "the prevalence: these visits say nothing for or against it",
        ),
        (
            "Slope of mean TD, least squares",
            MISSING if np.isnan(rate["md_slope"]) else f"{number(rate['md_slope'])} dB/year",
            f"one-sided p {p_value(rate['md_slope_p'])}",
        ),
        (
            "Pointwise linear regression",
            MISSING
            if np.isnan(rate["plr_points"]) or rate["n_visits"] < MIN_VISITS
            else quantity(int(rate["plr_points"]), "location"),
            "with a slope of \N{MINUS SIGN}1 dB/year or worse and p < 0.01",
        ),
        (
            "Worsening less improving locations",
            number(rate["plr_confirmed"], 0),
            "each so without the last test and without the one before; "
            f"progressing from {NET_LOCATIONS} on (Nouri-Mahdavi 2012)",
        ),
        ("PoPLR", f"p {p_value(rate['poplr_p'])}", "permutation of pointwise linear regression"),
    ]
    body = [[Cell(name), Cell(value, css="n"), Cell(meaning)] for name, value, meaning in rows]
    return Table("Rate, and what classical methods say", headers("Statement", "Value", "Meaning"), body)


def _end(eye: EyeData) -> float:
    """Years from the first field to the last forecast."""
    return float(eye.used[c.YEARS].iloc[-1] + eye.forecast_md[c.YEARS_AHEAD].iloc[-1])


def _md_chart(eye: EyeData) -> Markup:
    rate, used, md = eye.rate, eye.used, eye.forecast_md
    excluded = eye.visits[~eye.visits[c.INCLUDED] & eye.visits[c.MTD].notna()]
    years, mtd = used[c.YEARS].to_numpy(), used[c.MTD].to_numpy()
    ahead = years[-1] + md[c.YEARS_AHEAD].to_numpy()
    return md_chart(
        (years, mtd),
        (excluded[c.YEARS].to_numpy(), excluded[c.MTD].to_numpy()),
        rate_line(years, mtd, (rate["rate"], rate["rate_lower"], rate["rate_upper"])),
        (ahead, md["md_median"].to_numpy(), md["md_lower"].to_numpy(), md["md_upper"].to_numpy()),
        f"Mean TD over {quantity(len(used), 'visit')}; rate {number(rate['rate'])} dB/year; forecast to "
        f"{number(ahead[-1], 1)} years",
    )


def _visit_maps(visits: pd.DataFrame, columns: list[str], drawer: FieldMaps, kind: FieldKind) -> list[Map]:
    fields = visits[columns].to_numpy(float)
    maps = []
    for number_, years, side, field in zip(
        visits[c.VISIT], visits[c.YEARS], visits[c.EYE], fields, strict=True
    ):
        caption = f"Visit {number_}, {number(years, 1)} years"
        maps.append(Map(drawer.draw(field, side, caption, kind), caption))
    return maps


def _gray_maps(used: pd.DataFrame, columns: list[str], drawer: FieldMaps) -> list[Map]:
    """Sensitivities of the first and last visit, where the source gives them."""
    if not set(columns) <= set(used.columns):
        return []
    ends = used.iloc[sorted({0, len(used) - 1})]
    given = ends[ends[columns].notna().any(axis=1)]
    return _visit_maps(given, columns, drawer, "sens")


def _forecast_maps(eye: EyeData, drawer: FieldMaps, *, width: bool) -> list[Map]:
    """A map a horizon: the median, or the width of the 90 % interval."""
    horizons = eye.forecast[c.YEARS_AHEAD][:, 0]
    fields = eye.forecast["td_upper"] - eye.forecast["td_lower"] if width else eye.forecast["td_median"]
    maps = []
    for years, field in zip(horizons, fields, strict=True):
        caption = f"{years:g} {'year' if years == 1 else 'years'} ahead"
        maps.append(Map(drawer.draw(field, eye.rate[c.EYE], caption, "width" if width else "td"), caption))
    return maps


def _latent_charts(eye: EyeData) -> list[Map]:
    """The latents that say most of this eye, each over the years; none where its path has no latents."""
    start, start_sd, slope, slope_sd, correlation = (eye.z_path[name] for name in Z_PATH)
    names = [f"z_{k}" for k in range(1, len(start) + 1)]
    years, z = eye.latents[c.YEARS].to_numpy(), eye.latents[names].to_numpy()
    z_sd = eye.latents[[f"{name}_sd" for name in names]].to_numpy()
    at = np.linspace(years[0], years[-1], PATH_POINTS)
    charts = []
    for k in choose_latents(z, slope, years[-1] - years[0], LATENTS_SHOWN):
        mean = start[k] + slope[k] * at
        drift_sd = slope_sd[k] * at
        sd = np.sqrt(start_sd[k] ** 2 + 2 * correlation[k] * start_sd[k] * drift_sd + drift_sd**2)
        label = f"Latent {k + 1}"
        charts.append(Map(latent_chart(years, z[:, k], z_sd[:, k], (at, mean, sd), label), label))
    return charts


def _visits_table(visits: pd.DataFrame) -> Table:
    """Every field read of the eye, with the reason where it is not used."""
    reliability = [name for name in c.RELIABILITY if name in visits and visits[name].notna().any()]
    dated = c.DATE in visits and visits[c.DATE].notna().any()
    names = {
        c.FALSE_POSITIVES: "False positives",
        c.FALSE_NEGATIVES: "False negatives",
        c.FIXATION_LOSSES: "Fixation losses",
    }
    labels = [
        "Visit",
        *(["Date"] if dated else []),
        "Years",
        "Age (years)",
        "MD (dB)",
        "Mean TD (dB)",
        "PSD (dB)",
    ]
    rows = []
    shown = [c.VISIT, *([c.DATE] if dated else []), c.YEARS, c.AGE, c.MD, c.MTD, c.PSD, *reliability]
    for visit in visits[[*shown, c.INCLUDED, c.REASON]].to_dict("records"):
        cells = row(str(visit[c.VISIT])) + ([Cell(_day(visit[c.DATE]), css="key")] if dated else [])
        for name, digits in ((c.YEARS, 2), (c.AGE, 1), (c.MD, 2), (c.MTD, 2), (c.PSD, 2)):
            cells.append(number_cell(number(visit[name], digits), visit[name]))
        cells += [number_cell(number(visit[name], 2), visit[name]) for name in reliability]
        cells += row("yes" if visit[c.INCLUDED] else "no", visit[c.REASON])
        rows.append(cells)
    columns = [*labels, *(names[r] for r in reliability), "Used", "Why not"]
    return Table("Fields read", [Header(label) for label in columns], rows)


def _day(date: Any) -> str:
    return MISSING if pd.isna(date) else str(date)[:10]
