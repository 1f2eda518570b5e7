"""How visits stray: against all hypotheses written out, and found again in simulated eyes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from vfprog.forecast.rate_visits import (
    LEARNING_SD,
    NODES,
    TREND_SD,
    UNLIKE,
    USUAL_LEARNING,
    USUAL_VISITS,
    VisitPrior,
    fit_visits,
    strays,
    visit_posterior,
)
from vfprog.perimetry.visit_shift import SHIFT_SD, VisitMeans

FLAT = 1e6  # variance of the eye's own level, all but flat


def _at(variance: float, shifted: float = 1e-9) -> VisitPrior:
    return VisitPrior((variance == NODES).astype(float).clip(1e-12), shifted, 0.0)


def test_the_posterior_is_that_of_all_hypotheses_written_out():
    rng = np.random.default_rng(1)
    mean, variance = rng.normal(0, 1.2, (3, 6)), rng.uniform(0.05, 0.4, (3, 6))
    years = np.sort(rng.uniform(0, 5, (3, 6)), axis=1)
    wander = 0.3 * np.exp(-np.abs(years[:, :, None] - years[:, None]))
    found = visit_posterior(strays(VisitMeans(mean, variance), years, wander, 0.4), USUAL_VISITS)
    p, own = USUAL_VISITS.shifted, np.eye(6)
    mean = mean + 0.4 * own[0]
    variance = variance + LEARNING_SD**2 * own[0]
    for eye in range(3):
        usual = wander[eye] + np.diag(variance[eye]) + FLAT + TREND_SD**2 * np.outer(years[eye], years[eye])
        log_prior, covariances = [], []
        for weight, node in zip(USUAL_VISITS.weights, NODES, strict=True):
            for shift in [np.zeros(6), *own]:
                log_prior.append(np.log(weight) + np.log(p / (1 - p)) * shift.sum())
                covariances.append(usual + node * own + SHIFT_SD**2 * np.outer(shift, shift))
        log = [
            a + multivariate_normal(np.zeros(6), k).logpdf(mean[eye])
            for a, k in zip(log_prior, covariances, strict=True)
        ]
        weight = np.exp(log - logsumexp(log)).reshape(len(NODES), 7)
        assert found.variance[eye] == pytest.approx(weight.sum(1) @ NODES, rel=1e-3)
        gains = np.array([SHIFT_SD**2 * np.linalg.solve(k, mean[eye]) for k in covariances])
        expected = np.einsum("kv,kvv->v", weight[:, 1:], gains.reshape(len(NODES), 7, 6)[:, 1:])
        np.testing.assert_allclose(found.shift[eye], expected - 0.4 * own[0], atol=1e-3)


def _means(variance: float, trend: float, visits: int, eyes: int, seed: int) -> tuple[VisitMeans, np.ndarray]:
    rng = np.random.default_rng(seed)
    years = np.tile(np.arange(visits) * 0.5, (eyes, 1))
    noise = np.full(years.shape, 0.1)
    mean = trend * years + np.sqrt(variance + noise) * rng.standard_normal(years.shape)
    return VisitMeans(mean, noise), years


def _still(years: np.ndarray) -> np.ndarray:
    return np.zeros((*years.shape, years.shape[1]))


def test_how_visits_stray_is_found_again():
    """Steady and restless eyes of one clinic, in the shares they have."""
    steady, years = _means(0.04, 0.0, 12, 400, seed=2)
    restless, _ = _means(1.6, 0.0, 12, 100, seed=3)
    means = VisitMeans(*(np.concatenate(pair) for pair in zip(steady, restless, strict=True)))
    prior = fit_visits(strays(means, np.tile(years[:1], (500, 1)), np.zeros((500, 12, 12)), 0.0))
    assert prior.weights.sum() == pytest.approx(1.0)
    assert prior.weights[NODES < 0.15].sum() > 0.6 and 0.1 < prior.weights[NODES > 0.7].sum() < 0.35
    found = visit_posterior(strays(means, np.tile(years[:1], (500, 1)), np.zeros((500, 12, 12)), 0.0), prior)
    assert np.median(found.variance[:400]) < 0.15 and np.median(found.variance[400:]) > 1.0


def test_a_fast_trend_is_not_taken_for_straying():
    flat, years = _means(0.04, 0.0, 5, 50, seed=4)
    fast, _ = _means(0.04, -2.0, 5, 50, seed=4)
    still = _still(years)
    a, b = (visit_posterior(strays(means, years, still, 0.0), USUAL_VISITS) for means in (flat, fast))
    np.testing.assert_allclose(b.variance, a.variance, rtol=0.05)
    np.testing.assert_allclose(b.shift, a.shift, atol=0.05)


def test_a_shifted_visit_of_a_steady_eye_is_found_and_of_a_restless_one_is_not():
    means, years = _means(0.01, 0.0, 8, 20, seed=5)
    means.mean[:, 4] -= 2.5
    found = strays(means, years, _still(years), 0.0)
    assert (visit_posterior(found, _at(0.01, 0.05)).shift[:, 4] < -1.5).all()
    assert (np.abs(visit_posterior(found, _at(3.2, 0.05)).shift) < 0.5).all()


def test_padding_and_single_visits_change_nothing():
    means, years = _means(0.4, 0.0, 6, 10, seed=6)
    found = visit_posterior(strays(means, years, _still(years), 0.0), USUAL_VISITS)
    longer = VisitMeans(
        np.pad(means.mean, ((0, 0), (0, 2))), np.pad(means.variance, ((0, 0), (0, 2)), constant_values=np.inf)
    )
    years = np.pad(years, ((0, 0), (0, 2)), mode="edge")
    again = visit_posterior(strays(longer, years, _still(years), 0.0), USUAL_VISITS)
    np.testing.assert_allclose(again.variance, found.variance, rtol=1e-9)
    np.testing.assert_allclose(again.shift[:, :6], found.shift, atol=1e-9)
    assert (again.shift[:, 6:] == 0).all()
    one = visit_posterior(
        strays(VisitMeans(means.mean[:, :1], means.variance[:, :1]), years[:, :1], _still(years[:, :1]), 0.0),
        USUAL_VISITS,
    )
    np.testing.assert_allclose(one.variance, USUAL_VISITS.weights @ NODES, rtol=1e-6)
    np.testing.assert_allclose(one.shift, 0, atol=1e-6)


def test_learning_is_found_again_and_taken_out():
    means, years = _means(0.1, 0.0, 10, 600, seed=7)
    means.mean[:, 0] -= np.random.default_rng(8).normal(0.8, LEARNING_SD, 600)
    prior = USUAL_VISITS
    for _ in range(6):
        found = strays(means, years, _still(years), prior.learning)
        prior = fit_visits(found)
    at_large = UNLIKE * USUAL_VISITS.learning
    assert prior.learning == pytest.approx(0.8 * (1 - UNLIKE) + at_large, abs=0.05)
    shift = visit_posterior(found, prior).shift
    assert -0.8 < shift[:, 0].mean() < -0.6 and abs(shift[:, 1:].mean()) < 0.02


def test_few_training_eyes_do_not_decide_what_patients_learn():
    fitted = []
    for seed in range(40):
        means, years = _means(0.4, 0.0, 5, 3, seed=seed)
        fitted.append(fit_visits(strays(means, years, _still(years), USUAL_LEARNING)).learning)
    assert np.std(fitted) < 0.15
    assert np.mean(fitted) == pytest.approx(USUAL_LEARNING, abs=0.2)


def test_training_eyes_that_are_blind_leave_the_prior_as_it_was():
    means, years = _means(0.4, 0.0, 5, 3, seed=1)
    nothing = means._replace(variance=np.full_like(means.variance, np.inf))
    fitted = fit_visits(strays(nothing, years, _still(years), USUAL_LEARNING))
    np.testing.assert_allclose(fitted.weights, USUAL_VISITS.weights, rtol=1e-6)
    assert fitted.learning == pytest.approx(USUAL_LEARNING)
    assert np.isfinite(fitted.shifted)
