"""A synthetic run, written once for this room."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import FakeRun, load, write_run
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.plots.results import Results


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def results(run: FakeRun) -> Results:
    return load(run)


@pytest.fixture()
def options() -> PlotsConfig:
    return PlotsConfig()


@pytest.fixture()
def ax() -> Axes:
    return Figure().subplots()


@pytest.fixture(scope="session")
def unscored(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return write_run(Path(tmp_path_factory.mktemp("unscored")), scored=False)
