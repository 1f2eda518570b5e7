"""The nonlinear latent-variable model in Pyro: z ~ N(0, I), x_j ~ p(x_j | f_j(z)), with an amortised guide q(z | seen).

The guide may see x itself, or another view of the same eye: then it is the deep information bottleneck (Alemi et al.
2017), whose loss is the same, KL - beta log p(x | z). Kinds with more to observe extend :class:`Generative`.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from vfprog.data.examples import Examples
from vfprog.model.guides import GuideNetwork, kl_by_latent
from vfprog.model.likelihoods import Likelihood, Normal, Recorded, StudentT, log_cell
from vfprog.model.nets import Decoder

pyro.settings.set(module_local_params=True)


class Generative(PyroModule):
    """p(z) p(x | z): z ~ N(0, I_K), x_j ~ likelihood about f_j(z), at or below the record where that is at the floor.

    ``censored`` False takes a value at the floor for one that was seen.
    """

    def __init__(self, latent_dim: int, decoder: Decoder, likelihood: Likelihood, censored: bool) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.decoder = decoder
        self.likelihood = likelihood
        self.censored = censored

    def z_dist(self, rows: int) -> dist.TorchDistribution:
        """p(z): standard normal, one event a row."""
        zero = self.decoder.centre.new_zeros(rows, self.latent_dim)
        return dist.Normal(zero, torch.ones_like(zero), validate_args=False).to_event(1)

    def x_dist(self, z: Tensor, examples: Examples) -> dist.TorchDistribution:
        """p(x | z), its event the recorded values of a row; z (..., row, latent)."""
        at_floor = examples.at_floor if self.censored else torch.zeros_like(examples.at_floor)
        recorded = Recorded(self.likelihood(self.decoder(z)), at_floor, examples.cell)
        return recorded.mask(examples.mask).to_event(1)

    def observe(self, z: Tensor, examples: Examples) -> None:
        """Score what is observed, given z."""
        pyro.sample("x", self.x_dist(z, examples), obs=examples.x)

    def log_likelihood(self, z: Tensor, examples: Examples) -> Tensor:
        """What :meth:`observe` scores: (..., row), nats."""
        return self.x_dist(z, examples).log_prob(examples.x)

    def forward(self, examples: Examples, beta: float = 1.0, kl_weight: float = 1.0) -> Tensor:
        """Score a batch; ``beta`` weighs log p(x | z), ``kl_weight`` (warm-up) the KL."""
        with pyro.plate("row", len(examples)):
            with poutine.scale(scale=kl_weight):
                z = pyro.sample("z", self.z_dist(len(examples)))
            with poutine.scale(scale=beta):
                self.observe(z, examples)
        return z


class Amortised(PyroModule):
    """q(z | seen) by a network."""

    def __init__(self, network: GuideNetwork) -> None:
        super().__init__()
        self.network = network

    def z_dist(self, examples: Examples) -> dist.TorchDistribution:
        """q(z | seen), one event a row."""
        return self.network.z_dist(examples)

    def forward(self, examples: Examples, beta: float = 1.0, kl_weight: float = 1.0) -> Tensor:
        """Draw z; ``kl_weight`` scales the site as in the model, for TraceMeanField_ELBO takes the KL's scale here."""
        with pyro.plate("row", len(examples)), poutine.scale(scale=kl_weight):
            return pyro.sample("z", self.z_dist(examples))


class LatentVariableModel(nn.Module):
    """Model and guide together: what is trained, saved and loaded."""

    def __init__(self, model: Generative, guide: Amortised) -> None:
        super().__init__()
        self.model = model
        self.guide = guide

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.model.latent_dim

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.decoder.centre.device

    def standardise(self, examples: Examples) -> None:
        """Take centres and scales from the rows to be trained on; they are saved with the weights."""
        self.model.decoder.standardise(examples.x, examples.mask)
        self.model.likelihood.standardise(examples.x, examples.mask)
        self.guide.network.standardise(examples)

    def prior(self, rows: int) -> dist.TorchDistribution:
        """p(z): event (latent,)."""
        return self.model.z_dist(rows)

    def posterior(self, examples: Examples) -> dist.TorchDistribution:
        """q(z | seen): event (latent,)."""
        return self.guide.z_dist(examples)

    def kl(self, examples: Examples) -> Tensor:
        """KL(q(z | seen) || p(z)) in closed form: (row,), nats."""
        return dist.kl.kl_divergence(self.posterior(examples), self.prior(len(examples)))

    def kl_by_latent(self, examples: Examples) -> Tensor:
        """The same of each latent's marginal: (row, latent); they sum to :meth:`kl` where q is diagonal."""
        return kl_by_latent(self.posterior(examples), self.prior(len(examples)))

    def decode(self, z: Tensor) -> Tensor:
        """f(z): (..., latent) -> (..., location), in the data's units."""
        return self.model.decoder(z)

    def log_likelihood(self, examples: Examples, z: Tensor) -> Tensor:
        """log p(x | z) as trained on: z (..., row, latent) -> (..., row), nats."""
        return self.model.log_likelihood(z, examples)

    def log_cells(self, examples: Examples, z: Tensor) -> Tensor:
        """Log probability of the recorded cells of x, at or below the floor there: (..., row), nats."""
        cells = log_cell(self.one_test(z), examples.x, examples.at_floor, examples.cell)
        return torch.where(examples.mask, cells, 0.0).sum(-1)

    def draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Values drawn from the likelihood about f(z), not yet rounded to cells: (..., location)."""
        return self.one_test(z).draw(generator)

    def one_test(self, z: Tensor) -> Normal | StudentT:
        """Distribution of one value of each location about f(z): shape (..., location)."""
        return self.model.likelihood(self.decode(z))
