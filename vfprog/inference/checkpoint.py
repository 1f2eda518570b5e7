"""Checkpoints of training and weights of trained models: nothing is ever unpickled.

Checkpoints hold tensors and plain numbers and load with ``weights_only``; weights are safetensors beside a JSON
card of the architecture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from vfprog.config import NetworkConfig, parse_model
from vfprog.errors import UserError
from vfprog.inference.batches import Sizes
from vfprog.inference.networks import build_network
from vfprog.io import atomic, read_json, write_json


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a training state whole or not at all."""
    with atomic(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The state of an interrupted training of the same data, options and code, or None."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        same = state["fingerprint"] == fingerprint
    except Exception as error:  # torch raises many kinds for a damaged file, or one that is no checkpoint
        raise UserError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it to start over"
        ) from None
    return state if same else None


def save_network(
    network: nn.Module,
    options: NetworkConfig,
    sizes: Sizes,
    training: dict[str, Any],
    weights: Path,
    card: Path,
) -> None:
    """Write weights and the architecture card beside them."""
    with atomic(weights) as temporary:
        save_file({k: v.contiguous().cpu() for k, v in network.state_dict().items()}, temporary)
    write_json({"sizes": sizes, "options": options.model_dump(), "training": training}, card)


def load_network(weights: Path, card: Path, device: torch.device) -> Any:
    """Load a trained network of any kind, ready to use.

    Raises
    ------
    UserError
        If the weights do not fit the architecture on the card.
    """
    content = read_json(card)
    network = build_network(parse_model(content["options"]), content["sizes"])
    try:
        network.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError, OSError) as error:
        raise UserError(f"{weights}: does not fit {card.name}, or is damaged: {error}; train again") from None
    return network.to(device).eval()
