"""Forecast tables: a future measured test of every eye at each horizon, location by location and as mean TD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog import columns as c
from vfprog.forecast.calibrate import LOWER, MEDIAN, NORMAL, UPPER, Calibration
from vfprog.model.trajectory import Path, Prediction, Trajectory, eye_batches
from vfprog.perimetry.grid import Grid


@torch.no_grad()
def forecast_tables(
    eyes: pd.DataFrame,
    path: Path,
    trajectory: Trajectory,
    calibration: Calibration,
    years_ahead: list[float],
    grid: Grid,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``forecasts.parquet`` and ``forecasts_md.csv`` (see README, "Outputs"); intervals are 90 %, dB."""
    ahead = torch.tensor(sorted(set(years_ahead)), dtype=path.td.dtype, device=path.td.device)
    years = path.last_years[:, None] + ahead
    mean, sd, md, md_sd = _in_batches(trajectory.predict, path, years)
    field, field_sd, field_md, field_md_sd = _in_batches(trajectory.underlying, path, years)
    times, visits = ahead.cpu().numpy().astype(float), path.n_visits.cpu().numpy().astype(float)[:, None]
    tests = calibration.td(mean, sd, times[:, None], visits[..., None])
    mean_tests = calibration.md(md, md_sd, times, visits)
    eye, time, location = (i.ravel() for i in np.indices(mean.shape))
    fields = pd.DataFrame(
        {
            c.PATIENT: eyes[c.PATIENT].to_numpy()[eye],
            c.EYE: eyes[c.EYE].to_numpy()[eye],
            c.YEARS_AHEAD: times.round(6)[time],
            c.LOCATION: location + 1,
            c.X: grid.xy[location, 0],
            c.Y: grid.xy[location, 1],
            "td_median": tests.quantile(MEDIAN).ravel(),
            "td_mean": tests.expectation().ravel(),
            "td_lower": tests.quantile(LOWER).ravel(),
            "td_upper": tests.quantile(UPPER).ravel(),
            **_normal("field", field, field_sd),
        }
    )
    eye, time = (i.ravel() for i in np.indices(md.shape))
    means = pd.DataFrame(
        {
            c.PATIENT: eyes[c.PATIENT].to_numpy()[eye],
            c.EYE: eyes[c.EYE].to_numpy()[eye],
            c.YEARS_AHEAD: times.round(6)[time],
            "md_median": mean_tests.quantile(MEDIAN).ravel(),
            "md_lower": mean_tests.quantile(LOWER).ravel(),
            "md_upper": mean_tests.quantile(UPPER).ravel(),
            **_normal("field_md", field_md, field_md_sd),
        }
    )
    return fields, means


def _in_batches(predict: Callable[[Path, Tensor], Prediction], path: Path, years: Tensor) -> list[np.ndarray]:
    """Means and SDs of locations and of mean TD, batch by batch of eyes to bound the memory."""
    parts = [predict(path[b], years[b]) for b in eye_batches(len(years))]
    return [t.cpu().numpy().astype(float) for t in vars(Prediction.concatenate(parts)).values()]


def _normal(name: str, mean: np.ndarray, sd: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and 90 % interval of the underlying field, whose posterior has no noise of a test and so no skew."""
    reach = NORMAL[UPPER] * sd
    return {
        f"{name}_mean": mean.ravel(),
        f"{name}_lower": (mean - reach).ravel(),
        f"{name}_upper": (mean + reach).ravel(),
    }
