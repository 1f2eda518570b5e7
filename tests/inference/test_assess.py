"""Models of every kind assessed on rows they never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vfprog import columns as c
from vfprog.config import parse_model
from vfprog.data.field_examples import simulated_visits
from vfprog.errors import UserError
from vfprog.inference import assess as module
from vfprog.inference.assess import Assessment, assess
from vfprog.inference.held_out import HeldOut, held_out_fields, read_held_out
from vfprog.inference.models_table import COLUMNS
from vfprog.inference.networks import build_network
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
SMALL = {"latent_dim": 2, "decoder_hidden": [8], "encoder_hidden": [8]}
KINDS = [
    {"kind": "vae"},
    {"kind": "field", "likelihood": "student_t", "guide": "full"},
    {"kind": "guided"},
    {"kind": "archetypes", "archetypes": 3},
    {"kind": "two_view", "views": "hemifield"},
]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 30)
    monkeypatch.setattr(module, "REFINED_ROWS", 3)


def held_out(section: dict[str, Any]) -> tuple[Any, HeldOut]:
    options = parse_model(
        {**({} if section["kind"] == "archetypes" else {"latent_dim": 2}), **sized(section)}
    )
    visits = simulated_visits(10, 5, GRID, 1)
    return options, held_out_fields(options, visits, GRID, [])


def sized(section: dict[str, Any]) -> dict[str, Any]:
    return {"decoder_hidden": [8], "encoder_hidden": [8], **section}


def assessed(section: dict[str, Any], seed: int = 1) -> Assessment:
    options, rows = held_out(section)
    sizes = {
        "locations": rows.examples.x.shape[1],
        "inputs": rows.examples.seen.shape[1],
        "properties": rows.examples.properties.shape[1],
    }
    torch.manual_seed(0)
    network = build_network(options, sizes).eval()
    return assess(network, rows, [simulated_visits(4, 3, GRID, 2)], GRID, "small", seed)


@pytest.mark.parametrize("section", KINDS, ids=lambda section: section["kind"])
def test_parts_fit_together(section: dict[str, Any]) -> None:
    found = assessed(section)
    row, (evidence, health, pit, samples) = found.row, found.tables
    assert set(row) - {"warnings"} == set(COLUMNS) - {
        "model",
        "kind",
        "latent_dim",
        "beta",
        "seed",
        "seconds",
    }
    assert row["gap"] == pytest.approx(row["evidence"] - row["elbo"]) and row["gap"] > 0
    assert row["elbo"] == pytest.approx(-row["distortion"] - row["kl"])
    assert row["n_fields"] == 30 and row["n_patients"] == 10
    assert row["evidence"] == pytest.approx(evidence["mean"].iloc[-1])
    assert row["active_units"] == health["active"].sum() and len(health) == 2
    assert row["c2st_lower"] < row["c2st_accuracy"] < row["c2st_upper"]
    assert pit["count"].sum() > 0 and set(samples["statistic"]) == {"md", "psd", "correlation"}
    assert found.drawn.groupby("origin").size().to_dict() == {"held_out": 30, "prior": 30}
    applies = section["kind"] != "two_view"
    assert all(np.isfinite(row[n]) == applies for n in ("retest_mae", "forecast_mae", "amortisation_gap"))


def test_same_seed_gives_the_same_tables() -> None:
    first, again, other = (assessed(KINDS[1], seed) for seed in (1, 1, 2))
    assert first.row == again.row and first.row["evidence"] != other.row["evidence"]
    pd.testing.assert_frame_equal(first.drawn, again.drawn)


def test_draws_are_recorded_as_fields_are() -> None:
    drawn = assessed(KINDS[0]).drawn
    values = drawn[[f"x_{j}" for j in range(1, GRID.n + 1)]].to_numpy()
    assert (values == np.round(values)).all()


def test_images_come_with_their_own_test_part() -> None:
    options = {"kind": "field", "data": "digits", **SMALL}
    rows = read_held_out({"options": options, "training": {"seed": 1, "fold": 0}}, [], [], [], GRID)
    assert rows.examples.x.shape == (270, 64) and len(np.unique(rows.patient)) == 270
    assert rows.xy.shape == (64, 2) and rows.whole_fields is None and not rows.in_decibels


def test_a_model_of_fields_needs_held_out_fields(tmp_path: Path) -> None:
    visits = simulated_visits(3, 2, GRID, 1).assign(
        **{c.INCLUDED: False, c.REASON: "none", c.MD: 0.0, c.MTD: 0.0}
    )
    visits[c.PSD] = 1.0
    path = tmp_path / "demo" / "visits.parquet"
    path.parent.mkdir()
    visits.to_parquet(path)
    architecture = {"options": {"kind": "field", **SMALL}, "training": {"seed": 1, "fold": 0}}
    with pytest.raises(UserError, match="no included field among the test patients"):
        read_held_out(architecture, [path], [], [], GRID)
