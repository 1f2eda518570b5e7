"""The figures of each kind of model, as SVG files from the tables in the model's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.io import read_json, read_table
from vfprog.plots.canvas import read_canvas
from vfprog.plots.gallery import draw_gallery, draw_reconstructions_of
from vfprog.plots.manifold import draw_manifold
from vfprog.plots.model_checks import draw_health, draw_samples, draw_tightness
from vfprog.plots.style import save_figure, style
from vfprog.plots.training import plot_training

WIDTH = 10.0  # inches


class ModelFigure(NamedTuple):
    """A figure of a model: its file's name, its title on the model's page, how to read it, and what draws it."""

    name: str
    title: str
    text: str
    draw: Callable[[Path, PlotsConfig], Figure]


def _training(folder: Path, options: PlotsConfig) -> Figure:
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    plot_training(read_table(folder / "history.csv"), figure.subplots(2, 3).ravel().tolist())
    return figure


def _tightness(folder: Path, options: PlotsConfig) -> Figure:
    return draw_tightness(read_table(folder / "evidence.csv"))


def _health(folder: Path, options: PlotsConfig) -> Figure:
    return draw_health(read_table(folder / "health.csv"), read_table(folder / "pit.csv"))


def _samples(folder: Path, options: PlotsConfig) -> Figure:
    return draw_samples(read_table(folder / "samples.csv"))


def _gallery(folder: Path, options: PlotsConfig) -> Figure:
    return draw_gallery(read_table(folder / "gallery.parquet"), read_canvas(folder, options))


def _reconstructions(folder: Path, options: PlotsConfig) -> Figure:
    return draw_reconstructions_of(read_table(folder / "gallery.parquet"), read_canvas(folder, options))


def _manifold(folder: Path, options: PlotsConfig) -> Figure:
    return draw_manifold(read_table(folder / "manifold.parquet"), read_canvas(folder, options))


TRAINING = ModelFigure(
    "training",
    "Training",
    "The ELBO counts the log-likelihood once, whatever beta; the epoch kept is that of the least weighted loss, "
    "KL less beta times the log-likelihood, on the validation rows.",
    _training,
)
TIGHTNESS = ModelFigure(
    "tightness",
    "Evidence and how tight its bounds are",
    "Each bound lies below the log evidence and rises towards it with the number of draws; where it no longer rises, "
    "the evidence is reached. What the ELBO lacks is the guide's divergence from the true posterior. Every row is scored "
    "by the probability of its recorded cells (1 dB for fields; at or below the floor at the floor), so that "
    "likelihoods compare.",
    _tightness,
)
HEALTH = ModelFigure(
    "health",
    "Latents in use, and calibration of the noise",
    "A latent without information is not in use: its posterior is the prior. Where a held-out value falls in the "
    "distribution that the model gives it from the posterior is uniform if the noise is right: a hump in the middle "
    "says too much noise, high ends too little.",
    _health,
)
SAMPLES = ModelFigure(
    "samples",
    "Draws against held-out rows",
    "Rows drawn from the prior through the likelihood, recorded as the perimeter would, beside rows that no model saw.",
    _samples,
)
GALLERY = ModelFigure(
    "gallery",
    "Gallery of draws",
    "Each block stands in the order of its rows' means. Draws from the prior are noisy as tests are; below them is "
    "what was decoded before the noise came.",
    _gallery,
)
RECONSTRUCTIONS = ModelFigure(
    "reconstructions",
    "Reconstructions",
    "Held-out rows, and what is decoded from the mean of the guide's answer to what it sees of them.",
    _reconstructions,
)
MANIFOLD = ModelFigure(
    "manifold",
    "Manifold",
    "What is decoded over a grid of quantiles of the prior, along the two latents that carry most; further ones are "
    "at 0.",
    _manifold,
)
COMMON = [GALLERY, RECONSTRUCTIONS, TIGHTNESS, HEALTH, SAMPLES, TRAINING]
NORMAL_PRIOR = [GALLERY, RECONSTRUCTIONS, MANIFOLD, TIGHTNESS, HEALTH, SAMPLES, TRAINING]

MODEL_FIGURES: dict[str, list[ModelFigure]] = {
    "vae": NORMAL_PRIOR,
    "field": NORMAL_PRIOR,
    "two_view": NORMAL_PRIOR,
    "archetypes": COMMON,
    "guided": NORMAL_PRIOR,
}


def draw_model_figures(folder: Path, target: Path, options: PlotsConfig) -> None:
    """Write a model's figures (.svg) to the folder ``target``: those of its kind, in the order of its page.

    Parameters
    ----------
    folder : Path
        The model's: ``results/<run>/models/<model>``, with its tables.
    """
    kind = read_json(folder / "architecture.json")["options"]["kind"]
    with style(options):
        for shown in MODEL_FIGURES[kind]:
            save_figure(shown.draw(folder, options), target / f"{shown.name}.svg")
