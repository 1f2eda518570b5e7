"""What archetypes a model has found: their names, the weights of fields, how many are worth having, whether they stay.

Archetypes are numbered from the best field to the worst by their mean, whatever vertex of the simplex is whose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA

from vfprog import columns as c
from vfprog.config import ArchetypesConfig
from vfprog.data.examples import Examples
from vfprog.data.field_examples import field_examples
from vfprog.inference.batches import concatenate_batches
from vfprog.inference.held_out import HeldOut
from vfprog.inference.intervals import clustered_mean
from vfprog.inference.train import Trainer
from vfprog.inference.training_data import TrainingData
from vfprog.model.archetypes import ArchetypeModel
from vfprog.model.linear_archetypes import LinearArchetypes, filled
from vfprog.perimetry.defects import Defect, nearest_defects
from vfprog.perimetry.grid import Grid

LINEAR_ROWS = 2000  # training rows that linear archetypal analysis gets
CHUNK = 100_000  # rows at a time, to bound the memory
PATHS = 4  # of the interpolation at most
STEPS = np.linspace(0, 1, 8)  # of a path, both ends counted


def in_order(network: ArchetypeModel) -> torch.Tensor:
    """Vertices of the simplex from the archetype of the highest mean to that of the lowest: (archetype,)."""
    return network.archetypes.mean(-1).argsort(descending=True)


@torch.no_grad()
def weights_of(network: ArchetypeModel, examples: Examples) -> np.ndarray:
    """Weights of the archetypes in their order: (row, archetype)."""
    chunks = [examples[slice(start, start + CHUNK)] for start in range(0, len(examples), CHUNK)]
    return _array(torch.cat([network.weights(chunk) for chunk in chunks])[:, in_order(network)])


@torch.no_grad()
def archetype_table(
    network: ArchetypeModel, held_out: HeldOut, options: ArchetypesConfig, grid: Grid
) -> pd.DataFrame:
    """``archetypes.csv``: one row an archetype, best first.

    ``archetype`` (1..), of fields ``name, correlation, depth`` of the nearest classical defect, ``mean`` of its values,
    ``mean_weight, largest_weight`` over held-out rows, ``dominant`` (share of these in which it weighs most),
    ``side_<name>`` decoded from it, ``x_1..x_N``.
    """
    order = in_order(network)
    fields = _array(network.archetypes[order])
    weights = weights_of(network, held_out.examples)
    side = _array(network.side(torch.eye(len(order), device=network.device))[order])
    defects = (
        nearest_defects(fields, grid) if held_out.in_decibels else [Defect("", np.nan, np.nan)] * len(order)
    )
    table = pd.DataFrame(
        {
            "archetype": np.arange(1, len(order) + 1),
            **pd.DataFrame(defects).to_dict("series"),
            "mean": fields.mean(axis=1),
            "mean_weight": weights.mean(axis=0),
            "largest_weight": weights.max(axis=0),
            "dominant": np.bincount(weights.argmax(axis=1), minlength=len(order)) / len(weights),
        }
    )
    decoded = pd.DataFrame(side, columns=[f"side_{name}" for name in options.side])
    return pd.concat([table, decoded, _values(fields)], axis=1)


@torch.no_grad()
def visit_weights(network: ArchetypeModel, visits: pd.DataFrame, cohort: str, grid: Grid) -> pd.DataFrame:
    """Weights of every field of a cohort: ``cohort, patient_id, eye, visit, years, w_1..w_K``."""
    weights = weights_of(network, field_examples(visits, grid).to(network.device))
    keys = visits[[*c.VISIT_KEY, c.YEARS]].reset_index(drop=True).assign(cohort=cohort)
    return pd.concat([keys[["cohort", *c.VISIT_KEY, c.YEARS]], _weights(weights)], axis=1)


@torch.no_grad()
def row_weights(network: ArchetypeModel, held_out: HeldOut) -> pd.DataFrame:
    """Weights of held-out rows that are no visits: ``number, w_1..w_K``."""
    weights = weights_of(network, held_out.examples)
    return _weights(weights).assign(number=np.arange(1, len(weights) + 1))


@torch.no_grad()
def interpolation_table(network: ArchetypeModel, held_out: HeldOut) -> pd.DataFrame:
    """Straight lines in the simplex between held-out rows: ``path`` (1..), ``share`` of the way, ``x_1..x_N``.

    Each leads from the row in which an archetype weighs most to that of the archetype half their number further on.
    ``share`` is empty for the two measured rows, ``end`` 0 and 1.
    """
    purest = weights_of(network, held_out.examples).argmax(axis=0)
    half = len(purest) // 2
    pairs = np.stack([purest[:half], purest[half : 2 * half]], axis=1)[:PATHS]
    ends = held_out.examples[torch.as_tensor(pairs.ravel(), device=network.device)]
    weights = network.weights(ends).unflatten(0, (-1, 2))
    share = torch.as_tensor(STEPS).to(weights)[:, None]
    decoded = network.mix(weights[:, None, 0] * (1 - share) + weights[:, None, 1] * share)
    measured = torch.where(ends.mask, ends.x, torch.nan).unflatten(0, (-1, 2))
    paths = np.arange(1, len(weights) + 1)
    along = _values(_array(decoded.flatten(0, 1))).assign(path=np.repeat(paths, len(STEPS)))
    given = _values(_array(measured.flatten(0, 1))).assign(path=np.repeat(paths, 2))
    return pd.concat(
        [
            along.assign(share=np.tile(STEPS, len(paths)), end=np.nan),
            given.assign(share=np.nan, end=np.tile([0, 1], len(paths))),
        ],
        ignore_index=True,
    )


def number_table(
    network: ArchetypeModel,
    data: TrainingData,
    held_out: HeldOut,
    options: ArchetypesConfig,
    seed: int,
) -> pd.DataFrame:
    """``archetypes_number.csv``: error of held-out rows by number of archetypes, against methods without a network.

    ``linear``: linear archetypal analysis; ``pca``: the mean and one principal component fewer than archetypes, so as
    many fitted fields; ``deep``: this model, trained anew for each number that is not its own. All learn from the same
    rows. ``error`` is the mean absolute difference of a recorded value from its reconstruction, with a 95 % interval
    over patients, ``difference`` that from ``linear``. A method that fits more of a field's noise errs less there, so
    where rows are visits ``next_error`` is of the eye's next field, whose noise is another.
    """
    learned = _learned(data)
    rows = filled(_array(learned.x), _array(learned.mask).astype(bool))
    examples = held_out.examples
    mask = _array(examples.mask).astype(bool)
    x = np.where(mask, _array(examples.x), rows.mean(axis=0))
    scored = {"": _Scored(np.arange(len(x)), x, mask, held_out.patient)}
    if held_out.whole_fields is not None:
        present = next_visits(held_out.whole_fields)
        scored["next_"] = _Scored(present, x[present + 1], mask[present + 1], held_out.patient[present])
    found = []
    for k in sorted({*options.candidates, options.archetypes}):
        deep = network if k == options.archetypes else _train(options, k, data, seed, network.device)
        with torch.no_grad():
            mixed = _array(deep.mix(deep.weights(examples)))
        pca = PCA(min(k - 1, *rows.shape), random_state=0).fit(rows)
        methods = {
            "deep": mixed,
            "linear": LinearArchetypes(rows, k, LINEAR_ROWS).reconstruct(x),
            "pca": pca.inverse_transform(pca.transform(x)),
        }
        for method in methods:
            errors = {"archetypes": k, "method": method}
            for prefix, of in scored.items():
                errors |= {f"{prefix}{name}": value for name, value in of.errors(methods, method).items()}
            found.append(errors)
    return pd.DataFrame(found)


def next_visits(visits: pd.DataFrame) -> np.ndarray:
    """Rows whose eye has a next visit, which is the next row, in a table sorted by eye and visit."""
    eyes = visits[c.EYE_KEY].to_numpy(str)
    return np.flatnonzero((eyes[1:] == eyes[:-1]).all(axis=1))


@dataclass(frozen=True)
class _Scored:
    """Recorded values that reconstructions of some ``rows`` are held against: x, mask (row, location)."""

    rows: np.ndarray
    x: np.ndarray
    mask: np.ndarray
    patient: np.ndarray

    def errors(self, methods: dict[str, np.ndarray], method: str) -> dict[str, float]:
        """A method's error with its interval, and its difference from linear archetypes."""
        own, linear = (self._by_row(methods[name]) for name in (method, "linear"))
        found, apart = clustered_mean(own, self.patient), clustered_mean(own - linear, self.patient)
        return {
            "error": found.mean,
            "lower": found.lower,
            "upper": found.upper,
            "difference": apart.mean,
            "difference_lower": apart.lower,
            "difference_upper": apart.upper,
            "n_rows": len(own),
            "n_patients": len(np.unique(self.patient)),
        }

    def _by_row(self, fit: np.ndarray) -> np.ndarray:
        """Mean absolute error over the values recorded in each row: (row,)."""
        wrong = np.where(self.mask, np.abs(fit[self.rows] - self.x), 0.0)
        return wrong.sum(axis=1) / np.maximum(self.mask.sum(axis=1), 1)


def stability_table(
    network: ArchetypeModel, data: TrainingData, options: ArchetypesConfig, seed: int
) -> pd.DataFrame:
    """``archetypes_stability.csv``: each archetype of one training against its partner in another.

    ``against`` is ``seed`` (the same rows, another seed, ``training`` 1..) or ``half`` (the first half of the training
    rows against the second: other patients). ``correlation`` is of the two fields as they deviate from the training
    rows' mean, partners chosen so that the sum of these is largest.
    """
    centre = network.model.decoder.centre
    pairs = [
        ("seed", i, network, _train(options, options.archetypes, data, seed + i, network.device))
        for i in range(1, options.repeats + 1)
    ]
    if options.repeats:
        halves = [_half(data, i) for i in range(2)]
        first, second = (_train(options, options.archetypes, half, seed, network.device) for half in halves)
        pairs.append(("half", 1, first, second))
    tables = [
        matched_correlations(_fields(a), _fields(b), _array(centre)).assign(against=against, training=i)
        for against, i, a, b in pairs
    ]
    columns = ["against", "training", "archetype", "partner", "correlation"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def matched_correlations(first: np.ndarray, second: np.ndarray, centre: np.ndarray) -> pd.DataFrame:
    """Partners of archetypes (archetype, location) in another set by the Hungarian method, and their correlations.

    About ``centre`` (location,) and not about each field's own mean, for it is by its depth that a normal archetype is
    like another.
    """
    a, b = (fields - centre for fields in (first, second))
    alike = (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    own, partner = linear_sum_assignment(-alike)
    return pd.DataFrame({"archetype": own + 1, "partner": partner + 1, "correlation": alike[own, partner]})


def _train(
    options: ArchetypesConfig, archetypes: int, data: TrainingData, seed: int, device: torch.device
) -> ArchetypeModel:
    """The model with another number of archetypes, or from another seed."""
    section = options.model_copy(update={"archetypes": archetypes, "latent_dim": archetypes - 1})
    return Trainer(section, data.patients, data.simulated, data.validation, seed, device).run()


def _half(data: TrainingData, half: int) -> TrainingData:
    """Every row of the first or second half; a patient's rows stand together, so at most one is on both sides."""

    def cut(examples: Examples) -> Examples:
        middle = len(examples) // 2
        return examples[slice(0, middle) if half == 0 else slice(middle, len(examples))]

    simulated = None if data.simulated is None else cut(data.simulated)
    return TrainingData(cut(data.patients), simulated, data.validation, data.counts)


def _learned(data: TrainingData) -> Examples:
    parts = [data.patients] if data.simulated is None else [data.patients, data.simulated]
    return concatenate_batches(parts)


@torch.no_grad()
def _fields(network: ArchetypeModel) -> np.ndarray:
    return _array(network.archetypes[in_order(network)])


def _values(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"x_{j}" for j in range(1, values.shape[1] + 1)])


def _weights(weights: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(weights, columns=[f"w_{k}" for k in range(1, weights.shape[1] + 1)])


def _array(values: torch.Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
