"""Rates: shrinkage, one-visit eyes, the detection score and its threshold, against exact answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from vfprog.config import RatesConfig
from vfprog.data.population import load_population
from vfprog.data.series import padded_series
from vfprog.data.simulate import simulate_series
from vfprog.forecast.rate_prior import (
    RATE_SDS,
    RatePrior,
    Slopes,
    draw_stable,
    fit_rate_prior,
    fit_slopes,
    prior_from_card,
)
from vfprog.forecast.rates import (
    PROGRESSING_SD,
    fit_threshold,
    mtd_series,
    p_progressing,
    posterior_rate,
    rate_table,
)

PRIOR = RatePrior(np.array([0.4, 0.3, 0.2, 0.1]), tilt=-0.5, noise_sd=1.0, wander_sd=0.05, wander_years=2.0)


WANDERING = RatePrior(PRIOR.weights, -1.0, noise_sd=0.7, wander_sd=0.6, wander_years=3.0)


def _clinic(rates: np.ndarray, visits: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean TD of eyes with these rates, with the noise and wander of ``WANDERING``, twice a year."""
    years = np.tile(np.arange(visits) / 2, (len(rates), 1))
    mask = np.ones(years.shape, dtype=bool)
    return (
        draw_stable(years, mask, WANDERING, np.random.default_rng(seed)) + rates[:, None] * years,
        mask,
        years,
    )


def test_the_prior_is_recovered_from_many_eyes():
    rng = np.random.default_rng(3)
    component = rng.choice(4, 800, p=[0.5, 0.0, 0.5, 0.0])
    rates = RATE_SDS[component] * (-1.0 + rng.standard_normal(800))
    prior = fit_rate_prior(*_clinic(rates, 12, 3))
    assert prior.weights[:2].sum() == pytest.approx(0.5, abs=0.15)
    assert prior.tilt == pytest.approx(-1.0, abs=0.25)
    assert prior.noise_sd == pytest.approx(0.7, abs=0.05)
    assert prior.wander_sd == pytest.approx(0.6, abs=0.15)
    assert prior.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("visits", [5, 10])
def test_intervals_cover_the_true_rate(visits):
    rates = np.random.default_rng(4).normal(-0.3, 0.5, 800)
    mtd = _clinic(rates, visits, 4)
    prior = fit_rate_prior(*mtd)
    slopes = fit_slopes(*mtd, prior)
    posterior = posterior_rate(slopes, prior)
    covered = (rates >= posterior.quantile(0.025)) & (rates <= posterior.quantile(0.975))
    assert covered.mean() == pytest.approx(0.95, abs=0.03)
    assert ((posterior.expectation() - rates) ** 2).mean() < 0.9 * ((slopes.slope - rates) ** 2).mean()


def test_many_visits_converge_to_least_squares_and_few_shrink():
    slope = np.array([-2.0, -2.0])
    sure, unsure = posterior_rate(Slopes(slope, np.array([0.02, 1.5])), PRIOR).expectation()
    assert sure == pytest.approx(-2.0, abs=0.01)
    assert -0.8 < unsure < -0.1


def test_a_fast_eye_with_many_visits_is_not_shrunk_to_the_stable_ones():
    """A normal prior of SD 0.125 would say -0.26 where the slope is -1.3 +- 0.25 dB/year."""
    mostly_stable = RatePrior(np.array([0.6, 0.3, 0.08, 0.02]), 0.0, 0.8, 1.0, 3.0)
    posterior = posterior_rate(Slopes(np.array([-1.3]), np.array([0.25])), mostly_stable)
    assert posterior.expectation()[0] < -0.9
    assert posterior.probability_below(0.0)[0] > 0.99


def test_probabilities_never_leave_their_range():
    slopes = Slopes(np.linspace(-9, 9, 2001), np.full(2001, 0.05))
    below = posterior_rate(slopes, PRIOR).probability_below(0.0)
    assert ((below >= 0) & (below <= 1)).all()


def test_posterior_is_bayes_rule():
    slope, se = -0.4, 0.3

    def joint(r: float) -> float:
        return float((PRIOR.weights * norm.pdf(r, PRIOR.means, RATE_SDS)).sum() * norm.pdf(slope, r, se))

    cuts = [-8, -0.4, -0.1, 0.0, 0.1, 8]
    pieces = [quad(joint, low, high)[0] for low, high in pairwise(cuts)]
    moment = sum(quad(lambda r: r * joint(r), low, high)[0] for low, high in pairwise(cuts))
    posterior = posterior_rate(Slopes(np.array([slope]), np.array([se])), PRIOR)
    assert posterior.expectation()[0] == pytest.approx(moment / sum(pieces), rel=1e-5)
    assert posterior.probability_below(0.0)[0] == pytest.approx(sum(pieces[:3]) / sum(pieces), rel=1e-5)
    median = posterior.quantile(0.5)
    assert posterior.probability_below(median)[0] == pytest.approx(0.5, abs=1e-9)


def test_one_visit_gets_the_prior(make_series, make_eyes):
    options = RatesConfig(prevalence=0.3)
    row = rate_table(make_eyes(1), make_series(np.array([0.0]), visits=1), PRIOR, 0.9, options, seed=1).iloc[
        0
    ]
    assert row["rate"] == pytest.approx((PRIOR.weights * PRIOR.means).sum())
    assert row["p_worsening"] == pytest.approx(norm.cdf(0.5))  # every component is tilted by half its SD
    assert row["rate_lower"] < -1 and row["rate_upper"] > 0.3  # honestly wide
    assert row["p_progressing"] == pytest.approx(0.3)
    assert not row["progressing"]
    assert np.isnan(row["md_slope"]) and np.isnan(row["poplr_p"])
    assert row["plr_points"] == 0


@pytest.mark.parametrize(("slope", "se"), [(-1.0, 0.3), (0.2, 0.5), (-0.1, 0.05), (0.0, 2.0)])
def test_detection_score_is_the_posterior_of_its_two_hypotheses(slope, se):
    def integrand(r: float) -> float:
        return 2 * norm.pdf(r, 0, PROGRESSING_SD) * norm.pdf(slope, -r, se)

    progressing = quad(integrand, 0, 8)[0]
    stable = norm.pdf(slope, 0, se)
    expected = 0.3 * progressing / (0.3 * progressing + 0.7 * stable)
    score = p_progressing(Slopes(np.array([slope]), np.array([se])), 0.3)
    assert score[0] == pytest.approx(expected, rel=1e-6)


def test_detection_score_does_not_see_the_level(make_series):
    high, low = (p_progressing(fit_slopes(*mtd_series(make_series(np.full(50, -0.5), level=level)), PRIOR), 0.3)
                 for level in (-1.0, -20.0))  # fmt: skip
    np.testing.assert_allclose(high, low, atol=1e-9)


def test_threshold_holds_its_false_positive_rate_on_new_stable_eyes():
    """Also where visits stray together, which a shuffle of the visit order would hide."""
    options, rng = RatesConfig(), np.random.default_rng(6)
    wandering = RatePrior(PRIOR.weights, -0.3, noise_sd=0.8, wander_sd=0.8, wander_years=3.0)
    years = np.tile(np.arange(12) / 2, (2000, 1))
    mask = np.arange(12) < rng.integers(3, 13, (2000, 1))
    threshold = fit_threshold(mask[:300], years[:300], wandering, options, seed=1)
    stable = draw_stable(years, mask, wandering, rng)
    flagged = p_progressing(fit_slopes(stable, mask, years, wandering), options.prevalence) > threshold
    assert flagged.mean() == pytest.approx(options.false_positives, abs=0.015)
    fast = fit_slopes(stable - 2.0 * years * mask, mask, years, wandering)
    long = mask.sum(1) >= 8
    assert (p_progressing(fast, options.prevalence) > threshold)[long].mean() > 0.9


def test_an_eye_of_which_nothing_is_known_is_never_flagged(make_series, make_eyes):
    # Long, quiet training series give a low threshold; it must not fall to what one visit scores.
    years = np.tile(np.arange(16) / 1.5, (200, 1))
    options = RatesConfig(prevalence=0.3)
    quiet = RatePrior(PRIOR.weights, 0.0, noise_sd=0.5, wander_sd=0.01, wander_years=1.0)
    threshold = fit_threshold(np.ones(years.shape, dtype=bool), years, quiet, options, seed=1)
    assert threshold >= 0.3
    for visits in (1, 2):
        table = rate_table(
            make_eyes(8), make_series(np.zeros(8), visits=visits), quiet, threshold, options, seed=1
        )
        assert visits > 1 or not table["progressing"].any()


@pytest.fixture(scope="module")
def simulated():
    """700 eyes of the shipped population with wander, and their true rates."""
    rng = np.random.default_rng(11)
    n = rng.integers(3, 17, 700)
    drawn = simulate_series(load_population(), n, 0.5, rng)
    series = padded_series(drawn.td[drawn.mask], drawn.years[drawn.mask], n, torch.float64)
    return mtd_series(series), drawn.slope.mean(1), n


@pytest.mark.parametrize(("fewest", "most"), [(3, 7), (8, 11), (12, 16)])
def test_intervals_cover_however_long_the_series(simulated, fewest, most):
    """Wander makes visits stray together."""
    (mtd, mask, years), truth, n = simulated
    prior = fit_rate_prior(mtd, mask, years)
    posterior = posterior_rate(fit_slopes(mtd, mask, years, prior), prior)
    chosen = (n >= fewest) & (n <= most)
    covered = (truth >= posterior.quantile(0.025)) & (truth <= posterior.quantile(0.975))
    assert covered[chosen].mean() == pytest.approx(0.95, abs=0.045)


def test_visits_taken_as_independent_would_be_far_too_sure(simulated):
    (mtd, mask, years), truth, n = simulated
    independent = replace(fit_rate_prior(mtd, mask, years), wander_sd=1e-3)
    posterior = posterior_rate(fit_slopes(mtd, mask, years, independent), independent)
    covered = (truth >= posterior.quantile(0.025)) & (truth <= posterior.quantile(0.975))
    assert covered[n >= 12].mean() < 0.85


def test_standard_error_is_that_of_simulated_slopes():
    rng = np.random.default_rng(2)
    prior = RatePrior(PRIOR.weights, 0.0, noise_sd=0.7, wander_sd=1.0, wander_years=4.0)
    years = np.tile(np.array([0, 0.4, 1.1, 2.0, 2.3, 4.0, 9.0]), (4000, 1))
    mask = np.tile(np.arange(7) < 6, (4000, 1))
    fitted = fit_slopes(draw_stable(years, mask, prior, rng), mask, years, prior)
    assert fitted.slope.std() == pytest.approx(fitted.se.mean(), rel=0.05)


def test_padding_never_matters():
    rng = np.random.default_rng(3)
    years, mtd = np.sort(rng.uniform(0, 5, (5, 6)), axis=1), rng.normal(-4, 1, (5, 6))
    short = fit_slopes(mtd, np.ones((5, 6), dtype=bool), years, PRIOR)
    pad = np.full((5, 3), 7.0)
    long_mask = np.arange(9) < np.full((5, 1), 6)
    long = fit_slopes(np.hstack([mtd, 0 * pad]), long_mask, np.hstack([years, pad]), PRIOR)
    np.testing.assert_allclose(long.slope, short.slope)
    np.testing.assert_allclose(long.se, short.se)


def test_the_prior_survives_the_card():
    again = prior_from_card(PRIOR.to_card())
    np.testing.assert_allclose(again.weights, PRIOR.weights)
    assert again.to_card() == PRIOR.to_card()


def test_table_holds_the_contract(make_series, make_eyes):
    table = rate_table(make_eyes(6), make_series(np.linspace(-2, 1, 6)), PRIOR, 0.8, RatesConfig(), seed=1)
    assert (table["rate_lower"] < table["rate"]).all() and (table["rate"] < table["rate_upper"]).all()
    for column in ("p_worsening", "p_progressing", "p_faster_1", "poplr_p", "md_slope_p"):
        assert table[column].between(0, 1).all(), column
    assert table["rate"].is_monotonic_increasing
    assert table["n_visits"].eq(8).all() and table["years_followed"].eq(3.5).all()
    assert table["baseline_md"].to_numpy() == pytest.approx(-3.0, abs=4)
