"""Posterior predictive checks: the statistics by hand, and tests that fit or do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from test_path_model import XY, model_and_guide
from torch import Tensor

from vfprog.data.series import Series
from vfprog.inference import predictive_checks as module
from vfprog.inference.predictive_checks import (
    neighbour_correlation,
    predictive_checks,
    scatter_about_lines,
    skewness,
    statistics,
    visit_sd,
)
from vfprog.model.path_model import Eyes, PathGuide, PathModel

NO_FLOOR = torch.full((1, 5), -1e9, dtype=torch.float64)


def regular_series(eyes: int, visits: int = 8) -> Series:
    td = torch.full((eyes, visits, 5), -2.0, dtype=torch.float64)
    years = torch.arange(visits).double().expand(eyes, -1)
    return Series(td, torch.ones_like(td, dtype=torch.bool), years, torch.full((eyes,), visits))


def drawn_eyes(model: PathModel, guide: PathGuide, eyes: int = 60) -> Eyes:
    lent = Eyes.of(regular_series(eyes), guide.method)
    torch.manual_seed(1)
    with torch.no_grad():
        return lent.with_tests(model.td_dist(model.path_dist(lent.known.level).sample(), lent).sample())


def noise(eyes: int, visits: int = 8) -> Tensor:
    return torch.as_tensor(np.random.default_rng(0).normal(0, 2, (eyes, visits, 5)))


def test_residuals_have_the_sd_of_the_tests_whatever_the_line() -> None:
    _, guide = model_and_guide(linear=True)
    eyes = Eyes.of(regular_series(400), guide.method)
    line = -3 + 0.7 * eyes.series.years[..., None]
    scatter = scatter_about_lines(noise(400) + line, eyes)
    assert scatter.residual.square().mean().sqrt() == pytest.approx(2, rel=0.02)
    assert scatter_about_lines(line.expand(-1, -1, 5), eyes).residual.abs().max() < 1e-9


def test_statistics_by_hand() -> None:
    _, guide = model_and_guide(linear=True)
    eyes = Eyes.of(regular_series(300), guide.method)
    values = torch.as_tensor(np.random.default_rng(1).gamma(2, size=500))
    assert skewness(values) == pytest.approx(stats.skew(values))
    shifts = noise(300)[..., :1].expand(-1, -1, 5)
    assert visit_sd(shifts, eyes) == pytest.approx(2, rel=0.05)
    assert visit_sd(noise(300), eyes) == pytest.approx(2 / 5**0.5, rel=0.05)
    pairs, together = neighbour_correlation(scatter_about_lines(shifts, eyes), XY)
    assert (pairs, together) == (300 * 8, pytest.approx(1))  # one pair of locations lies 6 degrees apart
    assert abs(neighbour_correlation(scatter_about_lines(noise(300), eyes), XY)[1]) < 0.05


def test_gaps_are_left_out() -> None:
    _, guide = model_and_guide(linear=True)
    series = regular_series(40)
    mask = torch.as_tensor(np.random.default_rng(2).random(series.td.shape) < 0.8)
    eyes = Eyes.of(replace(series, mask=mask, td=series.td * mask), guide.method)
    td = noise(40)
    clean, dirty = (statistics(eyes, torch.where(mask, td, fill), XY) for fill in (0.0, 1e3))
    np.testing.assert_allclose(clean, dirty)
    assert clean["n"].xs("residual_sd").sum() == mask.sum()


def test_tests_of_the_model_fit_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model, guide = model_and_guide(linear=True)
    eyes = drawn_eyes(model, guide)
    fitting = predictive_checks(model, guide, eyes, XY, NO_FLOOR, replicates=40, seed=1)
    assert fitting["inside"].mean() >= 0.7
    again = predictive_checks(model, guide, eyes, XY, NO_FLOOR, replicates=40, seed=1)
    assert fitting.equals(again)

    shifted = eyes.with_tests(eyes.series.td + 3 * noise(60)[..., :1])
    found = predictive_checks(model, guide, shifted, XY, NO_FLOOR, replicates=40, seed=1)
    found = found.set_index("statistic").loc["visit_sd"]
    assert not found["inside"]
    assert found["measured"] > found["upper"]
    assert found["p"] == 0


def test_nothing_is_drawn_below_the_floor() -> None:
    model, guide = model_and_guide(linear=True)
    eyes = drawn_eyes(model, guide, eyes=30)
    plain, floored = (
        predictive_checks(model, guide, eyes, XY, floor, replicates=20, seed=1).set_index("statistic")
        for floor in (NO_FLOOR, torch.full_like(NO_FLOOR, -2.0))
    )
    assert floored.loc["visit_sd", "replicated"] < plain.loc["visit_sd", "replicated"]
    assert floored.loc["visit_sd", "measured"] == plain.loc["visit_sd", "measured"]


def test_bands_with_few_tests_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    _, guide = model_and_guide(linear=True)
    eyes = Eyes.of(regular_series(10), guide.method)
    monkeypatch.setattr(module, "LEAST_TESTS", 400)
    assert "residual_sd" in statistics(eyes, noise(10), XY).index
    monkeypatch.setattr(module, "LEAST_TESTS", 401)
    assert "residual_sd" not in statistics(eyes, noise(10), XY).index
