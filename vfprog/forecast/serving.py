"""A trained and calibrated model as a run's files hold it, ready for any cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from vfprog.forecast.calibrate import Calibration
from vfprog.inference.checkpoint import load_vae
from vfprog.io import read_json
from vfprog.model.field_vae import FieldVAE
from vfprog.model.residual import ResidualProcess
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class ServingModel:
    """Networks, residual process, and the calibration of each forecasting method by name."""

    vae: FieldVAE
    residual: ResidualProcess
    calibration: dict[str, Calibration]


def load_model(folder: Path, grid: Grid, device: torch.device) -> ServingModel:
    """Load a model from its folder of a run (``results/<run>/models/<model>``)."""
    card = read_json(folder / "card.json")
    vae = load_vae(folder / "weights.safetensors", folder / "architecture.json", device)
    residual = ResidualProcess(torch.as_tensor(grid.xy, dtype=torch.float32), card["residual"]).to(device)
    return ServingModel(vae, residual, {k: Calibration.from_card(v) for k, v in card["calibration"].items()})
