"""The sweep's table, and the rule of its choice."""

from __future__ import annotations

from typing import Any

import pytest

from vfprog.config import FieldConfig, SweepConfig
from vfprog.inference.sweep import COLUMNS, sweep_table


def card(beta: float, latent_dim: int, seed: int, evidence: float) -> dict[str, Any]:
    others = {"elbo": -101.0, "gap": 1.0, "kl": 7.0, "distortion": 94.0, "active_units": 2, "seconds": 9.0}
    errors = {"retest_mae": 1.6, "forecast_mae": None}
    point = {"model": "sweep/x", "kind": "field", "beta": beta, "latent_dim": latent_dim, "seed": seed}
    return {**point, "evidence": evidence, **others, **errors}


def chosen(cards: list[dict[str, Any]]) -> set[tuple[float, int]]:
    table = sweep_table(cards)
    rows = table[table["chosen"]]
    return set(zip(rows["beta"], rows["latent_dim"], strict=True))


def test_the_fewest_latents_within_a_standard_error_of_the_best() -> None:
    best = [card(1.0, 12, 1, -97.0), card(1.0, 12, 2, -99.0)]  # mean -98, standard error 1
    near = [card(3.0, 6, 1, -98.9), card(3.0, 6, 2, -98.9), card(1.0, 6, 1, -98.5), card(1.0, 6, 2, -98.5)]
    far = [card(1.0, 2, 1, -99.1), card(1.0, 2, 2, -99.1)]
    assert chosen([*best, *near, *far]) == {(1.0, 6)}
    assert chosen([*best, *far]) == {(1.0, 12)}


def test_with_a_single_seed_the_best_is_chosen() -> None:
    assert chosen([card(1.0, 12, 1, -98.0), card(1.0, 2, 1, -98.01)]) == {(1.0, 12)}


def test_a_row_a_model_in_order() -> None:
    table = sweep_table([card(2.0, 4, 1, -9.0), card(0.5, 4, 2, -8.0), card(0.5, 4, 1, -8.5)])
    assert list(table) == COLUMNS
    assert table[["beta", "seed"]].to_numpy().tolist() == [[0.5, 1], [0.5, 2], [2, 1]]
    assert table["kl_weight"].tolist() == [2.0, 2.0, 0.5]
    assert table["rate"].tolist() == [7.0] * 3
    assert table["forecast_mae"].isna().all()


def test_a_point_differs_from_its_base_in_beta_and_latents_alone() -> None:
    base = FieldConfig(kind="field", likelihood="student_t", train={"steps": 7, "beta": 1.0})
    sweep = SweepConfig(model="x", beta=[0.5], latent_dim=[3, 4], seed=[1, 2, 3])
    assert len(sweep.points) == 6
    options = sweep.options(base, sweep.points[-1])
    assert (options.latent_dim, options.train.beta, sweep.points[-1].seed) == (4, 0.5, 3)
    same = {"latent_dim": 12, "train": base.train}
    assert options.model_copy(update=same) == base


def test_a_point_must_suit_its_base() -> None:
    sweep = SweepConfig(model="x", latent_dim=[60])
    with pytest.raises(ValueError, match="60 latents for 52 locations"):
        sweep.options(FieldConfig(kind="field"), sweep.points[0])
