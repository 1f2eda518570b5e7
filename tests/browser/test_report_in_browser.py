"""The report as a browser shows it: opened from disk, offline, driven by clicks and keys.

The report itself is opened as it is; see ``browsing`` for the probe that looks into it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browsing import browse, look
from fake_run import HOSTILE, draw, write_pages, write_run

from vfprog.config import PlotsConfig
from vfprog.plots.figures import FIGURES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("run"), ids=[HOSTILE])
    draw(run, PlotsConfig(example_eyes=1))
    return write_pages(run)


@pytest.fixture(scope="module")
def index(chromium: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    address = (folder / "index.html").as_uri() + "#sort=visits,desc"
    return look(chromium, address, tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
def eye(chromium: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return look(chromium, (folder / "eyes" / "eye-0001.html").as_uri(), tmp_path_factory.mktemp("eye"))


@pytest.mark.parametrize("page", ["index.html", "eyes/eye-0001.html"])
def test_pages_open_from_disk_with_a_clean_console(
    chromium: str, folder: Path, tmp_path: Path, page: str
) -> None:
    text, log = browse(chromium, (folder / page).as_uri(), tmp_path / "profile")
    assert "Not a medical device" in text
    assert not re.search(r"CONSOLE|Refused to|Content Security Policy", log), log


def test_the_console_is_watched(chromium: str, tmp_path: Path) -> None:
    """The check above can fail: a broken page does leave a line."""
    page = tmp_path / "broken.html"
    page.write_text("<script>undefinedFunction()</script>")
    assert "CONSOLE" in browse(chromium, page.as_uri(), tmp_path / "profile")[1]


def test_every_figure_draws(index: dict[str, Any]) -> None:
    assert len(index["pictures"]) == len(FIGURES)
    for natural, width, height in index["pictures"]:
        assert natural > 100 and width > 100 and height > 20


def test_every_drawing_of_an_eye_has_a_size(eye: dict[str, Any]) -> None:
    # Rates of locations, visits, sensitivities, forecasts, their widths, further loss
    fields = 1 + 12 + 2 + 5 + 5 + 4
    legends, charts = 5, 1 + 4  # MD and latents
    assert len(eye["drawings"]) == legends + fields + charts
    for width, height in eye["drawings"]:
        assert width > 100 and height > 20
    assert len(eye["marks"]) > 300
    assert all(width + height > 0 for width, height in eye["marks"])


def test_pages_fit_the_window(index: dict[str, Any], eye: dict[str, Any]) -> None:
    assert index["wider"] == eye["wider"] == 0


def test_a_hostile_identifier_is_shown_as_text(index: dict[str, Any]) -> None:
    assert index["patients"].count(HOSTILE) == 2
    assert index["scripts"] == 1


def test_the_address_sorts_the_table(index: dict[str, Any]) -> None:
    assert index["address"] == ["15", "9", "7", "5", "3", "1"]


def test_headings_sort_up_and_down_and_say_so(index: dict[str, Any]) -> None:
    rates, direction = index["ascending"]
    assert direction == "ascending"
    assert [text.split()[0] for text in rates] == ["−1.30", "−0.75", "−0.40", "−0.20", "−0.10", "0.02"]
    assert index["descending"] == [rates[::-1], "descending"]
    assert index["others"] == "none"


def test_missing_values_sort_last(index: dict[str, Any]) -> None:
    assert index["missing"][-1] == "–"
    assert index["missing"][0] == "−1.56"


def test_headings_take_the_keyboard_s_focus(index: dict[str, Any]) -> None:
    assert index["focused"] == "Visits"


def test_the_table_is_filtered(index: dict[str, Any]) -> None:
    assert index["filtered"] == ["P002", "P002"]
    assert index["flagged"] == ["yes"] * 3
    assert index["count"] == "3 of 6 eyes shown"
