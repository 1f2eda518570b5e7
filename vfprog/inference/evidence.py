"""Evidence of fields: importance-weighted bounds on log p(x) and how tight they are, in nats a field.

ELBO = E_q log p(x | z) - KL(q || p(z)) = log p(x) - KL(q || p(z | x)). The mean of k importance weights inside the
logarithm closes the gap as k grows (Burda et al. 2016, eq. 8).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog.inference.batches import Batch
from vfprog.inference.intervals import clustered_mean
from vfprog.inference.objective import LatentModel

DRAWS = (
    1,
    10,
    100,
    1000,
)  # of the bounds; each is averaged over all blocks of so many of the last one's draws
VALUES = (
    200_000  # draws times rows times locations scored at a time: few enough to stay in the processor's cache
)


Score = Callable[[Batch, Tensor], Tensor]  # log p(x | z), a density or of recorded cells: (draw, row)


@dataclass(frozen=True)
class Evidence:
    """Bounds on the log evidence of each row, nats.

    Attributes
    ----------
    elbo, kl : Tensor (row,)
        Evidence lower bound and its KL term, in closed form.
    bounds, ess : Tensor (number of draws, row)
        Importance-weighted bound at each of ``DRAWS``, and its effective sample size.
    """

    elbo: Tensor
    kl: Tensor
    bounds: Tensor
    ess: Tensor

    @property
    def best(self) -> Tensor:
        """The bound with the most draws: (row,)."""
        return self.bounds[-1]


@torch.no_grad()
def bound_evidence(
    network: LatentModel, batch: Batch, score: Score, draws: tuple[int, ...] = DRAWS
) -> Evidence:
    """Bounds on the evidence of each row of a batch from the guide's draws, torch's global generator deciding.

    Parameters
    ----------
    network : LatentModel
    batch : Batch
    score : callable
        ``network.log_cells`` (probabilities of recorded cells: likelihoods compare) or ``network.log_likelihood``.
    draws : tuple of int
        Numbers of draws, each a divisor of the last.
    """
    at_once = max(VALUES // (draws[-1] * batch.mask.shape[1]), 1)
    parts = [
        _bound(network, batch[start : start + at_once], score, draws)
        for start in range(0, len(batch), at_once)
    ]
    return Evidence(*(torch.cat([getattr(part, f.name) for part in parts], -1) for f in fields(Evidence)))


def _bound(network: LatentModel, batch: Batch, score: Score, draws: tuple[int, ...]) -> Evidence:
    q, p = network.posterior(batch), network.prior(len(batch))
    z = q.sample(torch.Size([draws[-1]]))
    log_likelihood, kl = score(batch, z), network.kl(batch)
    log_weight = log_likelihood + p.log_prob(z) - q.log_prob(z)
    blocks = [log_weight.unflatten(0, (-1, k)) for k in draws]
    sums = [block.logsumexp(1) for block in blocks]
    bounds = [(total - math.log(k)).mean(0) for total, k in zip(sums, draws, strict=True)]
    # (sum w)^2 / sum w^2 of each block.
    ess = [
        (2 * total - (2 * block).logsumexp(1)).exp().mean(0)
        for total, block in zip(sums, blocks, strict=True)
    ]
    return Evidence(log_likelihood.mean(0) - kl, kl, torch.stack(bounds), torch.stack(ess))


def evidence_table(evidence: Evidence, patient: np.ndarray, draws: tuple[int, ...] = DRAWS) -> pd.DataFrame:
    """``evidence.csv``: one row per bound; ``draws`` 0 is the ELBO with closed-form KL.

    ``mean, lower, upper`` are nats a field with a 95 % interval over patients, ``gain, gain_lower, gain_upper`` the
    same of what the bound gains on the ELBO of the same field, ``ess`` the fields' mean effective sample size.
    """
    size = {"n_fields": len(patient), "n_patients": len(np.unique(patient))}
    bounds = [(0, evidence.elbo, float("nan"))]
    bounds += [
        (k, bound, float(ess.mean()))
        for k, bound, ess in zip(draws, evidence.bounds, evidence.ess, strict=True)
    ]
    rows = []
    for k, bound, ess in bounds:
        level = clustered_mean(_array(bound), patient)._asdict()
        gain, lower, upper = clustered_mean(_array(bound - evidence.elbo), patient)
        paired = {"gain": gain, "gain_lower": lower, "gain_upper": upper}
        rows.append({"draws": k, **level, **paired, "ess": ess, **size})
    return pd.DataFrame(rows)


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
