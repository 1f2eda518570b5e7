"""``models.csv``: the assessments of all trained models, one row each."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

SAME = ["model", "kind", "latent_dim", "beta", "seed"]
SUMMED = ["n_fields", "n_patients"]  # over the models of one model's folds; all else is averaged
COLUMNS = [
    *SAME,
    "elbo",
    "evidence",
    "gap",
    "kl",
    "distortion",
    "active_units",
    "retest_mae",
    "c2st_accuracy",
    "seconds",
    "forecast_mae",
    "c2st_lower",
    "c2st_upper",
    "ess",
    "amortisation_gap",
    "retest_mae_measured",
    "forecast_mae_measured",
    *SUMMED,
]


def assessment_card(
    name: str, architecture: dict[str, Any], latent_dim: int, found: dict[str, Any]
) -> dict[str, Any]:
    """``assessment.json``: a model's row of ``models.csv`` and the warnings; null where a value does not apply."""
    training, options = architecture["training"], architecture["options"]
    card = {
        "model": name,
        "kind": options["kind"],
        "latent_dim": latent_dim,
        "beta": options["train"]["beta"],
        "seed": training["seed"],
        "fold": training["fold"],
        **found,
        "seconds": training["seconds"],
    }
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in card.items()
    }


def models_table(cards: list[dict[str, Any]]) -> pd.DataFrame:
    """``models.csv`` from the models' assessments, those of one model's folds as one row."""
    table = pd.DataFrame(cards)[COLUMNS]
    numbers = [name for name in COLUMNS if name not in SAME]
    # A value that applies to none of a few models is null in all of them, and would be no number.
    table[numbers] = table[numbers].astype(float)
    how = {name: "sum" if name in SUMMED else "mean" for name in numbers}
    gathered = table.groupby(SAME, sort=False, as_index=False).agg(how)
    whole = {name: gathered[name].round().astype(int) for name in ("active_units", *SUMMED)}
    return gathered.assign(**whole)[COLUMNS]
