"""A trained model of any kind, assessed on rows it never learned from: its row of ``models.csv`` and its tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog.data.examples import Examples
from vfprog.data.properties import field_properties
from vfprog.inference.amortisation import amortisation_gap
from vfprog.inference.denoising import decoded_fields, forecast_mae, measured_fields, retest_mae
from vfprog.inference.device import seed_everything
from vfprog.inference.evidence import bound_evidence, evidence_table
from vfprog.inference.health import collapse_warnings, latent_health, pit_table, transformed
from vfprog.inference.held_out import HeldOut
from vfprog.inference.intervals import Interval
from vfprog.inference.two_sample import (
    as_recorded,
    classifier_accuracy,
    compare_correlations,
    compare_indices,
    recorded_floor,
)
from vfprog.perimetry.grid import Grid

MOST_ROWS = 1000  # evenly spread over the held-out rows; their mean is known to a fraction of a nat
REFINED_ROWS = 100  # of these, whose posterior is sought one by one
NAN = float("nan")


@dataclass(frozen=True)
class Assessment:
    """What an assessment found.

    Attributes
    ----------
    row : dict
        ``assessment.json``: the columns of ``models.csv`` that held-out rows give, and ``warnings``.
    tables : tuple of DataFrame
        ``evidence.csv``, ``health.csv``, ``pit.csv`` and ``samples.csv``, which holds draws against held-out rows.
    drawn : DataFrame
        ``samples.parquet``: those draws and rows themselves.
    """

    row: dict[str, Any]
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]
    drawn: pd.DataFrame


def assess(
    network: Any, held_out: HeldOut, retests: list[pd.DataFrame], grid: Grid, name: str, seed: int
) -> Assessment:
    """Evidence, health, samples, denoising and forecasts of a model.

    Parameters
    ----------
    network : FieldVAE or LatentVariableModel
    held_out : HeldOut
    retests : list of DataFrame
        Visits of cohorts whose eyes did not change between tests.
    grid : Grid
    name : str
        The model's, for warnings.
    seed : int
    """
    seed_everything(seed)
    rows = _evenly(len(held_out.examples), MOST_ROWS)
    examples, patient = held_out.examples[torch.as_tensor(rows)].to(network.device), held_out.patient[rows]
    evidence = bound_evidence(network, examples, network.log_cells)
    health = latent_health(network, examples)
    elbo, kl, best = (float(part.mean()) for part in (evidence.elbo, evidence.kl, evidence.best))
    compared, drawn, accuracy = _samples(network, examples, patient, held_out, seed)
    row = {
        "elbo": elbo,
        "evidence": best,
        "gap": best - elbo,
        "kl": kl,
        "distortion": -(elbo + kl),
        "active_units": int(health["active"].sum()),
        "ess": float(evidence.ess[-1].mean()),
        "amortisation_gap": _amortisation_gap(network, examples, held_out),
        **_denoising(network, held_out, retests, grid),
        "c2st_accuracy": accuracy.mean,
        "c2st_lower": accuracy.lower,
        "c2st_upper": accuracy.upper,
        "n_fields": len(patient),
        "n_patients": len(np.unique(patient)),
    }
    pit = _pit(network, examples, held_out.in_decibels)
    return Assessment(
        {**row, "warnings": collapse_warnings(health, name)},
        (evidence_table(evidence, patient), health, pit, compared),
        drawn,
    )


def _amortisation_gap(network: Any, examples: Examples, held_out: HeldOut) -> float:
    """Mean over some rows; none where the guide does not see what the decoder explains."""
    if held_out.in_decibels and held_out.whole_fields is None:
        return NAN
    some = torch.as_tensor(_evenly(len(examples), REFINED_ROWS))
    return float(amortisation_gap(network, examples[some], network.log_cells).mean())


def _evenly(rows: int, most: int) -> np.ndarray:
    """Indices of at most so many rows, evenly spread."""
    return np.linspace(0, rows - 1, min(rows, most)).round().astype(int)


def _denoising(network: Any, held_out: HeldOut, retests: list[pd.DataFrame], grid: Grid) -> dict[str, float]:
    """Errors of decoded and, as a baseline, of measured fields, where a whole field is seen and explained.

    ``retest_mae`` (mean over cohorts) and ``forecast_mae``, and the same ``_measured``.
    """
    visits = held_out.whole_fields
    if visits is None:
        return dict.fromkeys(
            ("retest_mae", "forecast_mae", "retest_mae_measured", "forecast_mae_measured"), NAN
        )

    def errors(fields_of: Callable[[pd.DataFrame], np.ndarray]) -> tuple[float, float]:
        retest = [retest_mae(fields_of(table), table, grid) for table in retests]
        return float(np.mean(retest)) if retest else NAN, forecast_mae(fields_of(visits), visits, grid)

    retest, forecast = errors(lambda table: decoded_fields(network, table, grid))
    retest_measured, forecast_measured = errors(lambda table: measured_fields(table, grid))
    return {
        "retest_mae": retest,
        "forecast_mae": forecast,
        "retest_mae_measured": retest_measured,
        "forecast_mae_measured": forecast_measured,
    }


@torch.no_grad()
def _pit(network: Any, examples: Examples, in_decibels: bool) -> pd.DataFrame:
    # One draw of q(z | x) each: where the model is right, x and a draw of its posterior are a draw of p(x, z).
    z = network.posterior(examples).sample()
    values = transformed(network.one_test(z), examples.x, examples.at_floor, examples.cell)
    recorded = examples.mask
    return pit_table(_array(values[recorded]), _array(network.decode(z)[recorded]), in_decibels)


@torch.no_grad()
def _samples(
    network: Any, examples: Examples, patient: np.ndarray, held_out: HeldOut, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, Interval]:
    """``samples.csv``, ``samples.parquet`` and the classifier's accuracy: as many rows drawn as there are held out."""
    generator = torch.Generator(device=network.device).manual_seed(seed)
    drawn = _array(network.draw(network.prior(len(examples)).sample(), generator))
    x, tested = _array(examples.x), examples.mask.cpu().numpy()
    floor = recorded_floor(x, examples.at_floor.cpu().numpy())
    # The same resolution on both sides: total deviation of a whole sensitivity is no whole number.
    real, sampled = (as_recorded(values, tested, floor, examples.cell) for values in (x, drawn))
    indices = {
        origin: _indices(values, held_out) for origin, values in (("held_out", real), ("prior", sampled))
    }
    compared = [
        compare_indices(indices["held_out"], indices["prior"]),
        compare_correlations(real, sampled, held_out.xy),
    ]
    columns = [f"x_{j}" for j in range(1, x.shape[1] + 1)]
    rows = [
        pd.concat([indices[origin], pd.DataFrame(values, columns=columns)], axis=1).assign(origin=origin)
        for origin, values in (("held_out", real), ("prior", sampled))
    ]
    accuracy = classifier_accuracy(real, sampled, patient, held_out.xy, seed)
    return pd.concat(compared, ignore_index=True), pd.concat(rows, ignore_index=True), accuracy


def _indices(values: np.ndarray, held_out: HeldOut) -> pd.DataFrame:
    """``md, psd``: of whole fields by the norms, of parts of fields and images plain mean and SD."""
    if held_out.whole_fields is not None:
        found = field_properties(values, np.full(len(values), np.nan), ["md", "psd"])
        return pd.DataFrame(found, columns=["md", "psd"])
    return pd.DataFrame({"md": np.nanmean(values, axis=1), "psd": np.nanstd(values, axis=1)})


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
