"""A trained and calibrated model as a run's files hold it, ready for any cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from vfprog.forecast.calibrate import Calibration
from vfprog.forecast.shrunk import Shrinkage
from vfprog.inference.checkpoint import load_network
from vfprog.io import read_json
from vfprog.model.field_vae import FieldVAE
from vfprog.model.residual import ResidualProcess
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class ServingModel:
    """Networks, prior of shrunk regression, and by method its residual process, if any, and its calibration.

    ``fold`` is the fold of patients that the model never saw; 0 for the model that serves rates and forecasts.
    """

    fold: int
    vae: FieldVAE
    residuals: dict[str, ResidualProcess]
    shrinkage: Shrinkage
    calibration: dict[str, Calibration]


def load_model(folder: Path, grid: Grid, device: torch.device) -> ServingModel:
    """Load a model from its folder of a run (``results/<run>/models/<model>``)."""
    card = read_json(folder / "card.json")
    vae = load_network(folder / "weights.safetensors", folder / "architecture.json", device)
    xy = torch.as_tensor(grid.xy, dtype=torch.float32)
    residuals = {name: ResidualProcess(xy, fitted).to(device) for name, fitted in card["residual"].items()}
    calibration = {name: Calibration.from_card(fitted) for name, fitted in card["calibration"].items()}
    return ServingModel(card["fold"], vae, residuals, Shrinkage(**card["shrunk_plr"]), calibration)
