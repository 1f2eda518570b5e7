"""Linear archetypal analysis (Cutler and Breiman, Technometrics 1994;36:338), by the package `archetypes`.

Rows are mixtures of archetypes, and archetypes are mixtures of rows. It is what deep archetypal analysis starts from
and is held against.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import numpy as np

with redirect_stdout(io.StringIO()):  # a library beneath it greets
    from archetypes import AA

STARTS = 2  # of which the best fit counts
ITERATIONS = 300
HALVINGS = 40  # of a gradient step at most; the package's 10 end before the first step is short enough
TOLERANCE = 1e-5  # of the squared error over the rows' variance, between iterations
SEED = 0  # one for all: archetypes are to depend on the rows alone


class LinearArchetypes:
    """Archetypes of complete rows.

    Parameters
    ----------
    rows : array (row, location)
    archetypes : int
        Their number.
    most : int
        Rows used, evenly spread over those given: time and memory grow with the square of their number.

    Attributes
    ----------
    archetypes : array (archetype, location)

    Raises
    ------
    ValueError
        If there are fewer rows than archetypes.
    """

    def __init__(self, rows: np.ndarray, archetypes: int, most: int) -> None:
        spread = np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int)
        self._centre = rows.mean(axis=0)
        # Squared distances of order 1, for the package's gradient steps and tolerance are absolute.
        self._scale = float(np.sqrt(rows.var(axis=0).sum())) or 1.0
        self._fitted: Any = AA(
            archetypes,
            n_init=STARTS,
            max_iter=ITERATIONS,
            tol=TOLERANCE * len(spread),
            method_params={"max_iter_optimizer": HALVINGS},
            random_state=SEED,
        ).fit(self._standard(rows[spread]))
        self.archetypes = self._fitted.archetypes_ * self._scale + self._centre

    def weights(self, rows: np.ndarray) -> np.ndarray:
        """Weights of the archetypes that come nearest to rows: (row, archetype), not negative, their sum 1."""
        return self._fitted.transform(self._standard(rows))

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """The nearest mixtures: (row, location)."""
        return self.weights(rows) @ self.archetypes

    def _standard(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows - self._centre, dtype=float) / self._scale


def filled(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Rows with each value that ``mask`` (row, location) calls missing replaced by its location's mean."""
    mean = np.where(mask, x, 0.0).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    return np.where(mask, x, mean)
