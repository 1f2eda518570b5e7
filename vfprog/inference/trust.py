"""Is the posterior of trajectories to be trusted? Its three checks on one cohort."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import torch

from vfprog.config import TrustConfig
from vfprog.data.series import Series
from vfprog.errors import UserError
from vfprog.inference.nuts_check import nuts_table, run_nuts
from vfprog.inference.predictive_checks import MIN_VISITS, predictive_checks
from vfprog.inference.simulation_calibration import simulation_calibration
from vfprog.model.field_vae import FieldVAE
from vfprog.model.floor_sites import lowest_recorded
from vfprog.model.path_model import Eyes, PathGuide, PathModel
from vfprog.model.residual import ResidualProcess
from vfprog.perimetry.grid import Grid

log = logging.getLogger(__name__)


def trust_tables(
    vae: FieldVAE,
    residual: ResidualProcess,
    identity: pd.DataFrame,
    series: Series,
    grid: Grid,
    options: TrustConfig,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """``sbc.csv``, ``nuts.csv`` and ``predictive_checks.csv`` of a cohort's eyes.

    Parameters
    ----------
    vae, residual
        The fitted model, in double precision.
    identity : DataFrame
        ``patient_id, eye`` of each eye.
    series : Series
        Of the same eyes, in double precision.
    grid : Grid
    options : TrustConfig
    seed : int

    Raises
    ------
    UserError
        If no eye has visits enough for the predictive checks.
    """
    rng = np.random.default_rng(seed)
    followed = np.flatnonzero(series.n_visits.cpu().numpy() >= MIN_VISITS)
    if len(followed) == 0:
        raise UserError(
            f"trust.cohorts: no eye of this cohort has {MIN_VISITS} visits, so there is no scatter to check; "
            "leave it out"
        )
    everyone = np.arange(len(series))
    for parameter in [*vae.parameters(), *residual.parameters()]:
        parameter.requires_grad_(False)
    model, guide = PathModel(vae, residual), PathGuide(vae, residual)

    def eyes_of(rows: np.ndarray) -> Eyes:
        return Eyes.of(series[torch.as_tensor(rows)].first(series.td.shape[1]), guide.method)

    lending = np.sort(
        rng.choice(everyone, options.sbc_eyes)
    )  # more than there are, if need be: tests are simulated
    sbc = simulation_calibration(model, guide, eyes_of(lending), seed)
    for noise, ecdfs in sbc.drop_duplicates(["noise", "quantity"]).groupby("noise"):
        log.info(
            "calibration, noise %s: %d of %d rank ECDFs inside", noise, ecdfs["inside"].sum(), len(ecdfs)
        )

    rows = _some(followed, options.predictive_eyes, rng)
    checked = eyes_of(rows)
    floor = lowest_recorded(series[torch.as_tensor(rows)])
    xy = torch.as_tensor(grid.xy).to(series.td)
    predictive = predictive_checks(model, guide, checked, xy, floor, options.replicates, seed)
    log.info("predictive checks: %d of %d statistics inside", predictive["inside"].sum(), len(predictive))

    rows = _some(everyone, options.nuts_eyes, rng)
    sampled = eyes_of(rows)
    chain = run_nuts(model, guide, sampled, options.nuts_draws, options.nuts_warmup, seed)
    nuts = nuts_table(model, guide, sampled, chain)
    log.info("NUTS: %d divergences, %d of %d eyes agree", chain.divergences, nuts["agrees"].sum(), len(nuts))
    return sbc, pd.concat([identity.iloc[rows].reset_index(drop=True), nuts], axis=1), predictive


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many of the rows, in their order."""
    return np.sort(rng.choice(rows, min(most, len(rows)), replace=False))
