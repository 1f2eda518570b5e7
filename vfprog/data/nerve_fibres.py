"""The second view of an eye: thickness of the retinal nerve fibre layer around the optic disc, from a true field.

Thickness is linear in the fibres left, and so is sensitivity outside the decibel scale: above a residual layer of
vessels and glia, a sector thins as its locations lose sight (Hood & Kardon, Prog Retin Eye Res 2007;26:688).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from vfprog.perimetry.grid import Grid

# Sectors of the disc (see Grid.sectors) with the thickness of healthy eyes at 50 years, about that of normative
# studies with the Spectralis (mean of the circle 96 micrometres), and the SD of one measurement, micrometres.
NORMAL = {"T": 74.0, "TS": 135.0, "NS": 105.0, "N": 73.0, "NI": 110.0, "TI": 143.0}
MEASUREMENT_SD = {"T": 4.2, "TS": 5.2, "NS": 4.6, "N": 5.6, "NI": 6.0, "TI": 3.2}
COLUMNS = [f"rnfl_{sector}" for sector in NORMAL]
AGEING = 0.002  # share of the thickness at 50 years lost a year: 0.15 to 0.29 micrometres by sector
MEAN_AGEING = 0.21  # of the mean over sectors, micrometres/year
EYE_SD = 0.09  # between healthy eyes, as a share, of the thickness of the whole circle
SECTOR_SD = 0.10  # and of each sector besides
THICKNESS_LIMITS = (10.0, 400.0)  # micrometres, of a sector that was measured; 0 is a scan that failed
RESIDUAL = 45.0  # what a blind sector keeps, micrometres

LEVEL_SD = 2.0  # dB, of healthy eyes' true total deviation at a location, and of its error


def nerve_fibre_thickness(td: np.ndarray, normal: np.ndarray, grid: Grid) -> np.ndarray:
    """Thickness of the sectors that true fields imply.

    Parameters
    ----------
    td : array (..., location)
        True total deviation, dB. Sight better than normal adds no fibres.
    normal : array (..., sector)
        The eye's thickness without loss, micrometres, in the order of ``NORMAL``.
    grid : Grid

    Returns
    -------
    array (..., sector)
        Micrometres.
    """
    left = 10 ** (np.minimum(td, 0.0) / 10) @ _shares(grid).T
    return np.minimum(RESIDUAL, normal) + np.maximum(normal - RESIDUAL, 0.0) * left


def mean_thinning(td: np.ndarray, grid: Grid) -> np.ndarray:
    """What the mean over sectors loses on average with each dB lost at a location, in an eye of usual thickness.

    The derivative of :func:`nerve_fibre_thickness`, averaged over ``LEVEL_SD`` about the level: around 0 dB some
    locations have sight to lose before they lose fibres.

    Parameters
    ----------
    td : array (..., location)
        Total deviation, dB.
    grid : Grid

    Returns
    -------
    array (..., location)
        Micrometres/dB.
    """
    fibres = (np.array(list(NORMAL.values())) - RESIDUAL) / len(NORMAL) @ _shares(grid)
    per_db = np.log(10) / 10
    # E[exp(per_db x) 1(x < 0)], x ~ N(td, LEVEL_SD^2).
    below = ndtr(-(td + per_db * LEVEL_SD**2) / LEVEL_SD)
    return fibres * per_db * np.exp(per_db * td + (per_db * LEVEL_SD) ** 2 / 2) * below


def _shares(grid: Grid) -> np.ndarray:
    """Each location's share of a sector: (sector, location)."""
    member = np.array([grid.sectors == sector for sector in NORMAL], dtype=float)
    return member / member.sum(axis=1, keepdims=True)


def simulate_nerve_fibres(
    td: np.ndarray, age: np.ndarray, grid: Grid, rng: np.random.Generator
) -> np.ndarray:
    """Measure the sectors of eyes whose healthy thickness scatters as between people.

    Parameters
    ----------
    td : array (eye, visit, location)
        True total deviation, dB.
    age : array (eye, visit)
        Years.
    grid : Grid
    rng : Generator

    Returns
    -------
    array (eye, visit, sector)
        Whole micrometres, in the order of ``NORMAL``.
    """
    scatter = rng.normal(1, EYE_SD, (len(td), 1)) + rng.normal(0, SECTOR_SD, (len(td), len(NORMAL)))
    ageing = 1 - AGEING * (age[..., None] - 50)
    normal = np.array(list(NORMAL.values())) * scatter[:, None] * ageing
    noise = rng.normal(0, list(MEASUREMENT_SD.values()), normal.shape)
    return np.round(nerve_fibre_thickness(td, normal, grid) + noise)
