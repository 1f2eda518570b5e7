"""The variational autoencoder of an eye's underlying field, in Pyro: `FieldModel` (decoder), `FieldGuide` (encoder)."""

from __future__ import annotations

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from vfprog.data.examples import Examples
from vfprog.model.distributions import RepeatedTests
from vfprog.model.guides import kl_by_latent
from vfprog.model.likelihoods import Normal, log_cell
from vfprog.model.nets import Decoder, Encoder, TestNoise
from vfprog.model.summary import FieldSummary, single_fields

pyro.settings.set(module_local_params=True)


class FieldModel(PyroModule):
    """p(z) p(td | z): z ~ N(0, I_K); td_vj = f_j(z) + u_j + e_vj, all tests v of an eye sharing z and u.

    e_vj ~ N(0, s(f_j(z))^2) is the noise of a test at that level and u_j ~ N(0, (ratio s)^2) the eye's standing
    residual, what the decoder cannot say about location j. u is integrated out (see :class:`RepeatedTests`).
    """

    def __init__(self, latent_dim: int, locations: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.decoder = Decoder(latent_dim, locations, hidden)
        self.noise = TestNoise()
        self.log_ratio = nn.Parameter(torch.tensor(-0.5))

    def z_dist(self, eyes: int) -> dist.TorchDistribution:
        """p(z): standard normal, one event per eye."""
        zero = self.log_ratio.new_zeros(eyes, self.latent_dim)
        return dist.Normal(zero, torch.ones_like(zero), validate_args=False).to_event(1)

    def td_dist(self, z: Tensor, count: Tensor) -> RepeatedTests:
        """p(td | z) of ``count`` tests (eye, location) a location, for z (..., eye, latent)."""
        field = self.decoder(z)
        within = self.noise(field)
        return RepeatedTests(field, self.log_ratio.exp() * within, within, count)

    def forward(self, summary: FieldSummary, beta: float = 1.0, kl_weight: float = 1.0) -> Tensor:
        """Score the tests of a batch of eyes; ``beta`` weighs log p(td | z), ``kl_weight`` (warm-up) the KL."""
        observed = torch.stack([summary.mean, summary.squares], dim=-1)
        with pyro.plate("eye", len(summary)):
            with poutine.scale(scale=kl_weight):
                z = pyro.sample("z", self.z_dist(len(summary)))
            with poutine.scale(scale=beta):
                td = self.td_dist(z, summary.count).mask(summary.mask).to_event(1)
                pyro.sample("td", td, obs=observed)
        return z


class FieldGuide(PyroModule):
    """q(z | td): a diagonal normal whose mean and SD a network reads off the statistics of the eye's tests."""

    def __init__(self, latent_dim: int, locations: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.encoder = Encoder(latent_dim, locations, hidden)

    def z_dist(self, summary: FieldSummary) -> dist.TorchDistribution:
        """q(z | td) of each eye."""
        # Unchecked, as RepeatedTests is: a training that breaks down is reported by its loss, with a remedy.
        z_loc, z_scale = self.encoder(summary)
        return dist.Normal(z_loc, z_scale, validate_args=False).to_event(1)

    def forward(self, summary: FieldSummary, beta: float = 1.0, kl_weight: float = 1.0) -> Tensor:
        """Draw z; ``kl_weight`` scales the site as in the model, for TraceMeanField_ELBO takes the KL's scale here."""
        with pyro.plate("eye", len(summary)), poutine.scale(scale=kl_weight):
            return pyro.sample("z", self.z_dist(summary))


class FieldVAE(nn.Module):
    """Model and guide together: what is trained, saved and loaded.

    Beside summaries of series it takes :class:`vfprog.data.examples.Examples`, each a series of one visit, and so
    answers as :class:`vfprog.model.latent_variable.LatentVariableModel` does.
    """

    def __init__(
        self, latent_dim: int, locations: int, decoder_hidden: Sequence[int], encoder_hidden: Sequence[int]
    ) -> None:
        super().__init__()
        self.model = FieldModel(latent_dim, locations, decoder_hidden)
        self.guide = FieldGuide(latent_dim, locations, encoder_hidden)

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.model.latent_dim

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.log_ratio.device

    def standardise(self, summary: FieldSummary) -> None:
        """Nothing is taken from the data: total deviation has a scale and a noise known beforehand."""

    def prior(self, rows: int) -> dist.TorchDistribution:
        """p(z): event (latent,)."""
        return self.model.z_dist(rows)

    def posterior(self, batch: FieldSummary | Examples) -> dist.TorchDistribution:
        """q(z | td): event (latent,)."""
        return self.guide.z_dist(_summary(batch))

    def kl(self, batch: FieldSummary | Examples) -> Tensor:
        """KL(q(z | td) || p(z)) in closed form: (eye,), nats."""
        return self.kl_by_latent(batch).sum(-1)

    def kl_by_latent(self, batch: FieldSummary | Examples) -> Tensor:
        """The same by latent: (eye, latent)."""
        return kl_by_latent(self.posterior(batch), self.prior(len(batch)))

    def decode(self, z: Tensor) -> Tensor:
        """f(z): (..., latent) -> (..., location), dB."""
        return self.model.decoder(z)

    def log_likelihood(self, batch: FieldSummary | Examples, z: Tensor) -> Tensor:
        """log p(td | z) of each eye's tests: z (..., eye, latent) -> (..., eye), nats."""
        summary = _summary(batch)
        observed = torch.stack([summary.mean, summary.squares], dim=-1)
        return self.model.td_dist(z, summary.count).mask(summary.mask).to_event(1).log_prob(observed)

    def log_cells(self, examples: Examples, z: Tensor) -> Tensor:
        """Log probability of the recorded cells of single fields, at or below the floor there: (..., row), nats."""
        cells = log_cell(self.one_test(z), examples.x, examples.at_floor, examples.cell)
        return torch.where(examples.mask, cells, 0.0).sum(-1)

    def draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """One test of each field f(z), not yet rounded to whole dB: (..., location)."""
        return self.one_test(z).draw(generator)

    def one_test(self, z: Tensor) -> Normal:
        """Distribution of one test of each location about f(z): shape (..., location)."""
        field = self.decode(z)
        sd = torch.sqrt(1 + (2 * self.model.log_ratio).exp()) * self.model.noise(field)
        return Normal(field, sd, validate_args=False)


def _summary(batch: FieldSummary | Examples) -> FieldSummary:
    return single_fields(batch) if isinstance(batch, Examples) else batch
