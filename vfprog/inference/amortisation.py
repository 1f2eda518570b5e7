"""What amortisation costs: the guide's answer against the best normal of its family, sought for each field.

One network answers for all fields, so for a single field it can be beaten. The amortisation gap (Cremer et al. 2018)
is what the field's ELBO gains when its own normal is sought by gradients; what then still lacks to the evidence is
the family's fault.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from vfprog.data.examples import Examples
from vfprog.inference.evidence import VALUES, Score
from vfprog.inference.objective import LatentModel

STEPS = 100
DRAWS = 16  # of z a step
RATE = 0.03  # Adam's first step, falling to 0 along a cosine; latents have prior SDs of 1
MEASURING_DRAWS = 500


def amortisation_gap(network: LatentModel, batch: Examples, score: Score) -> Tensor:
    """Gain of each row's ELBO when its own normal takes the guide's place: (row,), nats.

    Both ELBOs use the same standard normal draws, so that the noise of most of them cancels. The prior is N(0, I).
    """
    with torch.no_grad():
        guide = _triangular(network.posterior(batch))
    refined = refine_posterior(network, batch, score)
    with torch.no_grad():
        noise = torch.randn(MEASURING_DRAWS, *guide.mean.shape).to(guide.mean)
        gain = torch.stack(
            [
                score(batch, _place(refined, some)).sum(0) - score(batch, _place(guide, some)).sum(0)
                for some in noise.split(max(VALUES // batch.x.numel(), 1))
            ]
        )
        return gain.sum(0) / MEASURING_DRAWS - kl_from_prior(refined) + kl_from_prior(guide)


def refine_posterior(network: LatentModel, batch: Examples, score: Score) -> MultivariateNormal:
    """The best normal for each row, from the guide's answer on, by gradients of the ELBO; all rows at once.

    It has full covariance where the guide has; for a diagonal or isotropic guide it is diagonal.
    """
    with torch.no_grad():
        guide = network.posterior(batch)
        start = _triangular(guide)
    full = isinstance(guide, MultivariateNormal)
    loc = start.loc.clone().requires_grad_()
    log_sd = start.scale_tril.diagonal(dim1=-2, dim2=-1).log().clone().requires_grad_()
    below = start.scale_tril.tril(-1).clone().requires_grad_(full)
    optimiser = torch.optim.Adam([p for p in (loc, log_sd, below) if p.requires_grad], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        q = _normal(loc, log_sd, below)
        # A row's parameters move only its own ELBO, so the sum is all of theirs at once.
        loss = (kl_from_prior(q) - score(batch, q.rsample(torch.Size([DRAWS]))).mean(0)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward(inputs=[p for p in (loc, log_sd, below) if p.requires_grad])
        optimiser.step()
        schedule.step()
    return _normal(loc.detach(), log_sd.detach(), below.detach())


def kl_from_prior(q: MultivariateNormal) -> Tensor:
    """KL(q || N(0, I)): (row,), nats."""
    root = q.scale_tril
    log_det = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return 0.5 * (root.square().sum((-2, -1)) + q.loc.square().sum(-1) - root.shape[-1]) - log_det


def _triangular(q: Distribution) -> MultivariateNormal:
    """A normal by its mean and the Cholesky factor of its covariance."""
    root = q.scale_tril if isinstance(q, MultivariateNormal) else q.stddev.diag_embed()
    return MultivariateNormal(q.mean, scale_tril=root, validate_args=False)


def _normal(loc: Tensor, log_sd: Tensor, below: Tensor) -> MultivariateNormal:
    root = below.tril(-1) + log_sd.exp().diag_embed()
    return MultivariateNormal(loc, scale_tril=root, validate_args=False)


def _place(q: MultivariateNormal, noise: Tensor) -> Tensor:
    return q.loc + (q.scale_tril @ noise[..., None])[..., 0]
