"""An eye over time: data, lines and labels."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vfprog.config import PlotsConfig
from vfprog.plots.results import Results, of_eye, trajectory_of
from vfprog.plots.series import (
    choose_latents,
    plot_fields_over_visits,
    plot_latent_path,
    plot_md_series,
    rate_line,
)


def line(ax: Axes, label: str) -> np.ndarray:
    """Data of the line with that label, (point, 2)."""
    return next(item.get_xydata() for item in ax.lines if item.get_label() == label)


def test_a_rate_line_has_the_rate_and_passes_through_the_mean_of_the_visits() -> None:
    years, mtd = np.array([0.0, 1, 2, 5]), np.array([-1.0, -2, -2, -5])
    drawn = rate_line(years, mtd, (-0.8, -1.1, -0.5))
    np.testing.assert_allclose(np.diff(drawn.mtd) / np.diff(drawn.years), -0.8)
    assert drawn.mtd[1] == drawn.lower[1] == drawn.upper[1] == mtd.mean()
    assert drawn.years[1] == years.mean()
    assert (drawn.lower <= drawn.mtd).all() and (drawn.mtd <= drawn.upper).all()
    np.testing.assert_allclose(drawn.upper[0] - drawn.mtd[0], 0.3 * 2)


def test_a_rate_line_of_one_visit_is_a_point() -> None:
    drawn = rate_line(np.array([0.0]), np.array([-3.0]), (-0.1, -1, 1))
    np.testing.assert_array_equal(drawn.lower, drawn.upper)


def test_md_series_shows_used_and_excluded_visits_and_the_forecast(results: Results, ax: Axes) -> None:
    eye = results.rates.iloc[0]
    visits, forecast = of_eye(results.visits, eye), of_eye(results.forecasts_md, eye)
    plot_md_series(visits, eye, forecast, ax)
    used = visits[visits["included"]]
    np.testing.assert_allclose(line(ax, "Measured"), used[["years", "mtd"]])
    np.testing.assert_allclose(line(ax, "Excluded"), visits.loc[~visits["included"], ["years", "mtd"]])
    fan = line(ax, "Forecast, 90 % interval")
    np.testing.assert_allclose(fan[:, 0], used["years"].iloc[-1] + forecast["years_ahead"])
    np.testing.assert_allclose(fan[:, 1], forecast["md_median"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Years since the first field", "Mean TD (dB)")


def test_an_eye_without_excluded_fields_has_none_in_the_legend(results: Results, ax: Axes) -> None:
    eye = results.rates.iloc[3]
    plot_md_series(of_eye(results.visits, eye), eye, of_eye(results.forecasts_md, eye), ax)
    assert "Excluded" not in ax.get_legend_handles_labels()[1]


def test_fields_over_visits_show_first_and_last(results: Results, options: PlotsConfig) -> None:
    eye = results.rates.iloc[0]
    visits = of_eye(results.visits, eye)
    visits = visits[visits["included"]]
    axes = Figure().subplots(1, 3)
    plot_fields_over_visits(visits, results.xy, axes, eye=eye["eye"], options=options)
    assert axes[0].get_title().startswith("Visit 1, ")
    assert axes[2].get_title().startswith("Visit 16, ")
    np.testing.assert_allclose(
        axes[2].collections[0].get_array(), visits.iloc[-1][[f"td_{i}" for i in range(1, 53)]].astype(float)
    )


def test_spare_axes_stay_empty(results: Results, options: PlotsConfig) -> None:
    eye = results.rates[results.rates["n_visits"] == 1].iloc[0]
    axes = Figure().subplots(1, 3)
    plot_fields_over_visits(of_eye(results.visits, eye), results.xy, axes, eye=eye["eye"], options=options)
    assert [len(ax.collections) for ax in axes] == [1, 0, 0]
    assert not axes[2].axison


def test_latents_that_move_come_before_latents_that_vary() -> None:
    z = np.array([[0.0, 0, 0], [0, 5, 1], [0, -5, -1]])
    assert choose_latents(z, np.array([0.3, 0, 0]), 2.0, 2) == [0, 1]
    assert choose_latents(z, np.zeros(3), 2.0, 3) == [1, 2, 0]


def test_latent_path_draws_the_trajectory(results: Results, ax: Axes) -> None:
    eye = results.rates.iloc[0]
    latents, track = of_eye(results.latents, eye), trajectory_of(results.trajectories, eye)
    plot_latent_path(latents, track, ax, n=2)
    labels = [item.get_label() for item in ax.lines if item.get_label().startswith("z")]
    assert len(labels) == 2
    k = int(labels[0][1:]) - 1
    start, end = line(ax, labels[0])
    slope = (end[1] - start[1]) / (end[0] - start[0])
    assert slope == pytest.approx(track["z_slope"].to_numpy()[k])
    assert abs(track["z_slope"].to_numpy()[k]) == abs(track["z_slope"]).max()
    assert ax.get_ylabel() == "Latent (prior SD = 1)"


def test_the_path_of_one_visit_has_a_readable_axis(results: Results, ax: Axes) -> None:
    eye = results.rates[results.rates["n_visits"] == 1].iloc[0]
    plot_latent_path(of_eye(results.latents, eye), trajectory_of(results.trajectories, eye), ax)
    assert ax.get_xlim() == (-0.5, 0.5)


def test_without_a_path_the_latents_of_fields_are_drawn(results: Results, ax: Axes) -> None:
    eye = results.rates.iloc[0]
    latents, track = of_eye(results.latents, eye), trajectory_of(results.trajectories, eye)
    plot_latent_path(latents, track.isel(latent=slice(0)), ax, n=2)
    labels = [item.get_label() for item in ax.lines if item.get_label().startswith("z")]
    assert len(labels) == 2
    assert all(len(line(ax, label)) == 0 for label in labels)
    assert len(ax.collections) == 2  # the fields' intervals
