"""Single fields freed from noise by a model, measured where it can be: against other tests of the same eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from vfprog import columns as c
from vfprog.data.field_examples import field_examples
from vfprog.perimetry.grid import Grid

FIRST_VISITS = 3  # of an eye, whose decoded fields forecast the later ones
AT_ONCE = 20_000  # fields decoded at a time, to bound the memory


@torch.no_grad()
def decoded_fields(network: Any, visits: pd.DataFrame, grid: Grid) -> np.ndarray:
    """The underlying field that a model reads off each field alone, at the posterior's mean: (field, location), dB.

    ``network`` is of a kind that sees a whole field and explains it.
    """
    examples = field_examples(visits, grid).to(network.device)
    parts = [
        network.decode(network.posterior(examples[start : start + AT_ONCE]).mean)
        for start in range(0, len(examples), AT_ONCE)
    ]
    return torch.cat(parts).double().cpu().numpy()


def measured_fields(visits: pd.DataFrame, grid: Grid) -> np.ndarray:
    """The fields as they are, in place of decoded ones: the baseline; the field's mean where not tested."""
    td, tested = _measured(visits, grid)
    mean = np.where(tested, td, 0.0).sum(1, keepdims=True) / np.maximum(tested.sum(1, keepdims=True), 1)
    return np.where(tested, td, mean)


def retest_mae(decoded: np.ndarray, visits: pd.DataFrame, grid: Grid) -> float:
    """Mean distance of a decoded field from the mean of the eye's other fields, of eyes that did not change, dB.

    Parameters
    ----------
    decoded : array (field, location)
        dB.
    visits : DataFrame
        The same fields as measured, of cohorts whose visits are retests.
    grid : Grid

    Returns
    -------
    float
        Over all tested locations that the eye's other fields test too; NaN where there are none.
    """
    td, tested = _measured(visits, grid)
    total, count = _sums_by_eye(visits, np.where(tested, td, 0.0)), _sums_by_eye(visits, tested.astype(float))
    others = count - tested
    known = tested & (others > 0)
    mean = (total - np.where(tested, td, 0.0)) / np.maximum(others, 1)
    return _mean(np.abs(decoded - mean)[known])


def forecast_mae(decoded: np.ndarray, visits: pd.DataFrame, grid: Grid) -> float:
    """Error of the mean of an eye's first three decoded fields as a forecast of all its later tests, dB.

    ``visits`` are sorted by eye and visit. NaN where no eye has a later visit.
    """
    td, tested = _measured(visits, grid)
    first = visits.groupby(c.EYE_KEY, sort=False).cumcount().to_numpy() < FIRST_VISITS
    later = tested & ~first[:, None]
    forecast = _sums_by_eye(visits, np.where(first[:, None], decoded, 0.0)) / FIRST_VISITS
    return _mean(np.abs(td - forecast)[later])


def _measured(visits: pd.DataFrame, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    td = visits[c.td(grid.n)].to_numpy(float)
    return td, np.isfinite(td)


def _sums_by_eye(visits: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Sum over the fields of the same eye, for each field: (field, location)."""
    eye = visits.groupby(c.EYE_KEY, sort=False).ngroup().to_numpy()
    sums = np.zeros((eye.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, eye, values)
    return sums[eye]


def _mean(errors: np.ndarray) -> float:
    return float(errors.mean()) if errors.size else float("nan")
