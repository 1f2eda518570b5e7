"""A sweep of one model over beta, latent size and seed."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from vfprog.config.models import NetworkConfig, parse_model
from vfprog.config.section import Name, Positive, Section


class Swept(NamedTuple):
    """A point of the sweep."""

    beta: float
    latent_dim: int
    seed: int


class SweepConfig(Section):
    """One model trained anew at every combination of beta, latent size and seed: the rate-distortion curve."""

    model: Name = Field(
        description="Name under `models` of the model that the others are like; not one on `weights`"
    )
    beta: list[Positive] = Field(
        [0.1, 0.3, 1.0, 3.0],
        min_length=1,
        description="Weights of the log-likelihood: loss = KL - beta * log-likelihood, so the weight of the KL in most "
        "of the literature is 1 / beta",
    )
    latent_dim: list[Annotated[int, Field(ge=1)]] = Field(
        [2, 8, 16], min_length=1, description="Numbers of latents, at most as many as the data have locations"
    )
    seed: list[Annotated[int, Field(ge=0)]] = Field(
        [1, 2, 3], min_length=1, description="Seeds; the choice needs at least two to know what chance does"
    )

    @model_validator(mode="after")
    def _each_once(self) -> SweepConfig:
        for key in ("beta", "latent_dim", "seed"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key}: {values} names a value twice; name each once")
        return self

    @property
    def points(self) -> list[Swept]:
        """Every combination."""
        return [Swept(*point) for point in product(self.beta, self.latent_dim, self.seed)]

    def options(self, base: NetworkConfig, point: Swept) -> Any:
        """The section of a point's model: the base's, but for beta and latent size.

        Raises
        ------
        pydantic.ValidationError
            If these do not suit it.
        """
        section = base.model_dump()
        section |= {"latent_dim": point.latent_dim, "train": {**section["train"], "beta": point.beta}}
        return parse_model(section)
