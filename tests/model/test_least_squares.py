"""Lines over time: numpy's, each on its own tested values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vfprog.model.least_squares import fit_lines

seeds = st.integers(0, 2**32 - 1)


def random_values(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    years = rng.uniform(0.1, 1, (3, 7)).cumsum(1)
    values, mask = rng.normal(-3, 3, (3, 7, 4)), rng.random((3, 7, 4)) < 0.7
    return torch.as_tensor(values), torch.as_tensor(mask), torch.as_tensor(years)


@given(seed=seeds)
def test_lines_are_numpys(seed: int) -> None:
    values, mask, years = random_values(seed)
    line = fit_lines(values, mask, years)
    at = line.at(years + 1)
    for eye, column in np.ndindex(3, 4):
        kept = mask[eye, :, column].numpy()
        n = kept.sum()
        if n < 2:
            assert line.slope[eye, column] == 0
            continue
        t, y = years[eye].numpy()[kept], values[eye, :, column].numpy()[kept]
        slope, intercept = np.polyfit(t, y, 1)
        found = [
            getattr(line, name)[eye, column].item() for name in ("intercept", "slope", "sxx", "centre", "n")
        ]
        np.testing.assert_allclose(
            found, [intercept, slope, ((t - t.mean()) ** 2).sum(), t.mean(), n], rtol=1e-8, atol=1e-8
        )
        np.testing.assert_allclose(
            at[eye, :, column], intercept + slope * (years[eye] + 1), rtol=1e-7, atol=1e-8
        )
        sd = line.residual_sd[eye, column].item()
        if n == 2:
            assert np.isnan(sd)
        else:
            residual = y - intercept - slope * t
            assert sd == pytest.approx(np.sqrt((residual**2).sum() / (n - 2)), rel=1e-7)


@given(seed=seeds)
def test_leverage_is_the_diagonal_of_the_hat_matrix(seed: int) -> None:
    values, mask, years = random_values(seed)
    line = fit_lines(values, mask, years)
    future = years + 2
    leverage = line.leverage(future)
    for eye, column in np.ndindex(3, 4):
        kept = mask[eye, :, column].numpy()
        if kept.sum() < 2:
            continue
        design = np.stack([np.ones(kept.sum()), years[eye].numpy()[kept]], 1)
        at = np.stack([np.ones(7), future[eye].numpy()], 1)
        expected = np.einsum("ti,ij,tj->t", at, np.linalg.inv(design.T @ design), at)
        np.testing.assert_allclose(leverage[eye, :, column], expected, rtol=1e-7)


def test_one_visit_is_a_level_line() -> None:
    years = torch.tensor([[0.4]], dtype=torch.float64)
    line = fit_lines(
        torch.tensor([[[-3.0]]], dtype=torch.float64), torch.ones(1, 1, 1, dtype=torch.bool), years
    )
    assert (line.intercept.item(), line.slope.item(), line.n.item()) == (-3, 0, 1)
    later = torch.tensor([[0.4, 9.0]], dtype=torch.float64)
    assert line.at(later)[0, :, 0].tolist() == [-3, -3]
    assert line.leverage(later)[0, :, 0].tolist() == [1, 1]
    assert line.residual_sd.isnan().all()


@given(year=st.floats(0, 40, width=32), visits=st.integers(1, 12), seed=seeds)
def test_visits_that_span_no_time_have_no_slope(year: float, visits: int, seed: int) -> None:
    # In float32 the mean of equal times may differ from them by rounding: that is no time either.
    values = torch.as_tensor(np.random.default_rng(seed).normal(-3, 3, (1, visits, 2)), dtype=torch.float32)
    years = torch.full((1, visits), year)
    line = fit_lines(values, torch.ones_like(values, dtype=torch.bool), years)
    assert (line.slope == 0).all() and (line.sxx == 0).all()
    torch.testing.assert_close(line.leverage(years + 1), torch.full((1, visits, 2), 1 / visits))
    torch.testing.assert_close(line.intercept, values.mean(1), atol=1e-5, rtol=1e-5)


def test_a_column_without_values_is_finite() -> None:
    values, mask, years = random_values(0)
    mask[:, :, 0] = False
    line = fit_lines(values, mask, years)
    assert (line.intercept[:, 0] == 0).all() and (line.slope[:, 0] == 0).all()
    assert torch.isfinite(line.leverage(years)).all()
