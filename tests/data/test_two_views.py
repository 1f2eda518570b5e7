"""Pairs of views: the right rows beside each other, and views that cannot be learnt from refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.data.two_views import FELLOW_WINDOW, FIRST_VISITS, simulated_views, two_views
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
SECTORS = ["rnfl_T", "rnfl_TS"]


def visits(series: list[tuple[str, str, int, float]], **columns: object) -> pd.DataFrame:
    """Eyes (patient, eye, visits, first year of age), tested yearly, every value different."""
    rows = [
        {c.PATIENT: patient, c.EYE: eye, c.VISIT: i + 1, c.YEARS: float(i), c.AGE: age + i}
        for patient, eye, n, age in series
        for i in range(n)
    ]
    table = pd.DataFrame(rows)
    td = pd.DataFrame(
        np.arange(len(table) * GRID.n, dtype=float).reshape(-1, GRID.n) / 100 - 30, columns=c.td(GRID.n)
    )
    return pd.concat([table.assign(**columns), td], axis=1)


def td_of(table: pd.DataFrame, *rows: int) -> np.ndarray:
    return table.loc[list(rows), c.td(GRID.n)].to_numpy().astype(np.float32)


def test_structure_beside_the_same_visits_field():
    sectors = {"rnfl_T": [70.0, np.nan, 60.0, 65.0], "rnfl_TS": [130.0, np.nan, np.nan, 120.0]}
    table = visits([("a", "OD", 4, 60.0)], **sectors)
    paired = two_views(table, "structure_function", GRID, SECTORS)
    assert list(paired.inputs) == SECTORS
    assert paired.rows[c.VISIT].tolist() == [1, 3, 4]
    assert paired.left_out == {"fields without any sector measured": 1}
    np.testing.assert_array_equal(paired.examples.seen.numpy(), [[70, 130], [60, 0], [65, 120]])
    assert paired.examples.seen_mask.tolist() == [[True, True], [True, False], [True, True]]
    np.testing.assert_array_equal(paired.examples.x.numpy(), td_of(table, 0, 2, 3))


def test_fellow_eyes_are_matched_in_time_both_ways():
    # b's eyes are never tested within the window; c has one eye.
    table = visits(
        [
            ("a", "OD", 3, 60.0),
            ("a", "OS", 2, 60.3),
            ("b", "OD", 1, 50.0),
            ("b", "OS", 1, 51.0),
            ("c", "OS", 2, 70.0),
        ]
    )
    paired = two_views(table, "fellow_eye", GRID, [])
    assert paired.rows[c.EYE].tolist() == ["OD", "OD", "OS", "OS"]
    assert set(paired.patients) == {"a"}
    # OD at 60, 61, (62: nearest is 61.3, too long before) see OS at 60.3, 61.3, and the other way round.
    np.testing.assert_array_equal(paired.examples.seen.numpy(), td_of(table, 3, 4, 0, 1))
    np.testing.assert_array_equal(paired.examples.x.numpy(), td_of(table, 0, 1, 3, 4))
    assert paired.left_out == {f"fields without one of the fellow eye within {FELLOW_WINDOW:g} years": 5}


def test_dates_come_before_ages_in_matching_fellow_eyes():
    table = visits([("a", "OD", 2, 60.0), ("a", "OS", 2, 60.0)])
    table[c.DATE] = pd.to_datetime(["2011-01-01", "2012-01-01", "2011-12-20", "2013-06-01"])
    paired = two_views(table, "fellow_eye", GRID, [])
    np.testing.assert_array_equal(paired.examples.seen.numpy(), td_of(table, 2, 1))


def test_hemifields_halve_the_field():
    table = visits([("a", "OD", 2, 60.0)])
    paired = two_views(table, "hemifield", GRID, [])
    assert (GRID.xy[paired.locations - 1, 1] < 0).all()
    assert paired.examples.x.shape == paired.examples.seen.shape == (2, GRID.n // 2)
    np.testing.assert_array_equal(paired.examples.x.numpy(), td_of(table, 0, 1)[:, paired.locations - 1])
    assert set(paired.inputs) | {f"td_{j}" for j in paired.locations} == set(c.td(GRID.n))


def test_first_visits_beside_each_later_one():
    table = visits([("a", "OD", 5, 60.0), ("a", "OS", 3, 60.0), ("b", "OD", 1, 50.0), ("b", "OS", 4, 50.0)])
    table.loc[1, "td_1"] = np.nan
    paired = two_views(table, "early_later", GRID, [])
    seen = paired.examples.seen.numpy()
    assert paired.rows[c.VISIT].tolist() == [4, 5, 4]
    assert paired.inputs[-1] == c.YEARS_AHEAD
    np.testing.assert_array_equal(seen[:, -1], [1, 2, 1])
    mean = (
        table.loc[: FIRST_VISITS - 1, c.td(GRID.n)].mean().to_numpy()
    )  # pandas leaves the missing value out
    np.testing.assert_allclose(seen[:2, :-1], np.tile(mean, (2, 1)), rtol=1e-6)
    assert paired.left_out == {"eyes with one visit": 1, "eyes with 2 to 3 visits": 1}


def test_rows_at_the_floor_are_known():
    table = visits([("a", "OD", 2, 60.0)])
    sens = pd.DataFrame(20.0, index=table.index, columns=c.sens(GRID.n))
    sens.iloc[1, 3] = 0.0
    paired = two_views(pd.concat([table, sens], axis=1), "hemifield", GRID, [])
    assert not paired.examples.at_floor.any()  # location 4 is in the half seen
    sens.iloc[1, 51] = -2.0
    paired = two_views(pd.concat([table, sens], axis=1), "hemifield", GRID, [])
    assert paired.examples.at_floor.nonzero().tolist() == [[1, 25]]


def test_a_choice_of_rows_keeps_their_patients():
    table = visits([("a", "OD", 2, 60.0), ("b", "OS", 2, 60.0)])
    paired = two_views(table, "hemifield", GRID, [])[np.array([False, False, True, True])]
    assert paired.patients.tolist() == ["b", "b"]
    assert len(paired.examples) == len(paired) == 2


@pytest.mark.parametrize(
    ("views", "series", "words"),
    [
        ("early_later", [("a", "OD", 1, 60.0)] * 1, "1 eyes with one visit"),
        ("fellow_eye", [("a", "OD", 3, 60.0)], "no row of the cohorts has both views"),
        ("structure_function", [("a", "OD", 3, 60.0)], "have no `structure`"),
    ],
)
def test_views_that_do_not_exist_are_refused(views, series, words):
    with pytest.raises(UserError, match=words) as refused:
        two_views(visits(series), views, GRID, [])
    assert f"views: {views}" in str(refused.value)


def test_constant_columns_are_refused():
    flat = visits([("a", "OD", 3, 60.0)], rnfl_T=70.0, rnfl_TS=[130.0, 120.0, 110.0])
    with pytest.raises(UserError, match="views: structure_function: rnfl_T: one value in all 3 rows"):
        two_views(flat, "structure_function", GRID, SECTORS)
    later = visits([("a", "OD", 5, 60.0), ("b", "OD", 4, 60.0)])
    later.loc[later[c.VISIT] > FIRST_VISITS, "td_7"] = -1.0
    with pytest.raises(UserError, match="views: early_later: td_7: one value in all 3 rows"):
        two_views(later, "early_later", GRID, [])


def test_simulated_eyes_have_some_views_only():
    half = simulated_views(30, "hemifield", GRID, 1)
    later = simulated_views(30, "early_later", GRID, 1)
    assert half is not None
    assert later is not None
    assert len(half) == len(later) == len(set(half.patients)) == 30
    assert (later.rows[c.VISIT] == FIRST_VISITS + 1).all()
    assert simulated_views(30, "fellow_eye", GRID, 1) is None
    assert simulated_views(0, "hemifield", GRID, 1) is None
