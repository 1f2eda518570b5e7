"""Health of a trained model on patients it never saw: one row of ``models.csv``."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vfprog.data.series import Series
from vfprog.inference.objective import evaluate_objective, log_evidence
from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import visit_summary

DRAWS = 100  # importance samples of the evidence bound
ACTIVE_KL = 0.05  # a latent with less information than this, nats a field, is not in use
MOST_FIELDS = 2000  # evenly spread over the held-out fields; their mean is known to a fraction of a nat


@dataclass(frozen=True)
class Assessment:
    """Means over single held-out fields, nats a field."""

    elbo: float
    evidence: float
    gap: float
    kl: float
    distortion: float
    active_units: int


@torch.no_grad()
def assess(vae: FieldVAE, series: Series, seed: int) -> Assessment:
    """ELBO, importance-weighted evidence and the latents in use, on single fields of held-out patients."""
    fields = visit_summary(series)[series.visits.reshape(-1)]
    keep = torch.linspace(0, len(fields) - 1, min(len(fields), MOST_FIELDS), device=vae.device).round().long()
    fields = fields[keep]
    generator = torch.Generator(device=vae.device).manual_seed(seed)
    objective = evaluate_objective(vae, fields, DRAWS, generator)
    evidence = float(log_evidence(vae, fields, DRAWS, generator).mean())
    elbo = float(objective.elbo.mean())
    return Assessment(
        elbo=elbo,
        evidence=evidence,
        gap=evidence - elbo,
        kl=float(objective.kl.sum(-1).mean()),
        distortion=-float(objective.reconstruction.mean()),
        active_units=int((objective.kl.mean(0) > ACTIVE_KL).sum()),
    )
