"""How probable a field is under the model, held against fields made of such values: what is very improbable is flagged.

A field's evidence depends first of all on its values, wherever they stand: damaged locations scatter more, so one
threshold for all would flag the damaged, and miss a mild eye's field that was mirrored or shuffled. Evidence is
therefore held against what the field's values alone lead one to expect: their mean, their spread, and their
log probability without regard to place, the background of a likelihood ratio (Ren et al. 2019). What lies further
below that than all but one in a thousand of the fields learned from is flagged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.data.field_examples import field_examples
from vfprog.inference.device import seed_everything
from vfprog.inference.evidence import bound_evidence
from vfprog.perimetry.grid import Grid

QUANTILE = 0.001  # share of the fields learned from that lies below the threshold
DRAWS = (100,)  # importance samples of a field's evidence
ENOUGH = 2000  # fields; fewer learned from are made up to so many by simulated ones
AT_ONCE = 20_000  # fields held as tensors at a time, to bound the memory
VALUES = np.arange(-40.0, 21.0)  # dB; recorded values whose frequencies are counted, rarer ones with the last
KNOTS = 6  # of each summary, between which its part is a straight line
LEAST_SPREAD = 0.25  # of the expected scatter of evidence, relative to its mean


@dataclass(frozen=True)
class Typicality:
    """What evidence fields have that are made of such values, nats a field with every location tested.

    Attributes
    ----------
    log_share : list of float
        Log share of each of ``VALUES`` among the values of the fields learned from, at any location.
    knots : list of list of float
        Of each summary of a field: mean (dB), log spread, log probability without regard to place.
    mean, scatter : list of float
        Weights of the summaries' parts in the evidence, and in its mean absolute deviation.
    least_scatter : float
        Nats.
    lowest : float
        Deviation from the expected evidence, in units of the scatter, at which flags begin.
    fields : int
        Number of fields that this rests on.
    """

    log_share: list[float]
    knots: list[list[float]]
    mean: list[float]
    scatter: list[float]
    least_scatter: float
    lowest: float
    fields: int

    def to_card(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Typicality:
        """From JSON."""
        return cls(**{name: card[name] for name in cls.__dataclass_fields__})

    def threshold(self, td: np.ndarray) -> np.ndarray:
        """Evidence below which fields are flagged: (field, location) dB, NaN where not tested -> (field,) nats."""
        parts = _parts(_summaries(td, np.array(self.log_share)), self.knots)
        return parts @ self.mean + self.lowest * np.maximum(parts @ self.scatter, self.least_scatter)


def fit_typicality(evidence: np.ndarray, td: np.ndarray) -> Typicality:
    """Fit to fields of the patients that the model learned from.

    Parameters
    ----------
    evidence : array (field,)
        Log evidence, nats, as if every location were tested (see :func:`for_whole_field`).
    td : array (field, location)
        Total deviation, dB; NaN where not tested.
    """
    log_share = _log_share(td)
    summaries = _summaries(td, log_share)
    knots = [np.unique(np.quantile(s, np.linspace(0, 1, KNOTS))).tolist() for s in summaries.T]
    parts = _parts(summaries, knots)
    mean = np.linalg.lstsq(parts, evidence, rcond=None)[0]
    away = evidence - parts @ mean
    # Absolute deviations, for squares would follow single odd fields.
    scatter = np.linalg.lstsq(parts, np.abs(away), rcond=None)[0]
    least = LEAST_SPREAD * float(np.abs(away).mean())
    standardised = away / np.maximum(parts @ scatter, least)
    lowest = float(np.quantile(standardised, QUANTILE, method="lower"))
    return Typicality(
        log_share.tolist(), knots, mean.tolist(), scatter.tolist(), least, lowest, len(evidence)
    )


def field_evidence(network: Any, visits: pd.DataFrame, grid: Grid, seed: int) -> np.ndarray:
    """Log evidence of each field as recorded, as if every location were tested: (field,), nats."""
    seed_everything(seed)
    parts = []
    for start in range(0, len(visits), AT_ONCE):
        examples = field_examples(visits.iloc[start : start + AT_ONCE], grid).to(network.device)
        found = bound_evidence(network, examples, network.log_cells, DRAWS).best
        parts.append(for_whole_field(found.double().cpu().numpy(), examples.mask.cpu().numpy()))
    return np.concatenate(parts)


def typicality_table(
    network: Any, typical: Typicality, visits: pd.DataFrame, grid: Grid, seed: int
) -> pd.DataFrame:
    """``typicality.csv``: one row per included field, ``patient_id, eye, visit, evidence, threshold, flagged``."""
    evidence = field_evidence(network, visits, grid, seed)
    threshold = typical.threshold(visits[c.td(grid.n)].to_numpy(float))
    found = {"evidence": evidence, "threshold": threshold, "flagged": evidence < threshold}
    return visits[c.VISIT_KEY].reset_index(drop=True).assign(**found)


def for_whole_field(evidence: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Evidence as if all locations were tested: evidence (field,), tested (field, location) -> (field,), nats."""
    return evidence * tested.shape[1] / np.maximum(tested.sum(1), 1)


def _log_share(td: np.ndarray) -> np.ndarray:
    """Log share of each of ``VALUES``, smoothed over three neighbours, one more than was seen of each: (value,)."""
    count = np.bincount(_value(td[np.isfinite(td)]), minlength=len(VALUES)) + 1.0
    smooth = np.convolve(np.pad(count, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    return np.log(smooth / smooth.sum())


def _value(td: np.ndarray) -> np.ndarray:
    """Index into ``VALUES`` of recorded values."""
    return np.clip(np.round(td - VALUES[0]), 0, len(VALUES) - 1).astype(int)


def _summaries(td: np.ndarray, log_share: np.ndarray) -> np.ndarray:
    """Mean, log spread and log probability of each field's values without regard to their place: (field, summary)."""
    tested = np.isfinite(td)
    n = np.maximum(tested.sum(1), 1)
    filled = np.where(tested, td, 0.0)
    mean = filled.sum(1) / n
    sd = np.sqrt((np.where(tested, td - mean[:, None], 0.0) ** 2).sum(1) / n)
    background = np.where(tested, log_share[_value(filled)], 0.0).sum(1) / n
    return np.stack([mean, np.log(sd + 0.5), background], axis=1)


def _parts(summaries: np.ndarray, knots: list[list[float]]) -> np.ndarray:
    """Basis of functions that are straight between the knots of each summary, constant beyond: (field, knot)."""
    hats = [
        np.interp(summary, at, unit)
        for summary, at in zip(summaries.T, knots, strict=True)
        for unit in np.eye(len(at))
    ]
    return np.stack(hats, axis=1)
