"""The model card: all that is fitted besides the networks, and which data touched what."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from vfprog import columns as c
from vfprog.config import RatesConfig, TrajectoryConfig
from vfprog.data.series import series_from_visits
from vfprog.data.views import views_from_visits
from vfprog.forecast.calibrate import fit_calibration, normal_calibration
from vfprog.forecast.detection import fit_detector
from vfprog.forecast.methods import PROCESSES, forecast_methods, forecast_origins
from vfprog.forecast.rate_prior import fit_rate_prior
from vfprog.forecast.shrunk import fit_shrinkage
from vfprog.inference.fit_residual import fit_residual
from vfprog.model.field_vae import FieldVAE
from vfprog.perimetry.grid import Grid

SHIPPED = (
    "The detector: simulated eyes alone. Any of these patients may have touched the constants shipped with vfprog: the "
    "population rests on UWHVF, the noise of a test on the Halifax retests and Rotterdam, and the residual process "
    "starts from values fitted to Rotterdam."
)
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
    residuals = {name: fit_residual(vae, series, xy, **parts) for name, parts in PROCESSES.items()}
    shrinkage = fit_shrinkage(series)
    methods = forecast_methods(trajectory, vae, residuals, shrinkage, seed)
    calibration = {}
    for name, method in methods.items():
        forecasts = forecast_origins(method, series, CALIBRATION_VISITS)
        calibration[name] = (fit_calibration(forecasts) if forecasts else normal_calibration()).to_card()
    views = views_from_visits(visits, grid, [])
    prior = fit_rate_prior(views.td, views.mask, views.years)
    return {
        "residual": {name: fitted.to_card() for name, fitted in residuals.items()},
        "shrunk_plr": shrinkage.to_card(),
        "calibration": calibration,
        "rate_prior": prior.to_card(),
        "detector": fit_detector(rates, seed).to_card(),
    }


def model_card(
    name: str,
    architecture: dict[str, Any],
    cohorts: list[str],
    unseen: int,
    visits: pd.DataFrame,
    fitted: dict[str, Any],
) -> dict[str, Any]:
    """The card: what was trained (``architecture.json``), what was ``fitted``, and on which data.

    ``cohorts`` and their ``visits`` are what was fitted on, ``unseen`` the number of their patients kept apart.
    """
    training = architecture["training"]
    data = (
        f"Networks: {training['population_series']} series simulated from the shipped population, and "
        f"{training['patients']} training patients of {', '.join(training['cohorts'])}. Residual process, predictive "
        f"quantiles and rate prior: {visits[c.PATIENT].nunique()} training and validation patients of "
        f"{', '.join(cohorts)}. {_untouched(unseen, training['fold'])} Cohorts with role apply touched nothing of "
        f"this. {SHIPPED}"
    )
    return {**_facts(name, architecture), "data": data, "calibrated_on": cohorts, **fitted}


def network_card(name: str, architecture: dict[str, Any]) -> dict[str, Any]:
    """The card of a model of single rows, beside whose networks nothing is fitted."""
    training = architecture["training"]
    if training.get("images"):
        data = f"{training['images']} images that an installed package brings; the others of them were kept apart."
    else:
        data = (
            f"{training['population_series']} fields simulated from the shipped population, and those of "
            f"{training['patients']} training patients of {', '.join(training['cohorts'])}. Test patients and cohorts "
            "with role apply touched nothing of this."
        )
    return {**_facts(name, architecture), "data": data}


def _facts(name: str, architecture: dict[str, Any]) -> dict[str, Any]:
    """What a card says first: the model and its training."""
    training, options = architecture["training"], architecture["options"]
    return {
        "model": name,
        "kind": options["kind"],
        "latent_dim": options["latent_dim"],
        "beta": options["train"]["beta"],
        "seed": training["seed"],
        "fold": training["fold"],
        "device": training["device"],
        "training": training,
    }


def _untouched(unseen: int, fold: int) -> str:
    """Which patients of the cohorts were kept apart from all fitting."""
    if unseen:
        of_fold = f" of fold {fold}" if fold else ""
        return f"The {unseen} test patients{of_fold} touched nothing of this."
    return "None of these patients was kept apart: further models score them, each trained without those it scores."
