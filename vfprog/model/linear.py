"""The decoder made linear about a path, and the noise of an eye's tests: where the fit of a path begins."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import FieldSummary

PSEUDO_TESTS = 200.0  # about four visits
USUAL_SCATTER = 0.85  # variance of a location's tests about their mean over the years, in units of s^2


@dataclass(frozen=True)
class Linear:
    """The decoded path about a path, and what does not change while it is refined.

    Attributes
    ----------
    start, slope : Tensor (eye, latent)
        The path about which the decoder is linear; slopes per year.
    apart : Tensor (eye, location)
        What stands beside the decoded field, dB: see :meth:`LatentTrajectory.encoded`.
    field : Tensor (eye, visit, location)
        Decoded at each visit, and what stands beside, dB.
    jacobian : Tensor (eye, visit, location, latent)
        Of the decoder there.
    level, noise : Tensor (eye, location)
        Of the eye, and the SD s of a test there, dB.
    """

    start: Tensor
    slope: Tensor
    apart: Tensor
    field: Tensor
    jacobian: Tensor
    level: Tensor
    noise: Tensor


def average(linears: list[Linear]) -> Linear:
    """Linear on average over several paths: about their mean, with the mean field and Jacobian."""
    names = (f.name for f in fields(Linear))
    return Linear(*(torch.stack([getattr(one, name) for one in linears]).mean(0) for name in names))


def own_scatter(summary: FieldSummary, noise: Tensor) -> Tensor:
    """How much more or less an eye's tests scatter than ``noise`` (eye, location), dB, lets expect: a factor (eye,).

    Without it a restless eye's scatter passes for drift. Moderated as if ``PSEUDO_TESTS`` had scattered as expected.
    """
    degrees = (summary.count - 1).clamp(min=0).sum(1)
    squares = (summary.squares / noise**2).sum(1) / USUAL_SCATTER
    return ((PSEUDO_TESTS + squares) / (PSEUDO_TESTS + degrees)).sqrt()


def decode_with_jacobian(vae: FieldVAE, z: Tensor) -> tuple[Tensor, Tensor]:
    """Decoded field (..., location) and its derivatives (..., location, latent) at z (..., latent)."""
    flat = z.reshape(-1, z.shape[-1])
    directions = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)

    def along(direction: Tensor) -> Tensor:
        change: Tensor = torch.func.jvp(vae.model.decoder, (flat,), (direction.expand_as(flat),))[1]
        return change

    columns = torch.func.vmap(along, out_dims=2)(directions)
    return vae.model.decoder(z), columns.reshape(*z.shape[:-1], -1, z.shape[-1])
