"""Archetypes found again: of simulated simplices, from other seeds and other rows; and what tables say of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from vfprog.cli import verbs
from vfprog.config import ArchetypesConfig, parse_config
from vfprog.data.examples import Examples, one_view
from vfprog.errors import UserError
from vfprog.inference.archetypes import (
    STEPS,
    archetype_table,
    interpolation_table,
    matched_correlations,
    next_visits,
    number_table,
    stability_table,
    weights_of,
)
from vfprog.inference.held_out import HeldOut
from vfprog.inference.train import Trainer
from vfprog.inference.training_data import TrainingData
from vfprog.io import read_table
from vfprog.model.archetypes import ArchetypeModel
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
NOISE = 1.0
TRUTH = np.array([np.full(8, 2.0), [-20.0] * 4 + [0.0] * 4, [0.0] * 4 + [-20.0] * 4])
OPTIONS = ArchetypesConfig.model_validate(
    {
        "kind": "archetypes",
        "archetypes": 3,
        "candidates": [2],
        "likelihood": "normal",
        "floor": "measured",
        "decoder_hidden": [16],
        "encoder_hidden": [32],
        "train": {"steps": 400, "epoch": 100, "kl_warmup": 50, "batch": 128, "learning_rate": 0.01},
    }
)


def simulated(rows: int, seed: int) -> tuple[np.ndarray, Examples]:
    """Weights of mixtures of ``TRUTH``, and these with noise."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet([0.5, 0.5, 0.5], rows)
    x = weights @ TRUTH + rng.normal(0, NOISE, (rows, TRUTH.shape[1]))
    return weights, one_view(torch.as_tensor(x, dtype=torch.float32))


@cache
def data() -> TrainingData:
    return TrainingData(simulated(800, 1)[1], None, simulated(200, 2)[1], {})


@cache
def trained() -> ArchetypeModel:
    return Trainer(OPTIONS, data().patients, None, data().validation, 1, torch.device("cpu")).run()


def held_out(rows: int = 300) -> HeldOut:
    examples = simulated(rows, 3)[1]
    return HeldOut(examples, np.arange(rows) // 2, np.zeros((8, 2)), None, False)


def partners() -> np.ndarray:
    """For each archetype found, best first, its true one."""
    table = archetype_table(trained(), held_out(), OPTIONS, GRID)
    found = table[[f"x_{j}" for j in range(1, 9)]].to_numpy()
    return matched_correlations(found, TRUTH, TRUTH.mean(axis=0))["partner"].to_numpy() - 1


def test_vertices_of_a_simulated_simplex_are_recovered() -> None:
    table = archetype_table(trained(), held_out(), OPTIONS, GRID)
    found = table[[f"x_{j}" for j in range(1, 9)]].to_numpy()
    assert np.abs(found - TRUTH[partners()]).mean() < 1.0  # of 20 dB between them
    assert table["mean"].is_monotonic_decreasing
    assert (table["largest_weight"] > 0.9).all()
    assert table["dominant"].sum() == pytest.approx(1)


def test_weights_of_unseen_rows_are_recovered() -> None:
    truth, examples = simulated(300, 3)
    found = weights_of(trained(), examples)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert found.min() >= 0
    assert np.abs(found - truth[:, partners()]).mean() < 0.05


def test_archetypes_come_out_again_from_other_seeds_and_rows() -> None:
    table = stability_table(trained(), data(), OPTIONS, 1)
    assert table.groupby("against").size().to_dict() == {"half": 3, "seed": 3}
    assert (table["correlation"] > 0.97).all()


def test_without_repeats_nothing_is_trained_again() -> None:
    assert stability_table(trained(), data(), OPTIONS.model_copy(update={"repeats": 0}), 1).empty


def test_partners_do_not_depend_on_the_order_of_archetypes() -> None:
    fields, centre = np.random.default_rng(5).normal(-8, 6, (4, 10)), np.full(10, -8.0)
    order = np.array([2, 0, 3, 1])
    table = matched_correlations(fields, fields[order], centre)
    assert np.array_equal(order[table["partner"] - 1], np.arange(4))
    assert np.allclose(table["correlation"], 1)


@cache
def errors() -> pd.DataFrame:
    """Of rows that are visits: every other patient's two are of one eye, the others' of two."""
    eyes = np.tile(["OD", "OD", "OD", "OS"], 75)
    rows = held_out()
    visits = pd.DataFrame({"patient_id": rows.patient.astype(str), "eye": eyes})
    return number_table(trained(), data(), replace(rows, whole_fields=visits), OPTIONS, 1)


def test_too_few_archetypes_err_more_and_the_table_says_by_how_much() -> None:
    table = errors().set_index(["archetypes", "method"])
    error = table["error"]
    assert (table["n_rows"] == 300).all()
    assert (table["n_patients"] == 150).all()
    for method in ("deep", "linear", "pca"):
        assert error[2, method] > 1.5 * error[3, method]
        assert table.loc[(2, method), "lower"] > table.loc[(3, method), "upper"]
    # The mean absolute value of noise is 0.8 SD, of which two of eight dimensions can be fitted.
    assert 0.8 * NOISE * np.sqrt(6 / 8) < error[3, "deep"] < 1.1 * 0.8 * NOISE
    assert table.loc[(3, "deep"), "difference"] == pytest.approx(error[3, "deep"] - error[3, "linear"])


def test_rows_are_held_against_the_eyes_next_field_where_there_is_one() -> None:
    table = errors()
    assert (table["next_n_rows"] == 75).all()
    own = table[(table["archetypes"] == 3) & (table["method"] == "deep")].iloc[0]
    assert own["next_error"] > 3 * own["error"]  # rows were drawn apart, so one says nothing of the next


def test_next_visits_are_of_the_same_eye() -> None:
    visits = pd.DataFrame({"patient_id": ["a", "a", "a", "b", "b"], "eye": ["OD", "OD", "OS", "OS", "OS"]})
    assert list(next_visits(visits)) == [0, 3]


def test_a_way_between_two_rows_starts_and_ends_at_their_mixtures() -> None:
    rows = held_out()
    table = interpolation_table(trained(), rows)
    values = [f"x_{j}" for j in range(1, 9)]
    first = table[(table["path"] == 1) & table["share"].notna()].sort_values("share")
    start, end = table[(table["path"] == 1) & table["end"].notna()].sort_values("end")[values].to_numpy()
    assert np.allclose(first["share"], STEPS)
    given = one_view(torch.as_tensor(np.stack([start, end]), dtype=torch.float32))
    with torch.no_grad():
        decoded = trained().mix(trained().weights(given)).numpy()
    assert np.allclose(first[values].to_numpy()[[0, -1]], decoded, atol=1e-4)
    assert (weights_of(trained(), given).max(axis=1) > 0.9).all()
    middle = first[values].to_numpy()[1:-1]
    assert (middle > np.minimum(*decoded) - 3).all()
    assert (middle < np.maximum(*decoded) + 3).all()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"archetypes": 60}, "archetypes: 60 archetypes for 52 locations; allowed is 2 to 52"),
        ({"archetypes": 1}, "archetypes: Input should be greater than or equal to 2"),
        ({"candidates": [3, 99]}, "candidates: 99 archetypes for 52 locations; allowed is 2 to 52"),
        ({"archetypes": 4, "latent_dim": 7}, "latent_dim: 7, but 4 archetypes span 3 dimensions"),
        ({"side": ["iop"]}, "side.0: Input should be 'md' or 'age' \\(given: 'iop'\\)"),
        ({"side": ["md"], "data": "faces"}, "side: \\['md'\\] is known of fields, not of faces"),
    ],
)
def test_what_cannot_be_is_refused_before_training(section: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_config({"models": {"a": {"kind": "archetypes", "data": "fields", **section}}})


def test_the_verbs_make_every_table_of_a_model_of_faces(tmp_path) -> None:
    options = OPTIONS.model_copy(
        update={
            "data": "faces",
            "repeats": 0,
            "train": OPTIONS.train.model_copy(update={"steps": 2, "epoch": 2, "batch": 8}),
        }
    )
    folder = tmp_path / "model"
    files = [str(folder / name) for name in ("weights.safetensors", "architecture.json", "history.csv")]
    state = ["--checkpoint", str(tmp_path / "state.pt"), "--options", options.model_dump_json()]
    CliRunner().invoke(verbs, ["train", *files, *state], catch_exceptions=False)
    names = ["table.csv", "weights.parquet", "number.csv", "stability.csv", "interpolation.parquet"]
    targets = [str(tmp_path / name) for name in names]
    CliRunner().invoke(verbs, ["archetypes", *targets, "--model", str(folder)], catch_exceptions=False)
    table, weights, number, stability, interpolation = (read_table(tmp_path / name) for name in names)
    assert list(table["archetype"]) == [1, 2, 3]
    assert table["name"].isna().all()
    assert np.allclose(weights[["w_1", "w_2", "w_3"]].sum(axis=1), 1, atol=1e-5)
    assert len(weights) == 15
    assert set(number["archetypes"]) == {2, 3}
    assert stability.empty
    assert isinstance(interpolation, pd.DataFrame)
    assert {"path", "share", "end", "x_625"} <= set(interpolation)
