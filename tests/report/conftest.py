"""A synthetic run with figures and report, written once for this room."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import HOSTILE, FakeRun, draw, load, write_pages, write_run

from vfprog.config import PlotsConfig
from vfprog.plots.results import Results


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """A run whose first patient has an identifier that tries to be HTML."""
    written = write_run(tmp_path_factory.mktemp("run"), ids=[HOSTILE])
    draw(written, PlotsConfig(example_eyes=2))
    return written


@pytest.fixture(scope="session")
def results(run: FakeRun) -> Results:
    return load(run)


@pytest.fixture(scope="session")
def folder(run: FakeRun) -> Path:
    return write_pages(run)
