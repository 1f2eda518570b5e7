"""Tables of rates: of each eye, of the regions of its field, of its locations; and what the prior does to them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from vfprog import columns as c
from vfprog.config import RatesConfig
from vfprog.data.views import Views
from vfprog.forecast.calibrate import measured_mtd
from vfprog.forecast.detection import Detection
from vfprog.forecast.rate_posterior import (
    Evidence,
    FieldPosterior,
    RatePosterior,
    evidence,
    field_posterior,
    region_posterior,
)
from vfprog.forecast.rate_prior import RatePrior
from vfprog.perimetry.classical import classical_rates
from vfprog.perimetry.grid import Grid

MILESTONES = (12, 22)  # -dB of mean TD: moderate loss turned severe, and sight for daily life nearly gone
MILESTONE_TAIL = 0.05  # in each end of the interval of the years until then
WITHIN = (5, 10)  # years
FEW_VISITS = 3  # at which the prior's part in a rate is shown
PRIOR_SCALES = (0.5, 1.0, 2.0)
SENSITIVITY = ["n_visits", "prior_scale", "rate", "rate_lower", "rate_upper", "p_worsening"]


class RateTables(NamedTuple):
    """``rates.csv``, ``rates_regions.csv`` and ``rates_locations.parquet`` (see README, "Outputs")."""

    eyes: pd.DataFrame
    regions: pd.DataFrame
    locations: pd.DataFrame


def mtd_series(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """Mean TD (dB, 0 at padding), and whether there is one: two arrays (eye, visit)."""
    return measured_mtd(views.td, views.mask), np.asarray(views.mask.any(-1))


def rate_tables(
    eyes: pd.DataFrame,
    views: Views,
    grid: Grid,
    prior: RatePrior,
    detection: Detection,
    options: RatesConfig,
    seed: int,
) -> RateTables:
    """Rates in dB/year of the plain mean of TD over an eye's field, and over each of the grid's regions.

    ``detection`` holds what the detector says of the same eyes.
    """
    regions = np.array(list(grid.regions.values()))
    everywhere = np.concatenate([regions, np.eye(grid.n, dtype=bool)])
    of_eye, of_region = [], []
    for part in evidence(views, prior):
        of_eye.append(_field_columns(field_posterior(part, prior)) | _structure_columns(part, prior))
        found = region_posterior(part, everywhere, prior)
        of_region.append(
            {**_rate_columns(found.rate), "ls_slope": found.slope, "n_locations": found.locations}
        )
    by_region = {name: np.concatenate([part[name] for part in of_region]) for name in of_region[0]}
    tables = [
        _long(eyes, {name: values[:, part] for name, values in by_region.items()}, labels)
        for part, labels in (
            (slice(len(regions)), pd.DataFrame({"region": list(grid.regions)})),
            (slice(len(regions), None), _location_labels(grid)),
        )
    ]
    whole = pd.DataFrame({name: np.concatenate([part[name] for part in of_eye]) for name in of_eye[0]})
    table = pd.concat([_eye_columns(eyes, views), whole], axis=1).assign(
        p_progressing=detection.p_progressing,
        progressing=detection.flagged,
        progressing_threshold=detection.threshold,
    )
    floor = views.at_floor if options.floor == "censored" else None
    classical = classical_rates(views.td, views.mask, views.years, options.poplr_permutations, seed, floor)
    return RateTables(
        pd.concat([table, classical.set_axis(table.index)], axis=1),
        tables[0],
        tables[1].drop(columns="n_locations"),
    )


def prior_sensitivity(eyes: pd.DataFrame, views: Views, prior: RatePrior) -> pd.DataFrame:
    """``prior_sensitivity.csv``: rates from each eye's first three visits, the prior's paces halved and doubled."""
    enough = np.flatnonzero(views.n_visits >= FEW_VISITS)
    chosen = eyes.iloc[enough].reset_index(drop=True)
    tables = [pd.DataFrame(columns=[*chosen, *SENSITIVITY])]
    if len(enough):
        first = views[enough].first(FEW_VISITS)
        tables = [_at_scale(chosen, first, replace(prior, pace_scale=scale)) for scale in PRIOR_SCALES]
    return pd.concat(tables, ignore_index=True)


def _at_scale(eyes: pd.DataFrame, views: Views, prior: RatePrior) -> pd.DataFrame:
    parts = [
        pd.DataFrame(_rate_columns(field_posterior(part, prior).rate)) for part in evidence(views, prior)
    ]
    table = eyes.assign(n_visits=FEW_VISITS, prior_scale=prior.pace_scale)
    return pd.concat([table, pd.concat(parts, ignore_index=True)], axis=1)[[*eyes, *SENSITIVITY]]


def _eye_columns(eyes: pd.DataFrame, views: Views) -> pd.DataFrame:
    """What is known of an eye without any model."""
    mtd, tested = mtd_series(views)
    return eyes.reset_index(drop=True).assign(
        n_visits=views.n_visits,
        years_followed=views.years.max(1) - views.years[:, 0],
        baseline_md=np.where(tested[:, 0], mtd[:, 0], np.nan),
    )


def _rate_columns(rate: RatePosterior) -> dict[str, np.ndarray]:
    """Summaries of a rate's posterior, each of the posterior's leading shape."""
    return {
        "rate": rate.expectation(),
        "rate_lower": rate.quantile(0.025),
        "rate_upper": rate.quantile(0.975),
        "p_worsening": rate.probability_below(0.0),
        "p_faster_0_5": rate.probability_below(-0.5),
        "p_faster_1": rate.probability_below(-1.0),
        "p_faster_2": rate.probability_below(-2.0),
    }


def _field_columns(field: FieldPosterior) -> dict[str, np.ndarray]:
    """Summaries of the field's rates, and of the years from the last visit until its mean TD reaches each milestone."""
    columns = _rate_columns(field.rate)
    columns["lasting_rate"] = field.lasting.expectation()
    columns["lasting_lower"], columns["lasting_upper"] = (field.lasting.quantile(p) for p in (0.025, 0.975))
    for md in MILESTONES:
        for name, p in (("median", 0.5), ("lower", MILESTONE_TAIL), ("upper", 1 - MILESTONE_TAIL)):
            columns[f"years_to_{md}_{name}"] = field.years_until(-md, p)
        for years in WITHIN:
            columns[f"p_reaches_{md}_in_{years}"] = field.probability_reached(-md, years)
    return columns


def _structure_columns(part: Evidence, prior: RatePrior) -> dict[str, np.ndarray]:
    """The slope of the nerve fibre layer, and the rate without it; nothing where a cohort lacks that view."""
    if part.thinning is None:
        return {}
    slope, variance, degrees = part.thinning
    reach = student.ppf(0.975, degrees) * np.sqrt(variance)
    alone = field_posterior(replace(part, thinning=None), prior).rate
    return {
        "rnfl_slope": slope,
        "rnfl_lower": slope - reach,
        "rnfl_upper": slope + reach,
        "fields_alone_rate": alone.expectation(),
        "fields_alone_lower": alone.quantile(0.025),
        "fields_alone_upper": alone.quantile(0.975),
    }


def _location_labels(grid: Grid) -> pd.DataFrame:
    return pd.DataFrame({c.LOCATION: np.arange(1, grid.n + 1), c.X: grid.xy[:, 0], c.Y: grid.xy[:, 1]})


def _long(eyes: pd.DataFrame, columns: dict[str, np.ndarray], labels: pd.DataFrame) -> pd.DataFrame:
    """One row per eye and label from arrays (eye, label); rates are blank where no location is counted."""
    n = len(labels)
    keys = eyes.loc[eyes.index.repeat(n)].reset_index(drop=True)
    named = pd.concat([labels] * len(eyes), ignore_index=True)
    values = pd.DataFrame({name: array.ravel() for name, array in columns.items()})
    known = values["n_locations"] > 0
    values = values.where(known, np.nan).assign(n_locations=values["n_locations"])
    return pd.concat([keys, named, values], axis=1)
