"""Where torch works, with how many threads, and how it is made repeatable."""

from __future__ import annotations

import pyro
import torch

from vfprog.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device of a config: ``auto`` is a GPU where there is one.

    Raises
    ------
    UserError
        If ``cuda`` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("compute.device: cuda was asked for and torch finds no GPU; use auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def seed_everything(seed: int) -> None:
    """Seed Pyro, torch (all devices), numpy and random."""
    pyro.set_rng_seed(seed)
