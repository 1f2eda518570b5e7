"""Weights and checkpoints: they come back as they were, and nothing is unpickled."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import random_summary

from vfprog.config import VaeConfig
from vfprog.errors import UserError
from vfprog.inference.checkpoint import (
    load_checkpoint,
    load_network,
    save_checkpoint,
    save_network,
)
from vfprog.inference.networks import build_network
from vfprog.model.field_vae import FieldVAE

OPTIONS = VaeConfig(latent_dim=3, decoder_hidden=[7, 6], encoder_hidden=[9])
CPU = torch.device("cpu")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[FieldVAE, Path, Path]:
    vae, weights, card = (
        build_network(OPTIONS, {"locations": 5}),
        tmp_path / "w.safetensors",
        tmp_path / "architecture.json",
    )
    save_network(vae, OPTIONS, {"locations": 5}, {"patients": 12}, weights, card)
    return vae, weights, card


def test_a_model_comes_back_as_it_was(saved: tuple[FieldVAE, Path, Path]) -> None:
    vae, weights, card = saved
    loaded = load_network(weights, card, CPU)
    assert not loaded.training and loaded.latent_dim == 3
    assert vae.state_dict().keys() == loaded.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in vae.state_dict().items())
    summary = random_summary(0)
    single = type(summary)(*(getattr(summary, name).float() for name in type(summary).__dataclass_fields__))
    for expected, found in zip(vae.guide.encoder(single), loaded.guide.encoder(single), strict=True):
        assert torch.equal(expected, found)
    content = json.loads(card.read_text())
    assert content["sizes"] == {"locations": 5} and content["training"] == {"patients": 12}
    assert VaeConfig.model_validate(content["options"]) == OPTIONS


@pytest.mark.parametrize(
    "change",
    [{"sizes": {"locations": 52}}, {"options": {"latent_dim": 4}}, {"options": {"decoder_hidden": [7]}}],
)
def test_weights_of_another_architecture(saved: tuple[FieldVAE, Path, Path], change: dict[str, Any]) -> None:
    _, weights, card = saved
    content = json.loads(card.read_text())
    content["options"] |= change.pop("options", {})
    card.write_text(json.dumps(content | change))
    with pytest.raises(UserError, match=r"w\.safetensors: does not fit architecture\.json"):
        load_network(weights, card, CPU)


def test_checkpoints_come_back_and_only_to_their_own_training(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "checkpoint.pt"
    assert load_checkpoint(file, "f") is None
    state = {"fingerprint": "f", "weights": {"w": torch.randn(3)}, "history": [{"epoch": 1, "loss": 2.5}]}
    save_checkpoint(state, file)
    loaded = load_checkpoint(file, "f")
    assert loaded is not None and loaded["history"] == state["history"]
    assert torch.equal(loaded["weights"]["w"], state["weights"]["w"])
    assert load_checkpoint(file, "of other data") is None


class Intruder:
    """Runs a command when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("how", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state))])
def test_nothing_is_unpickled(how: Any, tmp_path: Path) -> None:
    trace, file = tmp_path / "trace", tmp_path / "checkpoint.pt"
    how({"fingerprint": "f", "weights": Intruder(trace)}, file)
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(file, "f")
    assert not trace.exists()
    # It would have run if unpickled.
    torch.load(file, weights_only=False) if how is torch.save else pickle.loads(file.read_bytes())
    assert trace.exists()
