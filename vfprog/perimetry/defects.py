"""The classical defect of glaucoma that a 24-2 field shows most of.

Names after Keltner et al., "Classification of visual field abnormalities in the Ocular Hypertension Treatment Study",
Arch Ophthalmol 2003;121:643. A defect is a set of locations that its nerve fibres serve; a field is called by the one
whose shape its own pattern has, and by its depth where it has none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vfprog.perimetry.grid import Grid

GENERAL_HEIGHT = (
    7  # the seventh best of the 52 locations is what a field has without its pattern (Humphrey's PD)
)
FLAT = 2.5  # dB, SD of the pattern: below, there is no local defect
SPREAD_LOSS = -5.0  # dB: a general height below this is loss of the whole field, whatever the pattern on it
SLIGHT_LOSS = -2.0  # dB, mean: a flat field below this is depressed, above it normal
TOTAL_LOSS = -20.0  # dB, mean
NORMAL, DIFFUSE, TOTAL = "normal", "diffuse", "total loss"


class Defect(NamedTuple):
    """What a field is called.

    Attributes
    ----------
    name : str
        Of :func:`defect_templates`, or normal, diffuse, total loss.
    correlation : float
        Of the field with the template; NaN where the depth alone decided.
    depth : float
        Mean TD at the template's locations, else of the field, dB.
    """

    name: str
    correlation: float
    depth: float


def defect_templates(grid: Grid) -> dict[str, np.ndarray]:
    """Locations of each local defect, right-eye format: (location,) of bool.

    Degrees: altitudinal, a whole hemifield; arcuate, the Bjerrum area between 9 and 22 degrees from the blind spot to
    the horizontal raphe; nasal step, beyond 14 degrees nasally and within 10 of the raphe; temporal wedge, beyond the
    blind spot; central, within 11 degrees; superior or inferior rim, the outermost row.
    """
    x, y = grid.xy.T
    radius, side = np.hypot(x, y), {"superior": np.sign(y) > 0, "inferior": np.sign(y) < 0}
    templates = {"central": radius < 11, "temporal wedge": x > 14}
    for name, half in side.items():
        templates[f"{name} altitudinal"] = half
        templates[f"{name} arcuate"] = half & (radius > 9) & (radius < 22) & (x < 16)
        templates[f"{name} nasal step"] = half & (x < -14) & (np.abs(y) < 10)
        templates[f"{name} rim"] = half & (np.abs(y) > 20)
    return templates


def nearest_defects(fields: np.ndarray, grid: Grid) -> list[Defect]:
    """The classical defect nearest to each field.

    Parameters
    ----------
    fields : array (field, location)
        Total deviation, dB, complete.
    grid : Grid
    """
    templates = defect_templates(grid)
    loss = _standard(-fields) @ _standard(np.stack(list(templates.values())).astype(float)).T
    best = loss.argmax(axis=1)
    height = np.sort(fields, axis=1)[:, -GENERAL_HEIGHT]
    local = (height > SPREAD_LOSS) & (fields.std(axis=1) > FLAT)
    found = []
    for i, field in enumerate(fields):
        name = list(templates)[best[i]] if local[i] else _by_depth(float(field.mean()))
        depth = float(field[templates[name]].mean() if local[i] else field.mean())
        found.append(Defect(name, float(loss[i, best[i]]) if local[i] else float("nan"), depth))
    return found


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1, so that products are correlations; 0 where nothing varies."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _by_depth(mean: float) -> str:
    if mean < TOTAL_LOSS:
        return TOTAL
    return DIFFUSE if mean < SLIGHT_LOSS else NORMAL
