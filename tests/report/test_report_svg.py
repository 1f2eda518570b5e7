"""Hand-written SVGs: well-formed, right geometry, values and labels."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from fake_run import GRID
from markupsafe import Markup
from matplotlib.colors import to_hex

from vfprog.config import PlotsConfig
from vfprog.plots.series import rate_line
from vfprog.plots.style import UNTESTED, field_style
from vfprog.report.svg import Chart, FieldMaps, latent_chart, md_chart

VALUES = -np.arange(52.0) / 2
DRAWER = FieldMaps(GRID.xy, PlotsConfig())


def parsed(svg: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg))


def cells(svg: Markup) -> set[tuple[str, str, str]]:
    """Fill and corner of every cell."""
    return {
        (path.attrib["fill"], x, y)
        for path in parsed(svg).findall("path")
        for x, y in re.findall(r"M(\S+) (\S+?)h20v20h-20z", path.attrib["d"])
    }


def test_a_field_has_a_cell_and_a_number_at_every_location() -> None:
    drawn = DRAWER.draw(VALUES, "OD", "a field")
    assert len(cells(drawn)) == 52
    assert len(list(parsed(drawn).iter("text"))) == 52
    first = to_hex(field_style("td", PlotsConfig()).colour(0))
    assert (first, "60", "0") in cells(drawn)  # location 1: fourth column, top row
    assert parsed(drawn).attrib["aria-label"] == "a field"


def test_a_left_eye_is_the_mirror_image() -> None:
    width = 180
    right = {(fill, float(x), y) for fill, x, y in cells(DRAWER.draw(VALUES, "OD", ""))}
    left = {(fill, width - 20 - float(x), y) for fill, x, y in cells(DRAWER.draw(VALUES, "OS", ""))}
    assert right == left


def test_a_location_not_tested_has_an_empty_cell() -> None:
    values = np.where(np.arange(52) == 3, np.nan, VALUES)
    drawn = DRAWER.draw(values, "OD", "")
    assert {fill for fill, x, y in cells(drawn) if (x, y) == ("120", "0")} == {UNTESTED}
    assert len(list(parsed(drawn).iter("text"))) == 51


@pytest.mark.parametrize("kind", ["td", "sens", "width", "difference"])
def test_legends_name_range_and_unit(kind) -> None:
    texts = [t.text for t in parsed(DRAWER.legend(kind)).iter("text")]
    assert texts[1].endswith("(dB)")
    assert len(texts) == 3


def test_labels_are_escaped() -> None:
    assert parsed(DRAWER.draw(VALUES, "OD", '<b>"&')).attrib["aria-label"] == '<b>"&'


def test_a_chart_maps_data_to_pixels_inside_its_axes() -> None:
    chart = Chart((200, 100), np.array([0.0, 10]), np.array([-5.0, 0]), ("Years", "dB"))
    chart.dots(np.array([0.0, 10]), np.array([-5.0, 0]), "#000000")
    circles = list(parsed(chart.render("c")).iter("circle"))
    x = [float(circle.attrib["cx"]) for circle in circles]
    y = [float(circle.attrib["cy"]) for circle in circles]
    assert Chart.LEFT < x[0] < x[1] < 200 - Chart.RIGHT
    assert Chart.TOP < y[1] < y[0] < 100 - Chart.BOTTOM


@pytest.mark.parametrize("n", [1, 2, 9])
def test_an_md_chart_shows_visits_rate_and_fan(n: int) -> None:
    years, mtd = np.arange(n) * 0.5, -np.arange(n) * 0.5 - 3
    ahead = years[-1] + np.array([0.5, 1, 5])
    fan = (ahead, np.full(3, -6.0), np.full(3, -9.0), np.full(3, -3.0))
    none = (np.array([]), np.array([]))
    svg = parsed(md_chart((years, mtd), none, rate_line(years, mtd, (-1, -2, 0)), fan, "Mean TD"))
    assert len(list(svg.iter("circle"))) == n + 3
    assert len(list(svg.iter("polygon"))) == 2
    texts = [t.text for t in svg.iter("text")]
    assert {"Years since the first field", "Mean TD (dB)"} <= set(texts)
    assert not any("nan" in str(value) for item in svg.iter() for value in item.attrib.values())


def test_a_latent_chart_draws_bars_and_path() -> None:
    years, z, sd = np.array([0.0, 1]), np.array([0.5, 0.7]), np.array([0.1, 0.1])
    svg = parsed(latent_chart(years, z, sd, (years, z, sd), "Latent 1"))
    assert len(list(svg.iter("circle"))) == 2
    assert len(list(svg.iter("polyline"))) == 1
