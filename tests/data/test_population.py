"""The population: deconvolution finds a known mixture under noise, and the shipped table is whole."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from vfprog.config import Conditions
from vfprog.data.deconvolution import (
    CLUSTERS,
    MIN_EYES,
    RANK,
    build_population,
    compress,
    deconvolve,
    residual_shape,
)
from vfprog.data.eye_summaries import EyeSummaries, summarise_series
from vfprog.data.population import (
    RESIDUAL_PROBABILITIES,
    SLOPE_SCALES,
    Gaussians,
    Population,
    load_population,
)
from vfprog.data.simulate import Simulated, simulate_series
from vfprog.errors import UserError
from vfprog.io import write_json
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.loss import focal_loss
from vfprog.perimetry.noise import growth


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
    population = replace(shipped, level=jittered)
    again = Population.from_card(population.to_card())
    assert_gaussians_equal(again.level, jittered, atol=6e-4)
    assert_gaussians_equal(again.slope, shipped.slope, atol=6e-6)
    for name in ("severity_edges", "slope_weight", "residual_level", "residual_quantile"):
        np.testing.assert_allclose(getattr(again, name), getattr(shipped, name), atol=6e-4)
    assert (again.offset_sd, again.sources) == (shipped.offset_sd, shipped.sources)
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
    levels, quantiles = residual_shape(level - 0.3 * growth(level, load_grid("24-2").xy) * skewed)
    np.testing.assert_allclose(levels, [-30, -15, -9, -5, -3, -1, 2], atol=0.1)
    expected = -np.quantile((rng.gamma(4, 1, 200_000) - 4) / 2, 1 - RESIDUAL_PROBABILITIES)
    assert np.abs(quantiles - expected).max() < 0.3
    # Without regard to places the shape would be off by 0.07.
    assert np.abs(quantiles[:, 5:-5] - expected[5:-5]).max() < 0.063


# From a cohort of any source


def simulated_lines(eyes: int, visits: int) -> tuple[Simulated, EyeSummaries]:
    """A cohort with nothing but the noise of a test about its lines, and the lines through its fields."""
    quiet = Conditions(rate_scale=(0.5, 0.5), wander=False, visit_sd=0, learning=False)
    series = simulate_series(
        load_population(), np.full(eyes, visits), 0.5, np.random.default_rng(0), conditions=quiet
    )
    return series, summarise_series(series.td, series.years, series.mask, "a simulated cohort")


def part(lines: EyeSummaries, locations: slice) -> EyeSummaries:
    names = ("level", "level_variance", "slope", "slope_variance")
    return replace(lines, **{name: getattr(lines, name)[:, locations] for name in names})


def test_population_of_a_cohort_has_its_levels_and_slopes() -> None:
    series, lines = simulated_lines(eyes=900, visits=8)
    part_of_grid = slice(20, 26)
    retests = series.level[:, None] + np.random.default_rng(1).normal(size=series.td.shape)
    built = build_population(part(lines, part_of_grid), retests, "made up", iterations=25)
    assert built.offset_sd == 0 and built.sources == "a simulated cohort; retests of made up"
    rng = np.random.default_rng(2)
    level = built.level.draw(
        rng.choice(CLUSTERS, 20_000, p=built.level.weight / built.level.weight.sum()), rng
    )
    true_level, true_slope = series.level[:, part_of_grid], series.slope[:, part_of_grid]
    assert level.mean() == pytest.approx(true_level.mean(), abs=0.5)
    assert level.std() == pytest.approx(true_level.std(), rel=0.1)
    quarter = np.repeat(np.arange(4), 5000)
    weight = built.slope_weight[quarter].cumsum(1)
    scale = SLOPE_SCALES[(rng.random((20_000, 1)) > weight / weight[:, -1:]).sum(1)]
    slope = built.slope.draw(quarter, rng) * scale[:, None]
    # Of so few eyes deconvolved slopes scatter up to a fifth too much; of 2,500 by a tenth.
    assert slope.std() == pytest.approx((true_slope / focal_loss(true_level)).std(), rel=0.2)
    # The plain lines scatter far more: by noise.
    assert lines.slope[:, part_of_grid].std() > 1.8 * true_slope.std()


def test_few_eyes_make_no_population() -> None:
    _, lines = simulated_lines(eyes=30, visits=5)
    with pytest.raises(UserError, match=f"a simulated cohort: [0-9]+ eyes .* at least {MIN_EYES}"):
        build_population(lines, np.zeros((1, 2, 52)), "made up")


def test_a_table_of_ones_own_is_read_and_a_wrong_one_named(tmp_path: Path) -> None:
    write_json(load_population().to_card(), tmp_path / "mine.json")
    assert_gaussians_equal(load_population(tmp_path / "mine.json").level, load_population().level, atol=1e-9)
    write_json({"level": 1}, tmp_path / "wrong.json")
    for name in ("wrong", "absent"):
        with pytest.raises(UserError, match=rf"{name}\.json: not a population table"):
            load_population(tmp_path / f"{name}.json")
