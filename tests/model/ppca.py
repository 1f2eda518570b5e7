"""Probabilistic PCA as a model of this package: linear decoder, normal noise, linear guide; all is known exactly."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vfprog.config import FieldConfig
from vfprog.data.examples import Examples, one_view
from vfprog.inference.networks import build_latent_variable
from vfprog.model.latent_variable import LatentVariableModel

LOCATIONS, LATENTS, SD = 12, 3, 2.0
REACH = 10.0  # dB; scale of the guide's inputs, so that none is cut off as too large


class Ppca:
    """x = W z + mu + noise: the network, fields drawn from it, and its exact answers."""

    def __init__(self, guide: str = "full", seed: int = 0, rows: int = 200) -> None:
        torch.manual_seed(seed)
        self.weight = 1.5 * torch.randn(LOCATIONS, LATENTS, dtype=torch.float64)
        self.centre = torch.linspace(-6, 0, LOCATIONS, dtype=torch.float64)
        options = FieldConfig(
            kind="field",
            latent_dim=LATENTS,
            decoder_hidden=[],
            encoder_hidden=[],
            likelihood="normal",
            guide=guide,  # type: ignore[arg-type]
        )
        sizes = {"locations": LOCATIONS, "inputs": LOCATIONS, "properties": 0}
        self.network: LatentVariableModel = build_latent_variable(options, sizes).double()
        decoder, network = self.network.model.decoder, self.network.guide.network
        with torch.no_grad():
            decoder.linear.weight.copy_(self.weight)
            decoder.linear.bias.zero_()
            decoder.scale.fill_(1.0)
            decoder.centre.copy_(self.centre)
            self.network.model.likelihood.log_sd.fill_(math.log(SD))
            network.seen_centre.copy_(self.centre)
            network.seen_scale.fill_(REACH)
        z = torch.randn(rows, LATENTS, dtype=torch.float64)
        self.x = z @ self.weight.T + self.centre + SD * torch.randn(rows, LOCATIONS, dtype=torch.float64)
        precision = torch.eye(LATENTS, dtype=torch.float64) + self.weight.T @ self.weight / SD**2
        self.covariance = torch.linalg.inv(precision)

    @property
    def examples(self) -> Examples:
        return one_view(self.x)

    @property
    def log_evidence(self) -> Tensor:
        """Analytic log p(x): (row,)."""
        covariance = self.weight @ self.weight.T + SD**2 * torch.eye(LOCATIONS, dtype=torch.float64)
        return MultivariateNormal(self.centre, covariance).log_prob(self.x)

    @property
    def posterior(self) -> MultivariateNormal:
        """Exact p(z | x) of each row."""
        loc = (self.x - self.centre) @ self.weight @ self.covariance / SD**2
        return MultivariateNormal(loc, self.covariance)

    @torch.no_grad()
    def answer(self, factor: Tensor | None = None, shift: float = 0.0) -> None:
        """Let the guide answer with the exact posterior's mean, shifted, and a covariance by its Cholesky factor."""
        chosen = torch.linalg.cholesky(self.covariance) if factor is None else factor
        layer = self.network.guide.network.mlp[-1]
        layer.weight.zero_()
        layer.bias.zero_()
        layer.weight[:LATENTS] = REACH * (self.weight @ self.covariance / SD**2).T
        layer.bias[:LATENTS] = shift
        rows, columns = torch.tril_indices(LATENTS, LATENTS, offset=-1)
        layer.bias[LATENTS : 2 * LATENTS] = chosen.diagonal().log()
        layer.bias[2 * LATENTS :] = chosen[rows, columns][: len(layer.bias) - 2 * LATENTS]
