"""Denoising, measured on retests: eyes tested so often that what changes between their fields is noise."""

from __future__ import annotations

import pandas as pd
import torch

from vfprog.config import EvaluationConfig
from vfprog.data.series import Series
from vfprog.errors import UserError
from vfprog.forecast.score import SIZE, by_patient, interval, patient_bootstrap
from vfprog.model.latent import LatentTrajectory
from vfprog.model.summary import summarise

COLUMNS = ["method", "value", "lower", "upper", *SIZE]


def retest_error(
    eyes: pd.DataFrame, series: Series, static: LatentTrajectory, options: EvaluationConfig, seed: int
) -> pd.DataFrame:
    """Denoising of single fields of eyes that did not change: one row per estimate (``retest.csv``).

    Each field alone gives an estimate of the eye's underlying field: the field itself (``raw``), the decoded
    posterior mean (``vae``), and the decoded field plus the shrunk residual (``static``). Its error is the mean
    absolute difference from the mean of that eye's other fields, dB.
    """
    visit, location = series.visits, series.td.shape[-1]
    eye = torch.arange(len(series), device=visit.device).repeat_interleave(series.n_visits)
    single = Series(
        td=series.td[visit][:, None],
        mask=series.mask[visit][:, None],
        years=torch.zeros_like(series.years[visit])[:, None],
        n_visits=torch.ones_like(eye),
    )
    whole = summarise(series.td, series.mask)
    others = whole.count[eye] - single.mask[:, 0].to(whole.count.dtype)
    target = (whole.mean[eye] * whole.count[eye] - single.td[:, 0]) / others.clamp(min=1)
    if not bool((others > 0).any()):
        raise UserError("retest: no eye of the cohort has two included fields; set `retest: false` for it")
    mask = (single.mask[:, 0] & (others > 0)).cpu().numpy()
    decoded = static.encoded(single).field[:, 0]
    estimates = {"raw": single.td[:, 0], "vae": decoded, "static": static.fit(single).td}

    patient, bootstrap = patient_bootstrap(eyes, options, seed)
    of_field = patient[eye.cpu().numpy()]
    size = {"n_visits": int(mask.any(1).sum()), "n_eyes": len(series), "n_patients": int(patient.max()) + 1}
    rows = []
    for name, estimate in estimates.items():
        error = (estimate - target).abs().cpu().numpy().reshape(-1, location)
        total, count = by_patient(error, mask, of_field, bootstrap.patients)
        rows.append({"method": name, **interval(bootstrap, total, count), **size})
    return pd.DataFrame(rows, columns=COLUMNS)
