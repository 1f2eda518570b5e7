"""Third fitting stage: predictive quantiles by level from training patients.

Test noise is skewed, long-tailed and different at every level, so a mean and an SD make no honest interval.
Forecasts of training patients' later visits give the quantiles of (value - mean) / SD in bands of level, after a
smooth factor for time ahead and number of visits; the same is done for every method, so that none is flattered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
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
NORMAL_VALUES, NORMAL_VISITS, POOLED_VALUES = 1000.0, 20.0, 100.0
WIDENING_SD = 0.5  # of the exponents' weak prior around 0
MOST_VALUES = 200_000  # evenly spread, from which two exponents are fitted


@dataclass(frozen=True)
class Predictive:
    """Calibrated distributions of future values, dB: arrays of any one shape.

    Attributes
    ----------
    mean, sd : array
        As a method predicts them, the SD widened by horizon and number of visits.
    band, upper, share : array
        The bands of level on both sides of the mean, and how far it is from the one to the other.
    table : array (band, probability)
        Quantiles of (value - mean) / SD.
    """

    mean: np.ndarray
    sd: np.ndarray
    band: np.ndarray
    upper: np.ndarray
    share: np.ndarray
    table: np.ndarray

    def quantile(self, index: int) -> np.ndarray:
        """The quantile at ``PROBABILITIES[index]``, dB."""
        return self._at(self.table[:, index])

    def expectation(self) -> np.ndarray:
        """Mean of the calibrated distribution, dB."""
        return self._at(self.table.mean(1))

    def _at(self, standard: np.ndarray) -> np.ndarray:
        low = standard[self.band]
        return self.mean + self.sd * (low + self.share * (standard[self.upper] - low))


@dataclass(frozen=True)
class Calibration:
    """Quantiles of standardised forecast errors, and how these grow with time ahead and visits given.

    A predicted SD is multiplied by (1 + years ahead)^a visits^b, a smooth factor for what the method's own SD
    gets wrong of either; quantiles are of the errors in units of the product.

    Attributes
    ----------
    level : array (band,)
        Mean forecast in each band, dB; between two the quantiles are interpolated.
    quantile : array (band, probability)
        Of the standardised error of a location.
    widening : array (2,)
        The exponents a and b, of a location.
    md_quantile : array (probability,)
    md_widening : array (2,)
        The same of the mean TD.
    """

    level: np.ndarray
    quantile: np.ndarray
    widening: np.ndarray
    md_quantile: np.ndarray
    md_widening: np.ndarray

    def td(self, mean: np.ndarray, sd: np.ndarray, ahead: np.ndarray, visits: np.ndarray | int) -> Predictive:
        """Tests of locations from the mean and SD a method predicts (equal shapes), dB.

        ``ahead`` is in years after the last visit given, ``visits`` the number given; both broadcast.
        """
        return _predictive(mean, sd * _factor(self.widening, ahead, visits), self.level, self.quantile)

    def md(self, mean: np.ndarray, sd: np.ndarray, ahead: np.ndarray, visits: np.ndarray | int) -> Predictive:
        """The same of mean TD."""
        sd = sd * _factor(self.md_widening, ahead, visits)
        return _predictive(mean, sd, np.zeros(1), self.md_quantile[None])

    def to_card(self) -> dict[str, Any]:
        """JSON content."""
        return {name: value.round(4).tolist() for name, value in vars(self).items()}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Calibration:
        """The inverse of :meth:`to_card`."""
        return cls(**{name: np.array(value) for name, value in card.items()})


def _factor(widening: np.ndarray, ahead: np.ndarray, visits: np.ndarray | int) -> np.ndarray:
    return np.asarray((1 + ahead) ** widening[0] * visits ** widening[1])


def _predictive(mean: np.ndarray, sd: np.ndarray, level: np.ndarray, table: np.ndarray) -> Predictive:
    position = np.interp(mean, level, np.arange(len(level)))
    band = position.astype(int)
    return Predictive(mean, sd, band, np.minimum(band + 1, len(level) - 1), position - band, table)


def fit_calibration(forecasts: list[tuple[Prediction, Origin]]) -> Calibration:
    """Calibrate on forecasts of training patients' later visits, one entry for each number of first visits."""
    values = [_errors(prediction, cut) for prediction, cut in forecasts]
    tests, means = (
        tuple(np.concatenate(column) for column in zip(*part, strict=True))
        for part in zip(*values, strict=True)
    )
    eyes = max(len(cut.rows) for _, cut in forecasts)
    level, standard, ahead, visits = tests
    widening = _fit_widening(standard, ahead, visits, eyes)
    standard = standard / _factor(widening, ahead, visits)
    pooled = _quantiles(standard, NORMAL, NORMAL_VALUES)
    band = np.searchsorted(EDGES, level)
    bands = [band == b for b in np.unique(band)]
    _, md_standard, ahead, visits = means
    md_widening = _fit_widening(md_standard, ahead, visits, eyes)
    return Calibration(
        level=np.array([level[inside].mean() for inside in bands]),
        quantile=np.array([_quantiles(standard[inside], pooled, POOLED_VALUES) for inside in bands]),
        widening=widening,
        md_quantile=_quantiles(md_standard / _factor(md_widening, ahead, visits), NORMAL, NORMAL_VISITS),
        md_widening=md_widening,
    )


def normal_calibration() -> Calibration:
    """Normal quantiles, for training cohorts where no eye has a later visit."""
    return Calibration(np.array([0.0]), NORMAL[None], np.zeros(2), NORMAL, np.zeros(2))


def _fit_widening(standard: np.ndarray, ahead: np.ndarray, visits: np.ndarray, eyes: int) -> np.ndarray:
    """The exponents under which standardised errors are Laplace of one scale; a weak prior holds them near 0.

    An eye's errors go together, so all of them count as many as there are eyes.
    """
    some = np.linspace(0, len(standard) - 1, min(len(standard), MOST_VALUES)).round().astype(int)
    size = np.abs(standard[some])
    size = size / max(size.mean(), 1e-9)
    x = np.stack([np.ones(len(some)), np.log1p(ahead[some]), np.log(visits[some])])
    precision = np.array([0.0, 1, 1]) / (WIDENING_SD**2 * eyes)

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        log_scale = p @ x
        ratio = size * np.exp(-log_scale)
        gradient = (x * (1 - ratio)).mean(1) + precision * p
        return float((log_scale + ratio).mean() + 0.5 * (precision * p**2).sum()), gradient

    return np.asarray(minimize(loss, np.zeros(3), jac=True, method="BFGS").x[1:])


def _quantiles(values: np.ndarray, prior: np.ndarray, weight: float) -> np.ndarray:
    """Quantiles at ``PROBABILITIES``, drawn towards ``prior``'s as if by ``weight`` values.

    Ranks are those of n + 1 values, so that a new one falls below with the stated probability whatever n is.
    """
    share = len(values) / (len(values) + weight)
    return share * np.quantile(values, PROBABILITIES, method="weibull") + (1 - share) * prior


def _errors(prediction: Prediction, cut: Origin) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Of each tested value, and of each visit's mean TD: level, standardised error, years ahead, visits given."""
    mask, visits = cut.mask.cpu().numpy(), cut.visits.cpu().numpy()
    td, mean, sd, md, md_sd, ahead = (
        t.cpu().numpy()
        for t in (cut.td, prediction.td, prediction.td_sd, prediction.md, prediction.md_sd, cut.horizon)
    )

    def values(
        mean: np.ndarray, error: np.ndarray, kept: np.ndarray, ahead: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        ahead = np.broadcast_to(ahead, kept.shape)[kept]
        return mean[kept], error[kept], ahead, np.full(len(ahead), float(cut.n_first))

    of_md = (measured_mtd(td, mask) - md) / md_sd
    return values(mean, (td - mean) / sd, mask, ahead[..., None]), values(md, of_md, visits, ahead)


def measured_mtd(td: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Plain mean of the tested TD: (..., location) -> (...), 0 where none is tested."""
    return np.where(mask, td, 0).sum(-1) / np.maximum(mask.sum(-1), 1)
