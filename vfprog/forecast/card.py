"""The model card: everything a trained model needs to serve a cohort, and which data touched what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from vfprog import columns as c
from vfprog.config import EvaluationConfig, RatesConfig, TrajectoryConfig
from vfprog.data.series import eyes_of, series_from_visits
from vfprog.forecast.calibrate import Calibration, fit_calibration, normal_calibration
from vfprog.forecast.evaluate import retest_error
from vfprog.forecast.methods import forecast_methods, forecast_origins
from vfprog.forecast.rates import RatePrior, fit_rate_prior, fit_threshold, mtd_series, prior_card
from vfprog.inference.assess import assess
from vfprog.inference.checkpoint import load_vae
from vfprog.inference.fit_residual import fit_residual
from vfprog.io import read_json
from vfprog.model.field_vae import FieldVAE
from vfprog.model.residual import ResidualProcess, StaticField
from vfprog.perimetry.grid import Grid

RETEST_DRAWS = 64  # of z for the retest column of models.csv
CALIBRATION_VISITS = (1, 2, 3, 5, 7, 10)  # first visits whose forecasts are calibrated on


@dataclass(frozen=True)
class ServingModel:
    """A trained and calibrated model, ready for any cohort."""

    vae: FieldVAE
    residual: ResidualProcess
    calibration: dict[str, Calibration]
    rate_prior: RatePrior
    threshold: float


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
    mtd = mtd_series(series)
    prior = fit_rate_prior(*mtd)
    return {
        "residual": {k: round(v.item(), 5) for k, v in residual.scalars.items()},
        "calibration": calibration,
        "rate_prior": prior_card(prior),
        "threshold": round(fit_threshold(*mtd, prior, rates, seed), 5),
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
        "Test patients and cohorts with role apply touched nothing."
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


def model_row(
    folder: Path,
    serving: ServingModel,
    held_out: pd.DataFrame,
    retests: list[pd.DataFrame],
    grid: Grid,
    options: EvaluationConfig,
    seed: int,
) -> dict[str, Any]:
    """One row of ``models.csv``: a model assessed on held-out patients' fields and on test-retest cohorts."""
    card = read_json(folder / "card.json")
    device = serving.vae.device
    assessment = assess(serving.vae, series_from_visits(held_out, grid).to(device), seed)
    static = StaticField(serving.vae, serving.residual, RETEST_DRAWS, seed)
    errors = [
        retest_error(eyes_of(visits), series_from_visits(visits, grid).to(device), static, options, seed)
        for visits in retests
    ]
    values = [error.loc[error["method"] == "vae", "value"].item() for error in errors]
    return {
        **{key: card[key] for key in ("model", "kind", "latent_dim", "beta", "seed")},
        **asdict(assessment),
        "retest_mae": float(np.mean(values)) if values else float("nan"),
        "c2st_accuracy": float("nan"),
        "seconds": card["training"]["seconds"],
    }


def load_model(folder: Path, grid: Grid, device: torch.device) -> ServingModel:
    """Load a model from its folder of a run."""
    card = read_json(folder / "card.json")
    vae = load_vae(folder / "weights.safetensors", folder / "architecture.json", device)
    residual = ResidualProcess(torch.as_tensor(grid.xy, dtype=torch.float32), card["residual"]).to(device)
    calibration = {k: Calibration.from_card(v) for k, v in card["calibration"].items()}
    return ServingModel(vae, residual, calibration, RatePrior(**card["rate_prior"]), card["threshold"])
