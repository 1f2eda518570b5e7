"""Simple forecasts that every model must beat; the strongest is the plain mean of the past visits.

Each predicts tests at ``years`` (eye, time) from a series and gives the SD that independent test noise implies;
calibration on training patients then makes intervals of it, as for the models.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.least_squares import fit_lines
from vfprog.model.nets import interpolate
from vfprog.model.summary import summarise
from vfprog.model.trajectory import Forecaster, Prediction
from vfprog.perimetry.noise import NOISE_LEVEL, NOISE_SD

VISIT_SD = 0.7  # of the shift of a whole field from visit to visit, dB: the noise of a visit's mean TD


def noise_of_test(level: Tensor) -> Tensor:
    """SD of one test at a level, dB, from the measured table."""
    return interpolate(level, level.new_tensor(NOISE_LEVEL), level.new_tensor(NOISE_SD))


def last_visit(series: Series, years: Tensor) -> Prediction:
    """The last visit again; where a location was not tested then, the mean of its past tests."""
    summary = summarise(series.td, series.mask)
    mean = filled(summary.mean, summary.mask)
    index = (series.n_visits - 1)[:, None, None].expand(-1, 1, series.td.shape[2])
    tested = series.mask.gather(1, index)[:, 0]
    return _constant(
        torch.where(tested, series.td.gather(1, index)[:, 0], mean), torch.ones_like(mean), years
    )


def mean_of_visits(series: Series, years: Tensor) -> Prediction:
    """The mean of the past visits."""
    summary = summarise(series.td, series.mask)
    return _constant(filled(summary.mean, summary.mask), 1 / summary.count.clamp(min=1), years)


def md_trend(series: Series, years: Tensor) -> Prediction:
    """The mean of the past visits, shifted by the least-squares line of mean TD."""
    prediction = mean_of_visits(series, years)
    line = fit_lines(*mean_td(series), series.years)
    shift = (line.at(years) - line.at(line.centre.expand(-1, 1))).squeeze(-1)
    growth = (line.leverage(years).squeeze(-1) - 1 / line.n) * VISIT_SD**2
    return Prediction(
        prediction.td + shift[..., None],
        (prediction.td_sd**2 + growth[..., None]).sqrt(),
        prediction.md + shift,
        (prediction.md_sd**2 + growth).sqrt(),
    )


def pointwise_regression(series: Series, years: Tensor) -> Prediction:
    """PLR: a least-squares line at each location."""
    line, summary = fit_lines(series.td, series.mask, series.years), summarise(series.td, series.mask)
    field = filled(summary.mean, summary.mask)
    td = torch.where(summary.mask[:, None], line.at(years), field[:, None])
    sd = noise_of_test(field)[:, None]
    leverage = line.leverage(years)
    md_sd = (VISIT_SD * (1 + leverage.mean(-1)).sqrt()).clamp(min=1e-3)
    return Prediction(td, sd * (1 + leverage).sqrt(), td.mean(-1), md_sd)


BASELINES: dict[str, Forecaster] = {
    "last": last_visit,
    "mean": mean_of_visits,
    "median_shifted_mean": mean_of_visits,  # calibration moves its point to the median: see MEDIAN_POINT
    "md_trend": md_trend,
    "plr": pointwise_regression,
}


def mean_td(series: Series) -> tuple[Tensor, Tensor]:
    """Plain mean of TD of each visit and whether there is one: two tensors (eye, visit, 1)."""
    tested = series.mask.sum(-1, keepdim=True)
    return (series.td * series.mask).sum(-1, keepdim=True) / tested.clamp(min=1), tested > 0


def filled(mean: Tensor, tested: Tensor) -> Tensor:
    """Means of the visits, and where a location was never tested the eye's mean over the others: (eye, location)."""
    others = (mean * tested).sum(1, keepdim=True) / tested.sum(1, keepdim=True).clamp(min=1)
    return torch.where(tested, mean, others)


def _constant(field: Tensor, leverage: Tensor, years: Tensor) -> Prediction:
    times = years.shape[1]
    td = field[:, None].expand(-1, times, -1)
    sd = (noise_of_test(field) * (1 + leverage).sqrt())[:, None].expand(-1, times, -1)
    md_sd = (VISIT_SD * (1 + leverage.mean(-1)).sqrt())[:, None].expand(-1, times)
    return Prediction(td, sd, td.mean(-1), md_sd)
