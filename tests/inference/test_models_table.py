"""``models.csv`` from the models' assessments."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vfprog.inference.models_table import COLUMNS, assessment_card, models_table


def card(name: str, fold: int = 0, **found: Any) -> dict[str, Any]:
    architecture = {
        "options": {"kind": "field", "train": {"beta": 0.5}},
        "training": {"seed": 3, "fold": fold, "seconds": 12.5},
    }
    numbers = {column: 1.0 for column in COLUMNS[5:] if column != "seconds"}
    counts = {"active_units": 2, "n_fields": 10, "n_patients": 4}
    return assessment_card(name, architecture, 2, {**numbers, **counts, "warnings": ["collapse"], **found})


def test_columns_of_the_contract_come_first() -> None:
    table = models_table([card("plain")])
    assert list(table.columns) == COLUMNS
    assert " ".join(table.columns[:14]) == (
        "model kind latent_dim beta seed elbo evidence gap kl distortion active_units retest_mae c2st_accuracy "
        "seconds"
    )
    row = table.iloc[0]
    assert (row["model"], row["kind"], row["latent_dim"], row["beta"]) == ("plain", "field", 2, 0.5)
    assert row["seed"] == 3 and row["seconds"] == 12.5


def test_what_does_not_apply_is_empty() -> None:
    found = card("views", retest_mae=float("nan"))
    assert json.loads(json.dumps(found, allow_nan=False))["retest_mae"] is None
    table = models_table([found, card("views_too", retest_mae=float("nan"))])
    assert table["retest_mae"].isna().all() and table["retest_mae"].dtype == float


def test_folds_of_a_model_are_one_row() -> None:
    folds = [
        card("vae", fold, elbo=-130.0 - fold, n_fields=10 * fold, active_units=fold) for fold in (1, 2, 4)
    ]
    table = models_table([*folds, card("plain")])
    assert list(table["model"]) == ["vae", "plain"]
    row = table.iloc[0]
    assert row["elbo"] == pytest.approx(-130 - 7 / 3)
    assert row["n_fields"] == 70 and row["n_patients"] == 12 and row["active_units"] == 2
    assert table["active_units"].dtype == table["n_fields"].dtype == np.dtype(int)
