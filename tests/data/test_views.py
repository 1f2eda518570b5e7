"""Both views of an eye as arrays: cuts, shuffles, and columns that are no micrometres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.data.views import Views, views_from_visits
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")


def table(n_visits: tuple[int, ...] = (4, 2)) -> pd.DataFrame:
    """Visits half a year apart with two sectors, the second missing at the second visit."""
    rows = [(f"P{i}", "OD", v + 1, v / 2) for i, n in enumerate(n_visits) for v in range(n)]
    visits = pd.DataFrame(rows, columns=[*c.VISIT_KEY, c.YEARS])
    fields = pd.DataFrame(-2.0, index=visits.index, columns=c.td(GRID.n))
    thickness = pd.DataFrame({"t": 70.0 + visits.index, "n": np.where(visits[c.VISIT] == 2, np.nan, 80.0)})
    return pd.concat([visits, fields, thickness], axis=1)


def test_both_views_are_padded_alike():
    views = views_from_visits(table(), GRID, ["t", "n"])
    assert views.td.shape == (2, 4, 52) and views.thickness.shape == (2, 4, 2)
    assert views.measured[0, :, 1].tolist() == [True, False, True, True]
    assert not views.measured[1, 2:].any() and (views.thickness[~views.measured] == 0).all()
    assert views.thickness[1, 1, 0] == 75.0


def test_fields_alone_have_no_second_view():
    views = views_from_visits(table(), GRID, [])
    assert views.thickness is None and views.measured is None
    assert len(views[np.array([1])]) == 1


def test_cuts_keep_the_first_visits_of_both_views():
    views = views_from_visits(table(), GRID, ["t", "n"])
    year = views.until(0.6)
    assert year.n_visits.tolist() == [2, 2]
    assert year.mask.any(2).sum(1).tolist() == [2, 2] and year.measured.any(2).sum(1).tolist() == [2, 2]
    assert year.years[0].tolist() == [0, 0.5, 0.5, 0.5]
    assert views[:1].first(3).years.tolist() == [[0, 0.5, 1.0]]


def test_shuffles_move_times_among_an_eye_s_own_visits():
    views = views_from_visits(table(), GRID, ["t", "n"])
    rng = np.random.default_rng(0)
    orders = {tuple(views.shuffled(rng).years[0]) for _ in range(200)}
    assert len(orders) == 24
    shuffled = views.shuffled(rng)
    assert sorted(shuffled.years[1, :2]) == [0, 0.5] and (shuffled.years[1, 2:] == 0.5).all()
    np.testing.assert_array_equal(shuffled.td, views.td)


def test_at_the_floor_nothing_changes_and_what_was_never_seen_does_not_count():
    views = views_from_visits(table((4,)), GRID, [])
    assert views.floor_held() is views  # nothing is known of a floor
    at_floor = np.zeros(views.td.shape, bool)
    at_floor[0, :, 0] = at_floor[0, 1:3, 1] = True
    rising = views.td - 30 * at_floor + 0.1 * np.arange(4)[:, None]
    held = replace(views, td=rising, at_floor=at_floor).floor_held()
    assert not held.mask[0, :, 0].any() and held.mask[0, :, 1:].all() and (held.td[0, :, 0] == 0).all()
    np.testing.assert_allclose(held.td[0, :, 1], [-2.0, -31.9, -31.9, -1.7])
    np.testing.assert_array_equal(held.td[..., 2:], rising[..., 2:])


def test_reversed_time_keeps_the_gaps():
    views = views_from_visits(table((4,)), GRID, [])
    assert views.reversed().years.tolist() == [[1.5, 1.0, 0.5, 0.0]]


def test_a_missing_sector_names_the_column_and_the_remedy():
    with pytest.raises(UserError, match=r"no column oct\.T; mend the cohort's `structure`"):
        views_from_visits(table(), GRID, ["t", "oct.T"])


@pytest.mark.parametrize("value", ["thick", -3.0, 900.0])
def test_what_is_no_thickness_names_file_row_column_and_value(value):
    visits = table().assign(**{c.SOURCE: "oct.csv", c.ROW: range(2, 8)})
    visits["t"] = visits["t"].astype(object)
    visits.loc[3, "t"] = value
    with pytest.raises(UserError, match=r"oct\.csv: row 5: t: .*micrometres"):
        views_from_visits(visits, GRID, ["t"])


def test_views_of_no_eye_are_empty():
    assert (
        len(Views(*(np.zeros((0, 1, 52)), np.zeros((0, 1, 52), bool), np.zeros((0, 1)), np.zeros(0, int))))
        == 0
    )
