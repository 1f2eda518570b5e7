"""The published recipe: encode each visit, a least-squares line per latent over years, decode its future.

Berchuck, Mukherjee and Medeiros, Sci Rep 2019;9:18113. Kept for comparison: with few visits its unregularised
slopes extrapolate noise in latent space exactly as pointwise regression does in decibels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.field_vae import FieldVAE
from vfprog.model.least_squares import fit_lines
from vfprog.model.summary import visit_summary
from vfprog.model.trajectory import Path, Prediction, eye_batches

# Draws of a path are kept within this many prior SDs: beyond, the decoder says nothing about the spread.
FARTHEST = 6.0


class PublishedRecipe:
    """Least squares in latent space; see :class:`~vfprog.model.trajectory.Trajectory`."""

    def __init__(self, vae: FieldVAE, draws: int, seed: int) -> None:
        self.vae = vae
        self.draws = draws
        self.seed = seed

    @torch.no_grad()
    def fit(self, series: Series) -> Path:
        """Lines through the visits' posterior means; their SDs come from the guide's own uncertainty."""
        return Path.concatenate([self._fit(series[batch]) for batch in eye_batches(len(series))])

    def _fit(self, series: Series) -> Path:
        eyes, visits = series.years.shape
        z_loc, z_scale = (t.reshape(eyes, visits, -1) for t in self.vae.guide.encoder(visit_summary(series)))
        kept = series.visits[..., None].expand_as(z_loc)
        line = fit_lines(z_loc, kept, series.years)
        variance = torch.where(kept, z_scale**2, 0.0).sum(1) / line.n
        spread = torch.where(line.sxx > 0, line.sxx, torch.inf)
        z_start_sd = (variance * (1 / line.n + line.centre**2 / spread)).sqrt()
        z_slope_sd = (variance / spread).sqrt()
        covariance = -line.centre * variance / spread
        product = z_start_sd * z_slope_sd
        correlation = torch.where(product > 0, covariance / product.clamp(min=1e-12), 0.0).clamp(
            -0.999999, 0.999999
        )
        mean, variance, md_variance = self._decoded(
            line.intercept, z_start_sd, line.slope, z_slope_sd, correlation, series.last_years[:, None]
        )
        drift = torch.func.jvp(
            self.vae.model.decoder,
            (line.intercept + line.slope * series.last_years[:, None],),
            (line.slope,),
        )[1]
        state = torch.stack([mean[:, 0], drift, torch.zeros_like(drift)], -1)
        state_cov, md_cov = (v.new_zeros(*v.shape, 3, 3) for v in (variance[:, 0], md_variance[:, 0]))
        state_cov[..., 0, 0], md_cov[..., 0, 0] = variance[:, 0], md_variance[:, 0]
        return Path(
            series.last_years, series.n_visits.to(series.years),
            line.intercept, z_start_sd, line.slope, z_slope_sd, correlation,
            noise=self.vae.model.noise(mean[:, 0]), state=state, state_cov=state_cov, md_cov=md_cov,
            floor=torch.full_like(drift, -torch.inf),
        )  # fmt: skip

    @torch.no_grad()
    def predict(self, path: Path, years: Tensor) -> Prediction:
        """Decode the lines at ``years`` (eye, time)."""
        mean, variance, md_variance = self._decoded(
            path.z_start, path.z_start_sd, path.z_slope, path.z_slope_sd, path.z_correlation, years
        )
        noise = self.vae.model.noise(mean)
        md_noise = (noise**2).mean(-1) / noise.shape[-1]
        return Prediction(mean, (variance + noise**2).sqrt(), mean.mean(-1), (md_variance + md_noise).sqrt())

    @torch.no_grad()
    def underlying(self, path: Path, years: Tensor) -> Prediction:
        """The same without the noise of a test."""
        mean, variance, md_variance = self._decoded(
            path.z_start, path.z_start_sd, path.z_slope, path.z_slope_sd, path.z_correlation, years
        )
        return Prediction(mean, variance.sqrt(), mean.mean(-1), md_variance.sqrt())

    def _decoded(
        self,
        z_start: Tensor,
        z_start_sd: Tensor,
        z_slope: Tensor,
        z_slope_sd: Tensor,
        correlation: Tensor,
        years: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The decoded line (eye, time, location), its variance over draws, and that of its mean TD (eye, time)."""
        decode = self.vae.model.decoder
        mean = decode(z_start[:, None] + z_slope[:, None] * years[..., None])
        generator = torch.Generator(device=years.device).manual_seed(self.seed)
        # The same draws for every eye: an eye's result is its own.
        shape = (self.draws, 1, z_start.shape[1])
        first, second = torch.randn(2, *shape, dtype=years.dtype, device=years.device, generator=generator)
        start = z_start + z_start_sd * first
        rest = (1 - correlation**2).sqrt()
        slope = z_slope + z_slope_sd * (correlation * first + rest * second)
        total, squares = torch.zeros_like(mean), torch.zeros_like(mean)
        md, md_squares = torch.zeros_like(years), torch.zeros_like(years)
        # One draw of all eyes at a time: a hospital's draws together would not fit in memory.
        for a, b in zip(start, slope, strict=True):
            field = decode((a[:, None] + b[:, None] * years[..., None]).clamp(-FARTHEST, FARTHEST))
            total, squares = total + field, squares + field**2
            md, md_squares = md + field.mean(-1), md_squares + field.mean(-1) ** 2
        variance = (squares / self.draws - (total / self.draws) ** 2).clamp(min=0)
        return mean, variance, (md_squares / self.draws - (md / self.draws) ** 2).clamp(min=0)
