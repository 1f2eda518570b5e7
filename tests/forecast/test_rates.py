"""Rates: shrinkage, one-visit eyes, the detection score and its threshold, against exact answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from vfprog.config import RatesConfig
from vfprog.forecast.rates import (
    PROGRESSING_SD,
    RatePrior,
    Slopes,
    fit_rate_prior,
    fit_slopes,
    fit_threshold,
    mtd_series,
    p_progressing,
    posterior_rate,
    rate_table,
)

PRIOR = RatePrior(mean=-0.2, sd=0.4, noise_sd=1.0)


def test_the_prior_is_recovered_from_many_eyes(make_series):
    rates = np.random.default_rng(3).normal(-0.3, 0.5, 600)
    prior = fit_rate_prior(*mtd_series(make_series(rates)))
    assert prior.mean == pytest.approx(-0.3, abs=0.06)
    assert prior.sd == pytest.approx(0.5, abs=0.06)
    assert prior.noise_sd == pytest.approx(1.0, abs=0.05)


def test_intervals_cover_the_true_rate(make_series):
    rates = np.random.default_rng(4).normal(-0.3, 0.5, 800)
    mtd = mtd_series(make_series(rates, visits=5, seed=4))
    prior = fit_rate_prior(*mtd)
    mean, sd = posterior_rate(fit_slopes(*mtd, prior), prior)
    covered = np.abs(rates - mean) < 1.96 * sd
    assert covered.mean() == pytest.approx(0.95, abs=0.025)
    least_squares = fit_slopes(*mtd, prior).slope
    assert ((mean - rates) ** 2).mean() < 0.8 * ((least_squares - rates) ** 2).mean()


def test_many_visits_converge_to_least_squares_and_few_shrink(make_series):
    for visits, nearness in ((40, 0.99), (3, 0.5)):
        mtd = mtd_series(make_series(np.array([-2.0]), visits=visits))
        slopes = fit_slopes(*mtd, PRIOR)
        mean, _ = posterior_rate(slopes, PRIOR)
        share = (mean[0] - PRIOR.mean) / (slopes.slope[0] - PRIOR.mean)
        assert (share > nearness) == (visits == 40)


def test_one_visit_gets_the_prior(make_series, make_eyes):
    options = RatesConfig(prevalence=0.3)
    row = rate_table(make_eyes(1), make_series(np.array([0.0]), visits=1), PRIOR, 0.9, options, seed=1).iloc[
        0
    ]
    assert row["rate"] == pytest.approx(-0.2)
    assert row["rate_lower"] == pytest.approx(-0.2 - 1.96 * 0.4, abs=1e-3)
    assert row["p_worsening"] == pytest.approx(norm.cdf(0, -0.2, 0.4))
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
    score = p_progressing(Slopes(np.array([8]), np.array([slope]), np.array([se])), 0.3)
    assert score[0] == pytest.approx(expected, rel=1e-6)


def test_detection_score_does_not_see_the_level(make_series):
    high, low = (p_progressing(fit_slopes(*mtd_series(make_series(np.full(50, -0.5), level=level)), PRIOR), 0.3)
                 for level in (-1.0, -20.0))  # fmt: skip
    np.testing.assert_allclose(high, low, atol=1e-9)


def test_threshold_holds_its_false_positive_rate_on_new_stable_eyes(make_series):
    options = RatesConfig()
    training = mtd_series(make_series(np.random.default_rng(5).normal(-0.3, 0.4, 300), seed=5))
    threshold = fit_threshold(*training, PRIOR, options, seed=1)
    stable = p_progressing(
        fit_slopes(*mtd_series(make_series(np.zeros(2000), seed=6)), PRIOR), options.prevalence
    )
    assert (stable > threshold).mean() < 0.07
    fast = p_progressing(
        fit_slopes(*mtd_series(make_series(np.full(200, -1.5), seed=7)), PRIOR), options.prevalence
    )
    assert (fast > threshold).mean() > 0.9


def test_table_holds_the_contract(make_series, make_eyes):
    table = rate_table(make_eyes(6), make_series(np.linspace(-2, 1, 6)), PRIOR, 0.8, RatesConfig(), seed=1)
    assert (table["rate_lower"] < table["rate"]).all() and (table["rate"] < table["rate_upper"]).all()
    for column in ("p_worsening", "p_progressing", "p_faster_1", "poplr_p", "md_slope_p"):
        assert table[column].between(0, 1).all(), column
    assert table["rate"].is_monotonic_increasing
    assert table["n_visits"].eq(8).all() and table["years_followed"].eq(3.5).all()
    assert table["baseline_md"].to_numpy() == pytest.approx(-3.0, abs=4)
