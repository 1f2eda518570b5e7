"""What the networks train on: series as a clinic sees them grow, and simulated ones."""

from __future__ import annotations

import pytest
import torch
from tiny import random_series

from vfprog.inference import dataset as module
from vfprog.inference.dataset import SIMULATED_VISITS, series_summary, simulated_summary
from vfprog.model.summary import FieldSummary, summarise

ENTRIES = list(FieldSummary.__dataclass_fields__)


def test_each_series_counts_at_every_length_it_reaches() -> None:
    series = random_series(0, eyes=9, most=9)
    found = series_summary(series)
    expected = [(eye, n) for n in (1, 2, 3, 5, 8, 14) for eye in range(9) if series.n_visits[eye] >= n]
    assert len(found) == len(expected)
    for row, (eye, n) in enumerate(expected):
        first = summarise(series.td[eye : eye + 1, :n], series.mask[eye : eye + 1, :n])
        for name in ENTRIES:
            torch.testing.assert_close(getattr(found[row : row + 1], name), getattr(first, name), msg=name)


def test_simulated_series_come_in_chunks_and_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 30)
    first, again, other = (simulated_summary(70, seed) for seed in (1, 1, 2))
    assert first.mean.shape == (70, 52) and first.mean.dtype == torch.float32
    for name in ENTRIES:
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.mean, other.mean)
    assert not torch.equal(first.mean[:30], first.mean[30:60])
    assert first.n_visits.min() >= SIMULATED_VISITS[0] and first.n_visits.max() <= SIMULATED_VISITS[1]
    assert (first.count == first.n_visits[:, None]).all()
    assert len(first.n_visits.unique()) > 8
