"""Forecast tables: a future measured test of every eye at each horizon, location by location and as mean TD."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from vfprog import columns as c
from vfprog.forecast.calibrate import LOWER, MEDIAN, UPPER, Calibration
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
    prediction = Prediction.concatenate(
        [trajectory.predict(path[b], years[b]) for b in eye_batches(len(eyes))]
    )
    mean, sd, md, md_sd = (t.cpu().numpy().astype(float) for t in vars(prediction).values())
    eye, time, location = (i.ravel() for i in np.indices(mean.shape))
    fields = pd.DataFrame(
        {
            c.PATIENT: eyes[c.PATIENT].to_numpy()[eye],
            c.EYE: eyes[c.EYE].to_numpy()[eye],
            c.YEARS_AHEAD: ahead.cpu().numpy().astype(float).round(6)[time],
            c.LOCATION: location + 1,
            c.X: grid.xy[location, 0],
            c.Y: grid.xy[location, 1],
            "td_median": calibration.td(mean, sd, MEDIAN).ravel(),
            "td_mean": calibration.td_mean(mean, sd).ravel(),
            "td_lower": calibration.td(mean, sd, LOWER).ravel(),
            "td_upper": calibration.td(mean, sd, UPPER).ravel(),
        }
    )
    eye, time = (i.ravel() for i in np.indices(md.shape))
    means = pd.DataFrame(
        {
            c.PATIENT: eyes[c.PATIENT].to_numpy()[eye],
            c.EYE: eyes[c.EYE].to_numpy()[eye],
            c.YEARS_AHEAD: ahead.cpu().numpy().astype(float).round(6)[time],
            "md_median": calibration.md(md, md_sd, MEDIAN).ravel(),
            "md_lower": calibration.md(md, md_sd, LOWER).ravel(),
            "md_upper": calibration.md(md, md_sd, UPPER).ravel(),
        }
    )
    return fields, means
