"""The batched posterior of the rate against Hamiltonian Monte Carlo on the same model, eye by eye."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from pyro.infer import MCMC, NUTS
from pyro.ops.stats import effective_sample_size
from torch import Tensor

from vfprog.model.path_model import Eyes, PathGuide, PathModel
from vfprog.model.residual import SCALES

MOST_APART = 0.1  # of agreeing posteriors: the means in posterior SDs, the SDs relative to NUTS's
TARGET_ACCEPTANCE = 0.9


class LatentDensity:
    """log p(latents, td) under :class:`PathModel`, the residual's drift and the scale of all drift integrated out.

    Given the latents, tests are linear in the drift, so that each scale leaves a normal density in closed form. Only
    the latents' starts and slopes are left to sample, and the scales are summed out. A chain over the drift as well
    would hardly ever go from one scale to another: in so many coordinates each is a thin shell of its own.
    """

    def __init__(self, model: PathModel, eyes: Eyes) -> None:
        self.model, self.eyes = model, eyes
        self._tests = model.td_dist(self._whole(eyes.known.level.new_zeros(len(eyes), self.latents)), eyes)
        self._scales = eyes.known.level.new_tensor(SCALES)
        self._log_weights = model.residual.log_weights(eyes.known.level.mean(1))
        along = torch.eye(
            eyes.known.level.shape[1], dtype=eyes.known.level.dtype, device=eyes.known.level.device
        )
        drift = model.drift(
            torch.cat([along.new_zeros(len(along), 1, self.latents), along[:, None]], -1), eyes
        )
        columns = self._tests.spectral(drift[..., None, :] * eyes.series.years[..., None])
        self._design = self._tests.covariance.solve(columns)
        self._blocks = self._tests.covariance.inverse @ columns
        gram = self._design.gram()[:, None] * self._scales[:, None, None] ** 2
        self._chol = torch.linalg.cholesky(gram + along)  # (eye, component, coordinate, coordinate)

    @property
    def latents(self) -> int:
        """Number of coordinates sampled: starts and slopes."""
        return 2 * self.model.vae.latent_dim

    def _whole(self, latents: Tensor) -> Tensor:
        """Paths of these latents without drift of the residual."""
        still = latents.new_zeros(*latents.shape[:-1], self.eyes.known.level.shape[1])
        return torch.cat([latents, still], -1)

    def _scores(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Squares r' K^-1 r (eye, draw) and D' K^-1 r (eye, coordinate, draw) of latents (draw, eye, coordinate)."""
        expected = self.model.expected(self._whole(latents), self.eyes)
        solved = self._tests.covariance.solve(self._tests.spectral(self.eyes.series.td - expected))
        scores = torch.einsum("eitc,eitp->ecp", self._blocks, solved.columns)
        scores = scores - self._design.outside.transpose(1, 2) @ solved.outside
        return torch.diagonal(solved.gram(), dim1=1, dim2=2), scores

    def _by_component(self, latents: Tensor, squares: Tensor, scores: Tensor) -> Tensor:
        """log p(latents, td, component), up to a constant: (eye, component, draw)."""
        start, slope = latents.chunk(2, -1)
        scale = self._scales[:, None]
        # B^-1 D' K^-1 r for B = I + scale^2 D' K^-1 D: what the drift explains of the squares.
        whitened = torch.linalg.solve_triangular(self._chol, scores[:, None] * scale[..., None], upper=False)
        log_det = torch.diagonal(self._chol, dim1=2, dim2=3).log().sum(2)
        of_tests = -0.5 * (squares[:, None] - (whitened**2).sum(2)) - log_det[..., None]
        of_slopes = -0.5 * (slope**2).sum(-1).T[:, None] / scale**2 - slope.shape[-1] * scale.log()
        of_starts = -0.5 * (start**2).sum(-1).T[:, None]
        return self._log_weights[..., None] + of_starts + of_slopes + of_tests

    def log_prob(self, latents: Tensor) -> Tensor:
        """Log density of latents (draw, eye, coordinate), up to a constant: (draw, eye)."""
        return self._by_component(latents, *self._scores(latents)).logsumexp(1).T

    def draw_paths(self, latents: Tensor) -> Tensor:
        """Whole paths (draw, eye, coordinate) given latents: first the scale is drawn, then the drift."""
        squares, scores = self._scores(latents)
        weights = self._by_component(latents, squares, scores).transpose(1, 2).softmax(-1)
        component = torch.distributions.Categorical(weights, validate_args=False).sample()  # (eye, draw)
        eye = torch.arange(len(component), device=component.device)[:, None]
        chol, scale = self._chol[eye, component], self._scales[component][..., None]
        whitened = torch.linalg.solve_triangular(
            chol, (scores.transpose(1, 2) * scale)[..., None], upper=False
        )
        standard = whitened + torch.randn_like(whitened)
        drift = torch.linalg.solve_triangular(chol.transpose(2, 3), standard, upper=True)[..., 0] * scale
        return torch.cat([latents, drift.transpose(0, 1)], -1)


@dataclass(frozen=True)
class Chain:
    """Draws of the eyes' paths (draw, eye, coordinate), and how many steps of the chain diverged."""

    paths: Tensor
    divergences: int


def run_nuts(model: PathModel, guide: PathGuide, eyes: Eyes, draws: int, warmup: int, seed: int) -> Chain:
    """Sample all eyes' paths by one chain (Hoffman and Gelman, JMLR 2014): jointly, for the eyes are independent.

    The chain moves in coordinates in which the guide's posterior is standard normal, which only makes it faster.
    """
    density = LatentDensity(model, eyes)
    posterior, kept = guide.posterior(eyes), slice(density.latents)
    mean = posterior.centre()[:, kept]
    chol = torch.linalg.cholesky(posterior.covariance()[:, kept, kept])

    def latents(sites: dict[str, Tensor]) -> Tensor:
        return mean + torch.einsum("ecd,...ed->...ec", chol, sites["latents"])

    def potential(sites: dict[str, Tensor]) -> Tensor:
        return -density.log_prob(latents(sites)[None]).sum()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kernel = NUTS(potential_fn=potential, target_accept_prob=TARGET_ACCEPTANCE)
        start = {"latents": torch.zeros_like(mean)}
        chain = MCMC(kernel, draws, warmup_steps=warmup, initial_params=start, disable_progbar=True)
        chain.run()
        with torch.no_grad():
            parts = latents(chain.get_samples()).split(100)
            paths = torch.cat([density.draw_paths(part) for part in parts])
    return Chain(paths, len(chain.diagnostics()["divergences"]["chain 0"]))


def nuts_table(model: PathModel, guide: PathGuide, eyes: Eyes, chain: Chain) -> pd.DataFrame:
    """``nuts.csv`` without identities: each eye's rate (dB/year) by the chain and by the batched posterior.

    Columns: ``n_visits, rate_nuts, rate_nuts_sd, rate, rate_sd, ess`` (effective draws of the rate), ``divergences``
    (of the chain, shared by all its eyes), ``mean_apart`` (of the means, in the chain's SD), ``sd_ratio`` (batched
    over chain), ``agrees`` (both within ``MOST_APART``).
    """
    with torch.no_grad():
        drawn = model.rate(chain.paths, eyes)
        path = guide.path(eyes)
        rate, rate_sd = path.state[..., 1].mean(1), path.md_cov[:, 1, 1].sqrt()
    mean, sd = drawn.mean(0), drawn.std(0)
    apart, ratio = (rate - mean) / sd, rate_sd / sd
    columns = {
        "n_visits": eyes.series.n_visits,
        "rate_nuts": mean,
        "rate_nuts_sd": sd,
        "rate": rate,
        "rate_sd": rate_sd,
        "ess": effective_sample_size(drawn[None], chain_dim=0, sample_dim=1),
        "divergences": torch.full_like(eyes.series.n_visits, chain.divergences),
        "mean_apart": apart,
        "sd_ratio": ratio,
        "agrees": (apart.abs() <= MOST_APART) & ((ratio - 1).abs() <= MOST_APART),
    }
    return pd.DataFrame({name: value.cpu().numpy() for name, value in columns.items()})
