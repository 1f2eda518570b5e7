"""Deviation from normal: total and pattern deviation, global indices and their probabilities.

Arrays are (field, location) in right-eye format without the blind spot, in dB; NaN means not tested. Every
index is taken over the tested locations of a field, and is NaN for a field with none.

The definitions are those of visualFields (Marin-Franch and Swanson, J Vis 2013;13(4):10), whose SUNY-IU norms
are shipped in ``resources/norms``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid

# The VFI weighs a location by 1 / (0.08 (d + 0.8)), d its distance from fixation in degrees, and judges
# normality by total instead of pattern deviation where MD is so low that the general height says nothing.
VFI_WEIGHT = (0.08, 0.8)
VFI_LOWEST_MD = -20.0  # dB
VFI_NORMAL = 0.05  # a location above this probability scores 100 %

# Global indices of which a high value is abnormal.
SPREAD_INDICES = ("ssens", "tsd", "psd")


@dataclass(frozen=True)
class Norms:
    """Normative values of a grid, blind spot left out.

    Attributes
    ----------
    xy : array (location, 2)
        Positions, degrees.
    intercept, slope : array (location,)
        Normal sensitivity is ``intercept + slope * age``; dB and dB/year.
    sd_td, sd_pd : array (location,)
        SD of total and pattern deviation among healthy eyes, dB.
    levels : array (level,)
        Probability levels, ascending, from 0 to 1.
    td_cutoffs, pd_cutoffs : array (level, location)
        A deviation below the cut-off has at most that level's probability, dB.
    global_cutoffs : dict of array (level,)
        The same by global index (see :func:`global_indices`); those of the SDs descend.
    """

    xy: np.ndarray
    intercept: np.ndarray
    slope: np.ndarray
    sd_td: np.ndarray
    sd_pd: np.ndarray
    levels: np.ndarray
    td_cutoffs: np.ndarray
    pd_cutoffs: np.ndarray
    global_cutoffs: dict[str, np.ndarray]

    def normal_sensitivity(self, age: np.ndarray) -> np.ndarray:
        """Mean normal sensitivity at ages in years: (field,) -> (field, location), dB."""
        return self.intercept + np.asarray(age)[:, np.newaxis] * self.slope


@cache
def load_norms(grid_name: str) -> Norms:
    """The norms shipped for a grid.

    Raises
    ------
    UserError
        If there are none for that grid.
    """
    folder = files("vfprog") / "resources" / "norms" / grid_name
    if not folder.is_dir():
        raise UserError(f"grid {grid_name}: vfprog ships no norms for it; give total deviations instead")
    coefficients, td, pattern, indices = (
        pd.read_csv(str(folder / f"{name}.csv"))
        for name in ("coefficients", "td_cutoffs", "pd_cutoffs", "global_cutoffs")
    )
    grid = load_grid(grid_name)
    intercept, slope, sd_td, sd_pd = (
        grid.without_blind_spot(coefficients[name].to_numpy())
        for name in ("intercept", "slope", "sd_td", "sd_pd")
    )
    return Norms(
        xy=grid.xy,
        intercept=intercept,
        slope=slope,
        sd_td=sd_td,
        sd_pd=sd_pd,
        levels=td["prob"].to_numpy(),
        td_cutoffs=grid.without_blind_spot(td.drop(columns="prob").to_numpy()),
        pd_cutoffs=grid.without_blind_spot(pattern.drop(columns="prob").to_numpy()),
        global_cutoffs={name: indices[name].to_numpy() for name in indices.columns.drop("prob")},
    )


def total_deviation(sens: np.ndarray, age: np.ndarray, norms: Norms) -> np.ndarray:
    """TD: sensitivity less that normal for the age.

    ``sens`` (field, location) in dB and ``age`` (field,) in years -> (field, location) in dB.
    """
    return sens - norms.normal_sensitivity(age)


def general_height(td: np.ndarray) -> np.ndarray:
    """Height of the field's best part: its TD of rank 15 % from the top (the 7th best of 52), (field,) dB."""
    tested = np.isfinite(td).sum(axis=1, keepdims=True)
    rank = np.maximum(15 * tested // 100, 1)
    best_first = -np.sort(-td, axis=1)  # NaN last
    return np.take_along_axis(best_first, rank - 1, axis=1)[:, 0]


def pattern_deviation(td: np.ndarray) -> np.ndarray:
    """Total deviation above the general height: (field, location) -> the same, dB."""
    return td - general_height(td)[:, np.newaxis]


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the tested locations: values (field, location), weights (location,) -> (field,)."""
    tested = np.isfinite(values)
    total = np.where(tested, values, 0.0) @ weights
    return _quotient(total, tested @ weights)


def weighted_sd(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """SD over the tested locations, weights taken as counts: their sum less 1 divides, as in visualFields."""
    tested = np.isfinite(values)
    away = np.where(tested, values - weighted_mean(values, weights)[:, np.newaxis], 0.0)
    return np.sqrt(_quotient(away**2 @ weights, tested @ weights - 1.0))


def _quotient(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def mean_deviation(td: np.ndarray, norms: Norms) -> np.ndarray:
    """MD: mean of TD weighted by 1/SD of healthy eyes, (field, location) -> (field,) dB."""
    return weighted_mean(td, 1 / norms.sd_td)


def pattern_standard_deviation(pattern: np.ndarray, norms: Norms) -> np.ndarray:
    """PSD: SD of pattern deviation weighted by 1/SD of healthy eyes, (field, location) -> (field,) dB."""
    return weighted_sd(pattern, 1 / norms.sd_pd)


def visual_field_index(sens: np.ndarray, age: np.ndarray, norms: Norms) -> np.ndarray:
    """VFI: share of normal sight left, the centre weighing most; 100 is normal, 0 blind.

    A location within normal limits scores 100, one not seen (below 0 dB) 0, another the share of its normal
    sensitivity (Bengtsson and Heijl, Am J Ophthalmol 2008;145:343; weights as in visualFields).

    Parameters
    ----------
    sens : array (field, location)
        Sensitivities, dB.
    age : array (field,)
        Years.
    norms : Norms

    Returns
    -------
    array (field,)
        Percent.
    """
    td = total_deviation(sens, age, norms)
    normal_by_pd = probability(pattern_deviation(td), norms.pd_cutoffs, norms.levels) > VFI_NORMAL
    normal_by_td = probability(td, norms.td_cutoffs, norms.levels) > VFI_NORMAL
    use_pd = mean_deviation(td, norms)[:, np.newaxis] >= VFI_LOWEST_MD
    loss = np.abs(td) / norms.normal_sensitivity(age)
    loss = np.where(np.where(use_pd, normal_by_pd, normal_by_td), 0.0, loss)
    loss = np.where(sens < 0, 1.0, loss)
    scale, offset = VFI_WEIGHT
    return 100 * (1 - weighted_mean(loss, 1 / (scale * (np.hypot(*norms.xy.T) + offset))))


def global_indices(sens: np.ndarray, age: np.ndarray, norms: Norms) -> dict[str, np.ndarray]:
    """Every global index of fields with sensitivities, by its name in visualFields.

    Parameters
    ----------
    sens : array (field, location)
        Sensitivities, dB.
    age : array (field,)
        Years.
    norms : Norms

    Returns
    -------
    dict of array (field,)
        ``msens, ssens`` plain mean and SD of sensitivity; ``tmd, tsd`` weighted mean (MD) and SD of total
        deviation; ``pmd, psd`` those of pattern deviation; ``gh`` general height: all dB; ``vfi`` percent.
    """
    td = total_deviation(sens, age, norms)
    pattern = pattern_deviation(td)
    equal = np.ones(sens.shape[1])
    return {
        "msens": weighted_mean(sens, equal),
        "ssens": weighted_sd(sens, equal),
        "tmd": mean_deviation(td, norms),
        "tsd": weighted_sd(td, 1 / norms.sd_td),
        "pmd": weighted_mean(pattern, 1 / norms.sd_pd),
        "psd": pattern_standard_deviation(pattern, norms),
        "gh": general_height(td),
        "vfi": visual_field_index(sens, age, norms),
    }


def probability(values: np.ndarray, cutoffs: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Smallest probability level whose cut-off a value lies below (strictly); NaN where the value is NaN.

    Parameters
    ----------
    values : array (field, ...)
        Deviations of locations or a global index.
    cutoffs : array (level, ...)
        Ascending along levels, the last infinite.
    levels : array (level,)
        Ascending from 0 to 1.

    Returns
    -------
    array (field, ...)
        One of ``levels``, never the first.
    """
    # The outermost cut-offs are infinite: every value lies above the first and below the last.
    passed = (values[:, np.newaxis] >= cutoffs[1:-1]).sum(axis=1)
    return np.where(np.isnan(values), np.nan, levels[1 + passed])


def global_probability(indices: dict[str, np.ndarray], norms: Norms) -> dict[str, np.ndarray]:
    """Probability levels of indices, as :func:`probability`: dict of array (field,) -> the same."""
    sign = {name: -1.0 if name in SPREAD_INDICES else 1.0 for name in indices}
    return {
        name: probability(sign[name] * values, sign[name] * norms.global_cutoffs[name], norms.levels)
        for name, values in indices.items()
    }
