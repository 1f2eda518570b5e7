"""Fixtures that several test rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The tests' tensors are tiny: threads would only wait for each other, tenfold where cores are shared.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes says more of the machine than of the code.
settings.register_profile("vfprog", deadline=None)
settings.load_profile("vfprog")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data kept beside the repository, never inside it."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the development data folder shared/ beside the repository")
    return folder
