"""A sweep of one model over beta, latent size and seed as a table, and the choice that it speaks for."""

from __future__ import annotations

from typing import Any

import pandas as pd

POINT = ["beta", "latent_dim"]
SCORES = [
    "distortion",
    "elbo",
    "evidence",
    "gap",
    "active_units",
    "retest_mae",
    "forecast_mae",
    "seconds",
]
COLUMNS = ["beta", "kl_weight", "latent_dim", "seed", "rate", *SCORES, "chosen"]


def sweep_table(cards: list[dict[str, Any]]) -> pd.DataFrame:
    """``models/sweep.csv`` from the assessments of the sweep's models.

    Returns
    -------
    DataFrame
        One row a model: ``beta`` (weight of the log-likelihood), ``kl_weight`` (1 / beta: the same loss in the
        notation where the weight is on KL, but for its scale), ``latent_dim, seed, rate`` (KL) and ``distortion``
        (nats a row), ``elbo, evidence, gap`` (nats a row), ``active_units, retest_mae, forecast_mae`` (dB),
        ``seconds``, and whether its beta and latent size are those ``chosen`` by :func:`chosen_point`.
    """
    table = pd.DataFrame(cards).rename(columns={"kl": "rate"})
    table[["rate", *SCORES]] = table[["rate", *SCORES]].astype(float)
    table = table.sort_values([*POINT, "seed"], ignore_index=True)
    chosen = chosen_point(table)
    same = (table["beta"] == chosen[0]) & (table["latent_dim"] == chosen[1])
    return table.assign(kl_weight=1 / table["beta"], chosen=same)[COLUMNS]


def chosen_point(table: pd.DataFrame) -> tuple[float, int]:
    """Beta and latent size by the one-standard-error rule (Breiman et al. 1984, section 3.4.3).

    Of the combinations whose mean evidence over the seeds lies within one standard error (over seeds) of the best's,
    those of the fewest latents, and of these the one of most evidence. With a single seed, the best.
    """
    of_point = table.groupby(POINT)["evidence"].agg(["mean", "sem"]).reset_index()
    # Most evidence last; a single seed has no standard error.
    ranked = of_point.fillna({"sem": 0.0}).sort_values("mean", ignore_index=True)
    best, error = ranked["mean"].iloc[-1], ranked["sem"].iloc[-1]
    near = ranked[ranked["mean"] >= best - error]
    chosen = near[near["latent_dim"] == near["latent_dim"].min()].iloc[-1]
    return float(chosen["beta"]), int(chosen["latent_dim"])
