"""The population: deconvolution finds a known mixture under noise, and the shipped table is whole."""

from __future__ import annotations

from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vfprog.data.population import (
    CLUSTERS,
    RANK,
    RESIDUAL_PROBABILITIES,
    SLOPE_SCALES,
    Gaussians,
    Population,
    compress,
    deconvolve,
    load_population,
    read_uwhvf_summaries,
    residual_shape,
)
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid


def correlated(scale: float) -> np.ndarray:
    return scale * np.array([[1.0, 0.5], [0.5, 1.0]])


def test_deconvolution_finds_a_mixture_under_known_noise() -> None:
    rng = np.random.default_rng(0)
    means, covariances = np.array([[0.0, 0.0], [-8.0, -6.0]]), np.array([correlated(1.0), correlated(4.0)])
    cluster = (rng.random(6000) < 0.3).astype(int)
    v = np.array([rng.multivariate_normal(means[k], covariances[k]) for k in cluster])
    error = rng.uniform(0.5, 4, v.shape)
    x = v + rng.normal(size=v.shape) * np.sqrt(error)
    weight, mean, covariance = deconvolve(
        x, error, np.array([[1.0, 1.0], [-5.0, -5.0]]), np.array([np.eye(2)] * 2), np.ones(2), shared=False,
        iterations=60,
    )  # fmt: skip
    np.testing.assert_allclose(weight, [0.7, 0.3], atol=0.02)
    np.testing.assert_allclose(mean, means, atol=0.2)
    np.testing.assert_allclose(covariance[0], covariances[0], atol=0.2)
    np.testing.assert_allclose(covariance[1], covariances[1], atol=0.6)
    # What was measured scatters by noise besides: the plain covariance is far off.
    assert np.cov(x[cluster == 0].T)[0, 0] > 2.5


def test_deconvolution_finds_a_scale_mixture_of_one_covariance() -> None:
    rng = np.random.default_rng(1)
    scales = np.array([0.1, 1.5])
    fast = rng.random(6000) < 0.25
    v = rng.multivariate_normal([-0.4, -0.2], correlated(1.0), 6000)
    error = rng.uniform(0.02, 0.2, v.shape)
    x = scales[fast.astype(int)][:, None] * v + rng.normal(size=v.shape) * np.sqrt(error)
    weight, mean, covariance = deconvolve(
        x, error, np.zeros((2, 2)), np.array([np.eye(2)] * 2), scales, shared=True, iterations=80
    )
    np.testing.assert_allclose(weight, [0.75, 0.25], atol=0.03)
    np.testing.assert_allclose(mean, [[-0.4, -0.2]] * 2, atol=0.1)
    np.testing.assert_allclose(covariance, [correlated(1.0)] * 2, atol=0.15)


def test_one_component_without_noise_is_the_sample_itself() -> None:
    x = np.random.default_rng(2).normal(-3, 2, (500, 3))
    weight, mean, covariance = deconvolve(
        x, np.full(x.shape, 1e-9), np.zeros((1, 3)), np.eye(3)[None], np.ones(1), shared=False, iterations=5
    )
    assert weight.tolist() == [1.0]
    np.testing.assert_allclose(mean[0], x.mean(0), atol=1e-6)
    np.testing.assert_allclose(covariance[0], np.cov(x.T, bias=True), atol=2e-4)


def random_covariances(components: int, locations: int, rank: int) -> np.ndarray:
    factor = np.random.default_rng(3).normal(size=(components, locations, rank))
    return factor @ factor.transpose(0, 2, 1) + 0.1 * np.eye(locations)


@pytest.mark.parametrize("rank", [2, 20])
def test_compression_keeps_variances(rank: int) -> None:
    covariance = random_covariances(3, 20, rank)
    compact = compress(np.full(3, 1 / 3), np.zeros((3, 20)), covariance)
    assert compact.factor.shape == (3, 20, RANK)
    again = compact.factor @ compact.factor.transpose(0, 2, 1) + np.array(
        [np.diag(d) for d in compact.diagonal]
    )
    np.testing.assert_allclose(
        np.diagonal(again, axis1=1, axis2=2), np.diagonal(covariance, axis1=1, axis2=2)
    )
    off = ~np.eye(20, dtype=bool)
    error = np.abs(again - covariance)[:, off].max()
    assert error < 0.11 if rank <= RANK else error < 0.5 * np.abs(covariance)[:, off].max()


def test_draws_have_the_components_moments() -> None:
    covariance = random_covariances(2, 4, 2)
    g = compress(np.array([0.5, 0.5]), np.array([[0.0] * 4, [-9.0] * 4]), covariance)
    component = np.repeat([0, 1], 40_000)
    drawn = g.draw(component, np.random.default_rng(0))
    for k in (0, 1):
        inside = drawn[component == k]
        np.testing.assert_allclose(inside.mean(0), g.mean[k], atol=0.06)
        np.testing.assert_allclose(np.cov(inside.T), covariance[k], atol=0.15)


def assert_gaussians_equal(a: Gaussians, b: Gaussians, atol: float) -> None:
    for name in ("weight", "mean", "factor", "diagonal"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol)


def test_card_holds_the_table() -> None:
    shipped = load_population()
    rng = np.random.default_rng(0)
    jittered = Gaussians(
        *(getattr(shipped.level, n) + rng.uniform(0, 1e-4) for n in ("weight", "mean", "factor", "diagonal"))
    )
    population = Population(
        jittered, shipped.severity_edges, shipped.slope, shipped.slope_weight, *(
            shipped.residual_level, shipped.residual_quantile)
    )  # fmt: skip
    again = Population.from_card(population.to_card())
    assert_gaussians_equal(again.level, jittered, atol=6e-4)
    assert_gaussians_equal(again.slope, shipped.slope, atol=6e-6)
    for name in ("severity_edges", "slope_weight", "residual_level", "residual_quantile"):
        np.testing.assert_allclose(getattr(again, name), getattr(shipped, name), atol=6e-4)
    # Rounded once, it does not move again.
    assert Population.from_card(again.to_card()).to_card() == again.to_card()


def test_shipped_population_is_small_and_sane() -> None:
    resource = Path(str(files("vfprog") / "resources" / "population.json"))
    assert resource.stat().st_size < 200_000
    population = load_population()
    assert population.level.mean.shape == (CLUSTERS, 52)
    assert population.level.weight.sum() == pytest.approx(1, abs=0.01)
    assert population.slope.factor.shape == (4, 52, RANK)
    assert population.slope_weight.shape == (4, len(SLOPE_SCALES))
    np.testing.assert_allclose(population.slope_weight.sum(1), 1, atol=0.01)
    for g in (population.level, population.slope):
        assert (g.diagonal > 0).all() and np.isfinite(g.factor).all()
    assert (np.diff(population.severity_edges) > 0).all() and (np.diff(population.residual_level) > 0).all()
    assert population.level.mean.min() > -36 and population.level.mean.max() < 6
    quantile = population.residual_quantile
    assert quantile.shape == (len(population.residual_level), len(RESIDUAL_PROBABILITIES))
    assert (np.diff(quantile, axis=1) >= 0).all()
    assert np.abs(quantile.mean(1)).max() < 0.1 and np.abs(quantile.std(1) - 1).max() < 0.15


def test_shape_of_retest_noise_is_found() -> None:
    rng = np.random.default_rng(0)
    level = rng.choice([-30.0, -15, -9, -5, -3, -1, 2], (400, 1, 52))
    skewed = (rng.gamma(4, 1, (400, 10, 52)) - 4) / 2
    levels, quantiles = residual_shape(level - 0.3 * skewed)
    np.testing.assert_allclose(levels, [-30, -15, -9, -5, -3, -1, 2], atol=0.1)
    expected = -np.quantile((rng.gamma(4, 1, 200_000) - 4) / 2, 1 - RESIDUAL_PROBABILITIES)
    assert np.abs(quantiles - expected).max() < 0.3
    assert np.abs(quantiles[:, 5:-5] - expected[5:-5]).max() < 0.1


def write_summaries(folder: Path, eyes: pd.DataFrame, intercept: np.ndarray, slope: np.ndarray) -> None:
    key = eyes["PatID"].astype(str) + "_" + eyes["Eye"]
    for name, values in (("Intercept", intercept), ("Slope", slope)):
        table = pd.DataFrame(values, columns=[f"l{i}" for i in range(1, 55)])
        table.insert(0, "PatID_Eye", key)
        table.iloc[::-1].to_csv(folder / f"Location_{name}_TD.csv", index=False)
    eyes.to_csv(folder / "Series_Summary.csv", index=False)


def test_summaries_give_levels_slopes_and_their_errors(tmp_path: Path) -> None:
    keys = [*product((1, 2), ("Left", "Right")), (3, "Right")]
    eyes = pd.DataFrame(keys, columns=["PatID", "Eye"])
    eyes["Baseline_MTD"] = [-2.0, 4.5, -2, -2, -2]  # the second is too good to be true
    eyes["Follow_up_length"] = [4.0, 4, 1, 4, 6]  # the third too short
    eyes["N_fields"] = [5, 5, 5, 5, 7]
    intercept, slope = np.full((5, 54), -4.0), np.full((5, 54), -0.5)
    slope[3, 10] = 9.0  # the fourth has an absurd slope
    slope[4] = 1.0
    write_summaries(tmp_path, eyes, intercept, slope)
    found = read_uwhvf_summaries(tmp_path)
    assert all(values.shape == (2, load_grid("24-2").n) for values in found.values())
    by_slope = np.argsort(found["slope"][:, 0])
    np.testing.assert_allclose(found["slope"][by_slope][:, 0], [-0.5, 1.0])
    np.testing.assert_allclose(found["level"][by_slope][:, 0], [-4 - 0.5 * 2, -4 + 1.0 * 3])
    sd = np.array([(2.44 + 3.4) / 2, 1.77 + (1.54 - 1.77) / 2])  # the table at -5 and at -1 dB
    np.testing.assert_allclose(found["level_variance"][by_slope][:, 0], sd**2 / [5, 7])
    sxx = [np.square(np.linspace(0, t, n) - t / 2).sum() for t, n in ((4, 5), (6, 7))]
    np.testing.assert_allclose(found["slope_variance"][by_slope][:, 0], sd**2 / sxx)


def test_missing_summaries_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no Location_Intercept_TD\.csv"):
        read_uwhvf_summaries(tmp_path)
