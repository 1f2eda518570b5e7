"""Devices and seeds."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from vfprog.errors import UserError
from vfprog.inference.device import prepare, seed_everything


@pytest.mark.parametrize(
    ("name", "gpu", "device"),
    [
        ("cpu", False, "cpu"),
        ("cpu", True, "cpu"),
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cuda", True, "cuda"),
    ],
)
def test_device_of_the_config(name: str, gpu: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert prepare(name, threads=1).type == device


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"compute\.device: cuda was asked for .* use auto or cpu"):
        prepare("cuda", threads=1)


def test_threads_are_fixed() -> None:
    before = torch.get_num_threads()
    try:
        prepare("cpu", threads=2)
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        prepare("cpu", threads=before)
        torch.use_deterministic_algorithms(False)


def test_one_seed_for_all_generators() -> None:
    draws = []
    for _ in range(2):
        seed_everything(5)
        draws.append((torch.rand(3).tolist(), np.random.random(3).tolist(), random.random()))  # noqa: NPY002
    assert draws[0] == draws[1]
