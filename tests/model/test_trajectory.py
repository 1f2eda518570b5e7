"""Paths and their batches."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import random_path, random_series

from vfprog.model.trajectory import Path, alike_batches, eye_batches


@given(eyes=st.integers(0, 50), size=st.integers(1, 20))
def test_batches_cover_every_eye_once_and_are_small(eyes: int, size: int) -> None:
    parts = [list(range(eyes))[batch] for batch in eye_batches(eyes, size)]
    assert list(chain.from_iterable(parts)) == list(range(eyes))
    assert all(0 < len(part) <= size for part in parts)


@given(seed=st.integers(0, 1000), entries=st.sampled_from([1, 3000, 20_000, 10**9]), floor=st.booleans())
def test_alike_batches_are_every_eye_once_and_bounded(seed: int, entries: int, floor: bool) -> None:
    series = random_series(seed, eyes=30, most=9, tested=0.9)
    if floor:
        series = replace(series, at_floor=series.mask & (series.td < -8))
    batches = alike_batches(series, entries)
    assert sorted(chain.from_iterable(batch.tolist() for batch in batches)) == list(range(30))
    for batch in batches:
        n = series.n_visits[batch]
        odd = series.visits[batch, :, None] & ~series.mask[batch]
        if floor:
            odd = odd | series.at_floor[batch]
        most = int(n.max()) * 5 * (int(n.max()) + int(odd.sum((1, 2)).max()))
        assert len(batch) == 1 or len(batch) * most <= 1.25 * entries


def test_eyes_alike_go_together() -> None:
    series = random_series(0, eyes=60, most=1, tested=1.0)
    assert [len(batch) for batch in alike_batches(series)] == [60]
    cost = 5 * (1 + 10)
    assert [len(batch) for batch in alike_batches(series, 25 * cost)] == [25, 25, 10]


def test_paths_can_be_taken_apart_and_put_together() -> None:
    path = random_path(6)
    again = Path.concatenate([path[:2], path[torch.tensor([2, 3, 4, 5])]])
    for name in Path.__dataclass_fields__:
        assert torch.equal(getattr(again, name), getattr(path, name))


def test_the_field_now_is_level_plus_wander() -> None:
    path = random_path(4)
    level, wander = path.state[..., 0], path.state[..., 2]
    now = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    assert torch.equal(path.td, torch.maximum(level + wander, path.floor))
    assert (path.td == path.floor).any() and (path.td > path.floor).any()
    torch.testing.assert_close(path.td_sd**2, (path.state_cov @ now) @ now)
    torch.testing.assert_close(path.md_sd**2, (path.md_cov @ now) @ now)
