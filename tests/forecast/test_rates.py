"""Rates: against a brute-force posterior, convergence and shrinkage, coverage on simulated eyes, tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from vfprog.config import Conditions, RatesConfig
from vfprog.data.population import load_population
from vfprog.data.series import Series, padded_series
from vfprog.data.simulate import Simulated, simulate_series
from vfprog.data.views import Views
from vfprog.forecast.detection import Detection
from vfprog.forecast.rate_posterior import (
    Evidence,
    FieldPosterior,
    RatePosterior,
    both_below,
    evidence,
    field_posterior,
    region_posterior,
)
from vfprog.forecast.rate_prior import (
    DEFAULT,
    PACES,
    SHARED,
    RatePrior,
    by_damage,
    fit_rate_prior,
    profiles,
)
from vfprog.forecast.rate_scatter import TEST_SHARED, WANDER_SHARED, fit_scatter, own_scatter, quadratic_forms
from vfprog.forecast.rate_slopes import USUAL_SCATTER, CommonScatter, fit_lines, with_errors
from vfprog.forecast.rates import prior_sensitivity, rate_tables
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_sd
from vfprog.perimetry.regression import linear_regression
from vfprog.perimetry.visit_shift import LEARNING_SD, NODES, USUAL_VISITS, VisitPrior, felt

GRID = load_grid("24-2")
OPTIONS = RatesConfig(poplr_permutations=99)


def _regular(td: np.ndarray, interval: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fields tested whole at regular visits: td, mask and years."""
    years = np.tile(np.arange(td.shape[1]) * interval, (len(td), 1))
    return td, np.ones(td.shape, dtype=bool), years


def _evidence(td: np.ndarray, mask: np.ndarray, years: np.ndarray, prior: RatePrior) -> Evidence:
    return next(evidence(Views(td, mask, years, mask.any(2).sum(1)), prior))


def _field(td: np.ndarray, mask: np.ndarray, years: np.ndarray, prior: RatePrior) -> FieldPosterior:
    return field_posterior(_evidence(td, mask, years, prior), prior)


def _declining(slope: float, visits: int, interval: float = 0.5, noise: float = 0.0) -> np.ndarray:
    """One eye around -9 dB whose locations all change at the same rate."""
    years = np.arange(visits) * interval
    scatter = noise * np.random.default_rng(4).standard_normal((1, visits, GRID.n))
    return np.full((1, visits, GRID.n), -9.0) + slope * (years - years.mean())[None, :, None] + scatter


def test_scatter_is_found_again():
    """Test noise, wander and visits of known sizes at once."""
    rng, truth = np.random.default_rng(1), np.array([0.8, 0.5, 0.3])
    eyes, visits = 300, 12
    sd, felt = noise_sd(np.full((eyes, GRID.n), -3.0)), np.ones((eyes, GRID.n))
    years = np.cumsum(rng.uniform(0.3, 0.9, (eyes, visits)), axis=1)
    in_time = np.linalg.cholesky(np.exp(-np.abs(years[:, :, None] - years[:, None]) / 5.4))
    wander = in_time @ rng.standard_normal((eyes, visits, GRID.n)) @ np.linalg.cholesky(WANDER_SHARED).T
    y = np.sqrt(truth[2]) * rng.standard_normal((eyes, visits, 1))
    noise = rng.standard_normal(wander.shape) @ np.linalg.cholesky(TEST_SHARED).T
    y = y + sd[:, None] * (np.sqrt(truth[1]) * wander + np.sqrt(truth[0]) * noise)
    t = years - years.mean(1, keepdims=True)
    centred = y - y.mean(1, keepdims=True)
    slope = np.einsum("ev,evj->ej", t, centred) / (t**2).sum(1)[:, None]
    residual = centred - t[:, :, None] * slope[:, None]
    tested = np.ones(years.shape, dtype=bool)
    forms = quadratic_forms(residual, sd, felt, years, tested, np.zeros(years.shape))
    visit, sure = np.full(eyes, truth[2]), np.zeros(eyes)
    np.testing.assert_allclose(fit_scatter(forms, visit, sure), truth[:2], rtol=0.15)
    assert own_scatter(forms, truth[:2], visit, sure)[:, 0].mean() == pytest.approx(truth[0], rel=0.05)


def test_errors_of_slopes_are_those_of_simulated_slopes():
    rng = np.random.default_rng(2)
    visits = VisitPrior((NODES == 0.2).astype(float).clip(1e-9), 1e-9, 0.0)
    scatter = CommonScatter(np.array([1.0, 0.002]), visits)
    noise = rng.standard_normal((1500, 7, GRID.n)) @ np.linalg.cholesky(TEST_SHARED).T
    td = -3 + noise * noise_sd(np.array(-3.0))
    td += np.sqrt(0.2) * rng.standard_normal((1500, 7, 1))
    td[:, 0] += LEARNING_SD * rng.standard_normal((1500, 1))
    slopes = with_errors(fit_lines(*_regular(td), scatter), scatter.own)
    mean = np.full(GRID.n, 1 / GRID.n)
    expected = np.sqrt(np.einsum("j,ejk,k->e", mean, slopes.covariance, mean)).mean()
    assert slopes.slope.mean(1).std() == pytest.approx(expected, rel=0.08)
    at_location = np.sqrt(np.diagonal(slopes.covariance, axis1=1, axis2=2))
    assert slopes.slope.std() == pytest.approx(at_location.mean(), rel=0.08)


def test_posterior_is_that_of_the_joint_normal_of_slopes_and_rates():
    """Each component by conditioning the joint normal of (rate, group means) written out over all locations."""
    rng = np.random.default_rng(3)
    td, mask, years = _regular(rng.normal(-5, 4, (2, 6, GRID.n)))
    found = _evidence(td, mask, years, DEFAULT)
    slopes, field = found.slopes, field_posterior(found, DEFAULT)
    groups, share = by_damage(slopes.level, slopes.counted), np.full(GRID.n, 1 / GRID.n)
    eye, log_weight = 1, []
    for k in range(DEFAULT.weights.size):
        pattern, pace = divmod(k, len(PACES))
        profile = profiles(slopes.level[eye])[pattern]
        prior_mean = DEFAULT.means[pattern] * profile
        prior_cov = PACES[pace] ** 2 * profile[:, None] * SHARED * profile
        a = groups[eye]
        seen = a @ (prior_cov + slopes.covariance[eye]) @ a.T
        residual = a @ (slopes.slope[eye] - prior_mean)
        for found, own in ((field.lasting, prior_cov), (field.rate, prior_cov + slopes.wander[eye])):
            gain = share @ own @ a.T @ np.linalg.inv(seen)
            assert found.mean[eye, k] == pytest.approx(share @ prior_mean + gain @ residual, abs=1e-9)
            variance = share @ own @ share - gain @ a @ own @ share
            assert found.sd[eye, k] == pytest.approx(np.sqrt(variance), rel=1e-6)
        log_weight.append(
            np.log(DEFAULT.weights.ravel()[k])
            - 0.5 * (residual @ np.linalg.inv(seen) @ residual + np.linalg.slogdet(seen)[1])
        )
    weight = np.exp(np.array(log_weight) - max(log_weight))
    np.testing.assert_allclose(field.rate.weight[eye], weight / weight.sum(), rtol=1e-6)


def test_what_wanders_is_part_of_the_rate_but_does_not_last():
    """Beside the same measured slope an eye that may wander has a steeper rate than what of it goes on."""
    field = _field(*_regular(_declining(-1.0, 6, noise=2.0)), DEFAULT)
    assert field.rate.expectation()[0] < field.lasting.expectation()[0] - 0.1
    still = replace(DEFAULT, scatter=replace(USUAL_SCATTER, own=np.array([1.0, 0.0])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vfprog.forecast.rate_scatter.LEAST", np.zeros(2))
        patch.setattr("vfprog.forecast.rate_scatter.LEAST_SPREAD", np.full(2, 1e-6))
        field = _field(*_regular(_declining(-1.0, 6, noise=2.0)), still)
    assert field.rate.expectation()[0] == pytest.approx(field.lasting.expectation()[0], abs=1e-4)


def test_many_visits_converge_to_least_squares_and_few_shrink():
    few = _field(*_regular(_declining(-2.0, 3, noise=3.0)), DEFAULT).rate
    many = _field(*_regular(_declining(-2.0, 60, noise=3.0)), DEFAULT).rate
    assert many.expectation()[0] == pytest.approx(-2.0, abs=0.03)
    assert few.expectation()[0] > -1.7
    assert many.quantile(0.975) - many.quantile(0.025) < 0.2 * (few.quantile(0.975) - few.quantile(0.025))


def test_noisy_eyes_are_drawn_to_the_prior_more_than_quiet_ones():
    quiet = _field(*_regular(_declining(-1.5, 8, noise=1.0)), DEFAULT).rate
    noisy = _field(*_regular(_declining(-1.5, 8, noise=12.0)), DEFAULT).rate
    assert noisy.sd.max() > quiet.sd.max()
    assert quiet.expectation()[0] == pytest.approx(-1.5, abs=0.25)


def test_one_visit_gets_the_prior():
    td, mask, years = _regular(np.full((1, 1, GRID.n), -9.0))
    rate = _field(td, mask, years, DEFAULT).rate
    # A first field lacks what patients have yet to learn.
    profile = profiles(-9.0 + USUAL_VISITS.learning * felt(np.full(GRID.n, -9.0))).mean(1)
    expected = (DEFAULT.weights.sum(1) * DEFAULT.means * profile).sum()
    assert rate.expectation()[0] == pytest.approx(expected, rel=1e-3)
    assert rate.quantile(0.025)[0] < -2 and rate.quantile(0.975)[0] > 1  # honestly wide


def test_missing_locations_and_padding_never_matter():
    rng = np.random.default_rng(6)
    td, mask, years = _regular(rng.normal(-6, 3, (3, 6, GRID.n)))
    mask[:, :, 40:] = False  # never tested
    mask[:, 2, 7] = False  # left out once
    clean = _field(np.where(mask, td, 0.0), mask, years, DEFAULT)
    padded = [
        np.concatenate([a, np.zeros((3, 2, *a.shape[2:]), a.dtype)], 1) for a in (td * mask, mask, years)
    ]
    padded[2][:, 6:] = years[:, -1:]
    again = _field(*padded, DEFAULT)
    np.testing.assert_allclose(again.rate.expectation(), clean.rate.expectation(), atol=1e-10)
    np.testing.assert_allclose(again.since_middle, clean.since_middle)
    regions = np.array(list(GRID.regions.values()))
    found = region_posterior(_evidence(np.where(mask, td, 0.0), mask, years, DEFAULT), regions, DEFAULT)
    np.testing.assert_array_equal(found.locations[0], regions[:, :40].sum(1))


def test_the_field_as_a_region_is_the_field():
    td, mask, years = _regular(np.random.default_rng(7).normal(-5, 4, (4, 7, GRID.n)))
    found = _evidence(td, mask, years, DEFAULT)
    whole = region_posterior(found, np.ones((1, GRID.n), dtype=bool), DEFAULT)
    np.testing.assert_allclose(
        whole.rate.expectation()[:, 0], field_posterior(found, DEFAULT).rate.expectation()
    )
    np.testing.assert_allclose(whole.slope[:, 0], found.slopes.slope.mean(1))


def test_years_until_are_those_of_a_known_line():
    """An eye at -10 dB two years after the middle, losing exactly 1 dB/year, reaches -12 two years on."""
    sure = RatePosterior(np.ones((1, 1)), np.full((1, 1), -1.0), np.full((1, 1), 1e-6))
    line = FieldPosterior(sure, sure, np.array([-8.0]), np.array([1e-9]), np.array([2.0]))
    for p in (0.05, 0.5, 0.95):
        assert line.years_until(-12.0, p)[0] == pytest.approx(2.0, abs=1e-3)
    assert line.years_until(-9.0, 0.95)[0] == 0
    assert np.isinf(line.years_until(-70.0, 0.5)[0])


def test_probability_of_reaching_is_that_of_draws():
    rate = RatePosterior(np.array([[0.7, 0.3]]), np.array([[-0.2, -1.5]]), np.array([[0.1, 0.4]]))
    field = FieldPosterior(rate, rate, np.array([-8.0]), np.array([0.5]), np.array([1.5]))
    rng = np.random.default_rng(8)
    k = rng.choice(2, 200_000, p=[0.7, 0.3])
    drawn = rng.normal(rate.mean[0, k], rate.sd[0, k])
    middle = rng.normal(-8, np.sqrt(0.5), len(k))
    lowest = middle + np.minimum(drawn * 1.5, drawn * (1.5 + 3.0))
    assert field.probability_reached(-12.0, 3.0)[0] == pytest.approx((lowest <= -12).mean(), abs=0.005)
    # What was reached stays so, though the field may rise again.
    later = [field.probability_reached(-8.5, years)[0] for years in (0.0, 1.0, 5.0, 10.0, 40.0)]
    assert (np.diff(later) >= 0).all()
    median = field.years_until(-12.0, 0.5)
    assert field.probability_reached(-12.0, median)[0] == pytest.approx(0.5, abs=1e-6)


def test_two_normals_below_bounds_are_those_of_scipy():
    rng = np.random.default_rng(5)
    h, k, r = rng.normal(0, 2, 60), rng.normal(0, 2, 60), rng.uniform(0, 1, 60)
    h[:3], k[3:6], h[6:8], k[6:8], r[-1] = 0.0, 0.0, 0.0, 0.0, 1.0
    expected = [
        multivariate_normal.cdf([a, b], cov=[[1, c], [c, 1]])
        for a, b, c in zip(h[:-1], k[:-1], r[:-1], strict=True)
    ] + [norm.cdf(min(h[-1], k[-1]))]
    np.testing.assert_allclose(both_below(h, k, r), expected, atol=1e-6)


def test_mixtures_know_their_quantiles():
    rate = RatePosterior(np.ones((1, 1)), np.full((1, 1), -0.5), np.full((1, 1), 0.2))
    assert rate.quantile(0.9)[0] == pytest.approx(norm.ppf(0.9, -0.5, 0.2), abs=1e-6)
    assert rate.probability_below(-0.5)[0] == pytest.approx(0.5)


@pytest.fixture(scope="module")
def clinic() -> tuple[Simulated, np.ndarray]:
    """Eyes of the shipped population with wander, learning and noise by level."""
    n = np.random.default_rng(11).integers(4, 13, 900)
    return simulate_series(load_population(), n, 0.5, np.random.default_rng(12)), n


def _arrays(drawn: Simulated) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mask = np.broadcast_to(drawn.mask[:, :, None], drawn.td.shape)
    last = np.where(drawn.mask, drawn.years, 0).max(1, keepdims=True)
    return drawn.td * mask, mask, np.where(drawn.mask, drawn.years, last)


def _true_rates(drawn: Simulated) -> np.ndarray:
    """Slopes of lines through the true fields' means, wander and all."""
    years = _arrays(drawn)[2]
    return linear_regression(drawn.truth.mean(2) * drawn.mask, years, drawn.mask).slope


def _rates(drawn: Simulated, prior: RatePrior) -> RatePosterior:
    views = Views(*_arrays(drawn), drawn.mask.sum(1))
    parts = [field_posterior(part, prior).rate for part in evidence(views, prior)]
    return RatePosterior(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("weight", "mean", "sd")))


def test_intervals_cover_in_mild_moderate_and_severe_eyes(clinic):
    """Severe eyes scatter and wander most: intervals that take all eyes alike miss theirs."""
    drawn, _ = clinic
    learned = slice(0, 250)
    td, mask, years = _arrays(drawn)
    rate = _rates(drawn, fit_rate_prior(td[learned], mask[learned], years[learned]))
    truth, level = _true_rates(drawn), drawn.level.mean(1)
    covered = (truth >= rate.quantile(0.05)) & (truth <= rate.quantile(0.95))
    scored = np.arange(len(truth)) >= 250
    for low, high in ((-6, 10), (-12, -6), (-40, -12)):
        chosen = scored & (level > low) & (level <= high)
        assert 0.84 <= covered[chosen].mean() <= 0.97, (low, covered[chosen].mean(), chosen.sum())


def test_rates_beat_least_squares_on_simulated_eyes(clinic):
    drawn, n = clinic
    truth = _true_rates(drawn)
    rate = _rates(drawn, DEFAULT).expectation()
    td, mask, years = _arrays(drawn)
    least_squares = linear_regression(td.mean(2), years, mask.any(2)).slope
    for few, many in ((4, 7), (8, 12)):
        chosen = (n >= few) & (n <= many)
        ours, theirs = (np.sqrt(((r - truth)[chosen] ** 2).mean()) for r in (rate, least_squares))
        assert ours < 0.9 * theirs


def test_scatter_is_learnt_from_training_eyes():
    """A cohort that does not wander is known not to, so that its rates are surer."""
    n = np.full(150, 12)
    with_wander, without = (
        fit_rate_prior(
            *_arrays(
                simulate_series(
                    load_population(), n, 0.5, np.random.default_rng(5), conditions=Conditions(wander=wander)
                )
            )
        )
        for wander in (True, False)
    )
    assert with_wander.scatter.own[1] > 0.2
    assert without.scatter.own[1] < 0.1


def test_training_eyes_move_the_mixture():
    td, mask, years = _regular(
        np.concatenate([_declining(s, 10) for s in np.random.default_rng(9).normal(0, 0.02, 900)])
    )
    noise = np.random.default_rng(10).normal(0, 2, td.shape)
    stable = fit_rate_prior(td + noise, mask, years)
    assert stable.weights.sum() == pytest.approx(1.0)
    assert stable.weights[:, :2].sum() > DEFAULT.weights[:, :2].sum()
    assert -0.17 < stable.means[0] < 0


def test_the_prior_survives_the_card():
    again = RatePrior.from_card(DEFAULT.to_card())
    np.testing.assert_allclose(again.weights, DEFAULT.weights, atol=1e-5)
    np.testing.assert_allclose(again.scatter.own, DEFAULT.scatter.own, atol=1e-5)
    np.testing.assert_allclose(again.scatter.visits.weights, DEFAULT.scatter.visits.weights, atol=1e-5)
    assert again.scatter.visits.shifted == DEFAULT.scatter.visits.shifted
    assert again.scatter.visits.learning == DEFAULT.scatter.visits.learning


def _views(td: np.ndarray, n: np.ndarray, interval: float = 0.5) -> Views:
    years = np.concatenate([np.arange(k) * interval for k in n])
    return _of_series(padded_series(td, years, n, torch.float64))


def _of_series(series: Series) -> Views:
    td, mask, years, n = (a.numpy() for a in (series.td, series.mask, series.years, series.n_visits))
    return Views(td.astype(float), mask, years.astype(float), n)


def _undecided(n: int) -> Detection:
    return Detection(np.zeros(n), np.full(n, 0.8))


def test_tables_hold_the_contract(make_eyes):
    n = np.array([8, 1, 5, 8])
    td = np.random.default_rng(13).normal(-6, 3, (n.sum(), GRID.n))
    td[:8, GRID.regions["N"]] = np.nan  # a region never tested in the first eye
    views = _views(td, n)
    tables = rate_tables(make_eyes(4), views, GRID, DEFAULT, _undecided(4), OPTIONS, seed=1)
    eyes, regions, locations = tables
    assert eyes["n_visits"].tolist() == [8, 1, 5, 8]
    assert (eyes["rate_lower"] < eyes["rate"]).all() and (eyes["rate"] < eyes["rate_upper"]).all()
    for name in ("p_worsening", "p_faster_0_5", "p_faster_1", "p_faster_2", "p_reaches_12_in_5"):
        assert eyes[name].between(0, 1).all(), name
    assert (eyes["p_faster_2"] <= eyes["p_faster_1"]).all()
    for md in (12, 22):
        lower, median, upper = (eyes[f"years_to_{md}_{k}"] for k in ("lower", "median", "upper"))
        assert (lower <= median).all() and (median <= upper).all() and (lower >= 0).all()
    assert len(regions) == 4 * len(GRID.regions) and len(locations) == 4 * GRID.n
    untested = regions[(regions["region"] == "N") & (regions.index < len(GRID.regions))].iloc[0]
    assert untested["n_locations"] == 0 and np.isnan(untested["rate"])
    field = regions[regions["region"] == "field"]
    np.testing.assert_allclose(field["rate"], eyes["rate"])
    assert locations[["x", "y"]].iloc[: GRID.n].to_numpy() == pytest.approx(GRID.xy)
    assert regions[regions.index // len(GRID.regions) == 1]["ls_slope"].isna().all()  # one visit


def test_prior_sensitivity_widens_with_the_prior(make_eyes):
    n = np.array([6, 2, 4])
    views = _views(np.random.default_rng(14).normal(-8, 3, (n.sum(), GRID.n)), n)
    table = prior_sensitivity(make_eyes(3), views, DEFAULT)
    assert sorted(table["prior_scale"].unique()) == [0.5, 1, 2] and len(table) == 6
    width = (table["rate_upper"] - table["rate_lower"]).groupby(table["prior_scale"]).mean()
    assert width.is_monotonic_increasing
    usual = table[table["prior_scale"] == 1]["rate"].iloc[0]
    first = field_posterior(next(evidence(views[:1].first(3), DEFAULT)), DEFAULT)
    assert usual == pytest.approx(first.rate.expectation()[0])


def test_prior_sensitivity_of_short_series_has_no_rows(make_eyes):
    table = prior_sensitivity(make_eyes(1), _views(np.zeros((2, GRID.n)), np.array([2])), DEFAULT)
    assert table.empty and "rate_upper" in table


def test_pointwise_methods_say_nothing_of_eyes_never_seen_to_respond(make_series, make_eyes):
    series = make_series(np.full(3, -2.0))
    floor = np.zeros(series.mask.shape, dtype=bool)
    floor[0] = True
    table, plain = (
        rate_tables(
            make_eyes(3),
            replace(_of_series(series), at_floor=at_floor),
            GRID,
            DEFAULT,
            _undecided(3),
            OPTIONS,
            1,
        ).eyes
        for at_floor in (floor, None)
    )
    assert table["poplr_p"].isna().tolist() == [True, False, False]
    assert (table["plr_points"][0], plain["plr_points"][0] > 0) == (0, True)
    assert table["rate"].equals(plain["rate"])


def test_rates_of_no_training_eye_are_those_of_the_default():
    td, mask, years = _regular(np.zeros((2, 1, GRID.n)))
    assert fit_rate_prior(td, mask, years) is DEFAULT


def test_tables_do_not_depend_on_the_company(make_eyes):
    n = np.full(3, 6)
    td = np.random.default_rng(17).normal(-6, 3, (18, GRID.n))
    whole = rate_tables(make_eyes(3), _views(td, n), GRID, DEFAULT, _undecided(3), OPTIONS, seed=1).eyes
    alone = rate_tables(
        make_eyes(1), _views(td[:6], n[:1]), GRID, DEFAULT, _undecided(1), OPTIONS, seed=1
    ).eyes
    pd.testing.assert_frame_equal(whole.iloc[:1], alone, check_dtype=False)
