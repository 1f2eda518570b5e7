"""The model card: all that is fitted besides the networks, and which data touched what."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from vfprog import columns as c
from vfprog.config import RatesConfig, TrajectoryConfig
from vfprog.data.series import series_from_visits
from vfprog.forecast.calibrate import fit_calibration, normal_calibration
from vfprog.forecast.methods import forecast_methods, forecast_origins
from vfprog.forecast.rate_prior import fit_rate_prior
from vfprog.forecast.rates import fit_threshold, mtd_series
from vfprog.inference.fit_residual import fit_residual
from vfprog.model.field_vae import FieldVAE
from vfprog.perimetry.grid import Grid

CALIBRATION_VISITS = (1, 2, 3, 5, 7, 10)  # first visits whose forecasts are calibrated on


def calibrate_model(
    vae: FieldVAE,
    visits: pd.DataFrame,
    grid: Grid,
    trajectory: TrajectoryConfig,
    rates: RatesConfig,
    seed: int,
) -> dict[str, Any]:
    """Fit everything but the networks on training patients' visits; the result goes on the card."""
    series = series_from_visits(visits, grid).to(vae.device)
    xy = torch.as_tensor(grid.xy, dtype=series.td.dtype, device=series.td.device)
    residual = fit_residual(vae, series, xy, seed)
    methods = forecast_methods(trajectory, vae, residual, seed)
    calibration = {}
    for name, method in methods.items():
        forecasts = forecast_origins(method, series, CALIBRATION_VISITS)
        calibration[name] = (fit_calibration(forecasts) if forecasts else normal_calibration()).to_card()
    mtd, mask, years = mtd_series(series)
    prior = fit_rate_prior(mtd, mask, years)
    return {
        "residual": {k: round(v.item(), 5) for k, v in residual.scalars.items()},
        "calibration": calibration,
        "rate_prior": prior.to_card(),
        "threshold": round(fit_threshold(mask, years, prior, rates, seed), 5),
    }


def model_card(
    name: str, architecture: dict[str, Any], visits: pd.DataFrame, fitted: dict[str, Any]
) -> dict[str, Any]:
    """The card: what was trained (``architecture.json``), what was fitted, and on which data."""
    training, options = architecture["training"], architecture["options"]
    cohorts = ", ".join(training["cohorts"])
    data = (
        f"Networks: {training['population_series']} series simulated from the shipped population, and "
        f"{training['patients']} training patients of {cohorts}. Residual process, predictive quantiles, rate prior "
        f"and threshold: {visits[c.PATIENT].nunique()} training and validation patients of {cohorts}. "
        "Test patients and cohorts with role apply touched nothing of this. They may have touched the constants "
        "shipped with vfprog: the population rests on UWHVF, the noise of a test on the Halifax retests and Rotterdam, "
        "and the residual process starts from values fitted to Rotterdam."
    )
    return {
        "model": name,
        "kind": options["kind"],
        "latent_dim": options["latent_dim"],
        "beta": options["train"]["beta"],
        "seed": training["seed"],
        "device": training["device"],
        "data": data,
        "training": training,
        **fitted,
    }
