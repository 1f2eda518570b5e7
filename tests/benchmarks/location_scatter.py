"""Where ``LOCATION_DEGREES`` of vfprog/perimetry/weighted_slope.py comes from: how the locations of an eye scatter.

Run: python tests/benchmarks/location_scatter.py results/evaluation/rotterdam/visits.parquet, or the visits of another
cohort. Residuals of each location about its line, visit shifts taken out and relative to the noise of its level, have
log variances that scatter more than chance does; the excess, within an eye and band of level, is what variances of
d degrees of freedom have (Smyth, Stat Appl Genet Mol Biol 2004;3:3). Prints d by band; the shipped one is Rotterdam's,
rounded. Takes seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from vfprog.data.schema import read_visits
from vfprog.data.views import views_from_visits
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_sd
from vfprog.perimetry.visit_shift import mean_level, without_shift
from vfprog.perimetry.weighted_slope import BAND, slopes

LEAST_DEGREES = 4  # of a location's residuals; fewer tell little of its variance
LEAST_LOCATIONS = 6  # of an eye's band


def pseudo_degrees(log_variance: np.ndarray, degrees: np.ndarray, inside: np.ndarray) -> float:
    """Degrees of freedom of the variances' own spread, (eye, location) each; infinite where there is none."""
    half = np.maximum(degrees, 1) / 2
    centred = log_variance - digamma(half) + np.log(half)
    excess, counted = 0.0, 0
    for own, chance, kept in zip(centred, polygamma(1, half), inside, strict=True):
        n = kept.sum()
        if n >= LEAST_LOCATIONS:
            scattered = ((own[kept] - own[kept].mean()) ** 2).sum()
            excess += scattered - (n - 1) / n * chance[kept].sum()
            counted += n - 1
    if not counted or excess <= 0:
        return np.inf
    return 2 * float(brentq(lambda d: polygamma(1, d) - excess / counted, 1e-3, 1e4))


def main() -> None:
    """Print the degrees of both bands."""
    grid = load_grid("24-2")
    views = views_from_visits(read_visits(Path(sys.argv[1]), grid, included_only=True), grid, [])
    level = mean_level(views.td, views.mask)
    _, sxx, rest = slopes(without_shift(views.td, views.mask, views.years), views.mask, views.years)
    degrees = np.where(sxx > 0, views.mask.sum(1) - 2, 0)
    log_variance = np.log(np.maximum(rest / np.maximum(degrees, 1) / noise_sd(level) ** 2, 1e-3))
    enough = degrees >= LEAST_DEGREES
    for name, band in (("below", level < BAND), ("above", level >= BAND)):
        found = pseudo_degrees(log_variance, degrees, band & enough)
        print(f"{name} {BAND:g} dB: {(band & enough).sum()} locations, {found:.1f} degrees of freedom")


if __name__ == "__main__":
    main()
