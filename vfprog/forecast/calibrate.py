"""Third fitting stage: predictive quantiles by level from training patients.

Test noise is skewed, long-tailed and different at every level, so a mean and an SD make no honest interval.
Forecasts of training patients' later visits give the quantiles of (value - mean) / SD in bands of level; the
same is done for every method, so that none is flattered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from vfprog.inference.origins import Origin
from vfprog.model.trajectory import Prediction

PROBABILITIES = np.arange(1, 40) / 40  # 0.025 to 0.975, the 5th, 50th and 95th percentile among them
LOWER, MEDIAN, UPPER = 1, 19, 37  # where these stand
COVERAGE = 0.9  # of the interval from LOWER to UPPER
EDGES = np.array([-20.0, -12.0, -7.0, -4.0, -2.0, 0.0])  # dB, between the bands of level
POOLED_VALUES = 300.0  # a band is shrunk to all bands together by so many values


@dataclass(frozen=True)
class Calibration:
    """Quantiles of standardised forecast errors.

    Attributes
    ----------
    level : array (band,)
        Mean forecast in each band, dB; between two the quantiles are interpolated.
    quantile : array (band, probability)
        Of (value - mean) / SD of a location.
    md_quantile : array (probability,)
        The same of the mean TD.
    shift : float
        Median of value - mean over all values, dB.
    """

    level: np.ndarray
    quantile: np.ndarray
    md_quantile: np.ndarray
    shift: float

    def td(self, mean: np.ndarray, sd: np.ndarray, index: int) -> np.ndarray:
        """The quantile at ``PROBABILITIES[index]`` of tests with this mean and SD (any equal shapes), dB."""
        return mean + sd * np.interp(mean, self.level, self.quantile[:, index])

    def td_mean(self, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
        """Mean of the calibrated distribution, dB."""
        return mean + sd * np.interp(mean, self.level, self.quantile.mean(1))

    def md(self, mean: np.ndarray, sd: np.ndarray, index: int) -> np.ndarray:
        """The quantile at ``PROBABILITIES[index]`` of the mean TD, dB."""
        return mean + sd * self.md_quantile[index]

    def to_card(self) -> dict[str, Any]:
        """JSON content."""
        return {
            "level": self.level.round(4).tolist(),
            "quantile": self.quantile.round(4).tolist(),
            "md_quantile": self.md_quantile.round(4).tolist(),
            "shift": round(self.shift, 4),
        }

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Calibration:
        """The inverse of :meth:`to_card`."""
        arrays = {k: np.array(card[k]) for k in ("level", "quantile", "md_quantile")}
        return cls(**arrays, shift=float(card["shift"]))


def fit_calibration(forecasts: list[tuple[Prediction, Origin]]) -> Calibration:
    """Quantiles from forecasts of training patients' later visits, one entry for each number of first visits."""
    values = [_errors(prediction, cut) for prediction, cut in forecasts]
    level, error, sd, md_error, md_sd = (np.concatenate(part) for part in zip(*values, strict=True))
    standard = error / sd
    pooled = np.quantile(standard, PROBABILITIES)
    band = np.searchsorted(EDGES, level)
    centres, quantiles = [], []
    for b in np.unique(band):
        inside = band == b
        share = inside.sum() / (inside.sum() + POOLED_VALUES)
        quantiles.append(share * np.quantile(standard[inside], PROBABILITIES) + (1 - share) * pooled)
        centres.append(level[inside].mean())
    md_quantile = np.quantile(md_error / md_sd, PROBABILITIES)
    return Calibration(np.array(centres), np.array(quantiles), md_quantile, float(np.median(error)))


def normal_calibration() -> Calibration:
    """Normal quantiles, for training cohorts where no eye has a later visit."""
    q = norm.ppf(PROBABILITIES)
    return Calibration(np.array([0.0]), q[None], q, 0.0)


def _errors(prediction: Prediction, cut: Origin) -> tuple[np.ndarray, ...]:
    """Level, error and SD of each tested value, and error and SD of each visit's mean TD."""
    mask, visits = cut.mask.cpu().numpy(), cut.visits.cpu().numpy()
    td, mean, sd = (t.cpu().numpy() for t in (cut.td, prediction.td, prediction.td_sd))
    md, md_sd = (t.cpu().numpy()[visits] for t in (prediction.md, prediction.md_sd))
    mtd = measured_mtd(td, mask)[visits]
    return mean[mask], (td - mean)[mask], sd[mask], mtd - md, md_sd


def measured_mtd(td: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Plain mean of the tested TD: (..., location) -> (...), 0 where none is tested."""
    return np.where(mask, td, 0).sum(-1) / np.maximum(mask.sum(-1), 1)
