"""Training curves, latent space, reconstructions, scores, retests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.plots.evaluation import (
    against,
    at_shown_firsts,
    near_baseline,
    plot_by_first,
    plot_differences,
    plot_estimates,
    plot_published,
    plot_scores,
    plot_severity,
)
from vfprog.plots.labels import METHODS, in_order, method_label
from vfprog.plots.latents import latent_variance, plot_latent_space, plot_latent_variance
from vfprog.plots.reconstructions import choose_fields, plot_reconstruction
from vfprog.plots.results import Results
from vfprog.plots.retest import plot_retest
from vfprog.plots.training import CURVES, plot_curve, plot_training


def rows(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_training_curves_carry_the_history(results: Results) -> None:
    axes = Figure().subplots(2, 3).ravel()
    plot_training(results.history, 18, axes)
    for column, ax in zip(CURVES, axes, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), results.history[column])
        assert ax.get_xlabel() == "Epoch"
    assert axes[0].get_ylabel() == axes[1].get_ylabel() == axes[4].get_ylabel() == "nats a row"


def test_the_epoch_that_was_kept_is_marked(results: Results) -> None:
    ax = plot_curve(results.history, "elbo_validation", 7, Figure().subplots())
    assert ax.lines[1].get_xdata()[0] == 7
    assert ax.get_legend_handles_labels()[1] == ["best epoch, 7"]


def test_an_unused_latent_has_no_variance_between_and_the_prior_s_within() -> None:
    latents = pd.DataFrame(
        {"z_1": [-1.0, 1.0], "z_1_sd": [0.1, 0.1], "z_2": [0.0, 0.0], "z_2_sd": [1.0, 1.0]}
    )
    variance = latent_variance(latents, 2)
    np.testing.assert_allclose(variance["between"], [1, 0])
    np.testing.assert_allclose(variance["within"], [0.01, 1])


def test_latent_space_shows_the_two_latents_that_vary_most(results: Results) -> None:
    space, use = Figure().subplots(1, 2)
    mtd = np.linspace(-20, 0, len(results.latents))
    plot_latent_space(results.latents, mtd, results.latent_dim, space)
    variance = latent_variance(results.latents, results.latent_dim).set_index("latent")["between"]
    first, second = variance.sort_values(ascending=False).index[:2]
    assert (space.get_xlabel(), space.get_ylabel()) == (
        f"z{first} (prior SD = 1)",
        f"z{second} (prior SD = 1)",
    )
    np.testing.assert_allclose(space.collections[0].get_array(), mtd)
    plot_latent_variance(results.latents, results.latent_dim, use)
    assert len(use.patches) == 2 * results.latent_dim


def test_one_latent_alone_can_be_drawn(results: Results, ax: Axes) -> None:
    plot_latent_space(results.latents, np.zeros(len(results.latents)), 1, ax)
    assert ax.get_xlabel() == ax.get_ylabel() == "z1 (prior SD = 1)"


def test_the_gallery_runs_from_worst_to_best(results: Results) -> None:
    shown = choose_fields(results.visits, 5)
    assert shown["mtd"].is_monotonic_increasing
    assert shown["mtd"].iloc[0] == results.visits["mtd"].min()
    assert len(choose_fields(results.visits.head(2), 5)) == 2


def test_the_difference_is_measured_minus_decoded(results: Results, options: PlotsConfig) -> None:
    measured, decoded = np.full(52, -3.0), np.full(52, -1.0)
    axes = Figure().subplots(3)
    plot_reconstruction(measured, decoded, results.xy, axes, eye="OD", options=options)
    np.testing.assert_array_equal(axes[2].collections[0].get_array(), np.full(52, -2.0))


def test_scores_show_every_method_with_its_interval(results: Results, ax: Axes) -> None:
    plot_scores(results.evaluation, "mae", ax)
    assert rows(ax) == list(METHODS.values())
    assert ax.get_xlabel() == "Mean absolute error (dB)"
    assert ax.get_legend_handles_labels()[1] == [f"given the first {n} visits" for n in (3, 5, 7)]
    cell = results.evaluation.query(
        "metric == 'mae' and n_first == 3 and horizon == 'all' and severity == 'all'"
    )
    container = ax.containers[0]
    np.testing.assert_allclose(container[0].get_xydata()[:, 0], cell["value"])
    segments = np.array(container[2][0].get_segments())
    np.testing.assert_allclose(segments[:, :, 0], cell[["lower", "upper"]])


def test_a_method_without_a_metric_keeps_an_empty_row(results: Results, ax: Axes) -> None:
    scores = results.evaluation
    scores = scores[(scores["metric"] != "coverage90") | (scores["method"] != "last")]
    plot_scores(scores, "coverage90", ax)
    assert rows(ax)[0] == "Last visit"
    assert 0 not in np.round(np.concatenate([box[0].get_xydata()[:, 1] for box in ax.containers]))


def test_differences_leave_out_what_is_far_off(results: Results, ax: Axes) -> None:
    near, far = near_baseline(results.differences)
    assert far == ["plr", "published"]
    plot_differences(results.differences, 5, ax)
    static = results.differences.query(
        "baseline == 'mean' and method == 'static' and n_first == 5 and horizon == 'all' and metric == 'mae'"
    )
    assert ax.containers[0][0].get_xydata()[near.index("static"), 0] == static["value"].item()
    assert rows(ax) == [method_label(m) for m in near]
    assert ax.get_legend_handles_labels()[1][1:] == [
        "below 1 year ahead",
        "1 to 3 years ahead",
        "3 years and more ahead",
    ]
    assert ax.get_title() == "Given the first 5 visits"


@pytest.mark.parametrize(
    ("firsts", "shown"),
    [(range(1, 11), [3, 5, 7]), ([2, 3], [3]), ([1, 2, 4, 6, 8], [1, 4, 8]), ([2], [2])],
)
def test_of_many_numbers_of_first_visits_three_are_shown(firsts: list[int], shown: list[int]) -> None:
    scores = pd.DataFrame({"n_first": sorted([*firsts, *firsts])})
    assert list(at_shown_firsts(scores)["n_first"]) == sorted(shown * 2)


def test_mae_over_the_number_of_first_visits(results: Results) -> None:
    left, right = Figure().subplots(1, 2)
    methods = ["mean", "shrunk_plr", "static"]
    plot_by_first(results.evaluation, methods, left)
    plot_by_first(against(results.differences), methods, right, intervals=True)
    assert [line.get_label() for line in left.lines] == [method_label(m) for m in methods]
    assert [line.get_color() for line in left.lines] == [line.get_color() for line in right.lines]
    cell = "method == 'static' and metric == 'mae' and horizon == 'all' and severity == 'all'"
    np.testing.assert_allclose(
        left.lines[2].get_xydata(), results.evaluation.query(cell)[["n_first", "value"]]
    )
    rows = results.differences.query(f"{cell} and baseline == 'mean'")
    np.testing.assert_allclose(right.lines[2].get_ydata(), rows["value"])
    band = right.collections[2].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (rows["lower"].min(), rows["upper"].max())
    assert not left.collections and list(left.get_xticks()) == [3, 5, 7]


def test_severity_and_published_are_drawn_with_their_groups(results: Results) -> None:
    left, right = Figure().subplots(1, 2)
    plot_severity(results.evaluation, ["mean", "static"], left)
    assert rows(left) == ["Mean of past visits", "VAE, static field"]
    assert len(left.get_legend_handles_labels()[1]) == 3
    plot_published(results.published, right)
    assert right.get_legend_handles_labels()[1] == ["visit 4", "visit 6", "visit 8"]


def test_no_estimates_leave_the_axes_empty(results: Results, ax: Axes) -> None:
    plot_estimates(results.evaluation.iloc[:0], "n_first", ax)
    assert not ax.axison


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"static", "last"}, ["last", "static"]), ({"zz", "mean", "aa"}, ["mean", "aa", "zz"])],
)
def test_methods_stand_in_one_order(given: set[str], expected: list[str]) -> None:
    assert in_order(given) == expected


def test_retest_compares_one_field_s_estimates(results: Results, ax: Axes) -> None:
    assert results.retest is not None
    plot_retest(results.retest, ax)
    assert rows(ax) == [
        "One measured field",
        "VAE, from one field",
        "VAE and shrunk residual, from one field",
    ]
    np.testing.assert_allclose(ax.containers[0][0].get_xydata()[:, 0], results.retest["value"])
