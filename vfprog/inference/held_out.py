"""The rows that a trained model of any kind never learned from, and is assessed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import NetworkConfig, TwoViewConfig, VaeConfig, parse_model
from vfprog.data.examples import Examples
from vfprog.data.field_examples import field_examples
from vfprog.data.images import load_images
from vfprog.data.split import TEST
from vfprog.data.training import read_parts
from vfprog.data.two_views import two_views
from vfprog.inference.kinds import KINDS, image_examples
from vfprog.perimetry.grid import Grid


@dataclass(frozen=True)
class HeldOut:
    """Rows that a model never learned from.

    Attributes
    ----------
    examples : Examples
    patient : array (row,)
        Whose each is; of images, each its own.
    xy : array (location, 2)
        Where the locations that the model explains lie: degrees, or pixels.
    whole_fields : DataFrame or None
        The rows as visits, where the model sees a whole field and explains it.
    in_decibels : bool
        Whether values are total deviation.
    """

    examples: Examples
    patient: np.ndarray
    xy: np.ndarray
    whole_fields: pd.DataFrame | None
    in_decibels: bool


def read_held_out(
    architecture: dict[str, Any], visits: list[Path], splits: list[Path], structure: list[str], grid: Grid
) -> HeldOut:
    """What a model is assessed on, by its ``architecture.json``.

    Parameters
    ----------
    architecture : dict
    visits, splits : list of Path
        Of the training cohorts, whose test patients are taken; without splits, of cohorts that no model learns from.
        Of no effect for a model of images, which come with their own split.
    structure : list of str
        Columns of the nerve fibre layer.
    grid : Grid
    """
    options, training = parse_model(architecture["options"]), architecture["training"]
    if options.on_images:
        return _images(options, training["seed"])
    return held_out_fields(
        options, read_parts(visits, splits, (TEST,), grid, training["fold"]), grid, structure
    )


def _images(options: Any, seed: int) -> HeldOut:
    examples = image_examples(options, TEST, seed)
    pixels = np.argwhere(np.ones(load_images(options.data, seed).shape))
    return HeldOut(examples, np.arange(len(examples)), pixels, None, False)


def held_out_fields(
    options: NetworkConfig, visits: pd.DataFrame, grid: Grid, structure: list[str]
) -> HeldOut:
    """Examples of a kind from test patients' ``visits``, sorted by eye and visit."""
    if isinstance(options, TwoViewConfig):
        views = two_views(visits, options.views, grid, structure)
        return HeldOut(views.examples, views.patients, grid.xy[views.locations - 1], None, True)
    if isinstance(
        options, VaeConfig
    ):  # which learns from series, and takes single fields as series of one visit
        examples = field_examples(visits, grid)
    else:
        examples = KINDS[options.kind].examples(options, visits, grid, structure)
    return HeldOut(examples, visits[c.PATIENT].to_numpy(), grid.xy, visits, True)
