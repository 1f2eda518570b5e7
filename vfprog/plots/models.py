"""The figures of each kind of model, as SVG files from the tables in the model's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.io import read_json, read_table
from vfprog.plots.archetypes import draw_archetypes, draw_mixtures, draw_number, draw_trajectories
from vfprog.plots.bottleneck import draw_information, draw_views
from vfprog.plots.canvas import read_canvas
from vfprog.plots.gallery import draw_gallery, draw_reconstructions_of
from vfprog.plots.guided import draw_interpolation, draw_properties, draw_search
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
    best = read_json(folder / "architecture.json")["training"]["best_epoch"]
    plot_training(read_table(folder / "history.csv"), best, figure.subplots(2, 3).ravel().tolist())
    return figure


def _tightness(folder: Path, options: PlotsConfig) -> Figure:
    return draw_tightness(read_table(folder / "evidence.csv"))


def _health(folder: Path, options: PlotsConfig) -> Figure:
    return draw_health(read_table(folder / "health.csv"), read_table(folder / "pit.csv"))


def _samples(folder: Path, options: PlotsConfig) -> Figure:
    canvas = read_canvas(folder, options)
    return draw_samples(read_table(folder / "samples.csv"), canvas.indices)


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
    "the evidence is reached. What the ELBO lacks is the guide's divergence from the true posterior; where the guide "
    "sees another view, also what that view cannot tell. Every row is scored by the probability of its recorded cells "
    "(1 dB for fields; at or below the floor at the floor), so that likelihoods compare.",
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
PROPERTIES = ModelFigure(
    "properties",
    "Properties and the latent space",
    "A head that was trained with the model reads properties off the latents, so that fields lie in latent space by "
    "them. MD is a weighted mean of the field: of the same field, ridge regression is exact there and can only be "
    "equalled. Asked of the eye's next field, both are without the noise that a field shares with its own MD.",
    draw_properties,
)
SEARCH = ModelFigure(
    "search",
    "The nearest plausible fields with a wanted property",
    "The first map of each row is a held-out eye's last field as decoded, the others the nearest latents at which the "
    "head reads the wanted value, near in posterior SDs and drawn to where training fields lie. An illustration, not a "
    "forecast: it takes the shortest way, whatever way the disease would take. Maps are as a right eye's patient sees "
    "the field.",
    draw_search,
)
INTERPOLATION = ModelFigure(
    "interpolation",
    "Between two fields",
    "Fields decoded along the straight line and along the arc between the latents of two held-out fields, the MD of "
    "each above it. The arc keeps the distance from the prior's centre and may pass through deeper loss than either "
    "end; the line cuts through the middle, where fields are mild or ordinary, and so the density is higher.",
    draw_interpolation,
)
GUIDED = [PROPERTIES, SEARCH, INTERPOLATION]
INFORMATION = ModelFigure(
    "information",
    "Information curve, and ridge regression",
    "Each point is a model of one beta, its rows predicted by models that never saw their patient. The rate bounds "
    "from above what the latents keep of the view seen. The gain is how much more probable they make the other view's "
    "records than a model of that view alone: a lower bound on what they say of it, but for its entropy, which is not "
    "known. The decoder takes locations to be independent given the latents; the normal with full covariance does not, "
    "so the gain over it can be negative. Bars and lines are 95 % intervals over patients; the title of the middle "
    "panel compares with the better of the two ridge regressions.",
    draw_information,
)
VIEWS = ModelFigure(
    "views",
    "The predicted view",
    "Fields of patients left out, from little loss to much: what the guide saw, the view it did not see as measured, "
    "its prediction (the median) and how wide the 90 % interval of a measured test is.",
    draw_views,
)
ARCHETYPES = ModelFigure(
    "archetypes",
    "Archetypes",
    "The corners of the latent simplex, from best to worst: every row is a mixture of these. A field has the name of "
    "the classical defect whose shape its pattern has (r, correlation with that defect's locations), or of its depth "
    "where the whole field is lost or none of it; the nearest name is not always a near one. Weights are of held-out "
    "rows: their mean, and the largest of any row.",
    draw_archetypes,
)
TRAJECTORIES = ModelFigure(
    "trajectories",
    "Weights of rows, and of eyes over time",
    "The simplex laid flat, a corner an archetype. Of fields, the eyes whose mixture changed most: each visit by "
    "itself, in order of time, the last one filled, and the weights over the years. Single visits are noisy, so is a "
    "path.",
    draw_trajectories,
)
NUMBER = ModelFigure(
    "number",
    "Number of archetypes, and whether they come out again",
    "Mean absolute difference of held-out values from their reconstruction, with 95 % intervals over patients: of the "
    "row itself, whose noise counts as if it were to be explained, and of the eye's next field. Right: each "
    "archetype's correlation with its partner in another training, as deviations from the mean training row. All "
    "trainings start from linear archetypes of their rows, which other rows change.",
    draw_number,
)
MIXTURES = ModelFigure(
    "mixtures",
    "Mixtures between two rows",
    "At both ends held-out rows in which one archetype weighs most, and what is decoded along the straight line "
    "between their weights.",
    draw_mixtures,
)
ARCHETYPAL = [ARCHETYPES, TRAJECTORIES, NUMBER, MIXTURES]
COMMON = [GALLERY, RECONSTRUCTIONS, MANIFOLD, TIGHTNESS, HEALTH, SAMPLES, TRAINING]

MODEL_FIGURES: dict[str, list[ModelFigure]] = {
    "vae": COMMON,
    "field": COMMON,
    "two_view": [INFORMATION, VIEWS, *COMMON],
    "archetypes": [*ARCHETYPAL, *COMMON],
    "guided": [*GUIDED, *COMMON],
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
