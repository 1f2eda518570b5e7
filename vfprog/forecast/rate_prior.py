"""What training patients say of rates, and of how an eye's mean TD scatters about its line.

mtd(t) = a + rate t + wander(t) + noise, with rate ~ N(mean, sd^2) among patients, a free for each eye, noise one
value per visit, and a wander that persists: an Ornstein-Uhlenbeck path of SD ``wander_sd`` and correlation time
``wander_years``. Without the wander the intervals of long series would be far too narrow, because neighbouring
visits stray together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

PSEUDO_DEGREES = 10.0  # of freedom that the patients' common scatter weighs against an eye's own
MIN_VISITS = 3  # below, a line leaves no scatter of its own
MIN_EYES = 10
MOST_EYES = 2000  # evenly spread over the training eyes; beyond, the five numbers are known well enough
LOG_SD = 1.0  # of the weak priors around DEFAULT's scales


@dataclass(frozen=True)
class RatePrior:
    """Five numbers from training patients.

    Attributes
    ----------
    mean, sd : float
        Of rates among patients, dB/year.
    noise_sd : float
        Of a visit's mean TD, independent from visit to visit, dB.
    wander_sd, wander_years : float
        SD (dB) and correlation time (years) of what persists from visit to visit.
    """

    mean: float
    sd: float
    noise_sd: float
    wander_sd: float
    wander_years: float

    def to_card(self) -> dict[str, float]:
        """JSON content."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


# Where too few eyes could say.
DEFAULT = RatePrior(mean=-0.1, sd=0.3, noise_sd=0.8, wander_sd=0.4, wander_years=3.0)


@dataclass(frozen=True)
class Slopes:
    """Least-squares slopes of mean TD: arrays (eye,). ``se`` is infinite for an eye without one."""

    slope: np.ndarray  # dB/year, 0 where there is none
    se: np.ndarray


def fit_rate_prior(mtd: np.ndarray, mask: np.ndarray, years: np.ndarray) -> RatePrior:
    """Fit the prior to training patients' series of mean TD; arrays (eye, visit).

    Marginal likelihood with each eye's intercept integrated out (restricted likelihood), and weak priors on the
    scales: where eyes are few, likelihood alone may say that all have the same rate, which nobody believes.
    """
    enough = np.flatnonzero((mask.sum(1) >= MIN_VISITS) & (_sxx(years, mask) > 0))
    if len(enough) < MIN_EYES:
        return DEFAULT
    chosen = enough[np.linspace(0, len(enough) - 1, min(len(enough), MOST_EYES)).round().astype(int)]
    y, kept, t = mtd[chosen] * mask[chosen], mask[chosen], years[chosen] * mask[chosen]
    start = np.array([DEFAULT.mean, *np.log(list(asdict(DEFAULT).values())[1:])])

    def prior_of(p: np.ndarray) -> RatePrior:
        return RatePrior(float(p[0]), *(float(v) for v in np.exp(p[1:])))

    def negative_log_posterior(p: np.ndarray) -> float:
        prior = prior_of(p)
        covariance = scatter_covariance(t, kept, prior) + prior.sd**2 * t[:, :, None] * t[:, None]
        weak = norm.logpdf(p[1:], start[1:], LOG_SD).sum()
        return -_restricted_log_likelihood(y - prior.mean * t, kept, covariance) - weak

    best = minimize(
        negative_log_posterior, start, method="Nelder-Mead", options={"maxiter": 600, "xatol": 1e-3}
    )
    return prior_of(best.x)


def scatter_covariance(years: np.ndarray, mask: np.ndarray, prior: RatePrior) -> np.ndarray:
    """Covariance of mean TD about the eye's line, dB^2: (eye, visit) -> (eye, visit, visit).

    Padding has variance 1 and no covariance, so that it adds nothing to a likelihood of zeros.
    """
    apart = np.abs(years[:, :, None] - years[:, None])
    both = mask[:, :, None] & mask[:, None]
    diagonal = np.where(mask, prior.noise_sd**2, 1.0)
    return both * prior.wander_sd**2 * np.exp(-apart / prior.wander_years) + _diagonal(diagonal)


def fit_slopes(mtd: np.ndarray, mask: np.ndarray, years: np.ndarray, prior: RatePrior) -> Slopes:
    """Least-squares slopes of mean TD (eye, visit), with standard errors under noise and wander.

    An eye's own scatter enters by scaling the covariance with its residual sum of squares against what is expected,
    moderated by ``PSEUDO_DEGREES`` (Smyth 2004, eq. 2).
    """
    n, sxx = mask.sum(1), _sxx(years, mask)
    has = sxx > 0
    dt = _centred(years, mask)
    weights = dt / np.where(has, sxx, 1.0)[:, None]  # slope = weights . mtd
    slope = (weights * mtd).sum(1)
    covariance = scatter_covariance(years, mask, prior)
    variance = np.einsum("ei,eij,ej->e", weights, covariance, weights)

    residual = (_centred(mtd, mask) - slope[:, None] * dt) * mask
    hat = (
        mask[:, :, None] * mask[:, None] / np.maximum(n, 1)[:, None, None] + dt[:, :, None] * weights[:, None]
    )
    expected = np.einsum("eij,eij->e", _diagonal(mask.astype(float)) - hat, covariance * mask[:, :, None])
    own = (residual**2).sum(1) / np.where(expected > 0, expected, 1.0)
    degrees = np.where(n >= MIN_VISITS, n - 2, 0)
    scale = (PSEUDO_DEGREES + degrees * own) / (PSEUDO_DEGREES + degrees)
    return Slopes(np.where(has, slope, 0.0), np.where(has, np.sqrt(scale * variance), np.inf))


def draw_stable(
    years: np.ndarray, mask: np.ndarray, prior: RatePrior, rng: np.random.Generator
) -> np.ndarray:
    """Mean TD of eyes that do not change, tested at these times: noise and wander only, dB, (eye, visit)."""
    chol = np.linalg.cholesky(scatter_covariance(years, mask, prior))
    return np.einsum("eij,ej->ei", chol, rng.standard_normal(years.shape)) * mask


def prior_from_card(card: dict[str, float]) -> RatePrior:
    """The inverse of :meth:`RatePrior.to_card`."""
    return RatePrior(**{f.name: card[f.name] for f in fields(RatePrior)})


def _restricted_log_likelihood(r: np.ndarray, mask: np.ndarray, covariance: np.ndarray) -> float:
    """Log likelihood of r ~ N(a 1, covariance) of each eye, its a integrated out under a flat prior; summed."""
    ones = mask.astype(float)
    solved = np.linalg.solve(covariance, np.stack([r, ones], axis=-1))
    log_det = 2 * np.log(np.diagonal(np.linalg.cholesky(covariance), axis1=1, axis2=2)).sum()
    precision = (ones * solved[..., 1]).sum(1)
    fit = (r * solved[..., 0]).sum(1) - (ones * solved[..., 0]).sum(1) ** 2 / precision
    return -0.5 * float(log_det + np.log(precision).sum() + fit.sum())


def _centred(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values minus the mean of the eye's own, 0 at padding: (eye, visit)."""
    mean = (values * mask).sum(1) / np.maximum(mask.sum(1), 1)
    return (values - mean[:, None]) * mask


def _sxx(years: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum of squared times about their mean, years^2: (eye, visit) -> (eye,); 0 where visits share one time."""
    sxx = (_centred(years, mask) ** 2).sum(1)
    return np.where(sxx > 1e-9, sxx, 0.0)


def _diagonal(values: np.ndarray) -> np.ndarray:
    """Diagonal matrices: (eye, visit) -> (eye, visit, visit)."""
    return values[:, :, None] * np.eye(values.shape[1])
