"""Trajectories through latent space with a residual process about them: fit and forecast of many eyes at once.

p(path) p(td | path), with the path's 2 K + L coordinates in units of their prior SD: the latents at the first field,
their slopes, and the residual's drift along each spatial vector. Given the path, tests are normal with the covariance
of :class:`~vfprog.model.covariance.SeriesCovariance`, so with the decoder made linear about a path the posterior is a
mixture of normals, one for each component of drift, in closed form. The guide (:meth:`FieldGuide`'s encoder, on all
visits of the eye) says where to make it linear first; each refinement does so again at the posterior's mean
(Gauss-Newton). Three methods are this one with parts left out: see :class:`LatentTrajectory`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.covariance import SeriesCovariance, SingleTests, Solved
from vfprog.model.curvature import MANY_DRAWS, latent_draws, mean_change, moved_gram
from vfprog.model.field_vae import FieldVAE
from vfprog.model.floor_sites import at_or_below, lowest_recorded
from vfprog.model.linear import Known, Linear, average, own_scatter, own_unrest, stands_apart
from vfprog.model.path_posterior import PathPosterior, PathPrior
from vfprog.model.residual import SCALES, ResidualProcess
from vfprog.model.summary import summarise
from vfprog.model.trajectory import Path, Prediction, alike_batches

# More refinements change next to nothing; more averages move the rate of nine eyes in ten by less than a tenth of its
# SD, single latents by more: tests/benchmarks/averages.py.
REFINEMENTS, AVERAGES = 2, 2


@dataclass(frozen=True)
class Conditioned:
    """The posterior of an eye's path with the decoder linear about one, and what it was computed from.

    Attributes
    ----------
    covariance : SeriesCovariance
        Of the tests beyond the path.
    solved : Solved
        Of the tests' departures from a path of zeros and the design of the path's coordinates.
    posterior : PathPosterior
    """

    covariance: SeriesCovariance
    solved: Solved
    posterior: PathPosterior


class LatentTrajectory:
    """A trajectory method; see :class:`~vfprog.model.trajectory.Trajectory`.

    ``trajectory`` has latents that move and a residual that drifts; ``static`` has no drift of either; ``residual``
    has no network: the decoded field is the mean of the eye's tests.
    """

    def __init__(self, vae: FieldVAE, residual: ResidualProcess, *, network: bool, drift: bool) -> None:
        self.vae = vae
        self.residual = residual
        self.network = network
        self.drift = drift

    @torch.no_grad()
    def fit(self, series: Series) -> Path:
        """Posterior of each eye's path from its visits."""
        batches = alike_batches(series)
        paths = Path.concatenate([self._fit(series[rows].first(series.td.shape[1])) for rows in batches])
        return paths[torch.argsort(torch.cat(batches))]

    def _fit(self, series: Series) -> Path:
        return self.path(series, *self.refined(series, self.encoded(series)))

    def refined(self, series: Series, linear: Linear) -> tuple[Linear, Conditioned]:
        """Begin with ``linear``, make the decoder linear anew about the posterior; return both at the end.

        First about the posterior's mean (Gauss-Newton), then on average over the posterior: see :mod:`curvature`.
        """
        covariance = self.covariance(series, linear.known)
        conditioned = self.conditioned(series, linear, covariance)
        for _ in range(REFINEMENTS if self.network else 0):
            path = self._latents(conditioned.posterior.centre())
            linear = self.linear(series, *path, linear.known)
            conditioned = self.conditioned(series, linear, covariance)
        return self._averaged(series, linear, conditioned) if self.network else (linear, conditioned)

    def _averaged(
        self, series: Series, linear: Linear, conditioned: Conditioned
    ) -> tuple[Linear, Conditioned]:
        """The same with the decoder linear on average over draws of the posterior, ``AVERAGES`` times anew."""
        covariance, posterior = conditioned.covariance, conditioned.posterior
        prior = self.prior(linear.known.level)
        # What tests at the floor are worth is kept from the sites found before.
        shown = self.shown(series, linear, conditioned)
        drift = covariance.solve(self.drift_design(series, linear))
        for _ in range(AVERAGES):
            draws, centre = latent_draws(posterior, self.latents), posterior.centre()[:, : self.latents]
            abouts = self._linear_about_each(series, draws, linear)
            grams = []
            for draw, about in zip(draws, abouts, strict=True):
                values = covariance.spectral(self.departures(series, about, shown))
                solved = covariance.solve(torch.cat([values, self.latent_design(series, about)], -1))
                grams.append(moved_gram(covariance.joint_gram(solved, drift), centre - draw))
            posterior = prior.posterior(torch.stack(grams).mean(0))
            linear = average(abouts)
        values = covariance.spectral(self.departures(series, linear, shown))
        solved = covariance.solve(torch.cat([values, self.design(series, linear)], -1))
        return linear, Conditioned(covariance, solved, posterior)

    @property
    def latents(self) -> int:
        """How many of the path's coordinates are latents: starts, and slopes where they move."""
        return (self.vae.latent_dim if self.network else 0) * (2 if self.drift else 1)

    def shown(self, series: Series, linear: Linear, conditioned: Conditioned) -> Tensor:
        """Tests, those at the floor in place of their pseudo-tests' values: (eye, visit, location), dB."""
        values = torch.einsum("ji,eit->etj", self.residual.vectors, conditioned.solved.columns[..., 0])
        taken = self.departures(series, linear, series.td)
        return series.td + (values - taken) * linear.known.noise[:, None]

    @torch.no_grad()
    def encoded(self, series: Series) -> Linear:
        """Linear about the encoder's reading of all visits, as if the eye stood still.

        What stands of the eye's median field far from the decoded one is taken as known (:func:`stands_apart`): a
        normal process would pull a deep scotoma that the decoder does not know back to it. Without a network the mean
        of the eye's tests stands for the decoded field.
        """
        summary = summarise(series.td, series.mask)
        if not self.network:
            locations = summary.mask.sum(1, keepdim=True).clamp(min=1)
            own_mean = (summary.mean * summary.mask).sum(1, keepdim=True) / locations
            apart = own_mean.expand_as(summary.mean)
            start, field = apart[:, :0], apart
        else:
            start = self.vae.guide.encoder(summary)[0]
            field = self.vae.model.decoder(start)
        share = summary.count / (summary.count + 1)
        level = share * summary.mean + (1 - share) * field
        noise = self.noise(level)
        noise = noise * own_scatter(series, noise)
        if self.network:
            apart = stands_apart(summary, field, noise, self.residual)
        known = Known(apart, level, noise, own_unrest(series))
        return self.linear(series, start, torch.zeros_like(start), known)

    def noise(self, level: Tensor) -> Tensor:
        """SD of one test (dB) at levels (..., location), dB, by level and place."""
        noise: Tensor = self.vae.model.noise(level)
        return noise * self.residual.growth(level)

    def linear(self, series: Series, start: Tensor, slope: Tensor, known: Known) -> Linear:
        """Linear about a path, at every visit."""
        if not self.network:
            nothing = series.td.new_zeros(*series.td.shape, 0)
            return Linear(start, slope, known.apart[:, None].expand_as(series.td), nothing, known)
        field, jacobian = self.vae.model.decoder.with_jacobian(_along(series, start, slope))
        return Linear(start, slope, field + known.apart[:, None], jacobian, known)

    def _linear_about_each(self, series: Series, paths: Tensor, like: Linear) -> list[Linear]:
        """Linear about each of several paths (path, eye, coordinate) of the eyes: they are decoded together."""
        start, slope = self._latents(paths)
        field, jacobian = self.vae.model.decoder.with_jacobian(_along(series, start, slope))
        field = field + like.known.apart[:, None]
        return [
            replace(like, start=a, slope=b, field=f, jacobian=j)
            for a, b, f, j in zip(start, slope, field, jacobian, strict=True)
        ]

    def covariance(self, series: Series, known: Known) -> SeriesCovariance:
        """Covariance of the tests beyond the path."""
        unknown = series.visits[..., None] & ~series.mask
        if series.at_floor is not None:
            unknown = unknown | series.at_floor
        single = SingleTests.where(unknown, series.td.dtype)
        return self.residual.covariance(series.years, series.visits, known.noise, known.unrest, single)

    def conditioned(self, series: Series, linear: Linear, covariance: SeriesCovariance) -> Conditioned:
        """Posterior of the path's coordinates with the decoder linear about a path."""
        values = self.departures(series, linear, series.td)
        solved = covariance.solve(torch.cat([covariance.spectral(values), self.design(series, linear)], -1))
        prior = self.prior(linear.known.level)
        if series.at_floor is None or not bool(series.at_floor.any()):
            return Conditioned(covariance, solved, prior.posterior(solved.gram()))
        single = covariance.single
        censored, bound = single.of(series.at_floor) > 0, single.of(values)
        return Conditioned(*at_or_below(covariance, solved, prior, censored, bound))

    def prior(self, level: Tensor) -> PathPrior:
        """Of the path's coordinates, in units of the slow component's SD; ``level`` (eye, location), dB."""
        latents = self.vae.latent_dim if self.network else 0
        if not self.drift:
            return PathPrior(level.new_ones(1, latents), torch.zeros_like(level[:, :1]))
        scale = level.new_tensor(SCALES)[:, None]
        still, moving = torch.ones_like(scale).expand(-1, latents), scale.expand(-1, latents + level.shape[1])
        return PathPrior(torch.cat([still, moving], 1), self.residual.log_weights(level.mean(1)))

    def departures(self, series: Series, linear: Linear, td: Tensor) -> Tensor:
        """Tests minus what the decoder, linear about its path, says at a path of zeros: units of s, 0 if not tested."""
        p = self.residual.scalars
        first = torch.zeros_like(series.years)
        first[:, 0] = p["learning"]
        about = torch.einsum("etjk,ek->etj", linear.jacobian, linear.start)
        about = about + torch.einsum(
            "etjk,ek->etj", linear.jacobian * series.years[..., None, None], linear.slope
        )
        mean = linear.field - about + p["offset"] + first[..., None]
        return torch.where(series.mask, (td - mean) / linear.known.noise[:, None], 0.0)

    def design(self, series: Series, linear: Linear) -> Tensor:
        """What a unit of each coordinate of the path adds to the tests: spectral, (eye, vector, visit, coordinate)."""
        return torch.cat([self.latent_design(series, linear), self.drift_design(series, linear)], -1)

    def latent_design(self, series: Series, linear: Linear) -> Tensor:
        """The same of its latents."""
        kept = series.visits.to(series.td.dtype)
        vectors = self.residual.vectors
        jacobian = linear.jacobian / linear.known.noise[:, None, :, None] * kept[..., None, None]
        still = torch.einsum("ji,etjk->eitk", vectors, jacobian)
        if not self.drift:
            return still
        years = (series.years * kept)[:, None, :, None]
        return torch.cat([still, still * years * self.residual.scalars["latent_drift"].exp()], -1)

    def drift_design(self, series: Series, linear: Linear) -> Tensor:
        """The same of the residual's drift: no coordinate where nothing drifts."""
        vectors = self.residual.vectors
        years = (series.years * series.visits)[:, None, :, None]
        if not self.drift:
            return years.new_zeros(len(series), len(vectors), series.td.shape[1], 0)
        unit = self.residual.drift_unit(linear.known.level, linear.known.noise) / linear.known.noise
        along = torch.einsum("ji,ej,jk->eik", vectors, unit, vectors) * self.residual.spectrum("drift").sqrt()
        return along[:, :, None] * years

    def path(self, series: Series, linear: Linear, conditioned: Conditioned) -> Path:
        """What the tests say of the latents, and of the field's level, drift and wander at the last visit."""
        residual, vectors, s = self.residual, self.residual.vectors, linear.known.noise
        kept = series.visits.to(s.dtype)
        last = series.last_years[:, None]
        standing = residual.spectrum("standing")
        wander = residual.spectrum("wander") * linear.known.unrest[:, None]
        left = residual.wander_left(last - series.years) * kept
        target = torch.stack(
            [standing[None, :, None] * kept[:, None], wander[:, :, None] * left[:, None]], -1
        )
        regression, within, outside = conditioned.covariance.explain(target, conditioned.solved)

        path, spread = conditioned.posterior.centre(), conditioned.posterior.covariance()
        of_field = self._rows(series, linear)  # (eye, location, level and drift, coordinate)
        taken = torch.einsum("ji,eipc->ejpc", vectors, regression[..., 1:]) * s[..., None, None]
        rows = torch.stack([of_field[:, :, 0] - taken[:, :, 0], of_field[:, :, 1], -taken[:, :, 1]], 2)
        at_zero = torch.einsum("ji,eip->ejp", vectors, regression[..., 0]) * s[..., None]
        index = (series.n_visits - 1)[:, None, None].expand(-1, 1, s.shape[1])
        field = linear.field.gather(1, index)[:, 0] - self._about(series, linear)
        level = field + residual.scalars["offset"] + at_zero[..., 0]
        state = torch.stack([level, torch.zeros_like(level), at_zero[..., 1]], -1)
        state = state + torch.einsum("ejpc,ec->ejp", rows, path)
        if self.network and self.drift:
            state[..., 1] += self._bent_drift(series, linear, conditioned.posterior)

        prior = (
            torch.diag_embed(torch.stack([standing.expand_as(wander), wander], -1)) - within
        )  # along each vector
        of_location = torch.einsum("ji,eipq->ejpq", vectors**2, prior)
        across = torch.einsum("ji,eipl->ejpl", vectors, outside)
        of_location = of_location + torch.einsum("ejpl,ejql->ejpq", across, across)
        unknown = (rows.flatten(1, 2) @ spread).unflatten(1, rows.shape[1:3]) @ rows.transpose(2, 3)
        state_cov = unknown + _embed(of_location) * (s**2)[..., None, None]

        shares = s @ vectors / s.shape[1]  # of the mean over locations along each vector
        of_mean = torch.einsum("ei,eipq->epq", shares**2, prior)
        across = torch.einsum("ei,eipl->epl", shares, outside)
        of_mean = of_mean + across @ across.transpose(1, 2)
        mean_rows = rows.mean(1)
        md_cov = mean_rows @ spread @ mean_rows.transpose(1, 2) + _embed(of_mean)
        z_start, z_start_sd, z_slope, z_slope_sd, correlation = self._latent_moments(path, spread)
        return Path(
            series.last_years, series.n_visits.to(s.dtype), z_start, z_start_sd, z_slope, z_slope_sd, correlation,
            noise=s, state=state, state_cov=state_cov, md_cov=md_cov, floor=lowest_recorded(series),
        )  # fmt: skip

    @torch.no_grad()
    def _bent_drift(self, series: Series, linear: Linear, posterior: PathPosterior) -> Tensor:
        """What the decoded path's drift at the last visit has on average beyond the mean slope: (eye, location)."""
        start, slope = self._latents(latent_draws(posterior, self.latents, MANY_DRAWS))
        last = start + slope * series.last_years[:, None]
        straight = self._last_jacobian(series, linear) @ self._latents(posterior.centre())[1][..., None]
        return mean_change(self.vae.model.decoder, last, slope) - straight[..., 0]

    def _about(self, series: Series, linear: Linear) -> Tensor:
        """What the linear decoder gives at the last visit for a path of zeros, less its field: (eye, location)."""
        z = linear.start + linear.slope * series.last_years[:, None]
        return torch.einsum("ejk,ek->ej", self._last_jacobian(series, linear), z)

    def _last_jacobian(self, series: Series, linear: Linear) -> Tensor:
        rows = torch.arange(len(series), device=series.td.device)
        return linear.jacobian[rows, series.n_visits - 1]

    def _rows(self, series: Series, linear: Linear) -> Tensor:
        """Level at the last visit and drift of each location by coordinate: (eye, location, 2, coordinate)."""
        jacobian = self._last_jacobian(series, linear)
        if not self.drift:
            return torch.stack([jacobian, torch.zeros_like(jacobian)], 2)
        residual = self.residual
        latent = jacobian * residual.scalars["latent_drift"].exp()
        unit = residual.drift_unit(linear.known.level, linear.known.noise)
        along = unit[..., None] * residual.vectors * residual.spectrum("drift").sqrt()
        drift = torch.cat([torch.zeros_like(jacobian), latent, along], -1)
        level = drift * series.last_years[:, None, None]
        level = torch.cat([jacobian, level[..., jacobian.shape[-1] :]], -1)
        return torch.stack([level, drift], 2)

    def _latents(self, path: Tensor) -> tuple[Tensor, Tensor]:
        """Start and slope of the latents from a path's coordinates (..., coordinate)."""
        latent_dim = self.vae.latent_dim if self.network else 0
        start = path[..., :latent_dim]
        if not self.drift:
            return start, torch.zeros_like(start)
        return start, path[..., latent_dim : 2 * latent_dim] * self.residual.scalars["latent_drift"].exp()

    def _latent_moments(self, path: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Means and SDs of start and slope and their correlation, five tensors (eye, latent)."""
        start, slope = self._latents(path)
        k = start.shape[1]
        variance = torch.diagonal(spread, dim1=1, dim2=2)
        start_sd = variance[:, :k].sqrt()
        if not self.drift:
            return start, start_sd, slope, slope, slope
        unit = self.residual.scalars["latent_drift"].exp()
        slope_sd = variance[:, k : 2 * k].sqrt() * unit
        both = torch.diagonal(spread[:, :k, k : 2 * k], dim1=1, dim2=2) * unit
        return start, start_sd, slope, slope_sd, both / (start_sd * slope_sd)

    @torch.no_grad()
    def predict(self, path: Path, years: Tensor) -> Prediction:
        """Level and drift go on, the wander fades and grows anew; the decoder bends the latents' part of the drift."""
        return self.forecast(path, years, self.residual.spectrum("noise"), self.residual.visit_variance)

    @torch.no_grad()
    def underlying(self, path: Path, years: Tensor) -> Prediction:
        """The same without the noise and the shift of a test."""
        none = torch.zeros_like(self.residual.spectrum("noise"))
        return self.forecast(path, years, none, none[0])

    def forecast(self, path: Path, years: Tensor, noise: Tensor, shift: Tensor) -> Prediction:
        """What is measured with this noise and shift; differentiable in all scalars.

        ``noise`` (vector,) is its variance along each vector, units of s^2; ``shift`` () that of a visit, dB^2.
        """
        residual, s = self.residual, path.noise
        ahead = (years - path.last_years[:, None]).clamp(min=0)
        left = residual.wander_left(ahead)
        along = torch.stack([torch.ones_like(ahead), ahead, left], -1)  # of level, drift, wander
        mean = torch.einsum("etp,ejp->etj", along, path.state)
        if self.network and self.drift:
            mean = mean + self._bend(path, ahead)
        mean = torch.maximum(mean, path.floor[:, None])
        wander, grown = residual.spectrum("wander"), 1 - left**2
        own = grown[..., None] * (residual.vectors**2 @ wander) + residual.vectors**2 @ noise
        variance = torch.einsum("etp,ejpq,etq->etj", along, path.state_cov, along) + own * (s**2)[:, None]
        shares = s @ residual.vectors / s.shape[1]
        own = grown * (shares**2 @ wander)[:, None] + (shares**2 @ noise)[:, None]
        md_variance = torch.einsum("etp,epq,etq->et", along, path.md_cov, along) + own
        return Prediction(mean, _sd(variance + shift), mean.mean(-1), _sd(md_variance + shift))

    def _bend(self, path: Path, ahead: Tensor) -> Tensor:
        """Decoded change after the last visit beyond its straight continuation, dB: (eye, time, location)."""
        now = path.z_start + path.z_slope * path.last_years[:, None]
        decode = self.vae.model.decoder
        straight: Tensor = torch.func.jvp(decode, (now,), (path.z_slope,))[1]
        later: Tensor = decode(now[:, None] + path.z_slope[:, None] * ahead[..., None])
        return later - decode(now)[:, None] - straight[:, None] * ahead[..., None]


def _along(series: Series, start: Tensor, slope: Tensor) -> Tensor:
    """Latents at each visit from their start and slope (..., eye, latent): (..., eye, visit, latent)."""
    return start[..., None, :] + slope[..., None, :] * series.years[..., None]


def _embed(of_level_and_wander: Tensor) -> Tensor:
    """Covariance (..., 2, 2) of level and wander as one of level, drift and wander (..., 3, 3)."""
    places = torch.zeros(2, 3, dtype=of_level_and_wander.dtype, device=of_level_and_wander.device)
    places[0, 0] = places[1, 2] = 1
    return places.T @ of_level_and_wander @ places


def _sd(variance: Tensor) -> Tensor:
    return variance.clamp(min=1e-8).sqrt()
