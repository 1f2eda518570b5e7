"""The variational autoencoder of an eye's underlying field, in Pyro: `FieldModel` (decoder), `FieldGuide` (encoder)."""

from __future__ import annotations

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from vfprog.model.distributions import RepeatedTests
from vfprog.model.nets import Decoder, Encoder, TestNoise
from vfprog.model.summary import FieldSummary

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
    """Model and guide together: what is trained, saved and loaded."""

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
