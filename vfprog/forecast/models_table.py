"""``models.csv``: every trained model assessed on patients it never saw."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vfprog.config import EvaluationConfig
from vfprog.data.series import eyes_of, series_from_visits
from vfprog.forecast.methods import PROCESSES
from vfprog.forecast.retest import retest_error
from vfprog.forecast.serving import ServingModel
from vfprog.inference.assess import assess
from vfprog.io import read_json
from vfprog.model.latent import LatentTrajectory
from vfprog.perimetry.grid import Grid


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
    static = LatentTrajectory(serving.vae, serving.residuals["static"], **PROCESSES["static"])
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


def average_folds(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """``models.csv`` from the rows of models, those of one model's folds averaged."""
    same = ["model", "kind", "latent_dim", "beta", "seed"]
    table = pd.DataFrame(rows).groupby(same, sort=False, as_index=False).mean()
    return table.assign(active_units=table["active_units"].round().astype(int))
