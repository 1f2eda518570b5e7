"""The static trajectory: the eye's underlying field from all its visits plus its shrunk standing residual.

y_j(t) = m_j + s_j (u_j + w_j(t)) + g(t) + learning [first visit] + noise, in decibels, with s_j the SD of one
test at the location's level and

* m = alpha f(z) + (1 - alpha) m_bar + offset, f the decoder, m_bar the eye's own mean over locations;
* u ~ N(0, R), the standing residual, R = exp(c0) 11' + exp(c1) exp(-d^2 / 2 lambda^2) (1 - h + h [same
  hemifield]) + exp(c2) I over locations d degrees apart;
* w, what the eye wanders by after its last visit: variance exp(c_w) (1 - exp(-t / tau));
* g ~ N(0, sd^2), one effect per visit of the whole field.

Everything is Gaussian given z and the levels, so u and g are integrated in closed form. The visits of an eye
are exchangeable but for the first: the method has no drift.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vfprog.data.series import Series
from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import FieldSummary, summarise
from vfprog.model.trajectory import Path, Prediction, eye_batches

# Starting values, from fits to real series (log scale unless the name says otherwise).
START = {
    "alpha_logit": 0.74,
    "offset": 0.31,
    "learning": -0.53,
    "noise_factor": 0.075,
    "visit_variance": -2.0,
    "common": -1.54,
    "local": -1.29,
    "own": -1.44,
    "length": 3.35,
    "hemifield_logit": 1.63,
    "wander": -1.0,
    "wander_common": -2.3,
    "tau": 1.68,
}
UNTESTED = 1e6  # variance of a location's mean when it was never tested, in units of s^2


class ResidualProcess(nn.Module):
    """The residual process's scalars (named in ``START``) and its closed-form posterior and predictions."""

    distance: Tensor
    same_hemifield: Tensor

    def __init__(self, xy: Tensor, scalars: dict[str, float] = START) -> None:
        super().__init__()
        self.scalars = nn.ParameterDict({k: nn.Parameter(torch.tensor(float(scalars[k]))) for k in START})
        self.register_buffer("distance", torch.cdist(xy, xy))
        self.register_buffer("same_hemifield", (xy[:, None, 1] > 0) == (xy[None, :, 1] > 0))

    def squared_distance_from_start(self) -> Tensor:
        """Sum of squared differences of the scalars from their starting values."""
        return torch.stack([(self.scalars[k] - v) ** 2 for k, v in START.items()]).sum()

    def covariance(self) -> Tensor:
        """R: covariance of the standing residual in units of s, (location, location)."""
        p = self.scalars
        near = torch.exp(-(self.distance**2) / (2 * torch.exp(2 * p["length"])))
        h = torch.sigmoid(p["hemifield_logit"])
        across = torch.where(self.same_hemifield, 1.0, 1 - h)
        eye = torch.eye(len(near), dtype=near.dtype, device=near.device)
        return p["common"].exp() + p["local"].exp() * near * across + p["own"].exp() * eye

    def level(self, summary: FieldSummary, field: Tensor) -> Tensor:
        """The level at which s is looked up, dB: the mean of the tests shrunk to the decoded field."""
        share = summary.count / (summary.count + 1)
        return share * summary.mean + (1 - share) * field

    def posterior(
        self, summary: FieldSummary, field: Tensor, field_draws: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The eye's underlying field m + s u given its visits.

        Parameters
        ----------
        summary : FieldSummary
            Statistics of the visits.
        field, field_draws : Tensor (eye, location), (draw, eye, location)
            Decoded posterior mean and draws, dB.
        noise : Tensor (eye, location)
            s, dB.

        Returns
        -------
        mean, sd : Tensor (eye, location), dB
        md_sd : Tensor (eye,)
            SD of the mean over locations, dB.
        """
        p = self.scalars
        alpha = torch.sigmoid(p["alpha_logit"])
        # The first visit lies `learning` below the others, so decoded field and mean of n lie learning / n below.
        lift = -p["learning"] / summary.n_visits.clamp(min=1)[:, None]
        locations = summary.mask.sum(1, keepdim=True).clamp(min=1)
        eye_mean = (summary.mean * summary.mask).sum(1, keepdim=True) / locations
        m = alpha * field + (1 - alpha) * eye_mean + lift + p["offset"]

        smoother = self._smoother(summary, noise)
        mean = m + noise * smoother.apply((summary.mean + lift - m) / noise)
        # z enters through m alone: what the residual does not take back of a change of m remains.
        spread = alpha * (field_draws - field_draws.mean(0))
        spread = spread - noise * smoother.apply(spread / noise)
        variance = noise**2 * smoother.variance() + spread.var(0)
        md_variance = smoother.quadratic(noise) / noise.shape[1] ** 2 + spread.mean(2).var(0)
        return mean, variance.clamp(min=1e-8).sqrt(), md_variance.clamp(min=1e-8).sqrt()

    def _smoother(self, summary: FieldSummary, noise: Tensor) -> _Smoother:
        # Without the visit effect all eyes tested equally often share one smoother, so one Cholesky serves them.
        patterns, pattern = torch.unique(summary.count, dim=0, return_inverse=True)
        noise_factor = self.scalars["noise_factor"].exp()
        own = torch.where(patterns > 0, noise_factor / patterns.clamp(min=1), UNTESTED)
        R = self.covariance()
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(R + torch.diag_embed(own)))
        visit = self.scalars["visit_variance"].exp() / summary.n_visits.clamp(min=1)
        return _Smoother(
            R, inverse[pattern], torch.where(summary.mask, 1 / noise, 0.0), visit[:, None], summary.mask
        )

    def predict(self, mean: Tensor, sd: Tensor, md_sd: Tensor, noise: Tensor, ahead: Tensor) -> Prediction:
        """A test ``ahead`` (eye, time) years after the last visit, from the underlying field's mean and SD."""
        p = self.scalars
        risen = 1 - torch.exp(-ahead / p["tau"].exp())
        visit = p["visit_variance"].exp()
        own = (p["noise_factor"].exp() + p["wander"].exp() * risen[..., None]) * noise[:, None] ** 2
        td_variance = sd[:, None] ** 2 + own + visit
        level_noise = (noise**2).mean(1)[:, None]
        common = p["wander_common"].exp() * risen * level_noise
        md_variance = md_sd[:, None] ** 2 + visit + common + own.mean(-1) / noise.shape[1]
        times = ahead.shape[1]
        td = mean[:, None].expand(-1, times, -1)
        return Prediction(td, td_variance.sqrt(), td.mean(-1), md_variance.sqrt())


class _Smoother:
    """Posterior of u from the mean of an eye's visits, in units of s: r = u + own noise + g w, w = 1 / s.

    M = R + D + visit w w' by Sherman-Morrison; E[u | r] = R M^-1 r and Cov[u | r] = R - R M^-1 R.
    """

    def __init__(self, R: Tensor, inverse: Tensor, w: Tensor, visit: Tensor, mask: Tensor) -> None:
        self.mask = mask
        self.gain = R @ inverse  # R (R + D)^-1: (eye, location, location)
        self.covariance = R - self.gain @ R
        self.solved = torch.einsum("eij,ej->ei", inverse, w)
        self.direction = self.solved @ R
        self.weight = visit / (1 + visit * (w * self.solved).sum(1, keepdim=True))

    def apply(self, r: Tensor) -> Tensor:
        """E[u | r] for r (..., eye, location); untested locations say nothing."""
        r = torch.where(self.mask, r, 0.0)
        along = (r * self.solved).sum(-1, keepdim=True)
        return torch.einsum("eij,...ej->...ei", self.gain, r) - self.weight * along * self.direction

    def variance(self) -> Tensor:
        """Var[u_j | r]: (eye, location)."""
        return torch.diagonal(self.covariance, dim1=1, dim2=2) + self.weight * self.direction**2

    def quadratic(self, s: Tensor) -> Tensor:
        """Var[s' u | r] for s (eye, location): (eye,)."""
        along = (s * self.direction).sum(1)
        return torch.einsum("ei,eij,ej->e", s, self.covariance, s) + self.weight[:, 0] * along**2


class StaticField:
    """The static trajectory; see :class:`~vfprog.model.trajectory.Trajectory`."""

    def __init__(self, vae: FieldVAE, residual: ResidualProcess, draws: int, seed: int) -> None:
        self.vae = vae
        self.residual = residual
        self.draws = draws
        self.seed = seed

    @torch.no_grad()
    def fit(self, series: Series) -> Path:
        """Posterior of each eye's underlying field; its latents do not move."""
        return Path.concatenate([self._fit(series[batch]) for batch in eye_batches(len(series))])

    def _fit(self, series: Series) -> Path:
        summary = summarise(series.td, series.mask)
        z_loc, z_scale, field, field_draws, noise = self.decoded(summary)
        td, td_sd, md_sd = self.residual.posterior(summary, field, field_draws, noise)
        still = torch.zeros_like(z_loc)
        return Path(series.last_years, z_loc, z_scale, still, still, still, td, td_sd, noise, md_sd)

    @torch.no_grad()
    def predict(self, path: Path, years: Tensor) -> Prediction:
        """The same field at every time, with an uncertainty that grows after the last visit."""
        ahead = (years - path.last_years[:, None]).clamp(min=0)
        return self.residual.predict(path.td, path.td_sd, path.md_sd, path.noise, ahead)

    @torch.no_grad()
    def decoded(self, summary: FieldSummary) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Latents (mean, SD), decoded field, draws of it, and SD of a test there, from the eyes' visits."""
        z_loc, z_scale = self.vae.guide.encoder(summary)
        generator = torch.Generator(device=z_loc.device).manual_seed(self.seed)
        shape = (self.draws, 1, z_loc.shape[1])  # the same draws for every eye: an eye's result is its own
        noise_z = torch.randn(shape, dtype=z_loc.dtype, device=z_loc.device, generator=generator)
        field_draws = self.vae.model.decoder(z_loc + z_scale * noise_z)
        field = field_draws.mean(0)
        return z_loc, z_scale, field, field_draws, self.vae.model.noise(self.residual.level(summary, field))
