"""Rates of progression: an eye's least-squares slope of mean TD, shrunk by what training patients' slopes say.

slope ~ N(rate, se^2) with rate from a mixture of normals among patients, so the posterior of the rate is a mixture
of normals too. An eye with one visit gets the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logsumexp
from scipy.stats import norm

from vfprog.config import RatesConfig
from vfprog.data.series import Series
from vfprog.forecast.calibrate import measured_mtd
from vfprog.forecast.rate_prior import (
    MIN_EYES,
    MIN_VISITS,
    RATE_SDS,
    RatePrior,
    Slopes,
    draw_stable,
    fit_slopes,
    log_components,
)
from vfprog.perimetry.classical import classical_rates

PROGRESSING_SD = 0.7  # dB/year: progressing eyes lose |N(0, this^2)| a year, for p_progressing
STABLE_DRAWS = 20  # of each training eye's visits, for the threshold of p_progressing
FALLBACK_THRESHOLD = 0.95  # of p_progressing, where fewer than MIN_EYES training eyes could say
BISECTIONS = 50  # halvings of a posterior's range: far below the rounding of any table


def mtd_series(series: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean TD (dB, 0 at padding), whether there is one, and years: three arrays (eye, visit)."""
    mask = series.mask.cpu().numpy()
    mtd = measured_mtd(series.td.cpu().numpy().astype(float), mask)
    return mtd, np.asarray(mask.any(-1)), series.years.cpu().numpy().astype(float)


@dataclass(frozen=True)
class RatePosterior:
    """Mixtures of normals, one an eye: arrays (eye, component); dB/year."""

    weight: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def expectation(self) -> np.ndarray:
        """Posterior mean: (eye,)."""
        return (self.weight * self.mean).sum(1)

    def probability_below(self, rate: np.ndarray | float) -> np.ndarray:
        """Posterior probability of a rate below ``rate``, one number or (eye,): (eye,)."""
        at = np.broadcast_to(rate, len(self.weight))[:, None]
        # Weights sum to 1 but for rounding, which must not make a probability of 1.0000000000000002.
        return (self.weight * norm.cdf(at, self.mean, self.sd)).sum(1).clip(0.0, 1.0)

    def quantile(self, probability: float) -> np.ndarray:
        """Posterior quantile: (eye,), by bisection."""
        reach = 8 * self.sd.max(1)
        low, high = self.mean.min(1) - reach, self.mean.max(1) + reach
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = self.probability_below(middle) > probability
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2


def posterior_rate(slopes: Slopes, prior: RatePrior) -> RatePosterior:
    """Posterior of each eye's rate."""
    has = np.isfinite(slopes.se)
    information = 1 / slopes.se[:, None] ** 2
    variance = 1 / (1 / RATE_SDS**2 + information)
    mean = variance * (prior.means / RATE_SDS**2 + information * slopes.slope[:, None])
    log_weight = log_components(slopes.slope, np.where(has, slopes.se, 1.0) ** 2, prior)
    log_weight = np.where(has[:, None], log_weight, np.log(prior.weights))
    weight = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
    return RatePosterior(weight, mean, np.sqrt(variance))


def p_progressing(slopes: Slopes, prevalence: float) -> np.ndarray:
    """Posterior probability of progression against stability: (eye,).

    Stable: slope ~ N(0, se^2). Progressing: the rate is -|N(0, PROGRESSING_SD^2)|, which gives the skew normal
    2 N(slope; 0, V) Phi(-slope tau / (se sqrt V)), V = se^2 + tau^2. No level enters, only slope and SE.
    """
    tau = PROGRESSING_SD
    has = np.isfinite(slopes.se)
    se = np.where(has, slopes.se, 1.0)
    total = np.sqrt(se**2 + tau**2)
    log_bayes = (
        np.log(2)
        + norm.logpdf(slopes.slope, 0, total)
        - norm.logpdf(slopes.slope, 0, se)
        + norm.logcdf(-slopes.slope * tau / (se * total))
    )
    odds = np.where(has, log_bayes, 0.0) + np.log(prevalence) - np.log1p(-prevalence)
    return expit(odds)


def fit_threshold(
    mask: np.ndarray, years: np.ndarray, prior: RatePrior, options: RatesConfig, seed: int
) -> float:
    """Threshold of p_progressing that flags the configured share of stable eyes.

    Stable eyes are drawn with the training patients' noise and wander at the training eyes' own visits (eye,
    visit). The threshold is never below the prevalence: an eye of which nothing is known is not flagged.
    """
    enough = mask.sum(1) >= MIN_VISITS
    if enough.sum() < MIN_EYES:
        return FALLBACK_THRESHOLD
    mask, years, rng = mask[enough], years[enough], np.random.default_rng(seed)
    scores = [
        p_progressing(
            fit_slopes(draw_stable(years, mask, prior, rng), mask, years, prior), options.prevalence
        )
        for _ in range(STABLE_DRAWS)
    ]
    return max(float(np.quantile(np.concatenate(scores), 1 - options.false_positives)), options.prevalence)


def rate_table(
    eyes: pd.DataFrame, series: Series, prior: RatePrior, threshold: float, options: RatesConfig, seed: int
) -> pd.DataFrame:
    """``rates.csv``: one row per eye (see README, "Outputs"); rates in dB/year of the plain mean of TD."""
    mtd, mask, years = mtd_series(series)
    slopes = fit_slopes(mtd, mask, years, prior)
    posterior = posterior_rate(slopes, prior)
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
        years_followed=series.last_years.cpu().numpy() - years[:, 0],
        baseline_md=np.where(mask[:, 0], mtd[:, 0], np.nan),
        rate=posterior.expectation(),
        rate_lower=posterior.quantile(0.025),
        rate_upper=posterior.quantile(0.975),
        p_worsening=posterior.probability_below(0.0),
        p_progressing=progressing,
        progressing=(progressing > threshold) & np.isfinite(slopes.se),
        p_faster_1=posterior.probability_below(-1.0),
    )
    return pd.concat([table, classical.set_axis(table.index)], axis=1)
