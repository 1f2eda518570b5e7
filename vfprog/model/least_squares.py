"""Least-squares lines over time for many eyes at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Line:
    """Lines y = intercept + slope t fitted to each series of values.

    Attributes
    ----------
    intercept, slope : Tensor (eye, column)
        At t = 0, and per year; an eye whose visits span no time has slope 0.
    sxx, centre, n : Tensor (eye, column)
        Sum of squared times about their mean (years^2), that mean (years), and the number of values.
    residual_sd : Tensor (eye, column)
        Residual SD on n - 2 degrees of freedom; NaN below 3 values.
    """

    intercept: Tensor
    slope: Tensor
    sxx: Tensor
    centre: Tensor
    n: Tensor
    residual_sd: Tensor

    def at(self, years: Tensor) -> Tensor:
        """Values of the lines at ``years`` (eye, time): (eye, time, column)."""
        return self.intercept[:, None] + self.slope[:, None] * years[..., None]

    def leverage(self, years: Tensor) -> Tensor:
        """Variance of the line at ``years`` (eye, time) in units of the values' variance: (eye, time, column)."""
        apart = (years[..., None] - self.centre[:, None]) ** 2
        spread = torch.where(self.sxx > 0, self.sxx, torch.inf)[:, None]
        return 1 / self.n.clamp(min=1)[:, None] + apart / spread


def fit_lines(values: Tensor, mask: Tensor, years: Tensor) -> Line:
    """Fit a line to each column of ``values`` (eye, visit, column) over ``years`` (eye, visit), where ``mask``."""
    weight = mask.to(values.dtype)
    n = weight.sum(1)
    t = years[..., None] * weight
    centre = t.sum(1) / n.clamp(min=1)
    mean = (values * weight).sum(1) / n.clamp(min=1)
    # The mean of equal times may differ from them by rounding, which is no time to put a slope through.
    earliest = torch.where(mask, years[..., None], torch.inf).amin(1)
    latest = torch.where(mask, years[..., None], -torch.inf).amax(1)
    dt = (years[..., None] - centre[:, None]) * weight * (latest > earliest)[:, None]
    dy = (values - mean[:, None]) * weight
    sxx = (dt**2).sum(1)
    slope = torch.where(sxx > 0, (dt * dy).sum(1) / sxx.clamp(min=1e-12), 0.0)
    residual = ((dy - slope[:, None] * dt) ** 2).sum(1)
    residual_sd = torch.where(n > 2, (residual / (n - 2).clamp(min=1)).sqrt(), torch.nan)
    return Line(mean - slope * centre, slope, sxx, centre, n, residual_sd)
