"""The cohort's figures as files: a fixed set of SVGs, byte-identical for the same results."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase, SubFigure

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.plots.detection import plot_detection, plot_flagged, plot_times
from vfprog.plots.evaluation import (
    OFF_SCALE,
    against,
    at_shown_firsts,
    near_baseline,
    plot_by_first,
    plot_differences,
    plot_published,
    plot_scores,
    plot_severity,
)
from vfprog.plots.fields import field_colorbar, plot_field
from vfprog.plots.labels import BASELINE, LATERALITY, METRICS, in_order, method_label
from vfprog.plots.latents import plot_latent_space, plot_latent_variance
from vfprog.plots.rates import draw_rates
from vfprog.plots.reconstructions import choose_fields, plot_reconstruction
from vfprog.plots.results import (
    NUMBER,
    Results,
    closest_horizon,
    example_eyes,
    load_results,
    of_eye,
    trajectory_of,
)
from vfprog.plots.retest import plot_retest
from vfprog.plots.series import plot_fields_over_visits, plot_latent_path, plot_md_series
from vfprog.plots.style import INK, save_figure, style
from vfprog.plots.training import plot_training
from vfprog.plots.trust import draw_trust

WIDTH = 10.0  # inches
LEGEND_WIDTH, HANDLE_WIDTH = 120, 7  # characters that fit in one row; what a handle takes of them
VISITS_SHOWN = 3  # measured fields an example eye
SENSITIVITIES_SHOWN = 2  # of its fields in gray too: the first and the last
MAP_WIDTH = 1.8  # inches of one of an example eye's maps
FIELDS_SHOWN = 5  # reconstructions
FORECAST_SHOWN = 5.0  # years ahead, or the horizon closest to it


def draw_figures(
    cohort_dir: Path,
    model_dir: Path,
    figures_dir: Path,
    options: PlotsConfig,
    further: Collection[str] = (),
) -> None:
    """Write ``fields, series, rates, training, ...`` (.svg) of a cohort, one file for each entry of ``FIGURES``.

    Where there is nothing to draw (no eye with enough visits to evaluate, no retests), the file says so in
    words: the set of files is always the same. Eyes are called by their number in the report, never by an
    identifier.

    Parameters
    ----------
    cohort_dir, model_dir : Path
        Folders of the cohort's tables and of the model behind its rates.
    figures_dir : Path
        Where the files go.
    further : collection of str
        As :func:`~vfprog.plots.results.load_results` takes them.
    """
    results = load_results(cohort_dir, model_dir, further)
    with style(options):
        for name, draw in FIGURES.items():
            save_figure(draw(results, options), figures_dir / f"{name}.svg")


def _words(text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(WIDTH, 0.6))
    figure.text(0.01, 0.5, text, va="center")
    return figure


def _eye_name(eye: pd.Series) -> str:
    return f"Eye {eye[NUMBER]}, {LATERALITY[eye[c.EYE]]}"


def draw_fields(results: Results, options: PlotsConfig) -> Figure:
    """Example eyes in rows: first, middle and last field, the underlying field, the forecast.

    Where the source gives sensitivities, those of the first and last field stand beside them, in gray.
    """
    eyes = example_eyes(results.rates, options.example_eyes)
    deviations, gray = VISITS_SHOWN + 2, SENSITIVITIES_SHOWN if _has_sensitivities(results) else 0
    size = (MAP_WIDTH * (deviations + gray) + 1, 1.9 * len(eyes) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(eyes), deviations + gray, squeeze=False)
    for row, (_, eye) in zip(axes, eyes.iterrows(), strict=True):
        _draw_deviations(results, eye, row[:deviations], options)
        _draw_sensitivities(results, eye, row[deviations:], options)
        _name_row(row[0], f"{_eye_name(eye)}\n{eye['why']}")
    field_colorbar(axes[:, :deviations].ravel().tolist(), "td", options)
    if gray:
        field_colorbar(axes[:, deviations:].ravel().tolist(), "sens", options)
    return figure


def _has_sensitivities(results: Results) -> bool:
    columns = c.sens(results.locations)
    return set(columns) <= set(results.visits) and bool(results.visits[columns].notna().any(axis=None))


def _draw_deviations(results: Results, eye: pd.Series, row: Sequence[Axes], options: PlotsConfig) -> None:
    """Measured fields of an eye, then its underlying field at the last visit, then the forecast."""
    visits = of_eye(results.visits, eye)
    visits = visits[visits[c.INCLUDED]]
    plot_fields_over_visits(visits, results.xy, row[:VISITS_SHOWN], eye=eye[c.EYE], options=options)
    horizon = closest_horizon(results.forecasts[c.YEARS_AHEAD], FORECAST_SHOWN)
    forecast = of_eye(results.forecasts, eye)
    forecast = forecast[forecast[c.YEARS_AHEAD] == horizon].sort_values(c.LOCATION)
    last = visits[c.YEARS].iloc[-1]
    for ax, values, title in (
        (row[-2], trajectory_of(results.trajectories, eye)["td"], f"Underlying, {last:.1f} years"),
        (row[-1], forecast["td_median"], f"Forecast, {last + horizon:.1f} years"),
    ):
        plot_field(values.to_numpy(), results.xy, ax, eye=eye[c.EYE], options=options, title=title)


def _draw_sensitivities(results: Results, eye: pd.Series, row: Sequence[Axes], options: PlotsConfig) -> None:
    """The perimeter's grayscale of an eye's fields, as many as there are axes."""
    if len(row) == 0:
        return
    visits = of_eye(results.visits, eye)
    given = visits[visits[c.INCLUDED] & visits[c.sens(results.locations)].notna().any(axis=1)]
    plot_fields_over_visits(given, results.xy, row, kind="sens", eye=eye[c.EYE], options=options)


def _name_row(ax: Axes, name: str) -> None:
    """Write what a row of maps shows, upright beside its first map."""
    ax.text(-0.04, 0.5, name, transform=ax.transAxes, rotation=90, va="center", ha="right")


def draw_series(results: Results, options: PlotsConfig) -> Figure:
    """Example eyes in rows: mean TD with rate and forecast, and the path of the latents that move most."""
    eyes = example_eyes(results.rates, options.example_eyes)
    figure = Figure(figsize=(WIDTH, 2.4 * len(eyes)), layout="constrained")
    axes = figure.subplots(len(eyes), 2, squeeze=False, width_ratios=[1.3, 1])
    for (left, right), (_, eye) in zip(axes, eyes.iterrows(), strict=True):
        plot_md_series(of_eye(results.visits, eye), eye, of_eye(results.forecasts_md, eye), left)
        left.set_title(f"{_eye_name(eye)} ({eye['why']})")
        plot_latent_path(of_eye(results.latents, eye), trajectory_of(results.trajectories, eye), right)
        right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    _legend_below(figure, axes[0, 0])
    return figure


def draw_training(results: Results, options: PlotsConfig) -> Figure:
    """Training curves of the model."""
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    best = results.card["training"]["best_epoch"]
    plot_training(results.history, best, figure.subplots(2, 3).ravel().tolist())
    return figure


def draw_reconstructions(results: Results, options: PlotsConfig) -> Figure:
    """Fields from worst to best mean TD: measured, decoded, difference."""
    n = results.locations
    decoded = [f"td_hat_{i}" for i in range(1, n + 1)]
    fields = results.latents.merge(results.visits[[*c.VISIT_KEY, c.MTD, *c.td(n)]], on=c.VISIT_KEY)
    shown = choose_fields(fields, FIELDS_SHOWN)
    figure = Figure(figsize=(WIDTH, 5.8), layout="constrained")
    axes = figure.subplots(3, FIELDS_SHOWN, squeeze=False)
    for column, (_, field) in zip(axes.T, shown.iterrows(), strict=False):
        plot_reconstruction(
            field[c.td(n)].to_numpy(float),
            field[decoded].to_numpy(float),
            results.xy,
            column.tolist(),
            eye=field[c.EYE],
            options=options,
            title=f"Mean TD {field[c.MTD]:.1f} dB".replace("-", "\N{MINUS SIGN}"),
        )
    for ax in axes[:, len(shown) :].ravel():
        ax.axis("off")
    for row, label in zip(axes, ("Measured", "Decoded", "Measured \N{MINUS SIGN} decoded"), strict=True):
        _name_row(row[0], label)
    field_colorbar(axes[:2].ravel().tolist(), "td", options)
    field_colorbar(axes[2].tolist(), "difference", options)
    return figure


def draw_latents(results: Results, options: PlotsConfig) -> Figure:
    """Fields in latent space, and how much each latent is used."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    space, use = figure.subplots(1, 2)
    fields = results.latents.merge(results.visits[[*c.VISIT_KEY, c.MTD]], on=c.VISIT_KEY)
    plot_latent_space(fields, fields[c.MTD].to_numpy(), results.latent_dim, space)
    plot_latent_variance(results.latents, results.latent_dim, use)
    return figure


def draw_evaluation(results: Results, options: PlotsConfig) -> Figure:
    """Scores by method, MAE by first visits, differences from the mean, severity, the published comparison."""
    if results.evaluation.empty or results.differences.empty:
        return _words("No evaluation: no eye has enough visits to hold some back and forecast them.")
    figure = Figure(figsize=(WIDTH, 14), layout="constrained")
    scores, by_first, differences, further = figure.subfigures(4, 1, squeeze=False)[:, 0]
    shown, apart = at_shown_firsts(results.evaluation), at_shown_firsts(results.differences)
    metrics = ["mae", "crps", "md_mae", "coverage90"]
    axes = scores.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        plot_scores(shown, metric, ax)
    _legend_below(scores, axes[0])
    _draw_differences(apart, differences)
    near, _ = near_baseline(apart)
    _draw_by_first(results, near, by_first)
    left, right = further.subplots(1, 2)
    plot_severity(shown, in_order({BASELINE, *near}), left)
    plot_published(results.published, right)
    for ax in (left, right):
        if ax.axison:
            # To the left of the axes' right end: names of methods leave the axes narrow, and room beside them.
            ax.legend(loc="upper right", bbox_to_anchor=(1.0, -0.15), ncols=3)
    return figure


def _draw_by_first(results: Results, near: list[str], figure: SubFigure) -> None:
    """MAE over the number of first visits given, and its difference from the mean of past visits."""
    left, right = figure.subplots(1, 2)
    methods = in_order({BASELINE, *near})  # a method has one colour in both axes
    plot_by_first(results.evaluation, methods, left)
    left.set_ylabel(METRICS["mae"])
    right.axhline(0, color=INK, lw=0.8)
    plot_by_first(against(results.differences), methods, right, intervals=True)
    right.set_ylabel("MAE \N{MINUS SIGN} baseline's (dB)")
    _legend_below(figure, left)


def _draw_differences(differences: pd.DataFrame, figure: SubFigure) -> None:
    """Differences from the mean of past visits by horizon, one axes a number of first visits."""
    firsts = sorted(pd.unique(differences["n_first"]))
    axes = figure.subplots(1, len(firsts), sharex=True, sharey=True, squeeze=False)[0]
    for ax, n_first in zip(axes, firsts, strict=True):
        plot_differences(differences, n_first, ax)
    _, far = near_baseline(differences)
    title = "Difference in MAE from the mean of past visits: left of zero is better"
    left_out = (
        f"\nSomewhere more than {OFF_SCALE:g} dB away, not drawn: {', '.join(map(method_label, far))}"
        if far
        else ""
    )
    figure.suptitle(title + left_out, fontsize="medium")
    _legend_below(figure, axes[0])


def _legend_below(figure: FigureBase, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if labels:
        # Many long names in one row would run out of the figure on both sides.
        rows = math.ceil(sum(len(label) + HANDLE_WIDTH for label in labels) / LEGEND_WIDTH)
        figure.legend(handles, labels, loc="outside lower center", ncols=math.ceil(len(labels) / rows))


def draw_detection(results: Results, options: PlotsConfig) -> Figure:
    """The share of eyes flagged, and where the truth is known AUC and time to detection before it."""
    scored = results.detection is not None and not results.detection.scores.empty
    if not scored and results.flagged.empty:
        return _words("No detection: no eye was followed for two years with three tests.")
    figure = Figure(figsize=(WIDTH if scored else WIDTH / 2, 3.8), layout="constrained")
    if not scored or results.detection is None:
        ax = plot_flagged(results.flagged, figure.subplots())
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        return figure
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 0.8])
    plot_detection(results.detection.scores, left)
    plot_times(results.detection.times, middle)
    plot_flagged(results.flagged, right)
    for ax in (left, middle, right):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=1 if ax is right else 2)
    return figure


def draw_retest(results: Results, options: PlotsConfig) -> Figure:
    """Denoising of single fields, where the cohort holds retests."""
    if results.retest is None or results.retest.empty:
        return _words("No retests: this cohort's visits are too far apart to measure denoising.")
    figure = Figure(figsize=(WIDTH * 0.7, 2.2), layout="constrained")
    plot_retest(results.retest, figure.subplots())
    return figure


def draw_trusted(results: Results, options: PlotsConfig) -> Figure:
    """Checks of the trajectories' posterior, where they were made."""
    if results.trust is None:
        return _words(
            "The trajectories' posterior was not checked on this cohort (trust.cohorts in the config)."
        )
    return draw_trust(results.trust.sbc, results.trust.nuts, results.trust.predictive, WIDTH)


FIGURES: dict[str, Callable[[Results, PlotsConfig], Figure]] = {
    "fields": draw_fields,
    "series": draw_series,
    "rates": lambda results, options: draw_rates(results),
    "training": draw_training,
    "reconstructions": draw_reconstructions,
    "latents": draw_latents,
    "evaluation": draw_evaluation,
    "detection": draw_detection,
    "retest": draw_retest,
    "trust": draw_trusted,
}
