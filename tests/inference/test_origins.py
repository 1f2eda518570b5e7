"""Rolling origin: nothing of the later visits is among the visits given."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import random_series

from vfprog.inference.origins import origin


@given(seed=st.integers(0, 1000), n=st.integers(1, 4))
def test_series_are_cut_into_past_and_future(seed: int, n: int) -> None:
    series = random_series(seed)
    cut = origin(series, n)
    longer = [eye for eye in range(len(series)) if series.n_visits[eye] > n]
    if not longer:
        assert cut is None
        return
    assert cut is not None and cut.n_first == n
    assert cut.rows.tolist() == longer
    assert (cut.past.n_visits == n).all()
    for i, eye in enumerate(longer):
        last = int(series.n_visits[eye])
        assert torch.equal(cut.past.td[i], series.td[eye, :n])
        assert torch.equal(cut.past.mask[i], series.mask[eye, :n])
        assert torch.equal(cut.td[i, : last - n], series.td[eye, n:last])
        assert torch.equal(cut.mask[i, : last - n], series.mask[eye, n:last])
        assert not cut.mask[i, last - n :].any() and not cut.visits[i, last - n :].any()
        torch.testing.assert_close(
            cut.horizon[i, : last - n], series.years[eye, n:last] - series.years[eye, n - 1]
        )
    assert (cut.horizon > 0).all()


def test_a_later_visit_without_any_test_is_none() -> None:
    series = random_series(0, tested=1.0)
    longest = int(series.n_visits.argmax())
    series.mask[longest, 1] = False
    cut = origin(series, 1)
    assert cut is not None
    row = cut.rows.tolist().index(longest)
    assert not cut.visits[row, 0] and cut.visits[row, 1]
