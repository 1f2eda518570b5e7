"""Calibration: intervals cover what they say on new data, and survive the card."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vfprog.data.series import Series
from vfprog.forecast.calibrate import LOWER, MEDIAN, PROBABILITIES, UPPER, Calibration, fit_calibration
from vfprog.inference.origins import Origin
from vfprog.model.trajectory import Prediction


def _forecast(eyes: int, seed: int) -> tuple[Prediction, Origin]:
    """Forecasts whose errors are skewed and wider than their SD says, more so at low levels."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-30, 2, (eyes, 3, 20))
    sd = np.full_like(mean, 2.0)
    error = (4.0 - rng.gamma(4.0, 1.0, mean.shape)) / 2 * (2.5 - mean / 20)
    md = mean.mean(-1)
    td = torch.tensor(mean + error)
    mask = torch.ones(td.shape, dtype=torch.bool)
    past = Series(td[:, :1], mask[:, :1], torch.zeros(eyes, 1), torch.ones(eyes, dtype=torch.long))
    years = torch.ones(eyes, 3).cumsum(1)
    cut = Origin(1, torch.arange(eyes), past, td, mask, years)
    return Prediction(*(torch.tensor(a) for a in (mean, sd, md, np.ones_like(md)))), cut


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return fit_calibration([_forecast(400, 1)])


def test_intervals_cover_new_data_at_every_level(calibration):
    prediction, cut = _forecast(400, 2)
    mean, sd, value = prediction.td.numpy(), prediction.td_sd.numpy(), cut.td.numpy()
    inside = (value >= calibration.td(mean, sd, LOWER)) & (value <= calibration.td(mean, sd, UPPER))
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
    for low, high in [(-30, -20), (-8, -4), (-4, 2)]:
        band = (mean >= low) & (mean < high)
        assert inside[band].mean() == pytest.approx(0.9, abs=0.04)
    below = value < calibration.td(mean, sd, MEDIAN)
    assert below.mean() == pytest.approx(0.5, abs=0.02)


def test_the_mean_td_is_calibrated_too(calibration):
    prediction, cut = _forecast(400, 3)
    md, md_sd = prediction.md.numpy(), prediction.md_sd.numpy()
    mtd = cut.td.mean(-1).numpy()
    inside = (mtd >= calibration.md(md, md_sd, LOWER)) & (mtd <= calibration.md(md, md_sd, UPPER))
    assert inside.mean() == pytest.approx(0.9, abs=0.03)


def test_quantiles_never_cross(calibration):
    mean = np.linspace(-45, 10, 200)
    quantiles = np.array(
        [calibration.td(mean, np.full_like(mean, 3.0), i) for i in range(len(PROBABILITIES))]
    )
    assert (np.diff(quantiles, axis=0) >= 0).all()


def test_card_round_trip(calibration):
    again = Calibration.from_card(json.loads(json.dumps(calibration.to_card())))
    np.testing.assert_allclose(again.quantile, calibration.quantile, atol=1e-4)
    np.testing.assert_allclose(again.level, calibration.level, atol=1e-4)


def test_few_training_visits_leave_nearly_normal_quantiles():
    """One later visit says almost nothing: its 20 equal errors must not make an interval of no width."""
    prediction, cut = _forecast(1, 4)
    one = Origin(1, cut.rows, cut.past, cut.td[:, :1], cut.mask[:, :1], cut.years[:, :1])
    first = Prediction(*(t[:, :1] for t in vars(prediction).values()))
    few = fit_calibration([(first, one)])
    width = few.md_quantile[UPPER] - few.md_quantile[LOWER]
    assert width == pytest.approx(2 * 1.645, rel=0.1)
    assert (few.quantile[:, UPPER] - few.quantile[:, LOWER] > 2.5).all()
