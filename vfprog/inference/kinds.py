"""Which examples each kind of model learns from and is scored on. The trainer knows no kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch

from vfprog.config import ArchetypesConfig, GuidedConfig, LatentVariableConfig, TwoViewConfig, VaeConfig
from vfprog.data.examples import Examples, one_view
from vfprog.data.field_examples import field_examples, simulated_visits
from vfprog.data.images import load_images
from vfprog.data.series import series_from_visits
from vfprog.data.two_views import simulated_views, two_views
from vfprog.inference.batches import Batch
from vfprog.inference.dataset import series_summary, simulated_summary
from vfprog.model.summary import FieldSummary
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class Kind:
    """The examples of a kind of model.

    Attributes
    ----------
    examples : (options, visits, grid, structure) -> Batch
        What it learns from and is scored on, from included visits sorted by eye and visit; ``structure`` names the
        columns of the nerve fibre layer.
    simulated : (options, grid, seed) -> Batch or None
        Examples of simulated eyes, as many as the options ask for; None if none.
    """

    examples: Callable[[Any, pd.DataFrame, Grid, list[str]], Batch]
    simulated: Callable[[Any, Grid, int], Batch | None]


def image_examples(options: LatentVariableConfig, part: str, seed: int) -> Examples:
    """The images of one part of their split: train, validation or test."""
    images = load_images(options.data, seed)
    return one_view(torch.as_tensor(images.of(part), dtype=torch.float32), cell=images.cell)


def _series(options: VaeConfig, visits: pd.DataFrame, grid: Grid, structure: list[str]) -> FieldSummary:
    return series_summary(series_from_visits(visits, grid))


def _simulated_series(options: VaeConfig, grid: Grid, seed: int) -> FieldSummary | None:
    series = options.train.population_series
    return simulated_summary(series, seed) if series else None


def _fields(
    options: LatentVariableConfig, visits: pd.DataFrame, grid: Grid, structure: list[str]
) -> Examples:
    return field_examples(visits, grid)


def _simulated_fields(options: LatentVariableConfig, grid: Grid, seed: int) -> Examples | None:
    eyes = options.train.population_series
    return _fields(options, simulated_visits(eyes, 1, grid, seed), grid, []) if eyes else None


def _guided(options: GuidedConfig, visits: pd.DataFrame, grid: Grid, structure: list[str]) -> Examples:
    return field_examples(visits, grid, list(options.properties))


def _simulated_guided(options: GuidedConfig, grid: Grid, seed: int) -> Examples | None:
    return _simulated_with(options.properties, options, grid, seed)


def _simulated_with(
    properties: Sequence[str], options: LatentVariableConfig, grid: Grid, seed: int
) -> Examples | None:
    """With an unknown age: simulation draws it apart from the field, and it would teach that none matters."""
    eyes = options.train.population_series
    if not eyes:
        return None
    examples = field_examples(simulated_visits(eyes, 1, grid, seed), grid, list(properties))
    taught = torch.tensor([name != "age" for name in properties], dtype=torch.bool)
    return replace(examples, property_mask=examples.property_mask & taught)


def _mixtures(options: ArchetypesConfig, visits: pd.DataFrame, grid: Grid, structure: list[str]) -> Examples:
    return field_examples(visits, grid, list(options.side))


def _simulated_mixtures(options: ArchetypesConfig, grid: Grid, seed: int) -> Examples | None:
    return _simulated_with(options.side, options, grid, seed)


def _views(options: TwoViewConfig, visits: pd.DataFrame, grid: Grid, structure: list[str]) -> Examples:
    return two_views(visits, options.views, grid, structure).examples


def _simulated_views(options: TwoViewConfig, grid: Grid, seed: int) -> Examples | None:
    simulated = simulated_views(options.train.population_series, options.views, grid, seed)
    return None if simulated is None else simulated.examples


KINDS = {
    "vae": Kind(_series, _simulated_series),
    "field": Kind(_fields, _simulated_fields),
    "two_view": Kind(_views, _simulated_views),
    "archetypes": Kind(_mixtures, _simulated_mixtures),
    "guided": Kind(_guided, _simulated_guided),
}
