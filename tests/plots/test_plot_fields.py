"""Field maps: geometry, orientation, values, missing locations."""

from __future__ import annotations

import numpy as np
import pytest
from fake_run import GRID
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.plots.fields import as_seen, field_colorbar, plot_field, whole_db
from vfprog.plots.style import field_style, ink_on

VALUES = -np.arange(52.0) / 2


def cells(ax: Axes) -> np.ndarray:
    """Centres of the drawn cells, degrees."""
    return np.array([path.get_extents().get_points().mean(axis=0) for path in ax.collections[0].get_paths()])


@pytest.mark.parametrize(("eye", "side"), [("OD", 1), ("OS", -1)])
def test_cells_lie_on_the_grid_as_the_patient_sees_it(
    ax: Axes, options: PlotsConfig, eye: str, side: int
) -> None:
    plot_field(VALUES, GRID.xy, ax, eye=eye, options=options)
    np.testing.assert_allclose(cells(ax), GRID.xy * [side, 1])
    np.testing.assert_array_equal(ax.collections[0].get_array(), VALUES)
    blind_spot = ax.patches[0].get_center()
    assert blind_spot[0] == side * 15
    # The blind spot lies where no location is tested.
    assert np.abs(cells(ax) - blind_spot).max(axis=1).min() >= 3


def test_mirroring_twice_is_the_identity() -> None:
    np.testing.assert_array_equal(as_seen(as_seen(GRID.xy, "OS"), "OS"), GRID.xy)


def test_numbers_stand_in_their_cells(ax: Axes, options: PlotsConfig) -> None:
    plot_field(VALUES, GRID.xy, ax, options=options)
    assert [t.get_text() for t in ax.texts] == [whole_db(v) for v in VALUES]
    np.testing.assert_allclose([t.get_position() for t in ax.texts], GRID.xy)


def test_a_location_not_tested_has_a_cell_without_number(ax: Axes, options: PlotsConfig) -> None:
    values = VALUES.copy()
    values[3] = np.nan
    plot_field(values, GRID.xy, ax, options=options)
    assert len(ax.texts) == 51
    assert ax.collections[0].get_array().mask.sum() == 1
    assert len(cells(ax)) == 52


@pytest.mark.parametrize(
    ("kind", "limits"), [("td", (-30, 3)), ("sens", (0, 35)), ("difference", (-10, 10)), ("width", (0, 30))]
)
def test_colours_span_the_configured_range(ax: Axes, kind, limits: tuple[float, float]) -> None:
    plot_field(VALUES, GRID.xy, ax, kind=kind, options=PlotsConfig(td_range=(-30, 3)), numbers=False)
    assert ax.collections[0].get_clim() == limits
    assert not ax.texts


@pytest.mark.parametrize("kind", ["td", "sens"])
def test_loss_is_darker_all_the_way(kind, options: PlotsConfig) -> None:
    look = field_style(kind, options)
    weights = np.array([0.2126, 0.7152, 0.0722])
    lightness = [weights @ np.array(look.colour(v)[:3]) for v in np.linspace(*look.limits, 30)]
    assert (np.diff(lightness) > 0).all()


def test_ink_is_read_on_dark_and_light() -> None:
    assert ink_on((0, 0, 0, 1)) == "white"
    assert ink_on((1, 1, 0.9, 1)) != "white"


@pytest.mark.parametrize(("value", "text"), [(-12.4, "−12"), (-0.3, "0"), (4.6, "5")])
def test_values_are_printed_whole(value: float, text: str) -> None:
    assert whole_db(value) == text


def test_the_colour_bar_names_its_unit(options: PlotsConfig) -> None:
    axes = Figure().subplots(1, 2)
    assert field_colorbar(list(axes), "td", options).ax.get_ylabel() == "Total deviation (dB)"
