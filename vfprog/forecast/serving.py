"""A trained and calibrated model as a run's files hold it, ready for any cohort."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from vfprog.config import MODEL_FILES
from vfprog.errors import UserError
from vfprog.forecast.calibrate import Calibration
from vfprog.forecast.detection import Detector
from vfprog.forecast.rate_prior import RatePrior
from vfprog.forecast.shrunk import Shrinkage
from vfprog.inference.checkpoint import load_network
from vfprog.io import atomic, read_json, write_json
from vfprog.model.field_vae import FieldVAE
from vfprog.model.residual import ResidualProcess
from vfprog.perimetry.grid import Grid
from vfprog.provenance import PACKAGE


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


def adopt_model(source: Path, target: Path, name: str, grid: Grid) -> None:
    """Copy a trained model's files to the folder ``target`` of a run, once they are seen to load; the card last.

    Raises
    ------
    UserError
        If a file is damaged or of another layout, or the target is within the package and the model's run learned
        from a benchmark.
    """
    benchmarks = read_json(source / "architecture.json")["training"].get("benchmarks")
    if benchmarks and PACKAGE in target.resolve().parents:
        raise UserError(
            f"{source}: its run learned from {', '.join(benchmarks)}, a benchmark (cohorts.{benchmarks[0]}.benchmark), "
            "so it is never shipped; release a model of a run without it"
        )
    try:
        load_model(source, grid, torch.device("cpu"))
        card = read_json(source / MODEL_FILES[-1])
        RatePrior.from_card(card["rate_prior"])
        Detector.from_card(card["detector"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{source}: not a model that this version of vfprog can use ({type(error).__name__}: {error}); "
            "train it anew"
        ) from None
    for file in MODEL_FILES[:-1]:
        with atomic(target / file) as temporary:
            shutil.copyfile(source / file, temporary)
    write_json({**card, "model": name}, target / MODEL_FILES[-1])
