"""Tests at the floor against truncated normals: by numerical integration for one, by sampling for several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dense import METHODS, Dense, dense, random_method
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from tiny import random_series

from vfprog.data.series import Series
from vfprog.model import floor_sites as module
from vfprog.model.floor_sites import FARTHEST, MOST_PRECISION, update_sites

FLOOR = -5.0


def truncated(mean: float, sd: float, bound: float) -> tuple[float, float]:
    """Moments of a normal known to be at or below a bound, by numerical integration."""
    top = min(bound, mean + 10 * sd)
    lowest = min(mean - 10 * sd, top - 10 * sd)

    def density(x: float) -> float:
        return float(np.exp(norm.logpdf(x, mean, sd) - norm.logpdf(top, mean, sd)))

    total = quad(density, lowest, top, limit=200)[0]
    first = quad(lambda x: (x - top) * density(x), lowest, top, limit=200)[0] / total
    second = quad(lambda x: (x - top - first) ** 2 * density(x), lowest, top, limit=200)[0] / total
    return top + first, second


def tensors(*values: float) -> list[torch.Tensor]:
    return [torch.tensor([[v]], dtype=torch.float64) for v in values]


@given(mean=st.floats(-6, 6), sd=st.floats(0.4, 3), bound=st.floats(-4, 4))
def test_one_test_has_the_moments_of_the_truncated_normal(mean: float, sd: float, bound: float) -> None:
    assume((bound - mean) / sd > FARTHEST)  # beyond, moments are those there, moved
    site, precision = update_sites(*tensors(mean, sd**2, 0.0, 0.0, bound))
    expected, variance = truncated(mean, sd, bound)
    total = 1 / sd**2 + precision.item()
    if precision.item() < MOST_PRECISION:
        found = (mean / sd**2 + site.item() * precision.item()) / total
        # A site is never of less than the least precision, which moves what is hardly censored a little.
        assert found == pytest.approx(expected, abs=2e-3 * sd)
        assert 1 / total == pytest.approx(variance, rel=2e-3)
    # What all else says is the same with the site as without it.
    if precision.item() < MOST_PRECISION:
        again = update_sites(*tensors(found, 1 / total, site.item(), precision.item(), bound))
        assert again[0].item() == pytest.approx(site.item(), rel=1e-6, abs=1e-6)
        assert again[1].item() == pytest.approx(precision.item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_however_far_from_the_bound_the_mean_goes_to_it(dtype: torch.dtype) -> None:
    cavity = torch.tensor([[60.0, 20, 9, 5, -5, -20, -60]], dtype=dtype)
    one, nothing = torch.ones_like(cavity), torch.zeros_like(cavity)
    site, precision = update_sites(cavity, one, nothing, nothing, nothing)
    found = (cavity + site * precision) / (1 + precision)
    assert torch.isfinite(site).all() and (precision > 0).all()
    expected = [truncated(m, 1.0, 0.0)[0] for m in cavity[0].tolist()]
    assert (found <= 0.61).all()  # the most sure of pseudo-tests leaves a hundredth of the way
    np.testing.assert_allclose(found[0, 3:], expected[3:], atol=5e-3)


def censored(seed: int, name: str) -> tuple[Series, Dense, torch.Tensor, object]:
    """An eye whose lowest tests are at a floor, written out."""
    method = random_method(seed, name)
    series = random_series(seed, eyes=1, most=3, tested=0.9)
    low = (series.td < FLOOR) & series.mask
    series = replace(series, td=torch.where(low, FLOOR, series.td), at_floor=low)
    linear = method.encoded(series)
    return series, dense(method, series, linear, 0), linear, method


def sampled(whole: Dense, floored: np.ndarray, seed: int, draws: int = 2_200_000) -> np.ndarray:
    """Draws of x given the tests seen and that the others are at or below their values: by rejection."""
    rng = np.random.default_rng(seed)
    seen = ~floored
    only = replace(whole, rows=whole.rows[seen], noise=whole.noise[np.ix_(seen, seen)], data=whole.data[seen])
    weight, means, covariances = only.conditioned()
    back = whole.noise[np.ix_(floored, seen)] @ np.linalg.inv(only.noise)
    left = whole.noise[np.ix_(floored, floored)] - back @ whole.noise[np.ix_(seen, floored)]
    kept = []
    for k, n in enumerate(rng.multinomial(draws, weight)):
        x = rng.multivariate_normal(means[k], covariances[k], n, method="eigh")
        shown = x @ whole.rows[floored].T + (only.data - x @ only.rows.T) @ back.T
        shown += rng.multivariate_normal(np.zeros(len(left)), left, n)
        kept.append(x[(shown <= whole.data[floored]).all(1)])
    return np.concatenate(kept)


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("seed", [1, 4])
def test_paths_of_censored_tests_are_those_of_sampling(name: str, seed: int) -> None:
    series, whole, _, method = censored(seed, name)
    n = int(series.n_visits[0])
    tested = series.mask[0, :n].numpy()
    floored = series.at_floor[0, :n].numpy()[tested]
    assert 0 < floored.sum() < len(floored)
    x = sampled(whole, floored, seed)
    assert len(x) > 1000
    parts = [x @ whole.field_rows[part].T for part in ("level", "drift", "wander")]
    path = method.fit(series)
    for i, part in enumerate(parts):
        sd = part.std(0) if part.any() else np.ones(part.shape[1])
        shift = whole.field_shift if i == 0 else 0
        found = path.state[0, :, i].detach().numpy() - shift
        np.testing.assert_allclose((found - part.mean(0)) / sd, 0, atol=0.06 + 4 / len(x) ** 0.5)
        np.testing.assert_allclose(path.state_cov[0, :, i, i].sqrt(), part.std(0), rtol=0.08, atol=1e-9)


def test_a_floor_that_holds_no_test_changes_nothing() -> None:
    method, series = random_method(0, "trajectory"), random_series(0)
    plain = method.fit(series)
    floored = method.fit(replace(series, at_floor=torch.zeros_like(series.mask)))
    for name in type(plain).__dataclass_fields__:
        assert torch.equal(getattr(plain, name), getattr(floored, name)), name


@pytest.mark.parametrize("name", sorted(METHODS))
def test_at_or_below_is_below(name: str) -> None:
    method, series = random_method(2, name), random_series(2, most=4)
    low = (series.td < -5) & series.mask
    assert low.any()
    plain, floored = method.fit(series), method.fit(replace(series, at_floor=low))
    ever = low.any(1)
    now = plain.state[..., 0] + plain.state[..., 2]
    then = floored.state[..., 0] + floored.state[..., 2]
    assert (then - now)[ever].mean() < 0


def test_sweeps_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    series, _, _, method = censored(4, "trajectory")
    usual = method.fit(series)
    monkeypatch.setattr(module, "SWEEPS", 40)
    settled = method.fit(series)
    torch.testing.assert_close(usual.td, settled.td, atol=0.01 * settled.td_sd.max().item(), rtol=0)
