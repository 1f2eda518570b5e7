"""Every forecasting method under one name and one call, so that calibration and evaluation treat all alike."""

from __future__ import annotations

import torch
from torch import Tensor

from vfprog.config import TrajectoryConfig
from vfprog.data.series import Series
from vfprog.forecast.baselines import BASELINES
from vfprog.forecast.shrunk import Shrinkage, shrunk_regression
from vfprog.inference.origins import Origin, origin
from vfprog.model.field_vae import FieldVAE
from vfprog.model.latent import LatentTrajectory
from vfprog.model.published import PublishedRecipe
from vfprog.model.residual import ResidualProcess
from vfprog.model.trajectory import Forecaster, Prediction, Trajectory, eye_batches

# Methods with a residual process, each with its own scalars, and which parts of the whole they have.
PROCESSES: dict[str, dict[str, bool]] = {
    "static": {"network": True, "drift": False},
    "residual": {"network": False, "drift": True},
    "trajectory": {"network": True, "drift": True},
}
# Methods whose point forecast is the calibrated median of their level; else it is the method's own. The mean of
# visits moved so is the baseline to hold such a method against: what calibration gains is not the model's merit.
MEDIAN_POINT = ("static", "residual", "trajectory", "median_shifted_mean", "shrunk_plr")


def make_trajectory(
    method: str, options: TrajectoryConfig, vae: FieldVAE, residuals: dict[str, ResidualProcess], seed: int
) -> Trajectory:
    """The trajectory method of that name (see ``trajectory.method`` in config)."""
    if method == "published":
        return PublishedRecipe(vae, options.draws, seed)
    return LatentTrajectory(vae, residuals[method], **PROCESSES[method])


def forecast_methods(
    options: TrajectoryConfig,
    vae: FieldVAE,
    residuals: dict[str, ResidualProcess],
    shrinkage: Shrinkage,
    seed: int,
) -> dict[str, Forecaster]:
    """All methods by name: predict tests at ``years`` (eye, time) from a series."""

    def from_trajectory(trajectory: Trajectory) -> Forecaster:
        def predict(series: Series, years: Tensor) -> Prediction:
            return trajectory.predict(trajectory.fit(series), years)

        return predict

    models = {
        name: from_trajectory(make_trajectory(name, options, vae, residuals, seed))
        for name in ("published", *PROCESSES)
    }
    return {**BASELINES, "shrunk_plr": shrunk_regression(shrinkage), **models}


def forecast_origins(
    method: Forecaster, series: Series, first_visits: tuple[int, ...]
) -> list[tuple[Prediction, Origin]]:
    """Forecast every later visit from each number of first visits."""
    cuts = [cut for n in first_visits if (cut := origin(series, n)) is not None]
    return [(predict_in_batches(method, cut.past, cut.years), cut) for cut in cuts]


@torch.no_grad()
def predict_in_batches(method: Forecaster, series: Series, years: Tensor) -> Prediction:
    """Predict batch by batch of eyes, to bound the memory of a hospital's series."""
    return Prediction.concatenate([method(series[b], years[b]) for b in eye_batches(len(series))])
