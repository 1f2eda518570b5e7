"""Summaries of an eye's visits: numpy's statistics of the tested values, and nothing of the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vfprog.model.summary import FieldSummary, concatenate, summarise

shapes = st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 5))
seeds = st.integers(0, 2**32 - 1)
ENTRIES = list(FieldSummary.__dataclass_fields__)


def fields(shape: tuple[int, int, int], seed: int, tested: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(-3, 4, shape).round(rng.integers(0, 3)), rng.random(shape) < tested


def summary_of(td: np.ndarray, mask: np.ndarray) -> FieldSummary:
    return summarise(torch.as_tensor(td), torch.as_tensor(mask))


@given(shape=shapes, seed=seeds)
def test_statistics_are_numpys_of_the_tested_values(shape: tuple[int, int, int], seed: int) -> None:
    td, mask = fields(shape, seed)
    found = summary_of(td, mask)
    for eye, location in np.ndindex(shape[0], shape[2]):
        values = td[eye, mask[eye, :, location], location]
        mean, median = (f(values) if len(values) else 0.0 for f in (np.mean, np.median))
        expected = {"mean": mean, "squares": ((values - mean) ** 2).sum(), "skew": median - mean}
        for name, value in expected.items():
            assert getattr(found, name)[eye, location].item() == pytest.approx(value, abs=1e-9), name
        assert found.count[eye, location] == len(values)
        assert found.mask[eye, location] == (len(values) > 0)
    np.testing.assert_array_equal(found.n_visits, mask.any(2).sum(1))


@given(shape=shapes, seed=seeds, garbage=st.sampled_from([0.0, -99.0, 1e30, np.nan, np.inf, -np.inf]))
def test_what_stands_behind_the_mask_does_not_matter(
    shape: tuple[int, int, int], seed: int, garbage: float
) -> None:
    td, mask = fields(shape, seed)
    clean, spoilt = summary_of(td, mask), summary_of(np.where(mask, td, garbage), mask)
    for name in ENTRIES:
        assert torch.equal(getattr(clean, name), getattr(spoilt, name)), name


@given(shape=shapes, seed=seeds)
def test_order_of_visits_does_not_matter(shape: tuple[int, int, int], seed: int) -> None:
    td, mask = fields(shape, seed)
    order = np.random.default_rng(seed).permutation(shape[1])
    forward, shuffled = summary_of(td, mask), summary_of(td[:, order], mask[:, order])
    for name in ENTRIES:
        torch.testing.assert_close(getattr(forward, name), getattr(shuffled, name), atol=1e-9, rtol=1e-9)


def test_a_location_never_tested_is_zero_and_finite() -> None:
    mask = np.array([[[True, False], [True, False]]])
    found = summary_of(np.array([[[1.0, np.nan], [4.0, np.nan]]]), mask)
    assert found.mean.tolist() == [[2.5, 0]] and found.squares.tolist() == [[4.5, 0]]
    assert found.skew.tolist() == [[0, 0]] and found.count.tolist() == [[2, 0]]
    assert found.mask.tolist() == [[True, False]] and found.n_visits.tolist() == [2]


def test_rows_can_be_taken_and_put_together() -> None:
    whole = summary_of(*fields((5, 3, 4), 1))
    again = concatenate([whole[:2], whole[torch.tensor([2, 3, 4])]])
    assert len(again) == 5
    for name in ENTRIES:
        assert torch.equal(getattr(again, name), getattr(whole, name))
