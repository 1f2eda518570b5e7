"""The nerve fibre layer as a second view of the same loss: what it says of the rates of fields.

An eye's slopes b (location), in dB/year, thin its nerve fibre layer too. The mean thickness of its sectors has a slope

    d = g' b - ageing + drift + error,    g_j what each dB lost at location j takes of the mean thickness,

g from the level of the field (Hood & Kardon, Prog Retin Eye Res 2007;26:688). How much an eye's fibres thin with its
sight differs between eyes, so g'b scatters by ``LOOSE`` of its own spread, and layers drift a little by themselves.
What a field wanders leaves the fibres alone: they tell of what lasts.
"""

from __future__ import annotations

import numpy as np

from vfprog.data.nerve_fibres import MEAN_AGEING, mean_thinning
from vfprog.data.views import Views
from vfprog.forecast.rate_prior import Means, group_means
from vfprog.forecast.rate_slopes import UNKNOWN, Slopes
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.weighted_slope import MeanSlope, mean_thickness_slope

# SD between eyes of how much they thin with their sight, as a share of what is expected: rates of layers and of fields
# go together only loosely.
LOOSE = 2.0
DRIFT_SD = 0.3  # micrometres/year


def thickness_slope(views: Views) -> MeanSlope | None:
    """Slope of each eye's mean thickness (see :class:`MeanSlope`); None where there is no such view."""
    if views.thickness is None or views.measured is None:
        return None
    return mean_thickness_slope(views.thickness, views.measured, views.years)


def joint_means(slopes: Slopes, thinning: MeanSlope, groups: np.ndarray) -> Means:
    """Means over groups of locations (:func:`group_means`), and as one group more what the thickness tells.

    Parameters
    ----------
    thinning : MeanSlope
        NaN tells nothing.
    groups : array (eye, ..., group, location)
        As of :func:`group_means`.
    """
    gain = mean_thinning(slopes.level, load_grid("24-2")) * slopes.counted
    between = (1,) * (groups.ndim - 3)  # axes of the groups between eye and group
    of_eye = gain.reshape(len(gain), *between, 1, -1)
    last = np.broadcast_to(of_eye, (*groups.shape[:-2], 1, groups.shape[-1]))
    means = group_means(slopes, np.concatenate([groups, last], axis=-2))
    known = np.isfinite(thinning.slope)
    measured = np.where(known, thinning.slope + MEAN_AGEING, 0.0)
    error = np.where(known, thinning.variance + DRIFT_SD**2, UNKNOWN)
    means.slope[..., -1] = measured.reshape(-1, *between)
    for covariance in (means.error, means.wander):
        covariance[..., -1, :] = covariance[..., :, -1] = 0.0
    means.error[..., -1, -1] = error.reshape(-1, *between)
    means.spread[..., -1, -1] *= 1 + LOOSE**2
    return means
