"""Paths and their batches."""

from __future__ import annotations

from itertools import chain

import torch
from hypothesis import given
from hypothesis import strategies as st

from vfprog.model.trajectory import Path, eye_batches


@given(eyes=st.integers(0, 50), size=st.integers(1, 20))
def test_batches_cover_every_eye_once_and_are_small(eyes: int, size: int) -> None:
    parts = [list(range(eyes))[batch] for batch in eye_batches(eyes, size)]
    assert list(chain.from_iterable(parts)) == list(range(eyes))
    assert all(0 < len(part) <= size for part in parts)


def test_paths_can_be_taken_apart_and_put_together() -> None:
    sizes = {name: 1 if name in ("last_years", "md_sd") else 2 for name in Path.__dataclass_fields__}
    path = Path(*(torch.randn(6, 3)[:, 0] if n == 1 else torch.randn(6, 3) for n in sizes.values()))
    again = Path.concatenate([path[:2], path[torch.tensor([2, 3, 4, 5])]])
    for name in sizes:
        assert torch.equal(getattr(again, name), getattr(path, name))
