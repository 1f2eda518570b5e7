"""How a clinic's visits stray: found again in simulated eyes."""

from __future__ import annotations

import numpy as np
import pytest

from vfprog.forecast.rate_visits import UNLIKE, fit_visits
from vfprog.perimetry.visit_shift import (
    LEARNING_SD,
    NODES,
    USUAL_VISITS,
    VisitMeans,
    strays,
    visit_posterior,
)


def _means(variance: float, visits: int, eyes: int, seed: int) -> tuple[VisitMeans, np.ndarray]:
    rng = np.random.default_rng(seed)
    years = np.tile(np.arange(visits) * 0.5, (eyes, 1))
    noise = np.full(years.shape, 0.1)
    return VisitMeans(np.sqrt(variance + noise) * rng.standard_normal(years.shape), noise), years


def test_how_visits_stray_is_found_again():
    """Steady and restless eyes of one clinic, in the shares they have."""
    steady, years = _means(0.04, 12, 400, seed=2)
    restless, _ = _means(1.6, 12, 100, seed=3)
    means = VisitMeans(*(np.concatenate(pair) for pair in zip(steady, restless, strict=True)))
    found = strays(means, np.tile(years[:1], (500, 1)), learning=0.0)
    prior = fit_visits(found)
    assert prior.weights.sum() == pytest.approx(1.0)
    assert prior.weights[NODES < 0.15].sum() > 0.6 and 0.1 < prior.weights[NODES > 0.7].sum() < 0.35
    variance = visit_posterior(found, prior).variance
    assert np.median(variance[:400]) < 0.15 and np.median(variance[400:]) > 1.0


def test_learning_is_found_again_and_taken_out():
    means, years = _means(0.1, 10, 600, seed=7)
    means.mean[:, 0] -= np.random.default_rng(8).normal(0.8, LEARNING_SD, 600)
    prior = USUAL_VISITS
    for _ in range(6):
        found = strays(means, years, learning=prior.learning)
        prior = fit_visits(found)
    at_large = UNLIKE * USUAL_VISITS.learning
    assert prior.learning == pytest.approx(0.8 * (1 - UNLIKE) + at_large, abs=0.05)
    shift = visit_posterior(found, prior).shift
    assert -0.8 < shift[:, 0].mean() < -0.6 and abs(shift[:, 1:].mean()) < 0.02


def test_few_training_eyes_do_not_decide_what_patients_learn():
    fitted = []
    for seed in range(40):
        means, years = _means(0.4, 5, 3, seed=seed)
        fitted.append(fit_visits(strays(means, years, learning=USUAL_VISITS.learning)).learning)
    assert np.std(fitted) < 0.15
    assert np.mean(fitted) == pytest.approx(USUAL_VISITS.learning, abs=0.2)


def test_training_eyes_that_are_blind_leave_the_prior_as_it_was():
    means, years = _means(0.4, 5, 3, seed=1)
    nothing = means._replace(variance=np.full_like(means.variance, np.inf))
    fitted = fit_visits(strays(nothing, years, learning=USUAL_VISITS.learning))
    np.testing.assert_allclose(fitted.weights, USUAL_VISITS.weights, rtol=1e-6)
    assert fitted.learning == pytest.approx(USUAL_VISITS.learning)
    assert np.isfinite(fitted.shifted)
