"""The residual process: what an eye's fields do that the decoded path through latent space does not say.

y_j(t) = m_j(t) + offset + learning [first visit] + g(t) + s_j (u_j + w_j(t) + e_j(t)) + d_j v_j t, in decibels, with
m the decoded field, s_j the SD of one test (by level, place and the location's own scatter), t in years since the eye's
first field:

* u ~ N(0, R_standing): what stands about the decoded field for good;
* w: an Ornstein-Uhlenbeck wander, covariance R_wander exp(-|t - t'| / tau);
* v ~ N(0, scale_k^2 R_drift): a linear drift, d_j between s_j and the loss that the level lets expect;
* g(t) ~ N(0, visit variance): a shift of the whole field at each visit;
* e ~ N(0, R_noise): the noise of a test, its variance about 1; neighbours' tests of one visit go together.

R = exp(common) 11' + exp(local) D(length) + exp(own) I, with D the diffusion over the field of
:mod:`~vfprog.model.spatial`; the noise has no common part, for that is g. Everything is Gaussian given the latents and
the levels. An eye whose visits stray more or less about a line than usual has w and g of that variance
(:func:`~vfprog.model.linear.own_unrest`), but for visits to come, which stray as usual. ``scale_k`` is that of the
eye's component of drift: stable, slow or fast, alike for the drift of its latents.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vfprog.model.covariance import SeriesCovariance, SingleTests
from vfprog.model.nets import interpolate
from vfprog.model.spatial import spatial_basis
from vfprog.perimetry.loss import LOSS, LOSS_LEVEL
from vfprog.perimetry.noise import (
    FULL_GROWTH_LEVEL,
    GROWTH,
    GROWTH_DEGREES,
    NO_GROWTH_LEVEL,
    USUAL_ECCENTRICITY,
)

SCALES = (0.5, 1.0, 2.0)  # of the components of drift: stable, slow, fast
# Starting values, from fits to forecasts of real series (log scale unless the name says otherwise).
START = {
    "offset": 0.0,
    "learning": -0.5,
    "noise_local": -1.9,
    "noise_own": -0.2,
    "noise_length": 1.8,
    "visit_variance": -1.2,
    "standing_common": -1.7,
    "standing_local": -1.7,
    "standing_own": -1.9,
    "standing_length": 2.5,
    "drift_common": -6.9,
    "drift_local": -5.6,
    "drift_own": -6.4,
    "drift_length": 2.1,
    "wander_common": -2.4,
    "wander_local": -1.7,
    "wander_own": -2.2,
    "wander_length": 2.0,
    "tau": 1.1,
    "drift_by_loss": 0.25,  # 0: the drift scales with s, 1: with the expected loss; not a logarithm
    "latent_drift": -3.7,
    "stable_logit": 0.5,  # of an eye whose level is CENTRAL_LEVEL, against slow; logits are not logarithms
    "stable_by_level": 0.0,
    "fast_logit": -2.5,
    "fast_by_level": 0.0,
}
CENTRAL_LEVEL, LEVEL_STEP = -5.0, 5.0  # dB: of the slope of logits by mean level
USUAL_LOSS = 0.2  # expected loss that s stands for, so that both scales of drift agree in size


class ResidualProcess(nn.Module):
    """The process's scalars (named in ``START``) and the covariances that they give."""

    vectors: Tensor
    roughness: Tensor
    away: Tensor

    def __init__(self, xy: Tensor, scalars: dict[str, float] = START) -> None:
        super().__init__()
        self.scalars = nn.ParameterDict({k: nn.Parameter(torch.tensor(float(scalars[k]))) for k in START})
        vectors, roughness = spatial_basis(xy)
        self.register_buffer("vectors", vectors)
        self.register_buffer("roughness", roughness)
        self.register_buffer("away", (xy.norm(dim=1) - USUAL_ECCENTRICITY) / GROWTH_DEGREES)

    def squared_distance_from_start(self) -> Tensor:
        """Sum of squared differences of the scalars from their starting values."""
        return torch.stack([(self.scalars[k] - v) ** 2 for k, v in START.items()]).sum()

    def to_card(self) -> dict[str, float]:
        """The scalars, as JSON content."""
        return {name: round(value.item(), 5) for name, value in self.scalars.items()}

    def spectrum(self, part: str) -> Tensor:
        """Variance of a part (standing, drift, wander, noise) along each vector, in units of s^2: (vector,)."""
        p = self.scalars
        smooth = torch.exp(-0.5 * torch.exp(2 * p[f"{part}_length"]) * self.roughness)
        smooth = smooth * len(smooth) / smooth.sum()  # mean variance over locations of 1
        spectrum = p[f"{part}_local"].exp() * smooth + p[f"{part}_own"].exp()
        if part == "noise":
            return spectrum
        common = torch.zeros_like(smooth)
        common[0] = len(smooth)
        return p[f"{part}_common"].exp() * common + spectrum

    def growth(self, level: Tensor) -> Tensor:
        """How much noisier or quieter than usual a test is there at levels (..., location), dB.

        See :func:`vfprog.perimetry.noise.growth`.
        """
        full = (level - NO_GROWTH_LEVEL) / (FULL_GROWTH_LEVEL - NO_GROWTH_LEVEL)
        return torch.as_tensor(GROWTH ** (full.clamp(0, 1) * self.away))

    @property
    def visit_variance(self) -> Tensor:
        """Variance of a visit's shift, dB^2."""
        return self.scalars["visit_variance"].exp()

    def wander_left(self, years: Tensor) -> Tensor:
        """Share of a wander that is left after so many years."""
        return torch.exp(-years / self.scalars["tau"].exp())

    def drift_unit(self, level: Tensor, s: Tensor) -> Tensor:
        """d, the size of a location's drift: (eye, location), dB."""
        loss = interpolate(level, level.new_tensor(LOSS_LEVEL), level.new_tensor(LOSS).log())
        share = self.scalars["drift_by_loss"]
        return s * torch.exp(share * (loss - (USUAL_LOSS * s).log()))

    def log_weights(self, level: Tensor) -> Tensor:
        """Log prior probability of each component of drift by the eye's mean level, dB: (eye,) -> (eye, component)."""
        p = self.scalars
        step = (level - CENTRAL_LEVEL) / LEVEL_STEP
        stable = p["stable_logit"] + p["stable_by_level"] * step
        fast = p["fast_logit"] + p["fast_by_level"] * step
        return torch.log_softmax(torch.stack([stable, torch.zeros_like(step), fast], dim=1), dim=1)

    def covariance(
        self, years: Tensor, visits: Tensor, s: Tensor, unrest: Tensor, single: SingleTests
    ) -> SeriesCovariance:
        """Covariance of an eye's tests about the decoded path and its drift.

        Parameters
        ----------
        years, visits : Tensor (eye, visit)
        s : Tensor (eye, location)
            SD of a test, dB.
        unrest : Tensor (eye,)
            Factor on the variance of the wander and of the visits' shifts.
        single : SingleTests
        """
        kept = visits.to(s.dtype)
        both = kept[:, :, None] * kept[:, None]
        standing, wander = (self.spectrum(part)[None, :, None, None] for part in ("standing", "wander"))
        apart = (years[:, :, None] - years[:, None]).abs()
        left = unrest[:, None, None] * self.wander_left(apart)
        blocks = (standing + wander * left[:, None]) * both[:, None]
        noise = self.spectrum("noise")[:, None, None] * torch.eye(
            years.shape[1], dtype=s.dtype, device=s.device
        )
        return SeriesCovariance(self.vectors, blocks + noise, visits, s, self.visit_variance * unrest, single)
