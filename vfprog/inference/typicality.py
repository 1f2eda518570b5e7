"""How probable a field is under the model, held against fields of the same mean TD: what is very improbable is flagged.

A field's evidence falls with its damage, for damaged locations scatter more, whatever the field looks like. A threshold
for all would flag the blind and miss a mirrored or shuffled field of a mild eye. So evidence is compared with what
fields of that mean TD have: its mean and spread go with the level, and what lies below the stated quantile of the
standardised evidence of the patients learned from is flagged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

QUANTILE = 0.001  # of the fields learned from, that lie below the threshold
DRAWS = (100,)  # importance samples of a field's evidence
KNOTS = 6  # levels between which mean and spread are straight lines
LEAST_SPREAD = 0.25  # of the spread at any level, relative to that over all levels


@dataclass(frozen=True)
class Typicality:
    """Evidence of typical fields by level, nats a field with every location tested.

    Attributes
    ----------
    level : list of float
        Mean TD at the knots, dB.
    mean, sd : list of float
        Mean and SD of the evidence at the knots.
    lowest : float
        Quantile ``QUANTILE`` of the standardised evidence: where flags begin.
    fields : int
        Number of fields that this rests on.
    """

    level: list[float]
    mean: list[float]
    sd: list[float]
    lowest: float
    fields: int

    def to_card(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Typicality:
        """From JSON."""
        return cls(**card)

    def threshold(self, level: np.ndarray) -> np.ndarray:
        """Evidence below which a field of that mean TD is flagged: (field,) dB -> (field,) nats."""
        return np.interp(level, self.level, self.mean) + self.lowest * np.interp(level, self.level, self.sd)


def fit_typicality(evidence: np.ndarray, level: np.ndarray) -> Typicality:
    """Fit to fields of the patients that the model learned from.

    Parameters
    ----------
    evidence : array (field,)
        Log evidence, nats, as if every location were tested (see :func:`for_whole_field`).
    level : array (field,)
        Mean TD, dB.
    """
    knots = np.unique(np.quantile(level, np.linspace(0, 1, KNOTS)))
    mean = _through_knots(level, evidence, knots)
    away = np.abs(evidence - np.interp(level, knots, mean))
    # The mean absolute deviation of a normal is sqrt(2 / pi) SDs; squares would follow single odd fields.
    sd = np.maximum(_through_knots(level, away, knots), LEAST_SPREAD * away.mean()) / np.sqrt(2 / np.pi)
    standardised = (evidence - np.interp(level, knots, mean)) / np.interp(level, knots, sd)
    lowest = float(np.quantile(standardised, QUANTILE, method="lower"))
    return Typicality(knots.tolist(), mean.tolist(), sd.tolist(), lowest, len(evidence))


def for_whole_field(evidence: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Evidence as if all locations were tested: evidence (field,), tested (field, location) -> (field,), nats."""
    return evidence * tested.shape[1] / np.maximum(tested.sum(1), 1)


def _through_knots(x: np.ndarray, y: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Least-squares values at the knots of a curve that is straight between them and constant beyond."""
    hats = np.stack([np.interp(x, knots, unit) for unit in np.eye(len(knots))], axis=1)
    return np.linalg.lstsq(hats, y, rcond=None)[0]
