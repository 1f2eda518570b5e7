"""How locations scatter: where ``LOCATION_DEGREES`` and ``GROWTH`` of vfprog/perimetry/noise.py come from.

Run: python tests/benchmarks/location_scatter.py results/evaluation/rotterdam/visits.parquet, or the visits of another
cohort. Prints, from residuals of each location about its line, visit shifts taken out and relative to the noise of its
level, how the SD grows with each ten degrees from fixation, by level and by regression within eyes. The shipped growth
lies between Rotterdam's and Halifax's above -8 dB, and about half of it is found below. With the noise of level and
place their log variances still scatter more than chance does; the excess, within an eye and band of level, is what
variances of d degrees of freedom have (Smyth, Stat Appl Genet Mol Biol 2004;3:3). Prints d by band; 11, two more than
``LOCATION_DEGREES``, lies between Rotterdam's and Halifax's above -4 dB. Values at the floor are held where they are
known. Takes seconds.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from vfprog.data.schema import read_visits
from vfprog.data.views import views_from_visits
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import growth, noise_sd
from vfprog.perimetry.visit_shift import (
    USUAL_VISITS,
    mean_level,
    strays,
    visit_means,
    visit_posterior,
    without_shift,
)
from vfprog.perimetry.weighted_slope import BAND, slopes

LEVELS = (-15.0, -8, -3, 10)  # dB
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


def growth_factor(
    log_variance: np.ndarray, eccentricity: np.ndarray, inside: np.ndarray
) -> tuple[float, float]:
    """Factor on the SD for each ten degrees from fixation, and its standard error over eyes."""
    product, square = np.zeros((2, len(inside)))
    for eye, kept in enumerate(inside):
        if kept.sum() >= LEAST_LOCATIONS:
            away = eccentricity[kept] - eccentricity[kept].mean()
            product[eye], square[eye] = away @ log_variance[eye, kept], away @ away
    slope = product.sum() / square.sum()
    error = np.sqrt(((product - slope * square) ** 2).sum()) / square.sum()
    factor = float(np.exp(5 * slope))
    return factor, 5 * factor * float(error)


def main() -> None:
    """Print the degrees of both bands, and the growth of noise by level."""
    grid = load_grid("24-2")
    visits = read_visits(Path(sys.argv[1]), grid, included_only=True)
    views = views_from_visits(visits, grid, []).floor_held()
    level = mean_level(views.td, views.mask)
    found = strays(visit_means(views.td, views.mask), views.years)
    fields = without_shift(views.td, views.mask, visit_posterior(found, USUAL_VISITS).shift)
    _, sxx, rest = slopes(fields, views.mask, views.years)
    degrees = np.where(sxx > 0, views.mask.sum(1) - 2, 0)
    log_variance = np.log(np.maximum(rest / np.maximum(degrees, 1) / noise_sd(level) ** 2, 1e-3))
    enough = degrees >= LEAST_DEGREES
    eccentricity = np.hypot(*grid.xy.T)
    for low, high in pairwise(LEVELS):
        factor, error = growth_factor(log_variance, eccentricity, enough & (level >= low) & (level < high))
        print(
            f"{low:g} to {high:g} dB: SD times {factor:.2f} (standard error {error:.2f}) for each ten degrees"
        )
    beyond_place = log_variance - 2 * np.log(growth(level, grid.xy))
    for name, band in (("below", level < BAND), ("above", level >= BAND)):
        found = pseudo_degrees(beyond_place, degrees, band & enough)
        print(f"{name} {BAND:g} dB: {(band & enough).sum()} locations, {found:.1f} degrees of freedom")


if __name__ == "__main__":
    main()
