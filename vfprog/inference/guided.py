"""The space of a guided model: where its training fields lie, what they cover, and searches and ways in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vfprog.data.examples import Examples
from vfprog.data.properties import UNITS, field_properties
from vfprog.errors import UserError
from vfprog.inference.latent_density import LatentDensity, fit_density
from vfprog.inference.latent_search import Found, Present, Property, Search, nearest
from vfprog.io import read_json
from vfprog.model.guided import GuidedModel
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.staircase import FLOOR

COVERED = (
    0.5,
    99.5,
)  # percentiles of a property over the training fields: beyond, too few fields to know any by
TOLERANCE = 0.02  # SDs of a property: from a target, counts as reached


@dataclass(frozen=True)
class GuidedSpace:
    """What a guided model's training fields say of its latent space.

    Attributes
    ----------
    names : list of str
        Properties, in the order of the head's.
    covered : list of (lowest, highest)
        Of each property, what the training fields cover.
    density : LatentDensity
    """

    names: list[str]
    covered: list[tuple[float, float]]
    density: LatentDensity

    def covers(self, name: str, value: np.ndarray | float) -> np.ndarray:
        """Whether training fields cover values of a property."""
        low, high = self.covered[self.names.index(name)]
        return (np.asarray(value) >= low) & (np.asarray(value) <= high)

    def refuse_uncovered(self, targets: Mapping[Any, list[float]]) -> None:
        """Refuse values that no training field comes near.

        Raises
        ------
        UserError
            Naming the first.
        """
        for name, values in targets.items():
            low, high = self.covered[self.names.index(name)]
            for value in values:
                if not self.covers(name, value):
                    raise UserError(
                        f"config: models: search.targets.{name}: {value:g} {UNITS[name]} lies beyond what the training "
                        f"fields cover, so what would be decoded resembles no field; allowed is {low:.1f} to {high:.1f}"
                    )

    def to_card(self) -> dict[str, Any]:
        """As JSON."""
        return {"properties": self.names, "covered": self.covered, "density": self.density.to_card()}

    @classmethod
    def from_card(cls, card: dict[str, Any], like: Tensor) -> GuidedSpace:
        """From JSON, in the dtype and on the device of ``like``."""
        covered = [(low, high) for low, high in card["covered"]]
        return cls(card["properties"], covered, LatentDensity.from_card(card["density"], like))


def read_space(folder: Path, model: GuidedModel) -> GuidedSpace:
    """The space of a model from ``guided_space.json`` in its folder, beside the weights."""
    return GuidedSpace.from_card(read_json(folder / "guided_space.json"), model.model.head.centre)


@torch.no_grad()
def fit_space(model: GuidedModel, names: list[str], training: Examples, seed: int) -> GuidedSpace:
    """Where the fields that a model learned from lie in its latent space."""
    q = model.posterior(training)
    generator = torch.Generator(device=model.device).manual_seed(seed)
    noise = torch.randn(q.mean.shape, generator=generator, dtype=q.mean.dtype, device=model.device)
    root = torch.linalg.cholesky(covariance(q))
    draws = q.mean + torch.einsum("rab,rb->ra", root, noise)
    values = torch.where(training.property_mask, training.properties, torch.nan).cpu().numpy()
    low, high = np.nanpercentile(values, COVERED, axis=0).tolist()
    return GuidedSpace(names, list(zip(low, high, strict=True)), fit_density(draws, q.mean, seed))


@torch.no_grad()
def present_of(model: GuidedModel, examples: Examples) -> Present:
    """Where fields lie: mean and precision of their posteriors."""
    q = model.posterior(examples)
    return Present(q.mean, torch.linalg.inv(covariance(q)))


def covariance(q: Any) -> Tensor:
    """Covariance of a guide's normal, diagonal or full: (row, latent, latent)."""
    return q.covariance_matrix if hasattr(q, "covariance_matrix") else torch.diag_embed(q.variance)


def reading(model: GuidedModel, index: int) -> Property:
    """One property as the head reads it off latents."""
    return lambda z: model.properties(z)[..., index]


def search(
    model: GuidedModel,
    space: GuidedSpace,
    present: Present,
    name: str,
    targets: Tensor,
    plausibility: float,
) -> Found:
    """The nearest plausible latents at which a property has the value ``targets`` (row,); see :class:`Search`."""
    index = space.names.index(name)
    tolerance = TOLERANCE * float(model.model.head.scale[index])
    sought = Search(reading(model, index), present, targets, space.density, plausibility)
    return nearest(sought, tolerance)


@torch.no_grad()
def decoded_fields(model: GuidedModel, z: Tensor, age: np.ndarray) -> np.ndarray:
    """Decoded fields as a perimeter would show them at an age: (row, latent), (row,) years -> (row, location), dB.

    The decoder knows of values at the floor no more than that they are at or below it, and may put them anywhere
    there; a perimeter shows its floor. Where the age is unknown nothing is cut off.
    """
    fields = model.decode(z).cpu().numpy().astype(float)
    floor = FLOOR - load_norms("24-2").normal_sensitivity(np.nan_to_num(age))
    return np.where(np.isfinite(age)[:, None], np.maximum(fields, floor), fields)


def decoded_md(fields: np.ndarray) -> np.ndarray:
    """MD of decoded fields: (row, location) -> (row,), dB."""
    return field_properties(fields, np.full(len(fields), np.nan), ["md"])[:, 0]
