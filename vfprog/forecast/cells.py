"""The cells of the evaluation tables: time ahead by severity, of the eye or of the location."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from vfprog.forecast.calibrate import measured_mtd
from vfprog.inference.origins import Origin
from vfprog.model.summary import summarise

ALL = "all"
HORIZONS = ("<1", "1-3", ">=3")  # years after the last visit given
HORIZON_EDGES = (1.0, 3.0)  # the edge itself lies above
EYE_SEVERITY = ("severe", "moderate", "mild")  # mean over the first visits of their mean TD
EYE_EDGES = (-12.0, -6.0)  # dB; the edge itself lies below
LOCATION_SEVERITY = ("<-15", "-5..-15", ">-5")  # mean TD of the first visits there
LOCATION_EDGES = (-15.0, -5.0)  # dB; the edge itself lies below

# A tested value stands in one finest cell, (horizon, eye severity, location severity); a cell of the table is a sum.
FINEST = list(product(HORIZONS, EYE_SEVERITY, LOCATION_SEVERITY))
CELLS = list(product((ALL, *HORIZONS), (ALL, *reversed(EYE_SEVERITY), *reversed(LOCATION_SEVERITY))))
# Mean TD has no severity of a location.
OF_WHOLE_FIELDS = np.array([severity not in LOCATION_SEVERITY for _, severity in CELLS])
SUMS = np.array(
    [[horizon in (ALL, h) and severity in (ALL, e, s) for horizon, severity in CELLS] for h, e, s in FINEST],
    dtype=float,
)


@dataclass(frozen=True)
class Placed:
    """Where the later values of an origin stand.

    Attributes
    ----------
    mask : array (eye, time, location) of bool
        Tested values; ``finest`` and ``unit`` are of these, in order.
    finest : array (value,) of int
        Index into ``FINEST``.
    eye, visit : array (value,) of int
        Whose values they are; visits are counted over all eyes.
    """

    mask: np.ndarray
    finest: np.ndarray
    eye: np.ndarray
    visit: np.ndarray

    def units(self, unit: np.ndarray) -> np.ndarray:
        """How many of the units (eyes, visits, patients), one index a value, have a value in each cell: (cell,)."""
        return (per_unit(unit, self.finest) @ SUMS > 0).sum(0)


def place(cut: Origin) -> Placed:
    """Place each tested later value of an origin."""
    past_mask, mask = cut.past.mask.cpu().numpy(), cut.mask.cpu().numpy()
    visits = past_mask.any(-1)
    mtd = measured_mtd(cut.past.td.cpu().numpy(), past_mask)
    eye_level = (mtd * visits).sum(1) / np.maximum(visits.sum(1), 1)
    level = summarise(cut.past.td, cut.past.mask).mean.cpu().numpy()
    horizon = np.searchsorted(HORIZON_EDGES, cut.horizon.cpu().numpy(), side="right")
    of_eye = np.searchsorted(EYE_EDGES, eye_level)
    of_location = np.searchsorted(LOCATION_EDGES, level)
    finest = (horizon[..., None] * 3 + of_eye[:, None, None]) * 3 + of_location[:, None]
    eye, time, _ = np.nonzero(mask)
    return Placed(mask, finest[mask], eye, eye * mask.shape[1] + time)


def per_unit(
    unit: np.ndarray, finest: np.ndarray, values: np.ndarray | None = None, units: int = 0
) -> np.ndarray:
    """Numbers, or sums of ``values``, by unit and finest cell: (unit, finest); ``units`` the least of them."""
    units = max(units, int(unit.max(initial=-1)) + 1)
    flat = np.bincount(unit * len(FINEST) + finest, values, units * len(FINEST))
    return flat.reshape(units, len(FINEST)).astype(float)
