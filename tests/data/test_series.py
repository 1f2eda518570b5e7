"""Series: padded tensors that say of each eye what the table says, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st

from vfprog import columns as c
from vfprog.data.series import Series, at_floor, eyes_of, padded_series, series_from_visits
from vfprog.perimetry.grid import load_grid

seeds = st.integers(0, 2**32 - 1)


def laid_out(seed: int, eyes: int = 5, most: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fields end to end: TD with gaps (field, 3 locations), years, visits of each eye."""
    rng = np.random.default_rng(seed)
    n_visits = rng.integers(1, most + 1, eyes)
    td = rng.normal(-3, 4, (n_visits.sum(), 3))
    td[rng.random(td.shape) < 0.3] = np.nan
    years = np.concatenate([rng.uniform(0, 1, n).cumsum() for n in n_visits])
    return td, years, n_visits


def series_of(seed: int) -> Series:
    """Half of these know what is at the floor."""
    series = padded_series(*laid_out(seed), torch.float64)
    return replace(series, at_floor=series.mask & (series.td < -5)) if seed % 2 else series


def assert_same(a: Series, b: Series) -> None:
    for name in Series.__dataclass_fields__:
        one, other = getattr(a, name), getattr(b, name)
        assert one is other is None or torch.equal(one, other), name


@given(seed=seeds)
def test_padding_adds_nothing_and_loses_nothing(seed: int) -> None:
    td, years, n_visits = laid_out(seed)
    series = padded_series(td, years, n_visits, torch.float64)
    assert len(series) == 5 and series.td.shape == (5, n_visits.max(), 3)
    start = 0
    for eye, n in enumerate(n_visits):
        field = td[start : start + n]
        np.testing.assert_array_equal(series.mask[eye, :n], np.isfinite(field))
        np.testing.assert_array_equal(series.td[eye, :n], np.nan_to_num(field))
        np.testing.assert_array_equal(series.years[eye, :n], years[start : start + n])
        assert not series.mask[eye, n:].any() and (series.td[eye, n:] == 0).all()
        assert (series.years[eye, n:] == years[start + n - 1]).all()
        assert series.visits[eye].tolist() == [v < n for v in range(n_visits.max())]
        assert series.last_years[eye] == years[start + n - 1]
        start += n
    assert torch.isfinite(series.td).all()


@given(seed=seeds, n=st.integers(1, 8))
def test_first_visits_are_those_of_a_table_cut_there(seed: int, n: int) -> None:
    td, years, n_visits = laid_out(seed)
    position = np.concatenate([np.arange(visits) for visits in n_visits])
    cut = padded_series(td[position < n], years[position < n], np.minimum(n_visits, n), torch.float64)
    if seed % 2:
        cut = replace(cut, at_floor=cut.mask & (cut.td < -5))
    assert_same(series_of(seed).first(n), cut)
    assert_same(series_of(seed).first(n).first(n + 3), cut)


@given(seed=seeds, numbers=st.lists(st.integers(1, 7), min_size=5, max_size=5))
def test_each_eye_may_have_its_own_number_of_first_visits(seed: int, numbers: list[int]) -> None:
    series, wanted = series_of(seed), torch.tensor(numbers)
    found = series.first(wanted)
    assert found.n_visits.tolist() == torch.minimum(wanted, series.n_visits).tolist()
    for eye, n in enumerate(found.n_visits.tolist()):
        alone = series[eye : eye + 1].first(n)
        assert torch.equal(found.td[eye, :n], alone.td[0]) and torch.equal(found.mask[eye, :n], alone.mask[0])
        assert not found.mask[eye, n:].any() and (found.td[eye, n:] == 0).all()
        assert found.last_years[eye] == alone.last_years[0] == series.years[eye, n - 1]
        assert (found.years[eye, n:] == found.last_years[eye]).all()


@given(seed=seeds, data=st.data())
def test_eyes_can_be_taken_in_any_order(seed: int, data: st.DataObject) -> None:
    series = series_of(seed)
    order = data.draw(st.permutations(range(5)))
    shuffled = series[torch.tensor(order)]
    for place, eye in enumerate(order):
        assert_same(shuffled[place : place + 1], series[eye : eye + 1])
    assert_same(series[series.n_visits > 0], series)
    assert_same(series.to("cpu"), series)


def test_eyes_of_a_table_keep_its_order() -> None:
    grid = load_grid("24-2")
    eyes = [("b", c.LEFT), ("b", c.RIGHT), ("a", c.LEFT)]
    keys = [eyes[i] for i in (0, 0, 1, 2, 2, 2)]
    td = np.arange(6 * 52, dtype=float).reshape(6, 52)
    td[4, 7] = np.nan
    visits = pd.DataFrame(keys, columns=c.EYE_KEY).join(pd.DataFrame(td, columns=c.td(52)))
    visits[c.YEARS] = [0, 0.5, 0, 0, 1, 2]
    series = series_from_visits(visits, grid)
    assert list(eyes_of(visits).itertuples(index=False, name=None)) == eyes
    assert series.n_visits.tolist() == [2, 1, 3] and series.td.dtype == torch.float32
    assert series.td[2, 1, :9].tolist() == [208, 209, 210, 211, 212, 213, 214, 0, 216]
    assert not series.mask[2, 1, 7] and series.mask[2, 1].sum() == 51


def test_the_floor_is_known_where_sensitivities_are() -> None:
    grid = load_grid("24-2")
    visits = pd.DataFrame([("a", c.LEFT), ("b", c.LEFT), ("b", c.LEFT)], columns=c.EYE_KEY)
    sens = np.full((3, 52), 25.0)
    sens[0, 0], sens[1, 1], sens[2, :4] = -2, 0, [1, -1, np.nan, 0.5]
    visits = visits.join(pd.DataFrame(sens, columns=c.sens(52))).assign(**{c.YEARS: [0, 0, 1]})
    found = at_floor(visits, grid)
    assert found is not None and found.shape == (2, 2, 52)
    assert np.argwhere(found).tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 1]]
    assert at_floor(visits.drop(columns=c.sens(52)), grid) is None
    # A series knows it of the tests whose total deviation it has.
    td = np.full((3, 52), -30.0)
    td[1, 1] = np.nan
    visits = visits.join(pd.DataFrame(td, columns=c.td(52)))
    series = series_from_visits(visits, grid)
    assert series.at_floor is not None
    assert torch.nonzero(series.at_floor).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert series_from_visits(visits.drop(columns=c.sens(52)), grid).at_floor is None


def test_no_eyes_is_no_series() -> None:
    none = padded_series(np.empty((0, 52)), np.empty(0), np.empty(0, int), torch.float32)
    assert len(none) == 0 and none.td.shape[2] == 52
