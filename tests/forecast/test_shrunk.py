"""Shrunk pointwise regression: its limits, its recovery of known slopes, its gain over what it shrinks between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vfprog.data.series import Series, padded_series
from vfprog.forecast.baselines import BASELINES, noise_of_test
from vfprog.forecast.shrunk import DEFAULT, Shrinkage, _lines, _slopes, fit_shrinkage, shrunk_regression

FLAT = Shrinkage(
    1e6, 0.0, 0.0, 0.0, visit=0.0, wander=0.0, location_wander=0.0
)  # levels as they are, no slope
AHEAD = torch.tensor([[3.0, 6.0]]).double()


@pytest.fixture
def series() -> Series:
    """Four eyes of 5 to 2 visits; a location of the first is missing at one visit, of the second at all."""
    rng = np.random.default_rng(0)
    made = padded_series(
        rng.normal(-5, 3, (14, 6)),
        rng.uniform(0, 0.6, 14).cumsum() % 2.5,
        np.array([5, 4, 3, 2]),
        torch.float64,
    )
    mask = made.mask.clone()
    mask[0, 2, 3] = mask[1, :, 4] = False
    return Series(made.td * mask, mask, made.years, made.n_visits)


def _simulated(
    eyes: int, visits: int, seed: int, eye_slope: float = 0.4, location_slope: float = 0.1
) -> Series:
    """Series with known slopes: a shared one and a location's own, test noise by level, a visit effect of 0.5 dB."""
    rng = np.random.default_rng(seed)
    years = np.arange(visits) / 2
    level = rng.normal(-6, 4, (eyes, 1, 20)).clip(-25, 0)
    noise = noise_of_test(torch.tensor(level)).numpy()
    slope = eye_slope * rng.standard_normal((eyes, 1, 1)) + location_slope * noise * rng.standard_normal(
        level.shape
    )
    td = level + slope * (years - years.mean())[:, None] + 0.5 * rng.standard_normal((eyes, visits, 1))
    td = td + noise * rng.standard_normal(td.shape)
    return padded_series(td.reshape(-1, 20), np.tile(years, eyes), np.full(eyes, visits), torch.float64)


def test_without_slopes_and_with_free_levels_it_is_the_mean_of_visits(series):
    years = AHEAD.expand(4, -1)
    shrunk, mean = shrunk_regression(FLAT)(series, years), BASELINES["mean"](series, years)
    tested = series.mask.any(1)[:, None].expand_as(mean.td)
    torch.testing.assert_close(shrunk.td[tested], mean.td[tested])
    torch.testing.assert_close(shrunk.md, mean.md)


@pytest.mark.parametrize("wide", ["eye_slope", "location_slope"])
def test_with_slopes_of_any_size_it_is_pointwise_regression(series, wide):
    """A wide prior of the locations' own slopes frees each; one of the eye's slope frees only their common part."""
    years = AHEAD.expand(4, -1)
    free = shrunk_regression(replace(FLAT, **{wide: 1e5}))(series, years)
    plr = BASELINES["plr"](series, years)
    tested = series.mask.any(1)[:, None].expand_as(plr.td)
    same = torch.isclose(free.td[tested], plr.td[tested], rtol=1e-4)
    assert same.all() if wide == "location_slope" else not same.any()


def test_slopes_are_the_posterior_of_the_dense_normal_model(series):
    """Sherman-Morrison against solving with the whole covariance, eye by eye."""
    prior = Shrinkage(3.0, -0.1, 0.3, 0.1, visit=0.5, wander=0.2, location_wander=0.1)
    scalars = {name: torch.tensor(value).double() for name, value in vars(prior).items()}
    lines = _lines(series)
    slope, variance, of_mean = _slopes(lines, scalars)
    n = lines.mean.shape[1]
    for i in range(len(series)):
        strayed = 1.2 / lines.span[i]
        kept = torch.isfinite(lines.sxx[i])
        known = torch.diag((prior.location_slope * lines.noise[i]) ** 2) + prior.eye_slope**2
        error = torch.diag(lines.noise[i] ** 2 * (1 / lines.sxx[i] + prior.location_wander**2 * strayed))
        error = error + prior.visit**2 / lines.eye_sxx[i] + prior.wander**2 * strayed
        gain = known[:, kept] @ torch.linalg.inv((known + error)[kept][:, kept])
        torch.testing.assert_close(slope[i], prior.slope + gain @ (lines.slope[i] - prior.slope)[kept])
        posterior = known - gain @ known[kept]
        torch.testing.assert_close(variance[i], posterior.diagonal())
        torch.testing.assert_close(of_mean[i, 0], posterior.sum() / n**2)


def test_scalars_are_recovered_from_long_series():
    fitted = fit_shrinkage(_simulated(150, 12, 1))
    assert fitted.eye_slope == pytest.approx(0.4, rel=0.2)
    assert fitted.location_slope == pytest.approx(0.1, rel=0.25)
    assert fitted.slope == pytest.approx(0, abs=0.08)
    still = fit_shrinkage(_simulated(150, 12, 2, eye_slope=0.0, location_slope=0.0))
    assert still.eye_slope < 0.1 and still.location_slope < 0.04


def test_it_beats_the_mean_where_eyes_change_and_regression_everywhere():
    prior = fit_shrinkage(_simulated(150, 12, 3))
    series = _simulated(200, 12, 4)
    past, ahead = series.first(5), series.years[:, 5:]
    error = {
        name: (series.td[:, 5:] - method(past, ahead).td).abs().mean().item()
        for name, method in (("shrunk", shrunk_regression(prior)), *BASELINES.items())
    }
    assert error["shrunk"] < error["mean"] - 0.1 and error["shrunk"] < error["plr"] - 0.1


def test_one_visit_draws_levels_to_the_eye_s_mean_and_keeps_mean_td(series):
    one = series.first(1)
    forecast = shrunk_regression(DEFAULT)(one, AHEAD.expand(4, -1))
    kept = one.mask[:, 0]
    centre = (one.td[:, 0] * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True)
    apart = (forecast.td[:, 1] - centre).abs()
    assert (apart[kept] < (one.td[:, 0] - centre).abs()[kept]).all()
    torch.testing.assert_close(forecast.md[2:, 1], centre[2:, 0])
    assert (forecast.td_sd[:, 1] > forecast.td_sd[:, 0]).all() and torch.isfinite(forecast.md_sd).all()


def test_no_series_to_learn_from_gives_the_default_and_few_stay_near_it():
    assert fit_shrinkage(_simulated(5, 2, 5)) == DEFAULT
    few = fit_shrinkage(_simulated(1, 3, 6))
    assert 0.01 < few.eye_slope < 2
    again = Shrinkage(**few.to_card())
    assert vars(again) == pytest.approx(vars(few), abs=1e-6)
