"""Noise of a test: how far a measured value strays from the eye's mean, by level and by place in the field."""

from __future__ import annotations

import numpy as np

# Total deviation (dB) and the SD (dB) of one test about the eye's mean there, from Halifax weekly retests and
# Rotterdam series: small where the field is normal, largest near -15 dB, small again at the floor.
NOISE_LEVEL = np.array([-36, -30, -25, -20, -15, -12, -8.5, -6, -4, -2, 0, 2.0])
NOISE_SD = np.array([1.5, 3.3, 5.5, 6.9, 7.0, 6.3, 4.7, 3.4, 2.44, 1.77, 1.54, 1.49])

# Where the level is above the second of these, noise grows by so much with every ten degrees from fixation; below the
# first, dB, it does not. Of the same retests and series: see tests/benchmarks/location_scatter.py.
GROWTH, GROWTH_DEGREES = 1.3, 10.0
NO_GROWTH_LEVEL, FULL_GROWTH_LEVEL = -15.0, -8.0
USUAL_ECCENTRICITY = 17.5  # degrees, at which noise is the table's

# Degrees of freedom that an eye's scatter weighs against a location's own. Variances of locations spread about their
# eye's as those of about 11 degrees do (by the same: 9 and 13 above -4 dB, 7 and 11 below); the mean of such a prior
# weighs two less in the posterior mean. Detection, which reckons without place, uses the same.
LOCATION_DEGREES = 9.0

NEIGHBOUR_CORRELATION, NEIGHBOUR_DEGREES = (
    0.15,
    6.0,
)  # of the noise of one visit's tests that lie so far apart


def noise_correlation(xy: np.ndarray) -> np.ndarray:
    """Correlation of the noise of one visit's tests at positions (location, 2), degrees: (location, location)."""
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
    return np.asarray(np.exp(distance * np.log(NEIGHBOUR_CORRELATION) / NEIGHBOUR_DEGREES))


def growth(level: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """How much noisier or quieter than the table a test is at levels (..., location), dB, and positions, degrees."""
    full = np.clip((level - NO_GROWTH_LEVEL) / (FULL_GROWTH_LEVEL - NO_GROWTH_LEVEL), 0.0, 1.0)
    away = (np.hypot(*xy.T) - USUAL_ECCENTRICITY) / GROWTH_DEGREES
    return np.asarray(GROWTH ** (full * away))


def noise_sd(level: np.ndarray) -> np.ndarray:
    """SD of a measured value about its mean, dB, at a level of total deviation (any shape, dB)."""
    return np.interp(level, NOISE_LEVEL, NOISE_SD)
