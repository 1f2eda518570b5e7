"""Rates of progression: an eye's least-squares slope of mean TD, shrunk by what training patients' slopes say.

slope ~ N(rate, se^2) with rate ~ N(mean, sd^2) among patients, so the posterior of the rate is normal. The
standard error rests on the eye's own scatter, moderated by the patients' common scatter, as a few visits say
little of it. An eye with one visit gets the prior.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from vfprog.config import RatesConfig
from vfprog.data.series import Series
from vfprog.forecast.calibrate import measured_mtd
from vfprog.perimetry.classical import classical_rates
from vfprog.perimetry.regression import linear_regression

PSEUDO_DEGREES = 10.0  # of freedom that the patients' common scatter weighs against an eye's own
PROGRESSING_SD = 0.7  # dB/year: progressing eyes lose |N(0, this^2)| a year, for p_progressing
START = (-0.1, 0.3)  # dB/year: mean and SD of rates where fewer than MIN_EYES eyes could say
MIN_EYES = 10
SHUFFLES = 20  # of each eye's visit order, for the threshold of p_progressing
MIN_VISITS = 3  # below, a slope has no scatter of its own


@dataclass(frozen=True)
class RatePrior:
    """What training patients say of rates: mean and SD (dB/year), and scatter of a visit's mean TD (dB)."""

    mean: float
    sd: float
    noise_sd: float


@dataclass(frozen=True)
class Slopes:
    """Least-squares slopes of mean TD: arrays (eye,). ``se`` is infinite for an eye without one."""

    n_visits: np.ndarray
    slope: np.ndarray  # dB/year, 0 where there is none
    se: np.ndarray


def mtd_series(series: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean TD (dB), whether there is one, and years: three arrays (eye, visit)."""
    mask = series.mask.cpu().numpy()
    return measured_mtd(series.td.cpu().numpy(), mask), np.asarray(mask.any(-1)), series.years.cpu().numpy()


def fit_rate_prior(mtd: np.ndarray, mask: np.ndarray, years: np.ndarray) -> RatePrior:
    """Fit the prior to training patients' series of mean TD by penalised marginal likelihood; arrays (eye, visit)."""
    fit = linear_regression(mtd, years, mask)
    enough = (fit.n >= MIN_VISITS) & np.isfinite(fit.slope)
    sxx = _sxx(years, mask)
    enough &= sxx > 0
    if enough.sum() < MIN_EYES:
        return RatePrior(*START, noise_sd=0.8)
    n, slope, sxx = fit.n[enough], fit.slope[enough], sxx[enough]
    variance = fit.se[enough] ** 2 * sxx
    noise_sd = float(np.sqrt(((n - 2) * variance).sum() / (n - 2).sum()))
    se2 = _moderated(variance, n, noise_sd) / sxx

    def negative_log_posterior(p: np.ndarray) -> float:
        likelihood = norm.logpdf(slope, p[0], np.sqrt(np.exp(2 * p[1]) + se2)).sum()
        # Where eyes are few, likelihood alone may say that all have the same rate, which nobody believes.
        return -likelihood - norm.logpdf(p[1], np.log(START[1]), 1.0)

    best = minimize(negative_log_posterior, [START[0], np.log(START[1])], method="Nelder-Mead")
    return RatePrior(float(best.x[0]), float(np.exp(best.x[1])), noise_sd)


def fit_slopes(mtd: np.ndarray, mask: np.ndarray, years: np.ndarray, prior: RatePrior) -> Slopes:
    """Slopes of mean TD (eye, visit) with moderated standard errors."""
    fit = linear_regression(mtd, years, mask)
    sxx = _sxx(years, mask)
    has = (sxx > 0) & np.isfinite(fit.slope)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.where(fit.n >= MIN_VISITS, fit.se**2 * sxx, 0.0)
        se = np.sqrt(_moderated(own, fit.n, prior.noise_sd) / sxx)
    return Slopes(mask.sum(1), np.where(has, fit.slope, 0.0), np.where(has, se, np.inf))


def posterior_rate(slopes: Slopes, prior: RatePrior) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and SD of the rate, dB/year: two arrays (eye,)."""
    information = 1 / slopes.se**2
    variance = 1 / (1 / prior.sd**2 + information)
    return variance * (prior.mean / prior.sd**2 + information * slopes.slope), np.sqrt(variance)


def p_progressing(slopes: Slopes, prevalence: float) -> np.ndarray:
    """Posterior probability of progression against stability: (eye,).

    Stable: slope ~ N(0, se^2). Progressing: the rate is -|N(0, PROGRESSING_SD^2)|, which gives the skew normal
    2 N(slope; 0, V) Phi(-slope tau / (se sqrt V)), V = se^2 + tau^2. No level enters, only slope and SE.
    """
    tau = PROGRESSING_SD
    se = np.where(np.isfinite(slopes.se), slopes.se, 1e6)
    total = np.sqrt(se**2 + tau**2)
    log_bayes = (
        np.log(2)
        + norm.logpdf(slopes.slope, 0, total)
        - norm.logpdf(slopes.slope, 0, se)
        + norm.logcdf(-slopes.slope * tau / (se * total))
    )
    log_bayes = np.where(np.isfinite(slopes.se), log_bayes, 0.0)
    odds = log_bayes + np.log(prevalence) - np.log1p(-prevalence)
    return 1 / (1 + np.exp(-np.clip(odds, -700, 700)))


def fit_threshold(
    mtd: np.ndarray, mask: np.ndarray, years: np.ndarray, prior: RatePrior, options: RatesConfig, seed: int
) -> float:
    """Threshold of p_progressing that flags the configured share of stable eyes.

    Stable eyes are the training patients' series with their visits shuffled, which leaves level and noise and
    takes the trend away.
    """
    rng = np.random.default_rng(seed)
    enough = mask.sum(1) >= MIN_VISITS
    if enough.sum() < MIN_EYES:
        return 0.95
    mtd, mask, years = mtd[enough], mask[enough], years[enough]
    scores = []
    for _ in range(SHUFFLES):
        # Real visits first, in random order: padding sorts last.
        order = np.argsort(np.where(mask, rng.random(mask.shape), 2.0), axis=1)
        shuffled = np.take_along_axis(mtd, order, axis=1)
        scores.append(p_progressing(fit_slopes(shuffled, mask, years, prior), options.prevalence))
    return float(np.quantile(np.concatenate(scores), 1 - options.false_positives))


def rate_table(
    eyes: pd.DataFrame, series: Series, prior: RatePrior, threshold: float, options: RatesConfig, seed: int
) -> pd.DataFrame:
    """``rates.csv``: one row per eye (see README, "Outputs"); rates in dB/year of the plain mean of TD."""
    mtd, mask, years = mtd_series(series)
    slopes = fit_slopes(mtd, mask, years, prior)
    rate, sd = posterior_rate(slopes, prior)
    progressing = p_progressing(slopes, options.prevalence)
    classical = classical_rates(
        series.td.cpu().numpy().astype(float),
        series.mask.cpu().numpy(),
        years,
        options.poplr_permutations,
        seed,
    )
    table = eyes.assign(
        n_visits=series.n_visits.cpu().numpy(),
        years_followed=series.last_years.cpu().numpy(),
        baseline_md=np.where(mask[:, 0], mtd[:, 0], np.nan),
        rate=rate,
        rate_lower=rate - 1.959964 * sd,
        rate_upper=rate + 1.959964 * sd,
        p_worsening=norm.cdf(0, rate, sd),
        p_progressing=progressing,
        progressing=progressing > threshold,
        p_faster_1=norm.cdf(-1, rate, sd),
    )
    return pd.concat([table, classical.set_axis(table.index)], axis=1)


def prior_card(prior: RatePrior) -> dict[str, float]:
    """JSON content of a prior."""
    return {k: round(v, 5) for k, v in asdict(prior).items()}


def _sxx(years: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum of squared times about their mean, years^2: (eye, visit) -> (eye,)."""
    n = np.maximum(mask.sum(1), 1)
    centre = (years * mask).sum(1) / n
    return (((years - centre[:, None]) * mask) ** 2).sum(1)


def _moderated(variance: np.ndarray, n: np.ndarray, noise_sd: float) -> np.ndarray:
    """An eye's variance about its line, moderated by the patients' (Smyth 2004, eq. 2)."""
    degrees = np.maximum(n - 2, 0)
    return (PSEUDO_DEGREES * noise_sd**2 + degrees * variance) / (PSEUDO_DEGREES + degrees)
