"""Tables of a two-view model on patients left out: the information curve, scores against ridge regression, examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import EvaluationConfig
from vfprog.forecast.score import (
    PatientBootstrap,
    absolute_error,
    by_patient,
    covered,
    interval_score,
    patient_bootstrap,
)
from vfprog.inference.bottleneck import BOTTLENECK, CrossValidated
from vfprog.perimetry.grid import Grid

EXAMPLES = 4  # rows shown, from little loss to much
BEATS, TIES, LOSES = "beats", "ties with", "loses to"


def curve_table(scored: CrossValidated, options: EvaluationConfig, seed: int) -> pd.DataFrame:
    """``bottleneck_curve.csv``: rate and gain by beta, nats a row, with 95 % patient-bootstrap intervals.

    ``gain`` is over a normal of the explained view with a full covariance, ``gain_independent`` over normals location
    by location, which like a decoder know of no covariance but that through the latents.
    """
    patient, bootstrap = patient_bootstrap(scored.views.rows, options, seed)
    columns: dict[str, np.ndarray] = {"beta": scored.betas}
    values = {
        "rate": scored.rate,
        "gain": scored.log_likelihood - scored.marginal,
        "gain_independent": scored.log_likelihood - scored.independent,
    }
    for name, by_beta in values.items():
        chosen = np.ones(by_beta.shape[1], dtype=bool)
        found = [bootstrap.mean(*by_patient(row, chosen, patient, bootstrap.patients)) for row in by_beta]
        for part, column in zip(("", "_lower", "_upper"), zip(*found, strict=True), strict=True):
            columns[name + part] = np.array(column)
    table = pd.DataFrame(columns)
    return table.assign(n_rows=len(scored.views), n_patients=bootstrap.patients)


def scores_table(scored: CrossValidated, options: EvaluationConfig, seed: int) -> pd.DataFrame:
    """``bottleneck_scores.csv``: scores of each method, and the bottleneck's less the method's, by patient bootstrap.

    Metrics are mean absolute error, coverage of the 90 % interval and interval score of recorded values (dB).
    ``verdict`` says whether the bottleneck ``beats``, ``ties with`` or ``loses to`` the method by an error whose
    difference's 95 % interval leaves 0 out; coverage has none, for more is not better.
    """
    examples = scored.views.examples
    value, mask = examples.x.double().numpy(), examples.mask.numpy()
    patient, bootstrap = patient_bootstrap(scored.views.rows, options, seed)
    rows = []
    own = _scores(scored.quantiles[BOTTLENECK], value)
    for method, quantiles in scored.quantiles.items():
        for metric, score in _scores(quantiles, value).items():
            value_of, count = by_patient(score, mask, patient, bootstrap.patients)
            row: dict[str, Any] = {
                "method": method,
                "metric": metric,
                **_mean("", bootstrap, value_of, count),
            }
            if method != BOTTLENECK:
                total, _ = by_patient(own[metric] - score, mask, patient, bootstrap.patients)
                row |= _mean("difference", bootstrap, total, count)
                row["verdict"] = "" if metric == "coverage90" else _verdict(row)
            rows.append(row)
    size = {"n_values": int(mask.sum()), "n_rows": len(value), "n_patients": bootstrap.patients}
    return pd.DataFrame(rows).fillna({"verdict": ""}).assign(**size)


def _scores(quantiles: np.ndarray, value: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of each value (row, location) from quantiles (lower, median, upper)."""
    lower, point, upper = quantiles
    return {
        "mae": absolute_error(value, point),
        "coverage90": covered(value, lower, upper),
        "interval_score": interval_score(value, lower, upper),
    }


def _mean(name: str, bootstrap: PatientBootstrap, total: np.ndarray, count: np.ndarray) -> dict[str, float]:
    """A mean and its interval as columns: ``value, lower, upper``, or ``name, name_lower, name_upper``."""
    names = (name, f"{name}_lower", f"{name}_upper") if name else ("value", "lower", "upper")
    return dict(zip(names, bootstrap.mean(total, count), strict=True))


def _verdict(row: dict[str, Any]) -> str:
    """What the interval of an error's difference says."""
    if row["difference_lower"] > 0:
        return LOSES
    return BEATS if row["difference_upper"] < 0 else TIES


def example_table(scored: CrossValidated, grid: Grid) -> pd.DataFrame:
    """``bottleneck_example.parquet``: rows of different patients, from little loss to much, location by location.

    ``view`` is ``seen`` or ``explained``; ``name`` the column, ``location, x, y`` where it is one of the field;
    ``value`` as recorded, NaN where missing; ``median, lower, upper`` the prediction and its 90 % interval.
    """
    views = scored.views
    chosen = _spread_over_loss(views.examples.x.double().mean(1).numpy(), views.patients)
    tables = []
    for example, row in enumerate(chosen, start=1):
        key = views.rows.iloc[row].to_dict() | {"example": example}
        seen = _field_columns(list(views.inputs), grid).assign(
            view="seen",
            value=_with_nan(views.examples.seen[row].numpy(), views.examples.seen_mask[row].numpy()),
        )
        names = [f"td_{number}" for number in views.locations]
        lower, median, upper = scored.quantiles[BOTTLENECK][:, row]
        explained = _field_columns(names, grid).assign(
            view="explained",
            value=_with_nan(views.examples.x[row].numpy(), views.examples.mask[row].numpy()),
            median=median,
            lower=lower,
            upper=upper,
        )
        tables.append(pd.concat([seen, explained]).assign(**key))
    leading = [
        "example",
        *c.VISIT_KEY,
        "view",
        "name",
        c.LOCATION,
        c.X,
        c.Y,
        "value",
        "median",
        "lower",
        "upper",
    ]
    return pd.concat(tables, ignore_index=True)[leading]


def _spread_over_loss(mean: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Rows of different patients, their means evenly spread from little loss to much: (example,) of int."""
    wanted = np.linspace(np.quantile(mean, 0.95), np.quantile(mean, 0.05), EXAMPLES)
    left, chosen = np.ones(len(mean), dtype=bool), []
    for level in wanted[: len(np.unique(patients))]:
        chosen.append(int(np.where(left, np.abs(mean - level), np.inf).argmin()))
        left &= patients != patients[chosen[-1]]
    return np.array(chosen)


def _field_columns(names: list[str], grid: Grid) -> pd.DataFrame:
    """Location and position of columns that end on a location of the field; NaN of others."""
    number = pd.Series(names).str.extract(r"td_(\d+)$")[0].astype(float)
    at = grid.xy[number.fillna(1).to_numpy(int) - 1]
    positions = np.where(number.notna().to_numpy()[:, None], at, np.nan)
    return pd.DataFrame({"name": names, c.LOCATION: number, c.X: positions[:, 0], c.Y: positions[:, 1]})


def _with_nan(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, values.astype(float), np.nan)
