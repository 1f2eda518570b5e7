"""Health of a model on held-out patients."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from tiny import FixedEncoder, linear_vae, random_series, tiny_vae

from vfprog.inference import assess as module
from vfprog.inference.assess import assess


def test_parts_fit_together() -> None:
    found = assess(tiny_vae(), random_series(0, eyes=30), seed=1)
    assert list(asdict(found)) == ["elbo", "evidence", "gap", "kl", "distortion", "active_units"]
    assert found.gap >= 0 and found.gap == pytest.approx(found.evidence - found.elbo)
    assert found.elbo == pytest.approx(-found.distortion - found.kl)
    # Five values of a few decibels' spread: some ten nats, and less likely than certain.
    assert -200 < found.evidence < 0 and found.kl > 0
    assert found == assess(tiny_vae(), random_series(0, eyes=30), seed=1)


@pytest.mark.parametrize(("known", "active"), [([1.0, 1.0], 0), ([0.1, 1.0], 1), ([0.1, 0.2], 2)])
def test_active_units_are_latents_that_know_something(known: list[float], active: int) -> None:
    vae = linear_vae(torch.ones(5, 2, dtype=torch.float64), sd=3.0)
    silent = torch.zeros(2, 5, dtype=torch.float64)
    vae.guide.encoder = FixedEncoder(silent, 0.0, torch.tensor(known, dtype=torch.float64))
    assert assess(vae, random_series(0), seed=1).active_units == active


def test_only_real_visits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    fields: list[int] = []
    objective = module.evaluate_objective
    monkeypatch.setattr(
        module, "evaluate_objective", lambda vae, s, *rest: fields.append(len(s)) or objective(vae, s, *rest)
    )
    series = random_series(0)
    assess(tiny_vae(), series, seed=1)
    monkeypatch.setattr(module, "MOST_FIELDS", 7)
    assess(tiny_vae(), series, seed=1)
    assert fields == [int(series.n_visits.sum()), 7]
