"""Calibration: intervals cover what they say on new data, and survive the card."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vfprog.data.series import Series
from vfprog.forecast.calibrate import (
    LOWER,
    MEDIAN,
    PROBABILITIES,
    UPPER,
    Calibration,
    Predictive,
    fit_calibration,
)
from vfprog.inference.origins import Origin
from vfprog.model.trajectory import Prediction


def _forecast(eyes: int, seed: int, n_first: int = 1, widening: float = 0.0) -> tuple[Prediction, Origin]:
    """Forecasts whose errors are skewed and wider than their SD says, more so at low levels.

    They grow by (1 + years ahead)^widening n_first^(widening / 2), which the SD does not know.
    """
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-30, 2, (eyes, 3, 20))
    sd = np.full_like(mean, 2.0)
    years = torch.tensor([1.0, 3.0, 7.0]).double().expand(eyes, -1)
    grown = (1 + years.numpy()) ** widening * n_first ** (widening / 2)
    error = (4.0 - rng.gamma(4.0, 1.0, mean.shape)) / 2 * (2.5 - mean / 20) * grown[..., None]
    md = mean.mean(-1)
    td = torch.tensor(mean + error)
    mask = torch.ones(td.shape, dtype=torch.bool)
    n = torch.full((eyes,), n_first)
    past = Series(
        torch.zeros(eyes, n_first, 20), torch.ones(eyes, n_first, 20).bool(), torch.zeros(eyes, n_first), n
    )
    cut = Origin(n_first, torch.arange(eyes), past, td, mask, years)
    return Prediction(*(torch.tensor(a) for a in (mean, sd, md, np.ones_like(md)))), cut


def _tests(calibration: Calibration, prediction: Prediction, cut: Origin) -> Predictive:
    ahead = cut.horizon.numpy()[..., None]
    return calibration.td(prediction.td.numpy(), prediction.td_sd.numpy(), ahead, cut.n_first)


def _covered(forecast: Predictive, value: np.ndarray) -> np.ndarray:
    return (value >= forecast.quantile(LOWER)) & (value <= forecast.quantile(UPPER))


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return fit_calibration([_forecast(400, 1)])


def test_intervals_cover_new_data_at_every_level(calibration):
    prediction, cut = _forecast(400, 2)
    mean, value = prediction.td.numpy(), cut.td.numpy()
    forecast = _tests(calibration, prediction, cut)
    inside = _covered(forecast, value)
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
    for low, high in [(-30, -20), (-8, -4), (-4, 2)]:
        band = (mean >= low) & (mean < high)
        assert inside[band].mean() == pytest.approx(0.9, abs=0.04)
    assert (value < forecast.quantile(MEDIAN)).mean() == pytest.approx(0.5, abs=0.02)


def test_intervals_cover_at_every_horizon_and_number_of_visits():
    """Errors that outgrow their SD: the widening finds the exponents, so no horizon is left out."""
    fitted = fit_calibration([_forecast(400, n, n, widening=0.4) for n in (1, 3, 10)])
    np.testing.assert_allclose(fitted.widening, [0.4, 0.2], atol=0.05)
    for n in (1, 5):
        prediction, cut = _forecast(400, 20 + n, n, widening=0.4)
        inside = _covered(_tests(fitted, prediction, cut), cut.td.numpy())
        np.testing.assert_allclose(inside.mean((0, 2)), 0.9, atol=0.02)


def test_the_mean_td_is_calibrated_too(calibration):
    prediction, cut = _forecast(400, 3)
    forecast = calibration.md(prediction.md.numpy(), prediction.md_sd.numpy(), cut.horizon.numpy(), 1)
    assert _covered(forecast, cut.td.mean(-1).numpy()).mean() == pytest.approx(0.9, abs=0.03)


def test_quantiles_never_cross(calibration):
    mean = np.linspace(-45, 10, 200)
    forecast = calibration.td(mean, np.full_like(mean, 3.0), np.ones(200), 3)
    quantiles = np.array([forecast.quantile(i) for i in range(len(PROBABILITIES))])
    assert (np.diff(quantiles, axis=0) >= 0).all()
    assert (forecast.expectation() > quantiles[0]).all() and (forecast.expectation() < quantiles[-1]).all()


def test_between_bands_quantiles_are_interpolated(calibration):
    level, table = calibration.level, calibration.quantile
    halfway = (level[:-1] + level[1:]) / 2
    forecast = calibration.td(halfway, np.ones_like(halfway), np.zeros_like(halfway), 1)
    np.testing.assert_allclose(forecast.quantile(UPPER) - halfway, (table[:-1, UPPER] + table[1:, UPPER]) / 2)
    ends = calibration.td(np.array([-99.0, 99.0]), np.ones(2), np.zeros(2), 1)
    np.testing.assert_allclose(ends.quantile(UPPER) - ends.mean, table[[0, -1], UPPER])


def test_card_round_trip(calibration):
    again = Calibration.from_card(json.loads(json.dumps(calibration.to_card())))
    assert set(vars(again)) == set(vars(calibration))
    for name, value in vars(calibration).items():
        np.testing.assert_allclose(getattr(again, name), value, atol=1e-4, err_msg=name)


def test_few_training_visits_leave_nearly_normal_quantiles():
    """One later visit says almost nothing: its 20 equal errors must not make an interval of no width."""
    prediction, cut = _forecast(1, 4)
    one = Origin(1, cut.rows, cut.past, cut.td[:, :1], cut.mask[:, :1], cut.years[:, :1])
    first = Prediction(*(t[:, :1] for t in vars(prediction).values()))
    few = fit_calibration([(first, one)])
    width = few.md_quantile[UPPER] - few.md_quantile[LOWER]
    assert width == pytest.approx(2 * 1.645, rel=0.1)
    assert (few.quantile[:, UPPER] - few.quantile[:, LOWER] > 2.5).all()
