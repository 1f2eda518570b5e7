"""How well a guided model's head knows properties of fields it never saw, against ridge regression from the field."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import RidgeCV

from vfprog import columns as c
from vfprog.config import EvaluationConfig
from vfprog.data.examples import Examples, concatenate_examples
from vfprog.data.field_examples import field_examples
from vfprog.data.properties import UNITS, field_properties
from vfprog.forecast.score import bounds, patient_bootstrap
from vfprog.inference.training_data import TrainingData
from vfprog.model.guided import GuidedModel
from vfprog.perimetry.grid import Grid

ALPHAS = np.logspace(-2, 4, 13)  # ridge penalties; generalised cross-validation chooses
OF_NEXT = {"md", "psd"}  # properties that are asked of the eye's next field too


@torch.no_grad()
def guided_predictions(
    model: GuidedModel, names: list[str], visits: pd.DataFrame, data: TrainingData, grid: Grid
) -> pd.DataFrame:
    """``guided_latents.parquet``: latents of held-out fields, their properties, and what is predicted of each.

    Parameters
    ----------
    visits : DataFrame
        Held-out patients', sorted by eye and visit.
    data : TrainingData
        What the model learned from; ridge regression learns from the same rows.

    Returns
    -------
    DataFrame
        ``patient_id, eye, visit``, ``z_1..z_K`` (posterior mean) and for each property ``<name>`` (NaN where unknown),
        ``<name>_head`` and ``<name>_ridge``.
    """
    examples = field_examples(visits, grid).to(model.device).double()
    z = model.posterior(examples).mean
    truth = field_properties(visits[c.td(grid.n)].to_numpy(float), visits[c.AGE].to_numpy(float), names)
    head = model.properties(z).cpu().numpy()
    rows = [data.patients] if data.simulated is None else [data.patients, data.simulated]
    ridge = _ridge(concatenate_examples(rows), examples.to("cpu"))
    values = {f"z_{k + 1}": column for k, column in enumerate(z.cpu().numpy().T)}
    for i, name in enumerate(names):
        values |= {name: truth[:, i], f"{name}_head": head[:, i], f"{name}_ridge": ridge[:, i]}
    return pd.concat([visits[c.VISIT_KEY].reset_index(drop=True), pd.DataFrame(values)], axis=1)


def _ridge(training: Examples, held_out: Examples) -> np.ndarray:
    """Properties of held-out fields by ridge regression from their locations: (field, property)."""
    count = training.mask.sum(0).clamp(min=1)
    mean = (training.x * training.mask).sum(0) / count

    def filled(examples: Examples) -> np.ndarray:
        return torch.where(examples.mask, examples.x, mean).numpy().astype(float)

    x, new = filled(training), filled(held_out)
    predicted = []
    for i in range(training.properties.shape[1]):
        known = training.property_mask[:, i].numpy()
        predicted.append(RidgeCV(ALPHAS).fit(x[known], training.properties[:, i].numpy()[known]).predict(new))
    return np.stack(predicted, axis=1)


def guided_scores(
    predictions: pd.DataFrame, names: list[str], options: EvaluationConfig, seed: int
) -> pd.DataFrame:
    """``guided_scores.csv``: R^2 of each property, with 95 % intervals from resampled patients.

    MD is a weighted mean of the field and ridge regression finds its weights, so of the same field it must win there;
    of the eye's next field neither is told the noise that the field read shares with its own MD.

    Returns
    -------
    DataFrame
        ``property, unit, of`` (``same`` field, or the eye's ``next``), ``method`` (head, ridge), ``r2, lower, upper,
        mae`` (in the unit), ``n_fields, n_eyes, n_patients``.
    """
    following = predictions.groupby(c.EYE_KEY, sort=False)[names].shift(-1)
    rows = []
    for name in names:
        for of, truth in (("same", predictions[name]), ("next", following[name])):
            if of == "next" and name not in OF_NEXT:
                continue
            known = predictions[truth.notna()]
            for method in ("head", "ridge"):
                scored = _r_squared(known, truth.dropna(), known[f"{name}_{method}"], options, seed)
                rows.append({"property": name, "unit": UNITS[name], "of": of, "method": method, **scored})
    return pd.DataFrame(rows)


def _r_squared(
    rows: pd.DataFrame, truth: pd.Series, predicted: pd.Series, options: EvaluationConfig, seed: int
) -> dict[str, float]:
    """R^2 = 1 - squared error over squared deviation from the resampled fields' own mean; NaN where nothing varies."""
    patient, bootstrap = patient_bootstrap(rows, options, seed)
    size = {
        "n_fields": len(rows),
        "n_eyes": len(rows[c.EYE_KEY].drop_duplicates()),
        "n_patients": len(np.unique(patient)),
    }
    if truth.nunique() < 2:
        return {**dict.fromkeys(("r2", "lower", "upper", "mae"), float("nan")), **size}
    y, error = truth.to_numpy(), (truth - predicted).to_numpy()
    away = y - y.mean()  # the same variance, and no digits lost to a mean far from 0
    sums = [np.bincount(patient, value) for value in (error**2, away**2, away, np.ones_like(y))]
    squared, total, drift, count = (bootstrap.weights @ np.stack(sums, axis=1)).T
    variation = total - drift**2 / count
    # A resample of one patient over and over may not vary at all.
    replicates = np.where(variation > 0, 1 - squared / np.where(variation > 0, variation, 1.0), np.nan)
    lower, upper = bounds(replicates[:, None])
    return {
        "r2": float(1 - (error**2).sum() / (away**2).sum()),
        "lower": float(lower[0]),
        "upper": float(upper[0]),
        "mae": float(np.abs(error).mean()),
        **size,
    }
