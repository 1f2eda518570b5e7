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
NORMAL = norm.ppf(PROBABILITIES)
# Quantiles of few values are drawn towards a normal's: of all bands together by so many values, of mean TD by so
# many visits; and those of a band towards all bands'.
NORMAL_VALUES, NORMAL_VISITS, POOLED_VALUES = 1000.0, 20.0, 300.0


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
    """

    level: np.ndarray
    quantile: np.ndarray
    md_quantile: np.ndarray

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
        }

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Calibration:
        """The inverse of :meth:`to_card`."""
        return cls(**{k: np.array(card[k]) for k in ("level", "quantile", "md_quantile")})


def fit_calibration(forecasts: list[tuple[Prediction, Origin]]) -> Calibration:
    """Quantiles from forecasts of training patients' later visits, one entry for each number of first visits."""
    values = [_errors(prediction, cut) for prediction, cut in forecasts]
    level, error, sd, md_error, md_sd = (np.concatenate(part) for part in zip(*values, strict=True))
    standard = error / sd
    pooled = _quantiles(standard, NORMAL, NORMAL_VALUES)
    band = np.searchsorted(EDGES, level)
    bands = [band == b for b in np.unique(band)]
    return Calibration(
        level=np.array([level[inside].mean() for inside in bands]),
        quantile=np.array([_quantiles(standard[inside], pooled, POOLED_VALUES) for inside in bands]),
        md_quantile=_quantiles(md_error / md_sd, NORMAL, NORMAL_VISITS),
    )


def normal_calibration() -> Calibration:
    """Normal quantiles, for training cohorts where no eye has a later visit."""
    return Calibration(np.array([0.0]), NORMAL[None], NORMAL)


def _quantiles(values: np.ndarray, prior: np.ndarray, weight: float) -> np.ndarray:
    """Quantiles at ``PROBABILITIES``, drawn towards ``prior``'s as if by ``weight`` values."""
    share = len(values) / (len(values) + weight)
    return share * np.quantile(values, PROBABILITIES) + (1 - share) * prior


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
