"""What a two-view model is held against: marginal models of the view explained, ridge regression, and the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import log_ndtr
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict

from vfprog.data.two_views import TwoViews

ALPHAS = np.logspace(-1, 5, 13)  # of ridge, for standardised inputs
INNER_FOLDS = 5  # of patients, that choose alpha and give the residuals
PROBABILITIES = (0.05, 0.5, 0.95)  # quantiles predicted of each value: the median within a 90 % interval


@dataclass(frozen=True)
class MarginalNormal:
    """A normal model of the explained view that sees nothing, scored as recorded cells.

    With a full covariance the location's order gives p(x) = prod_j p(x_j | x_1 .. x_j-1), each factor a normal about
    the regression on the recorded values before it: a distribution over cells, as a decoder's is.

    Attributes
    ----------
    centre : array (location,)
        dB.
    factor : array (location, location)
        Cholesky factor of the covariance, dB.
    """

    centre: np.ndarray
    factor: np.ndarray

    @classmethod
    def fit(cls, views: TwoViews, *, independent: bool = False) -> MarginalNormal:
        """Fit to rows; the covariance shrunk after Ledoit and Wolf (2004), or diagonal.

        Values not tested are taken to be the location's mean.
        """
        x, centre = _filled(views)
        covariance = np.diag(x.var(axis=0)) if independent else LedoitWolf().fit(x).covariance_
        return cls(centre, np.linalg.cholesky(covariance))

    def log_cells(self, views: TwoViews) -> np.ndarray:
        """Log probability of each row's recorded cells: (row,), nats; at the floor, of a value at or below it."""
        examples = views.examples
        mask, at_floor = examples.mask.numpy(), examples.at_floor.numpy()
        x = np.where(mask, examples.x.double().numpy(), self.centre)
        innovation = solve_triangular(self.factor, (x - self.centre).T, lower=True).T
        half = examples.cell / 2 / np.diag(self.factor)
        return np.where(mask, _log_cell(innovation, half, at_floor), 0.0).sum(axis=1)


def _log_cell(at: np.ndarray, half: np.ndarray, at_floor: np.ndarray) -> np.ndarray:
    """Log probability that a standard normal lies within ``half`` of ``at``, or anywhere below ``at + half``."""
    near = -np.abs(
        at
    )  # by symmetry, in the lower tail, where the logarithm of the distribution function is exact
    upper, lower = log_ndtr(near + half), log_ndtr(near - half)
    inside = upper + np.log(-np.expm1(lower - upper))
    return np.where(at_floor, log_ndtr(at + half), inside)


@dataclass(frozen=True)
class RidgeRegression:
    """Ridge regression of every explained value on the view seen.

    Attributes
    ----------
    alpha : float
        Chosen by cross-validation over the training patients.
    residuals : array (quantile, location)
        Of the training rows, each predicted without its patient, at ``PROBABILITIES``, dB.
    """

    model: Ridge
    centre: np.ndarray
    scale: np.ndarray
    alpha: float
    residuals: np.ndarray

    @classmethod
    def fit(cls, views: TwoViews) -> RidgeRegression:
        """Fit to rows of two patients at least; alpha has the least mean absolute error on patients left out."""
        seen, mask = views.examples.seen.double().numpy(), views.examples.seen_mask.numpy()
        centre, scale = _moments(seen, mask)
        inputs = np.where(mask, (seen - centre) / scale, 0.0)
        x, _ = _filled(views)
        patients = views.patients
        inner = GroupKFold(min(INNER_FOLDS, len(np.unique(patients))))
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=inner, scoring="neg_mean_absolute_error")
        search.fit(inputs, x, groups=patients)
        apart = cross_val_predict(search.best_estimator_, inputs, x, cv=inner, groups=patients)
        residuals = np.where(views.examples.mask.numpy(), x - apart, np.nan)
        return cls(
            search.best_estimator_,
            centre,
            scale,
            float(search.best_params_["alpha"]),
            np.nanquantile(residuals, PROBABILITIES, axis=0),
        )

    def predict(self, views: TwoViews) -> np.ndarray:
        """Predicted values: (row, location), dB."""
        seen, mask = views.examples.seen.double().numpy(), views.examples.seen_mask.numpy()
        return self.model.predict(np.where(mask, (seen - self.centre) / self.scale, 0.0))

    def quantiles(self, views: TwoViews) -> np.ndarray:
        """Predictive quantiles at ``PROBABILITIES``: (quantile, row, location), dB."""
        return self.predict(views) + self.residuals[:, None, :]


def mean_quantiles(training: TwoViews, rows: int) -> np.ndarray:
    """The training rows' mean within their own quantiles, for any row: (quantile, row, location), dB."""
    x = np.where(training.examples.mask.numpy(), training.examples.x.double().numpy(), np.nan)
    lower, _, upper = np.nanquantile(x, PROBABILITIES, axis=0)
    fields = np.stack([lower, np.nanmean(x, axis=0), upper])
    return np.repeat(fields[:, None, :], rows, axis=1)


def _filled(views: TwoViews) -> tuple[np.ndarray, np.ndarray]:
    """The explained view with the location's mean where not tested (row, location), and those means (location,)."""
    x, mask = views.examples.x.double().numpy(), views.examples.mask.numpy()
    centre = _moments(x, mask)[0]
    return np.where(mask, x, centre), centre


def _moments(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of each column where it is measured; SD 1 where it is constant."""
    known = np.where(mask, values, np.nan)
    sd = np.nanstd(known, axis=0)
    return np.nanmean(known, axis=0), np.where(sd > 0, sd, 1.0)
