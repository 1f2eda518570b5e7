"""Figures of a guided model and of a sweep: what is drawn is what the tables hold."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.io import write_table
from vfprog.plots.guided import (
    METHODS,
    draw_interpolation,
    draw_properties,
    draw_search,
    latent_plane,
    plot_r_squared,
)
from vfprog.plots.sweep import draw_sweep, plot_over_beta, plot_rate_distortion

N = 52


def scores() -> pd.DataFrame:
    rows = [
        {"property": name, "of": of, "method": method, "r2": r2, "lower": r2 - 0.1, "upper": min(r2 + 0.1, 1)}
        for (name, of, r2), method in product(
            [("md", "same", 0.99), ("md", "next", 0.9), ("age", "same", -0.8)], ("head", "ridge")
        )
    ]
    return pd.DataFrame(rows)


def fields(value: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(np.repeat(value[:, None], N, axis=1), columns=c.td(N))


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(30, 3))
    age = np.where(np.arange(30) < 5, np.nan, 60 + z[:, 1])
    known = pd.DataFrame(z, columns=["z_1", "z_2", "z_3"]).assign(
        md=z[:, 0] * 5, md_head=z[:, 0] * 5 + 0.1, age=age, age_head=60.0
    )
    write_table(known, tmp_path / "guided_latents.parquet")
    write_table(scores(), tmp_path / "guided_scores.csv")
    present = np.linspace(1, -20, 6)
    keys = pd.DataFrame({c.PATIENT: [f"p{i}" for i in range(6)], c.EYE: "OD", "property": "md"})
    paths = [keys.assign(target=np.nan, value=present, percentile=50.0, converged=True).join(fields(present))]
    for target in (-6.0, -12.0):
        at = np.full(6, target)
        paths.append(keys.assign(target=at, value=at, percentile=30.0, converged=True).join(fields(at)))
    write_table(pd.concat(paths), tmp_path / "guided_paths.parquet")
    step = np.arange(5)
    ways = [
        pd.DataFrame({"pair": pair, "way": way, "step": step, "share": step / 4, "md": -step * 2.0})
        .assign(decoded_md=-step * 2.0, percentile=50.0)
        .join(fields(-step * 2.0))
        for pair, way in product(("one", "two"), ("straight", "spherical"))
    ]
    write_table(pd.concat(ways), tmp_path / "guided_interpolation.parquet")
    return tmp_path


def axes_with(figure: object, label: str) -> list[Axes]:
    return [ax for ax in figure.axes if ax.get_xlabel() == label]  # type: ignore[attr-defined]


def test_r_squared_shows_every_score_and_cuts_what_is_far_below(ax: Axes) -> None:
    plot_r_squared(scores(), ax)
    shown = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert shown == [[0.99, 0.9, -0.3]] * len(METHODS)
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == ["MD of the same field", "MD of the eye's next field", "Age of the same field"]
    assert [text.get_text() for text in ax.texts[:3]] == ["0.990", "0.900", "\N{MINUS SIGN}0.800"]


def test_properties_stand_over_the_latent_plane(folder: Path, options: PlotsConfig) -> None:
    figure = draw_properties(folder, options)
    planes = axes_with(figure, "Latents' 1st principal component")
    assert len(planes) == 2
    unknown, known = planes[1].collections
    assert (len(unknown.get_offsets()), len(known.get_offsets())) == (5, 25)


def test_the_plane_holds_the_largest_variance() -> None:
    z = np.random.default_rng(1).normal(size=(200, 3)) * [1, 5, 2]
    plane = latent_plane(pd.DataFrame(z, columns=["z_1", "z_2", "z_3"]))
    assert plane.var(axis=0) == pytest.approx(z.var(axis=0)[[1, 2]], rel=0.05)
    assert latent_plane(pd.DataFrame({"z_1": [0.0, 1.0, 2.0]})).shape == (3, 2)


def test_search_shows_targets_below_the_present_alone(folder: Path, options: PlotsConfig) -> None:
    figure = draw_search(folder, options)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    # Four of six eyes: at 1, -3.2, -11.6 and -15.8 dB; targets -6 and -12.
    assert sum(title.startswith("Present") for title in titles) == 4
    assert sum("6.0, percentile 30" in title for title in titles) == 2
    assert sum("12.0, percentile 30" in title for title in titles) == 3


def test_ways_are_drawn_step_by_step(folder: Path, options: PlotsConfig) -> None:
    figure = draw_interpolation(folder, options)
    maps = [ax for ax in figure.axes if ax.get_title()]
    assert len(maps) == 2 * 2 * 5
    charts = [ax for ax in figure.axes if ax.get_ylabel() == "MD (dB)"]
    assert [len(ax.lines) for ax in charts] == [2, 2]


def sweep() -> pd.DataFrame:
    rows = [
        {
            "beta": beta,
            "latent_dim": size,
            "seed": seed,
            "rate": 4 * beta + size + seed,
            "distortion": 90.0 - size,
        }
        for beta, size, seed in product([0.1, 1.0], [2, 8], [1, 2])
    ]
    table = pd.DataFrame(rows)
    chosen = (table["beta"] == 1) & (table["latent_dim"] == 8)
    others = {"evidence": -97.0, "active_units": 2, "retest_mae": 1.6, "forecast_mae": np.nan}
    return table.assign(elbo=-table["rate"] - table["distortion"], chosen=chosen, **others)


def test_the_curve_goes_through_the_means_over_seeds(ax: Axes) -> None:
    plot_rate_distortion(sweep(), ax)
    (line,) = [line for line in ax.lines if line.get_label() == "8 latents"]
    assert line.get_xdata() == pytest.approx([0.4 + 8 + 1.5, 4 + 8 + 1.5])
    (ring,) = [line for line in ax.lines if line.get_label() == "Chosen"]
    assert ring.get_xdata() == pytest.approx([4 + 8 + 1.5])
    assert sum(line.get_linestyle() == ":" for line in ax.lines) == 5


def test_over_beta_every_model_is_a_dot(ax: Axes) -> None:
    plot_over_beta(sweep(), "evidence", ax)
    dots = [line for line in ax.lines if line.get_marker() == "o" and line.get_markersize() == 2.5]
    assert [len(line.get_xdata()) for line in dots] == [4, 4]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.1", "1"]


def test_a_column_without_values_has_no_panel() -> None:
    labels = {ax.get_ylabel() for ax in draw_sweep(sweep()).axes}
    assert "Retest error (dB)" in labels and "Forecast error (dB)" not in labels
