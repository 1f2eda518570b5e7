"""What a model's training reads: its own patients, simulated ones, and those who tell when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vfprog import columns as c
from vfprog.config import LatentVariableConfig, NetworkConfig
from vfprog.data.field_examples import refuse_constant_fields
from vfprog.data.split import TRAIN, VALIDATION
from vfprog.data.training import read_parts
from vfprog.inference.batches import Batch
from vfprog.inference.kinds import KINDS, image_examples
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class TrainingData:
    """Examples to learn from and to stop by, and how many of what they are, for the model's card."""

    patients: Batch
    simulated: Batch | None
    validation: Batch
    counts: dict[str, Any]


def training_data(
    options: NetworkConfig,
    visits: list[Path],
    splits: list[Path],
    structure: list[str],
    grid: Grid,
    fold: int,
    seed: int,
) -> TrainingData:
    """Read what a model learns from: bundled images, or the patients of cohorts and simulated ones.

    Raises
    ------
    UserError
        If nothing can be learnt from them: no field, a constant column, a view that the cohorts lack.
    """
    if isinstance(options, LatentVariableConfig) and options.on_images:
        images = [image_examples(options, part, seed) for part in (TRAIN, VALIDATION)]
        counts = {"cohorts": [], "patients": 0, "eyes": 0, "fields": 0, "images": len(images[0])}
        return TrainingData(images[0], None, images[1], {**counts, "population_series": 0})
    kind = KINDS[options.kind]
    own = read_parts(visits, splits, (TRAIN,), grid, fold)
    if isinstance(options, LatentVariableConfig):
        refuse_constant_fields(own, grid, options.predicted)
    stop = read_parts(visits, splits, (VALIDATION,), grid, fold)
    patients, validation = (kind.examples(options, table, grid, structure) for table in (own, stop))
    simulated = kind.simulated(options, grid, seed)
    return TrainingData(
        patients,
        simulated,
        validation,
        {
            "cohorts": [file.parent.name for file in visits],
            **_counts(own),
            "population_series": 0 if simulated is None else options.train.population_series,
        },
    )


def _counts(visits: pd.DataFrame) -> dict[str, int]:
    patients, eyes = visits[c.PATIENT].nunique(), len(visits[c.EYE_KEY].drop_duplicates())
    return {"patients": int(patients), "eyes": eyes, "fields": len(visits)}
