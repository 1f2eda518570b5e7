"""The pages of models as a browser shows them: opened from disk, offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browsing import browse, look
from fake_models import HOSTILE, write_models

from vfprog.config import PlotsConfig
from vfprog.plots.models import COMMON, draw_model_figures
from vfprog.report.models import write_models_report

pytestmark = pytest.mark.browser

NAMES = ("plain", "heteroscedastic", "digits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a run with two models of fields and one of digits."""
    root = tmp_path_factory.mktemp("run")
    models = write_models(root)
    folders = {name: models / name for name in NAMES}
    draw_model_figures(folders["plain"], folders["plain"] / "figures", PlotsConfig())
    for name in NAMES[1:]:
        (folders[name] / "figures").symlink_to(folders["plain"] / "figures")
    target = models / "report" / "index.html"
    write_models_report("tiny", folders, root / "models.csv", [], target, PlotsConfig())
    return target.parent


@pytest.fixture(scope="module")
def seen(chromium: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the probe saw on the comparison and on a model's page."""
    pages = {name: (folder / f"{name}.html").as_uri() for name in ("index", "plain")}
    return {name: look(chromium, page, tmp_path_factory.mktemp(name)) for name, page in pages.items()}


@pytest.mark.parametrize("page", ["index.html", "plain.html"])
def test_pages_open_from_disk_with_a_clean_console(
    chromium: str, folder: Path, tmp_path: Path, page: str
) -> None:
    text, log = browse(chromium, (folder / page).as_uri(), tmp_path / "profile")
    assert "Not a medical device" in text
    assert not re.search(r"CONSOLE|Refused to|Content Security Policy", log), log


def test_every_figure_draws(seen: dict[str, dict[str, Any]]) -> None:
    assert len(seen["index"]["pictures"]) == 1
    assert len(seen["plain"]["pictures"]) == len(COMMON)
    for natural, width, height in seen["index"]["pictures"] + seen["plain"]["pictures"]:
        assert natural > 100 and width > 100 and height > 20


def test_pages_fit_the_window(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["index"]["wider"] == seen["plain"]["wider"] == 0


def test_a_hostile_text_runs_no_script(seen: dict[str, dict[str, Any]], folder: Path) -> None:
    assert seen["index"]["scripts"] == seen["plain"]["scripts"] == 1
    assert HOSTILE not in (folder / "index.html").read_text()
