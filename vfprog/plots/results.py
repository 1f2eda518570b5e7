"""A cohort's results, read once for figures and report, and the order in which its eyes are numbered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from vfprog import columns as c
from vfprog.io import read_json, read_table

MIN_PATIENTS = 10  # below, a bootstrap over patients says nothing of the uncertainty: no interval is shown
NUMBER = "number"  # of an eye within its cohort, 1 = worsening fastest: page number, and its name in figures


@dataclass(frozen=True)
class DetectionResults:
    """``detection.csv``, ``detection_differences.csv`` and ``time_to_detection.csv`` of a cohort with known truth."""

    scores: pd.DataFrame
    differences: pd.DataFrame
    times: pd.DataFrame


@dataclass(frozen=True)
class TrustResults:
    """``sbc.csv``, ``nuts.csv`` and ``predictive_checks.csv`` of a cohort whose posterior was checked."""

    sbc: pd.DataFrame
    nuts: pd.DataFrame
    predictive: pd.DataFrame


@dataclass(frozen=True)
class Results:
    """Tables of one cohort and of the model behind its rates.

    ``rates`` is sorted by rate and carries ``number``; ``visits`` holds every field read, with ``included``;
    ``xy`` (location, 2) are positions in degrees, right-eye format. What is of :data:`vfprog.columns.FURTHER` is None
    for cohorts that have none; the evaluation tables have no rows where no eye has enough visits.
    """

    visits: pd.DataFrame
    latents: pd.DataFrame
    rates: pd.DataFrame
    rates_regions: pd.DataFrame
    rates_locations: pd.DataFrame
    prior_sensitivity: pd.DataFrame
    rates_truth: pd.DataFrame | None
    trust: TrustResults | None
    forecasts: pd.DataFrame
    forecasts_md: pd.DataFrame
    trajectories: xr.Dataset
    xy: np.ndarray
    evaluation: pd.DataFrame
    differences: pd.DataFrame
    published: pd.DataFrame
    flagged: pd.DataFrame
    detection: DetectionResults | None
    retest: pd.DataFrame | None
    split: pd.DataFrame | None
    further_loss: pd.DataFrame | None
    qc: dict[str, Any]
    quarantine: pd.DataFrame
    typicality: pd.DataFrame
    history: pd.DataFrame
    card: dict[str, Any]

    @property
    def locations(self) -> int:
        """Number of locations of the grid."""
        return len(self.xy)

    @property
    def latent_dim(self) -> int:
        """Number of latents of the model; an eye's path has as many, or none where its method has no network."""
        return int(self.card["latent_dim"])

    @property
    def latent_paths(self) -> bool:
        """Whether eyes have a path through latent space."""
        return self.trajectories.sizes["latent"] > 0


def load_results(cohort_dir: Path, model_dir: Path, further: Collection[str] = ()) -> Results:
    """Read everything that figures and report show of a cohort.

    Parameters
    ----------
    cohort_dir, model_dir : Path
        Folders of the cohort's tables and of the model behind its rates.
    further : collection of str
        Which of the tables that not every cohort has are the run's, of ``c.FURTHER``. They are never looked for: a file
        left from an earlier config would say that the model learned from patients whom it never saw.
    """

    def table(name: str) -> pd.DataFrame:
        return read_table(cohort_dir / name)

    def tables(name: str) -> tuple[pd.DataFrame, ...] | None:
        return tuple(map(table, c.FURTHER[name])) if name in further else None

    def only(name: str) -> pd.DataFrame | None:
        return table(*c.FURTHER[name]) if name in further else None

    forecasts = table("forecasts.parquet")
    with xr.open_dataset(cohort_dir / "trajectories.nc", engine="h5netcdf") as dataset:
        trajectories = dataset.load()
    rates_truth, retest = only("rates_truth"), only("retest")
    trust, detection = tables("trust"), tables("detection")
    return Results(
        visits=table("visits.parquet").sort_values(c.VISIT_KEY, ignore_index=True),
        latents=table("latents.parquet").sort_values(c.VISIT_KEY, ignore_index=True),
        rates=number_eyes(table("rates.csv")),
        rates_regions=table("rates_regions.csv"),
        rates_locations=table("rates_locations.parquet"),
        prior_sensitivity=table("prior_sensitivity.csv"),
        rates_truth=None if rates_truth is None else without_thin_intervals(rates_truth, "n_patients"),
        trust=None if trust is None else TrustResults(*trust),
        forecasts=forecasts,
        forecasts_md=table("forecasts_md.csv"),
        trajectories=trajectories,
        xy=positions(forecasts),
        evaluation=with_sound_intervals(table("evaluation.csv")),
        differences=with_sound_intervals(table("differences.csv")),
        published=with_sound_intervals(table("published.csv")),
        flagged=without_thin_intervals(table("flagged.csv"), "n_patients"),
        detection=None if detection is None else _detection(detection),
        retest=None if retest is None else with_sound_intervals(retest),
        split=only("split"),
        further_loss=only("further_loss"),
        qc=read_json(cohort_dir / "qc.json"),
        quarantine=table("quarantine.csv"),
        typicality=table("typicality.csv"),
        history=read_table(model_dir / "history.csv"),
        card=read_json(model_dir / "card.json"),
    )


def with_sound_intervals(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores without the intervals (NaN) that rest on fewer than 10 patients."""
    enough = scores["n_patients"] >= MIN_PATIENTS
    return scores.assign(lower=scores["lower"].where(enough), upper=scores["upper"].where(enough))


def _detection(tables: tuple[pd.DataFrame, ...]) -> DetectionResults:
    return DetectionResults(*(without_thin_intervals(table, "n_persons") for table in tables))


def without_thin_intervals(table: pd.DataFrame, patients: str) -> pd.DataFrame:
    """A table without the bounds (NaN) that rest on fewer than 10 patients, counted in that column."""
    bounds = [name for name in table if str(name).endswith(("lower", "upper"))]
    enough = table[patients] >= MIN_PATIENTS
    return table.assign(**{str(name): table[name].where(enough) for name in bounds})


def positions(forecasts: pd.DataFrame) -> np.ndarray:
    """Positions of the locations, degrees, right-eye format: (location, 2)."""
    locations = forecasts[[c.LOCATION, c.X, c.Y]].drop_duplicates().sort_values(c.LOCATION)
    return locations[[c.X, c.Y]].to_numpy(float)


def number_eyes(rates: pd.DataFrame) -> pd.DataFrame:
    """Sort eyes by rate, worsening fastest first (ties by key), and number them from 1."""
    ordered = rates.sort_values(["rate", *c.EYE_KEY], ignore_index=True)
    return ordered.assign(**{NUMBER: np.arange(1, len(ordered) + 1)})


def example_eyes(rates: pd.DataFrame, n: int) -> pd.DataFrame:
    """Up to ``n`` different eyes for the cohort's figures, with the rule that chose each in column ``why``.

    First one of each kind (worsening fastest, most visits, most stable, fewest visits), then eyes spread
    evenly over the order of rates. ``rates`` is the numbered table; kinds that speak of a rate take eyes with
    at least the median number of visits, so that the rate rests on data.
    """
    followed = rates[rates["n_visits"] >= rates["n_visits"].median()]
    kinds = [
        ("fastest of the longer followed", followed.index[0]),
        ("most visits", rates["n_visits"].idxmax()),
        ("most stable of these", followed["rate"].abs().idxmin()),
        ("fewest visits", rates["n_visits"].idxmin()),
    ]
    spread = np.linspace(0, len(rates) - 1, max(n, 2)).round().astype(int)
    kinds += [(f"rate ranked {i + 1} of {len(rates)}", rates.index[i]) for i in spread]
    chosen: dict[int, str] = {}
    for why, row in kinds:
        chosen.setdefault(row, why)
    rows = list(chosen)[:n]
    return rates.loc[rows].assign(why=[chosen[row] for row in rows]).reset_index(drop=True)


def of_eye(table: pd.DataFrame, eye: pd.Series) -> pd.DataFrame:
    """The rows of ``table`` that belong to the eye of a row of ``rates``, in their order."""
    return table[(table[c.PATIENT] == eye[c.PATIENT]) & (table[c.EYE] == eye[c.EYE])]


def trajectory_of(trajectories: xr.Dataset, eye: pd.Series) -> xr.Dataset:
    """The latent trajectory of the eye of a row of ``rates``."""
    match = (trajectories["patient_id"].to_numpy() == eye[c.PATIENT]) & (
        trajectories["laterality"].to_numpy() == eye[c.EYE]
    )
    return trajectories.isel(eye=int(np.flatnonzero(match)[0]))


def closest_horizon(years_ahead: pd.Series | np.ndarray, wanted: float) -> float:
    """The forecast horizon closest to ``wanted`` years; the longer one of two equally close."""
    horizons = np.unique(years_ahead)[::-1]
    return float(horizons[np.abs(horizons - wanted).argmin()])


def evenly_spaced(n: int, shown: int) -> list[int]:
    """Indices of at most ``shown`` of ``n`` visits: first, last and evenly spaced ones between."""
    if n <= shown:
        return list(range(n))
    return [int(i) for i in np.linspace(0, n - 1, shown).round()]
