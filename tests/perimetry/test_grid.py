from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfprog.perimetry.grid import SECTORS, load_grid

GRID = load_grid("24-2")


def test_the_grid_has_52_locations_in_reading_order():
    assert (GRID.n, GRID.n_full) == (52, 54)
    assert GRID.xy.shape == (52, 2)
    order = np.lexsort((GRID.xy[:, 0], -GRID.xy[:, 1]))
    np.testing.assert_array_equal(order, np.arange(52))


def test_the_blind_spot_is_temporal():
    np.testing.assert_array_equal(GRID.full_xy[GRID.blind_spot], [[15, 3], [15, -3]])


def test_sectors_part_the_field_as_garway_heath_does():
    """Counts of the published map; fibres of the superior field enter the disc below, and the other way round."""
    counts = {sector: int((GRID.sectors == sector).sum()) for sector in SECTORS}
    assert counts == {"TS": 10, "T": 6, "TI": 13, "NI": 8, "N": 4, "NS": 11}
    assert (GRID.xy[np.isin(GRID.sectors, ["TI", "NI"]), 1] > 0).all()
    assert (GRID.xy[np.isin(GRID.sectors, ["TS", "NS"]), 1] < 0).all()
    assert np.abs(GRID.xy[GRID.sectors == "T", 1]).max() == 3
    assert (GRID.xy[GRID.sectors == "N", 0] == 21).all()


def test_regions_are_the_field_its_halves_and_its_sectors():
    assert list(GRID.regions) == ["field", "superior", "inferior", *SECTORS]
    assert GRID.regions["field"].all()
    halves = GRID.regions["superior"].astype(int) + GRID.regions["inferior"]
    sectors = sum(GRID.regions[sector].astype(int) for sector in SECTORS)
    np.testing.assert_array_equal(halves, 1)
    np.testing.assert_array_equal(sectors, 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([52, 54]))
def test_mirroring_twice_is_the_identity(seed, locations):
    values = np.random.default_rng(seed).normal(size=(2, 3, locations))
    np.testing.assert_array_equal(GRID.mirror(GRID.mirror(values)), values)


@pytest.mark.parametrize("xy", [GRID.full_xy, GRID.xy], ids=["with blind spot", "without"])
def test_a_left_eye_as_seen_is_mirrored_to_right_eye_format(xy):
    as_seen = xy * [-1, 1]
    reading_order = np.lexsort((as_seen[:, 0], -as_seen[:, 1]))
    np.testing.assert_array_equal(GRID.mirror(as_seen[reading_order].T), (xy * [-1, 1]).T)


def test_dropping_the_blind_spot_keeps_the_other_locations():
    np.testing.assert_array_equal(GRID.without_blind_spot(GRID.full_xy.T), GRID.xy.T)
    np.testing.assert_array_equal(GRID.without_blind_spot(GRID.xy.T), GRID.xy.T)


def test_another_number_of_locations_is_an_error():
    with pytest.raises(ValueError, match=r"52 locations \(54 with the blind spot\), not 53"):
        GRID.without_blind_spot(np.zeros((1, 53)))
