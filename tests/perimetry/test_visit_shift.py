"""The visit-shift correction: against brute force over which visit is shifted, and on fields with a known shift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from vfprog.perimetry.visit_shift import (
    NEIGHBOURS,
    SHIFT_PROBABILITY,
    SHIFT_SD,
    TREND_SD,
    VISIT_VARIANCE,
    VisitMeans,
    posterior_shift,
    visit_means,
    without_shift,
)

FLAT = 1e6  # variance of an intercept of which nothing is known


def brute_force(mean: np.ndarray, variance: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each g_v of one eye, by writing every hypothesis as a multivariate normal."""
    n = len(mean)
    quiet = np.diag(NEIGHBOURS * variance + VISIT_VARIANCE) + FLAT + TREND_SD**2 * np.outer(years, years)
    hypotheses = [quiet] + [quiet + SHIFT_SD**2 * np.outer(e, e) for e in np.eye(n)]
    log_prior = np.log([1 - SHIFT_PROBABILITY] + [SHIFT_PROBABILITY] * n)
    log_p = log_prior + [multivariate_normal(np.zeros(n), h).logpdf(mean) for h in hypotheses]
    p = np.exp(log_p - logsumexp(log_p))
    gain = [SHIFT_SD**2 * np.linalg.solve(h, mean)[v] for v, h in enumerate(hypotheses[1:])]
    left = [SHIFT_SD**2 - SHIFT_SD**4 * np.linalg.inv(h)[v, v] for v, h in enumerate(hypotheses[1:])]
    return p[1:] * gain, p[1:] * (np.array(left) + np.square(gain)) - np.square(p[1:] * gain)


@pytest.mark.parametrize("n", [3, 5, 9])
def test_the_posterior_is_that_of_all_hypotheses_written_out(n):
    rng = np.random.default_rng(n)
    mean, variance = rng.normal(0, 1.2, (4, n)), rng.uniform(0.05, 0.4, (4, n))
    years = np.sort(rng.uniform(0, 5, (4, n)), axis=1)
    found = posterior_shift(VisitMeans(mean, variance), years)
    for eye in range(4):
        expected = brute_force(mean[eye], variance[eye], years[eye])
        np.testing.assert_allclose([part[eye] for part in found], expected, atol=1e-4)


def field(visits: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    td = rng.normal(-3, 1.5, (30, visits, 52))
    return td, np.ones(td.shape, bool), np.tile(np.arange(visits) / 2, (30, 1))


def test_a_shifted_visit_is_found_and_taken_out():
    td, mask, years = field(8)
    shifted = td.copy()
    shifted[:, 5] -= 4.0
    corrected = without_shift(shifted, mask, years)
    moved = (corrected - shifted).mean(2)
    assert (moved[:, 5] > 3.2).all()
    assert np.abs(np.delete(moved, 5, axis=1)).max() < 0.5


def test_quiet_fields_and_short_series_stay_nearly_or_wholly_as_they_are():
    td, mask, years = field(8)
    assert np.abs(without_shift(td, mask, years) - td).max() < 1.0
    two = td[:, :2] + np.array([0, 9])[:, None]
    np.testing.assert_array_equal(without_shift(two, mask[:, :2], years[:, :2]), two)


def test_padding_changes_nothing_and_stays_zero():
    td, mask, years = field(6)
    td[:, 3] += 4
    padded = [np.concatenate([a, np.zeros((30, 3, 52), a.dtype)], axis=1) for a in (td, mask)]
    long = without_shift(*padded, np.hstack([years, np.tile(years[:, -1:], 3)]))
    np.testing.assert_allclose(long[:, :6], without_shift(td, mask, years))
    assert (long[:, 6:] == 0).all()


def test_a_location_missing_at_one_visit_does_not_shift_that_visit():
    td, mask, _ = field(6)
    td += np.linspace(-15, 5, 52)  # locations far apart in level
    mask[:, 2, :10] = False  # the worst of them untested once
    means = visit_means(td * mask, mask)
    assert np.abs(means.mean).max() < 1.0
    assert (means.variance[:, 2] > means.variance[:, 1]).all()


def test_time_running_backwards_turns_nothing_but_the_order():
    td, mask, years = field(7)
    td[:, 1] += 3
    back = without_shift(td[:, ::-1], mask, years)
    np.testing.assert_allclose(back[:, ::-1], without_shift(td, mask, years), atol=1e-9)


def test_a_blind_eye_has_no_shift():
    td, mask, years = field(5)
    blind = np.full_like(td, -33.0)
    blind[:, 2] += 8.0
    np.testing.assert_array_equal(without_shift(blind, mask, years), blind)
