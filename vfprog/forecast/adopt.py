"""A trained model's files taken over into another run, or into the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from vfprog.config import MODEL_FILES
from vfprog.errors import UserError
from vfprog.forecast.detection import Detector
from vfprog.forecast.rate_prior import RatePrior
from vfprog.forecast.serving import load_model
from vfprog.io import atomic, read_json, write_json
from vfprog.perimetry.grid import Grid
from vfprog.provenance import PACKAGE


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
