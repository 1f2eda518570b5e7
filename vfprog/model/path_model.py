"""The trajectory of an eye in Pyro: `PathModel`, the generative model, and `PathGuide`, the posterior that fits use.

A path's coordinates are those of :class:`~vfprog.model.latent.PathPosterior`: the latents at the first field, their
slopes and the drift along each spatial vector, all in units of the prior SD of the slow component.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from pyro.nn import PyroModule
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.covariance import SeriesCovariance
from vfprog.model.distributions import Shape
from vfprog.model.field_vae import FieldVAE
from vfprog.model.latent import LatentTrajectory
from vfprog.model.linear import Known, Linear
from vfprog.model.path_posterior import PathPosterior
from vfprog.model.residual import ResidualProcess
from vfprog.model.trajectory import Path


@dataclass(frozen=True)
class Eyes:
    """What the model takes as known of a batch of eyes.

    Attributes
    ----------
    series : Series
        Their visits. Tests at the floor count as measured here: :class:`LatentTrajectory` treats them apart.
    known : Known
        Of these eyes, whatever tests are drawn for them.
    """

    series: Series
    known: Known

    @classmethod
    def of(cls, series: Series, method: LatentTrajectory) -> Eyes:
        """The eyes of a series, with what is known of them as the method reads it."""
        plain = replace(series, at_floor=None)
        return cls(plain, method.encoded(plain).known)

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, eyes: Tensor | slice) -> Eyes:
        """Some of the eyes."""
        return Eyes(self.series[eyes], self.known[eyes])

    def with_tests(self, td: Tensor) -> Eyes:
        """The same eyes and visits with other tests (eye, visit, location), dB."""
        return replace(self, series=replace(self.series, td=td * self.series.mask))


class SeriesTests(TorchDistribution):
    """All tests of an eye about their expectation: normal, with the residual process's covariance.

    ::

        log p = -1/2 (r' K^-1 r + log |K| + n log 2 pi) - sum log s,    r = (td - mean) / s

    over the n tests made, K in the factored form of :class:`SeriesCovariance`. Batch shape (..., eye), event shape
    (visit, location); what was not tested is 0 in draws and of no effect in ``log_prob``.

    Parameters
    ----------
    mean : Tensor (..., eye, visit, location)
        Expected tests, dB.
    mask : Tensor (eye, visit, location) of bool
        True = tested.
    noise : Tensor (eye, location)
        SD of a test, dB.
    covariance : SeriesCovariance
    """

    arg_constraints: ClassVar = {"mean": constraints.real}
    support = constraints.independent(constraints.real, 2)

    def __init__(self, mean: Tensor, mask: Tensor, noise: Tensor, covariance: SeriesCovariance) -> None:
        self.mean_td, self.tested, self.noise, self.covariance = mean, mask, noise, covariance
        super().__init__(mean.shape[:-2], mean.shape[-2:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of tests (..., eye, visit, location), dB: (..., eye)."""
        difference = value - self.mean_td
        squares = self.covariance.squares(self.spectral(difference)).T.reshape(difference.shape[:-2])
        tested = self.tested.sum((1, 2)) * math.log(2 * math.pi)
        log_s = (self.tested * self.noise.log()[:, None]).sum((1, 2))
        return -0.5 * (squares + self.covariance.log_det + tested) - log_s

    def spectral(self, difference: Tensor) -> Tensor:
        """Differences of tests (..., eye, visit, location), dB, as columns of a design in units of s."""
        in_s = torch.where(self.tested, difference / self.noise[:, None], 0.0)
        return torch.einsum("petj,ji->eitp", in_s.reshape(-1, *self.tested.shape), self.covariance.vectors)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """Draw an eye's tests: what goes along each vector, the shift of each visit, and nothing where not tested."""
        shape = self._extended_shape(torch.Size(sample_shape))
        covariance = self.covariance
        chol = torch.linalg.cholesky(
            torch.linalg.inv(covariance.inverse)
        )  # of B_i: (eye, vector, visit, visit)
        standard = torch.randn(
            *shape[:-2], shape[-1], shape[-2], 1, dtype=self.mean_td.dtype, device=self.mean_td.device
        )
        along = torch.einsum("ji,...it->...tj", covariance.vectors, (chol @ standard)[..., 0])
        shift = covariance.visit_variance.sqrt()[:, None, None] * torch.randn_like(along[..., :1])
        return torch.where(self.tested, self.mean_td + self.noise[:, None] * along + shift, 0.0)

    def expand(self, batch_shape: Shape, _instance: object = None) -> SeriesTests:
        """The same distribution with a larger batch shape."""
        mean = self.mean_td.expand(*batch_shape, *self.event_shape)
        return SeriesTests(mean, self.tested, self.noise, self.covariance)


class PathModel(PyroModule):
    """p(path | level) p(td | path).

    path ~ sum_k w_k(level) N(0, diag(1, scale_k^2, ...)), the component k of drift summed out: latents at the start
    have SD 1 in all of them, what moves has SD scale_k. td | path ~ :class:`SeriesTests` about

        f(z_start + z_slope t) + apart + d V v t + offset + learning [first visit],

    f the decoder, v the drift along the vectors V and d its size by location. f is not made linear here.
    """

    def __init__(self, vae: FieldVAE, residual: ResidualProcess) -> None:
        super().__init__()
        self.vae = vae
        self.residual = residual
        self.method = LatentTrajectory(vae, residual, network=True, drift=True)

    def path_dist(self, level: Tensor) -> TorchDistribution:
        """p(path | level) of eyes with these levels (eye, location), dB: event (coordinate,)."""
        prior = self.method.prior(level)
        sd = prior.sd.expand(len(level), -1, -1)
        component = dist.Categorical(logits=prior.log_weight, validate_args=False)
        normal = dist.Normal(torch.zeros_like(sd), sd, validate_args=False).to_event(1)
        return dist.MixtureSameFamily(component, normal, validate_args=False)

    def td_dist(self, path: Tensor, eyes: Eyes) -> SeriesTests:
        """p(td | path) for paths (..., eye, coordinate)."""
        covariance = self.method.covariance(eyes.series, eyes.known)
        return SeriesTests(self.expected(path, eyes), eyes.series.mask, eyes.known.noise, covariance)

    def latents(self, path: Tensor) -> tuple[Tensor, Tensor]:
        """Latents at the first field, and their slopes per year: two tensors (..., latent)."""
        start, slope = path[..., : 2 * self.vae.latent_dim].chunk(2, -1)
        return start, slope * self.residual.scalars["latent_drift"].exp()

    def drift(self, path: Tensor, eyes: Eyes) -> Tensor:
        """Drift of the residual: (..., eye, location), dB/year."""
        along = path[..., 2 * self.vae.latent_dim :] * self.residual.spectrum("drift").sqrt()
        return self.residual.drift_unit(eyes.known.level, eyes.known.noise) * (
            along @ self.residual.vectors.T
        )

    def expected(self, path: Tensor, eyes: Eyes) -> Tensor:
        """Tests expected on a path: (..., eye, visit, location), dB."""
        start, slope = self.latents(path)
        years = eyes.series.years[..., None]
        field = self.vae.model.decoder(start[..., None, :] + slope[..., None, :] * years)
        first = torch.zeros_like(years)
        first[:, 0] = self.residual.scalars["learning"]
        standing = (eyes.known.apart + self.residual.scalars["offset"])[:, None]
        return field + standing + self.drift(path, eyes)[..., None, :] * years + first

    def rate(self, path: Tensor, eyes: Eyes) -> Tensor:
        """Change of the field's mean at the last visit: (..., eye), dB/year."""
        start, slope = self.latents(path)
        last = start + slope * eyes.series.last_years[:, None]
        change: Tensor = torch.func.jvp(self.vae.model.decoder, (last,), (slope,))[1]
        return change.mean(-1) + self.drift(path, eyes).mean(-1)

    def forward(self, eyes: Eyes) -> Tensor:
        """Score the eyes' tests; returns the path."""
        with pyro.plate("eye", len(eyes)):
            path = pyro.sample("path", self.path_dist(eyes.known.level))
            pyro.sample("td", self.td_dist(path, eyes), obs=eyes.series.td)
        return path


class PathGuide(PyroModule):
    """q(path | td): the mixture of normals of :meth:`LatentTrajectory.refined`, begun where the encoder says.

    It has no parameters of its own: the encoder reads all visits of an eye, and the refinements make the decoder
    linear about where that leads, then on average over the posterior.
    """

    def __init__(self, vae: FieldVAE, residual: ResidualProcess) -> None:
        super().__init__()
        self.vae = vae
        self.residual = residual
        self.method = LatentTrajectory(vae, residual, network=True, drift=True)

    @torch.no_grad()
    def posterior(self, eyes: Eyes) -> PathPosterior:
        """The mixture, component by component."""
        return self.method.refined(eyes.series, self._encoded(eyes))[1].posterior

    @torch.no_grad()
    def path(self, eyes: Eyes) -> Path:
        """What fits report of it."""
        return self.method.path(eyes.series, *self.method.refined(eyes.series, self._encoded(eyes)))

    def _encoded(self, eyes: Eyes) -> Linear:
        read = self.method.encoded(eyes.series)
        return self.method.linear(eyes.series, read.start, read.slope, eyes.known)

    def path_dist(self, eyes: Eyes) -> TorchDistribution:
        """q(path | td): event (coordinate,)."""
        posterior = self.posterior(eyes)
        component = dist.Categorical(posterior.weight, validate_args=False)
        root = posterior.chol / posterior.sd[..., None]
        precision = root @ root.transpose(2, 3)
        normal = dist.MultivariateNormal(posterior.mean, precision_matrix=precision, validate_args=False)
        return dist.MixtureSameFamily(component, normal, validate_args=False)

    def forward(self, eyes: Eyes) -> Tensor:
        """Draw the paths of a batch of eyes."""
        with pyro.plate("eye", len(eyes)):
            return pyro.sample("path", self.path_dist(eyes))
