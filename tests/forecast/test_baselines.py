"""Baselines against NumPy, location by location."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vfprog.data.series import Series
from vfprog.forecast.baselines import BASELINES, VISIT_SD, noise_of_test
from vfprog.forecast.shrunk import fit_shrinkage, shrunk_regression
from vfprog.perimetry.noise import noise_sd


@pytest.fixture
def series() -> Series:
    """Two eyes of 4 and 2 visits; one location of the first is missing at one visit."""
    rng = np.random.default_rng(1)
    td = torch.tensor(rng.normal(-4, 3, (2, 4, 5)))
    mask = torch.ones(2, 4, 5, dtype=torch.bool)
    mask[1, 2:] = False
    mask[0, 3, 2] = False
    years = torch.tensor([[0.0, 0.4, 1.1, 2.0], [0.0, 0.7, 0.7, 0.7]])
    return Series(td * mask, mask, years.double(), torch.tensor([4, 2]))


AHEAD = torch.tensor([[2.5, 4.0], [1.0, 3.0]]).double()


def test_mean_is_the_plain_mean_of_tested_values(series):
    p = BASELINES["mean"](series, AHEAD)
    expected = [series.td[i][series.mask[i][:, j], j].mean() for i in range(2) for j in range(5)]
    np.testing.assert_allclose(p.td[:, 0].reshape(-1), torch.stack(expected))
    np.testing.assert_allclose(p.td[:, 0], p.td[:, 1])
    np.testing.assert_allclose(p.md, p.td.mean(-1))


def test_last_visit_falls_back_on_the_mean_where_not_tested(series):
    p = BASELINES["last"](series, AHEAD)
    np.testing.assert_allclose(p.td[0, 0, [0, 1, 3, 4]], series.td[0, 3, [0, 1, 3, 4]])
    np.testing.assert_allclose(p.td[0, 0, 2], series.td[0, :3, 2].mean())
    np.testing.assert_allclose(p.td[1, 0], series.td[1, 1])


def test_plr_is_a_line_at_each_location(series):
    p = BASELINES["plr"](series, AHEAD)
    for i in range(2):
        for j in range(5):
            kept = series.mask[i, :, j].numpy()
            line = np.polyfit(series.years[i].numpy()[kept], series.td[i, :, j].numpy()[kept], 1)
            np.testing.assert_allclose(p.td[i, :, j], np.polyval(line, AHEAD[i].numpy()), rtol=1e-9)
    assert (p.td_sd[:, 1] > p.td_sd[:, 0]).all()  # a line is less sure the farther it is drawn


def test_md_trend_shifts_the_whole_field_by_the_line_of_mean_td(series):
    p = BASELINES["md_trend"](series, AHEAD)
    complete = Series(series.td[1:], series.mask[1:], series.years[1:], series.n_visits[1:])
    mtd = complete.td[0, :2].mean(-1).numpy()
    slope = (mtd[1] - mtd[0]) / 0.7
    expected = complete.td[0, :2].mean(0).numpy() + slope * (AHEAD[1].numpy()[:, None] - 0.35)
    np.testing.assert_allclose(p.td[1], expected)


def test_one_visit_is_carried_forward_by_every_baseline(series):
    first = series.first(1)
    for name, method in BASELINES.items():
        p = method(first, AHEAD)
        np.testing.assert_allclose(p.td[:, 1], first.td[:, 0], err_msg=name)
        assert torch.isfinite(p.td_sd).all() and (p.td_sd > 0).all(), name
        assert (p.md_sd >= VISIT_SD).all(), name


def test_noise_of_a_test_follows_the_measured_table():
    level = np.linspace(-40, 6, 93)
    np.testing.assert_allclose(noise_of_test(torch.tensor(level)), noise_sd(level))


@pytest.mark.parametrize("name", [*BASELINES, "shrunk_plr"])
def test_a_location_never_tested_is_forecast_as_the_eye_s_others(name):
    """Not as 0 dB, which would make the mean of an eye half of which was tested half of what it is."""
    td = torch.full((1, 6, 52), -15.0) + 0.1 * torch.randn(
        1, 6, 52, generator=torch.Generator().manual_seed(1)
    )
    mask = torch.arange(52).expand(1, 6, 52) < 26
    series = Series(td * mask, mask, torch.arange(6.0)[None] / 2, torch.tensor([6]))
    method = shrunk_regression(fit_shrinkage(series)) if name == "shrunk_plr" else BASELINES[name]
    found = method(series, torch.tensor([[2.5]]))
    assert found.md.item() == pytest.approx(-15, abs=0.6)
    assert found.td[0, 0, 26:].mean().item() == pytest.approx(-15, abs=0.6)
