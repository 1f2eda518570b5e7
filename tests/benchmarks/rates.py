"""Rates against known truth: the mixture prior, one normal prior, and least squares, on the same simulated eyes.

Run: python tests/benchmarks/rates.py. Prints RMSE (dB/year) and coverage of the 95 % interval by kind of eye; 200
eyes are learned from, the other 2,800 scored.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import norm

from vfprog.data.population import load_population
from vfprog.data.series import padded_series
from vfprog.data.simulate import simulate_series
from vfprog.forecast.rate_prior import fit_rate_prior, fit_slopes
from vfprog.forecast.rates import mtd_series, posterior_rate
from vfprog.perimetry.regression import Z95

EYES, LEARNED = 3000, 200


def compare(seed: int) -> None:
    """Print the comparison for one simulated population."""
    rng = np.random.default_rng(seed)
    n = rng.integers(3, 17, EYES)
    drawn = simulate_series(load_population(), n, 0.5, rng)
    series = padded_series(drawn.td[drawn.mask], drawn.years[drawn.mask], n, torch.float64)
    mtd, mask, years = mtd_series(series)
    truth, level = drawn.slope.mean(1), drawn.level.mean(1)

    prior = fit_rate_prior(mtd[:LEARNED], mask[:LEARNED], years[:LEARNED])
    slopes = fit_slopes(mtd, mask, years, prior)
    posterior = posterior_rate(slopes, prior)

    def negative_log_likelihood(p: np.ndarray) -> float:
        sd = np.sqrt(np.exp(2 * p[1]) + slopes.se[:LEARNED] ** 2)
        return -norm.logpdf(slopes.slope[:LEARNED], p[0], sd).sum()

    mean, log_sd = minimize(negative_log_likelihood, [-0.1, np.log(0.3)], method="Nelder-Mead").x
    variance = 1 / (np.exp(-2 * log_sd) + slopes.se**-2)
    shrunk = variance * (mean * np.exp(-2 * log_sd) + slopes.slope / slopes.se**2)
    methods = {
        "mixture": (posterior.expectation(), posterior.quantile(0.025), posterior.quantile(0.975)),
        "normal": (shrunk, shrunk - Z95 * np.sqrt(variance), shrunk + Z95 * np.sqrt(variance)),
        "least squares": (slopes.slope, slopes.slope - Z95 * slopes.se, slopes.slope + Z95 * slopes.se),
    }
    scored = np.arange(EYES) >= LEARNED
    kinds = {
        "all": scored,
        "true rate below -0.5": scored & (truth < -0.5),
        "slope below -0.7, 8+ visits": scored & (slopes.slope < -0.7) & (n >= 8),
        "mild (mean TD above -6)": scored & (level > -6),
        "moderate": scored & (level <= -6) & (level > -12),
        "severe (-12 or below)": scored & (level <= -12),
    }
    print(f"seed {seed}")
    for kind, eyes in kinds.items():
        cells = []
        for name, (rate, lower, upper) in methods.items():
            rmse = np.sqrt(((rate - truth)[eyes] ** 2).mean())
            covered = ((truth >= lower) & (truth <= upper))[eyes].mean()
            cells.append(f"{name} {rmse:.3f} ({covered:.3f})")
        print(f"  {kind:28s} n={eyes.sum():4d}  " + "  ".join(cells))


if __name__ == "__main__":
    for population_seed in (21, 22, 23):
        compare(population_seed)
