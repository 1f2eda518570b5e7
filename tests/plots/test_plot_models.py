"""Figures of models: what is drawn is what the tables hold."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_models import BOUNDS, GRID, evidence, gallery, health, manifold, pit, samples, write_model
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.plots.canvas import FieldCanvas, ImageCanvas
from vfprog.plots.compare import PANELS, draw_comparison
from vfprog.plots.gallery import ACROSS, GALLERY, draw_gallery, draw_reconstructions_of, in_rows, values_of
from vfprog.plots.manifold import draw_manifold, quantile_label
from vfprog.plots.model_checks import (
    plot_bounds,
    plot_correlation,
    plot_gain,
    plot_kl_by_latent,
    plot_pit,
    plot_quantiles,
    plot_sample_size,
)
from vfprog.plots.models import COMMON, draw_model_figures
from vfprog.plots.style import save_figure, style


@pytest.fixture()
def canvas(options: PlotsConfig) -> FieldCanvas:
    return FieldCanvas(GRID.xy, options)


IMAGES = ImageCanvas((8, 8), (0.0, 16.0), "gray_r", "Ink")


def cells_of(ax: Axes) -> PatchCollection:
    """The cells of a mosaic of fields; the other collection holds the blind spots."""
    (cells,) = [item for item in ax.collections if item.get_array() is not None]
    return cells


def test_a_mosaic_of_fields_holds_every_value_at_its_place(canvas: FieldCanvas) -> None:
    pictures = np.arange(3 * GRID.n, dtype=float).reshape(1, 3, GRID.n)
    pictures[0, 1] = np.nan  # no picture
    ax = canvas.mosaic(pictures, Figure().subplots())
    cells = cells_of(ax)
    np.testing.assert_array_equal(cells.get_array(), pictures[0, [0, 2]].ravel())
    corners = np.array([path.vertices[0] for path in cells.get_paths()]).reshape(2, GRID.n, 2)
    apart = corners[1] - corners[0]
    np.testing.assert_allclose(
        apart, np.broadcast_to([ax.get_xticks()[2] - ax.get_xticks()[0], 0], apart.shape)
    )
    np.testing.assert_allclose(corners[0] - corners[0, 0], GRID.xy - GRID.xy[0])


def test_a_missing_value_of_a_field_is_masked(canvas: FieldCanvas) -> None:
    pictures = np.zeros((1, 1, GRID.n))
    pictures[0, 0, 5] = np.nan
    mask = np.ma.getmaskarray(cells_of(canvas.mosaic(pictures, Figure().subplots())).get_array())
    assert mask.nonzero()[0].tolist() == [5]


def test_a_mosaic_of_images_holds_every_pixel_row_by_row() -> None:
    pictures = np.arange(2 * 3 * 64, dtype=float).reshape(2, 3, 64)
    ax = IMAGES.mosaic(pictures, Figure().subplots())
    image = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(image[9:17, 18:26], pictures[1, 2].reshape(8, 8))
    assert np.isnan(image[8]).all() and np.isnan(image[:, 8]).all()


@pytest.mark.parametrize("look", ["fields", "images"])
def test_the_gallery_has_a_block_an_origin(look: str, canvas: FieldCanvas) -> None:
    table = gallery(GRID.n if look == "fields" else 64, np.random.default_rng(0))
    figure = draw_gallery(table, canvas if look == "fields" else IMAGES)
    assert [ax.get_ylabel() for ax in figure.axes[:-1]] == list(GALLERY.values())
    if look == "fields":
        drawn = np.ma.filled(cells_of(figure.axes[1]).get_array(), np.nan)
        np.testing.assert_array_equal(drawn, values_of(table[table["origin"] == "prior_draw"]).ravel())


def test_reconstructions_stand_below_what_was_measured(canvas: FieldCanvas) -> None:
    table = gallery(GRID.n, np.random.default_rng(0))
    figure = draw_reconstructions_of(table, canvas)
    for ax, origin in zip(figure.axes, ("measured", "reconstruction"), strict=False):
        np.testing.assert_array_equal(
            np.ma.filled(cells_of(ax).get_array(), np.nan),
            values_of(table[table["origin"] == origin]).ravel(),
        )


def test_pictures_fill_rows_and_leave_the_rest_empty() -> None:
    pictures = in_rows(np.ones((ACROSS + 1, 4)), ACROSS)
    assert pictures.shape == (2, ACROSS, 4)
    assert np.isfinite(pictures[..., 0]).sum() == ACROSS + 1


def test_the_manifold_rises_with_the_second_latent_and_goes_right_with_the_first(canvas: FieldCanvas) -> None:
    table = manifold(GRID.n).sample(frac=1, random_state=0)  # in any order
    (ax, _) = draw_manifold(table, canvas).axes
    n = len(ax.get_xticks())
    pictures = np.asarray(cells_of(ax).get_array()).reshape(n, n, GRID.n)
    assert (np.diff(pictures[0, :, 0]) > 0).all() and (np.diff(pictures[:, 0, 1]) < 0).all()
    assert ax.get_xlabel().startswith("z2 ") and ax.get_ylabel().startswith("z4 ")
    assert ax.get_xticklabels()[0].get_text() == "−2.1" == ax.get_yticklabels()[-1].get_text()
    assert [quantile_label(p) for p in (0.5, 0.975)] == ["0.0", "2.0"]


def test_a_single_latent_has_a_manifold_of_one_row(canvas: FieldCanvas) -> None:
    table = manifold(GRID.n)
    line = table[table["p_second"] == 0.5].assign(second=0)
    (ax, _) = draw_manifold(line, canvas).axes
    assert len(ax.get_yticks()) == 1 and ax.get_ylabel() == ""


def test_bounds_are_named_by_their_draws(ax: Axes) -> None:
    plot_bounds(evidence(), ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), BOUNDS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["ELBO", "1", "10", "100", "1000"]
    low, high = np.array(ax.collections[0].get_segments())[:, :, 1].T
    np.testing.assert_allclose([low, high], [evidence()["lower"], evidence()["upper"]])


def test_the_gain_is_counted_from_the_elbo(ax: Axes) -> None:
    plot_gain(evidence(), ax)
    np.testing.assert_allclose(np.array(ax.lines[0].get_ydata(), dtype=float), np.array(BOUNDS) - BOUNDS[0])
    low, high = np.array(ax.collections[0].get_segments(), dtype=float)[:, :, 1].T
    np.testing.assert_allclose(high - low, 0.4)


def test_the_sample_size_stands_beside_the_number_of_draws(ax: Axes) -> None:
    plot_sample_size(evidence(), ax)
    full, effective = ax.lines
    np.testing.assert_array_equal(full.get_ydata(), [1, 10, 100, 1000])
    np.testing.assert_array_equal(effective.get_ydata(), [1, 5, 30, 200])


def test_latents_stand_by_information_and_those_not_in_use_are_pale(ax: Axes) -> None:
    plot_kl_by_latent(health(), ax)
    assert [bar.get_height() for bar in ax.patches] == [2.5, 1.2, 0.4, 0.01]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "4", "1", "3"]
    assert ax.get_title().endswith("3 of 4 in use")
    pale = [bar.get_facecolor() for bar in ax.patches]
    assert pale[-1] != pale[0] == pale[2]


def test_the_transform_has_a_line_a_band(ax: Axes) -> None:
    table = pit(True)
    plot_pit(table, ax)
    assert len(ax.patches) == 3
    np.testing.assert_array_equal(ax.patches[1].get_data().values, table["share"][20:40])
    assert ax.get_legend_handles_labels()[1][1] == "below −15 dB (largest distance 0.03)"


def test_quantiles_of_draws_stand_against_those_held_out(ax: Axes) -> None:
    table = samples()
    md = table[table["statistic"] == "md"]
    plot_quantiles(md, "Mean deviation (dB)", ax)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), md[["held_out", "drawn"]])
    assert ax.get_title().endswith("0.12")


def test_correlations_of_both_stand_by_distance(ax: Axes) -> None:
    table = samples()
    correlation = table[table["statistic"] == "correlation"]
    plot_correlation(correlation, ax)
    for line, name in zip(ax.lines, ("held_out", "drawn"), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), correlation[["at", name]])


def test_the_comparison_has_a_panel_a_column_that_some_model_has() -> None:
    models = pd.DataFrame(
        {
            "model": ["a", "b"],
            "evidence": [-2.0, -1.0],
            "c2st_accuracy": [0.9, 0.6],
            "retest_mae": [np.nan] * 2,
        }
    ).assign(c2st_lower=[0.8, 0.5], c2st_upper=[1.0, 0.7])
    figure = draw_comparison(models)
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_xlabel() for ax in shown] == [PANELS["evidence"], PANELS["c2st_accuracy"]]
    assert [label.get_text() for label in shown[0].get_yticklabels()] == ["a", "b"]
    np.testing.assert_array_equal(shown[0].lines[0].get_xdata(), [-2, -1])
    np.testing.assert_allclose(shown[1].collections[0].get_segments()[1][:, 0], [0.5, 0.7])


def test_a_model_s_figures_are_files_named_for_its_kind(tmp_path: Path, options: PlotsConfig) -> None:
    folder = write_model(tmp_path / "model")
    draw_model_figures(folder, tmp_path / "figures", options)
    assert sorted(os.listdir(tmp_path / "figures")) == sorted(f"{figure.name}.svg" for figure in COMMON)


def test_the_same_tables_give_the_same_bytes(tmp_path: Path, options: PlotsConfig) -> None:
    table = gallery(64, np.random.default_rng(0))
    for name in ("one", "two"):
        with style(options):
            save_figure(draw_reconstructions_of(table, IMAGES), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
