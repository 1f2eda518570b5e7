"""Properties that a model's head predicts: a field's MD and PSD, computed from it, and the patient's age."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vfprog.errors import UserError
from vfprog.perimetry.deviation import (
    Norms,
    load_norms,
    mean_deviation,
    pattern_deviation,
    pattern_standard_deviation,
)

UNITS = {"md": "dB", "psd": "dB", "age": "years"}
_PROPERTIES: dict[str, Callable[[np.ndarray, np.ndarray, Norms], np.ndarray]] = {
    "md": lambda td, age, norms: mean_deviation(td, norms),
    "psd": lambda td, age, norms: pattern_standard_deviation(pattern_deviation(td), norms),
    "age": lambda td, age, norms: age,
}


def field_properties(td: np.ndarray, age: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Properties of fields, NaN where unknown: (field, property).

    MD and PSD are computed by one set of norms for all cohorts, whatever their perimeters printed.

    Parameters
    ----------
    td : array (field, location)
        Total deviation, dB; NaN where not tested.
    age : array (field,)
        Years; NaN where unknown.
    names : sequence of str
        Of :data:`UNITS`.
    """
    norms = load_norms("24-2")
    return np.stack([_PROPERTIES[name](td, age, norms) for name in names], axis=1)


def refuse_constant(properties: np.ndarray, names: Sequence[str]) -> None:
    """Refuse to learn what does not vary; ``properties`` (field, property) of several fields, NaN where unknown.

    Raises
    ------
    UserError
        Naming the first property that is unknown in all fields, or the same in all.
    """
    if len(properties) < 2:
        return
    for name, values in zip(names, properties.T, strict=True):
        known = np.unique(values[np.isfinite(values)])
        if len(known) > 1:
            continue
        others = [other for other in UNITS if other != name]
        what = (
            f"is {known[0]:g} {UNITS[name]} in every training field"
            if len(known)
            else "is known of no training field"
        )
        raise UserError(
            f"config: models: properties: '{name}' {what}: there is nothing to predict; leave it out. Allowed are "
            f"properties that vary, of {', '.join(others)}"
        )
