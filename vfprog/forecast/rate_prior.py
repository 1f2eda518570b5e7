"""What training patients say of rates, and of how an eye's mean TD scatters about its line.

mtd(t) = a + rate t + wander(t) + noise, a free for each eye, noise one value per visit, and a wander that persists:
an Ornstein-Uhlenbeck path. Without the wander the intervals of long series would be far too narrow, because
neighbouring visits stray together. Rates are a mixture of normals of fixed SDs, from stable to fast: most eyes of a
treated clinic hardly change and a few change fast, and a single normal leaves those few far outside its intervals.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import norm

RATE_SDS = np.array([0.05, 0.2, 0.5, 1.2])  # dB/year, of the mixture's components
PSEUDO_EYES = np.array([2.0, 2.0, 1.0, 1.0])  # added to each component's eyes: no component is ever ruled out
TILT_PRECISION = 4.0  # of the weak prior of the tilt around 0
MIXTURE_STEPS = 60  # of EM
PSEUDO_DEGREES = 10.0  # of freedom that the patients' common scatter weighs against an eye's own
MIN_VISITS = 3  # below, a line leaves no scatter of its own
MIN_EYES = 10
MOST_EYES = 1000  # evenly spread over the training eyes; beyond, the numbers are known well enough
# Log SDs of the priors of noise, wander and its time around DEFAULT's: firmest on the time, for over a short series a
# wander that lasts and a rate are one and the same.
LOG_SD = np.array([1.0, 1.0, 0.3])


@dataclass(frozen=True)
class RatePrior:
    """The distribution of rates among patients, and the scatter about a line.

    Attributes
    ----------
    weights : array (component,)
        Of the components of ``RATE_SDS``.
    tilt : float
        Mean of a component in units of its SD: below 0 where change is mostly for the worse.
    noise_sd : float
        Of a visit's mean TD, independent from visit to visit, dB.
    wander_sd, wander_years : float
        SD (dB) and correlation time (years) of what persists from visit to visit.
    """

    weights: np.ndarray
    tilt: float
    noise_sd: float
    wander_sd: float
    wander_years: float

    @property
    def means(self) -> np.ndarray:
        """Mean rate of each component, dB/year."""
        return self.tilt * RATE_SDS

    def to_card(self) -> dict[str, float]:
        """JSON content."""
        named = {f"weight_sd_{sd:g}": float(w) for sd, w in zip(RATE_SDS, self.weights, strict=True)}
        scatter = {name: value for name, value in asdict(self).items() if name != "weights"}
        return {name: round(value, 5) for name, value in {**named, **scatter}.items()}


# Where too few eyes could say.
DEFAULT = RatePrior(
    np.array([0.4, 0.35, 0.2, 0.05]), tilt=-0.3, noise_sd=0.8, wander_sd=0.4, wander_years=3.0
)


@dataclass(frozen=True)
class Slopes:
    """Least-squares slopes of mean TD: arrays (eye,). ``se`` is infinite for an eye without one."""

    slope: np.ndarray  # dB/year, 0 where there is none
    se: np.ndarray


def fit_rate_prior(mtd: np.ndarray, mask: np.ndarray, years: np.ndarray) -> RatePrior:
    """Fit the prior to training patients' series of mean TD; arrays (eye, visit).

    The scatter by restricted likelihood (each eye's intercept integrated out, its rate under the mixture), with weak
    priors on its scales; for each scatter tried, the mixture by EM.
    """
    enough = np.flatnonzero((mask.sum(1) >= MIN_VISITS) & (_sxx(years, mask) > 0))
    if len(enough) < MIN_EYES:
        return DEFAULT
    chosen = enough[np.linspace(0, len(enough) - 1, min(len(enough), MOST_EYES)).round().astype(int)]
    y, kept, t = mtd[chosen] * mask[chosen], mask[chosen], years[chosen] * mask[chosen]
    start = np.log([DEFAULT.noise_sd, DEFAULT.wander_sd, DEFAULT.wander_years])

    def prior_of(p: np.ndarray) -> tuple[RatePrior, float]:
        scatter = RatePrior(DEFAULT.weights, DEFAULT.tilt, *(float(v) for v in np.exp(p)))
        log_scatter, slope, variance = _restricted(y, t, kept, scatter_covariance(t, kept, scatter))
        weights, tilt = fit_mixture(slope, variance)
        prior = RatePrior(weights, tilt, scatter.noise_sd, scatter.wander_sd, scatter.wander_years)
        score = log_scatter + logsumexp(log_components(slope, variance, prior), axis=1).sum()
        return prior, score + norm.logpdf(p, start, LOG_SD).sum()

    options = {"maxiter": 150, "xatol": 0.01, "fatol": 0.01}
    best = minimize(lambda p: -prior_of(p)[1], start, method="Nelder-Mead", options=options)
    return prior_of(best.x)[0]


def fit_mixture(slope: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and tilt of the mixture from slopes (eye,) of known error variance, by EM."""
    weights, tilt = PSEUDO_EYES / PSEUDO_EYES.sum(), 0.0
    total = variance[:, None] + RATE_SDS**2
    for _ in range(MIXTURE_STEPS):
        log_r = np.log(weights) + norm.logpdf(slope[:, None], tilt * RATE_SDS, np.sqrt(total))
        r = np.exp(log_r - logsumexp(log_r, axis=1, keepdims=True))
        weights = (r.sum(0) + PSEUDO_EYES) / (len(slope) + PSEUDO_EYES.sum())
        precision = (r * RATE_SDS**2 / total).sum() + TILT_PRECISION
        tilt = float((r * slope[:, None] * RATE_SDS / total).sum() / precision)
    return weights, tilt


def log_components(slope: np.ndarray, variance: np.ndarray, prior: RatePrior) -> np.ndarray:
    """log of weight times density of a slope under each component: (eye,), (eye,) -> (eye, component)."""
    total = np.sqrt(variance[:, None] + RATE_SDS**2)
    return np.log(prior.weights) + norm.logpdf(slope[:, None], prior.means, total)


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
    weights = np.array([card[f"weight_sd_{sd:g}"] for sd in RATE_SDS])
    return RatePrior(
        weights, **{name: card[name] for name in ("tilt", "noise_sd", "wander_sd", "wander_years")}
    )


def _restricted(
    y: np.ndarray, t: np.ndarray, mask: np.ndarray, covariance: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Likelihood of y ~ N(a 1 + rate t, covariance), a integrated out under a flat prior.

    For each eye it is a factor free of the rate times N(slope; rate, variance): the summed log of the factors, and
    the generalised least-squares slopes and their variances, (eye,).
    """
    ones = mask.astype(float)
    solved = np.linalg.solve(covariance, np.stack([y, ones, t], axis=-1))
    log_det = 2 * np.log(np.diagonal(np.linalg.cholesky(covariance), axis1=1, axis2=2)).sum(1)
    precision = (ones * solved[..., 1]).sum(1)

    def projected(u: np.ndarray, solved_v: np.ndarray) -> np.ndarray:
        return (u * solved_v).sum(1) - (ones * solved_v).sum(1) * (u * solved[..., 1]).sum(1) / precision

    tt = projected(t, solved[..., 2])
    slope, variance = projected(t, solved[..., 0]) / tt, 1 / tt
    rest = projected(y, solved[..., 0]) - slope**2 * tt
    log_factor = -0.5 * (log_det + np.log(precision) + rest) + 0.5 * np.log(2 * np.pi * variance)
    return float(log_factor.sum()), slope, variance


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
