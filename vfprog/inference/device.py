"""Where torch works, with how many threads, and how it is made repeatable."""

from __future__ import annotations

import os

import pyro
import torch
from threadpoolctl import threadpool_limits

from vfprog.errors import UserError


def prepare(device: str, threads: int) -> torch.device:
    """Choose the device of a config (``auto`` is a GPU where there is one) and make torch repeatable on it.

    Threads are fixed whatever the workflow's cores, because they change the last digits of a sum.

    Raises
    ------
    UserError
        If ``cuda`` is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("compute.device: cuda was asked for and torch finds no GPU; use auto or cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA needs to repeat a matrix product
    threadpool_limits(threads)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def seed_everything(seed: int) -> None:
    """Seed Pyro, torch (all devices), numpy and random."""
    pyro.set_rng_seed(seed)
