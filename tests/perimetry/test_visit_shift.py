"""How visits stray: against all hypotheses written out, and on fields with a known shift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from vfprog.perimetry.visit_shift import (
    LEARNING_SD,
    NODES,
    SHIFT_SD,
    TREND_SD,
    USUAL_VISITS,
    VisitMeans,
    VisitPrior,
    felt,
    mean_level,
    strays,
    visit_means,
    visit_posterior,
    without_shift,
)

FLAT = 1e6  # variance of the eye's own level, all but flat


def at(variance: float, shifted: float) -> VisitPrior:
    """Visits of which it is known how far they stray."""
    return VisitPrior((variance == NODES).astype(float).clip(1e-12), shifted)


def written_out(
    mean: np.ndarray, covariance: np.ndarray, years: np.ndarray, trend_sd: float, prior: VisitPrior
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one eye: probabilities of V, and mean and variance of each shift; each hypothesis a multivariate normal."""
    n = len(mean)
    own, p = np.eye(n), prior.shifted
    usual = covariance + FLAT + trend_sd**2 * np.outer(years, years)
    log_prior, covariances = [], []
    for weight, node in zip(prior.weights, NODES, strict=True):
        for shift in [np.zeros(n), *own]:
            log_prior.append(np.log(weight) + np.log(p / (1 - p)) * shift.sum())
            covariances.append(usual + node * own + SHIFT_SD**2 * np.outer(shift, shift))
    log = [
        a + multivariate_normal(np.zeros(n), k).logpdf(mean)
        for a, k in zip(log_prior, covariances, strict=True)
    ]
    weight = np.exp(log - logsumexp(log)).reshape(len(NODES), n + 1)
    shape = (len(NODES), n + 1, n)
    gain = np.array([SHIFT_SD**2 * np.linalg.solve(k, mean) for k in covariances]).reshape(shape)[:, 1:]
    left = np.array([SHIFT_SD**2 - SHIFT_SD**4 * np.diag(np.linalg.inv(k)) for k in covariances])
    square = gain**2 + left.reshape(shape)[:, 1:]
    shift, second = (np.einsum("kv,kvv->v", weight[:, 1:], part) for part in (gain, square))
    return weight.sum(1), shift, second - shift**2


def means_of(eyes: int, visits: int, seed: int) -> tuple[VisitMeans, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean, variance = rng.normal(0, 1.2, (eyes, visits)), rng.uniform(0.05, 0.4, (eyes, visits))
    return VisitMeans(mean, variance), np.sort(rng.uniform(0, 5, (eyes, visits)), axis=1)


@pytest.mark.parametrize("n", [3, 5, 9])
@pytest.mark.parametrize("trend_sd", [0.4, TREND_SD])
def test_the_posterior_is_that_of_all_hypotheses_written_out(n, trend_sd):
    means, years = means_of(4, n, seed=n)
    found = visit_posterior(strays(means, years, trend_sd=trend_sd), USUAL_VISITS)
    for eye in range(4):
        known = np.diag(means.variance[eye])
        node, shift, variance = written_out(means.mean[eye], known, years[eye], trend_sd, USUAL_VISITS)
        assert found.variance[eye] == pytest.approx(node @ NODES, rel=1e-3)
        assert found.spread[eye] == pytest.approx(node @ NODES**2 - (node @ NODES) ** 2, rel=1e-3)
        np.testing.assert_allclose(found.shift[eye], shift, atol=1e-3)
        np.testing.assert_allclose(found.shift_variance[eye], variance, atol=1e-3)


def test_so_it_is_with_wander_and_learning():
    means, years = means_of(3, 6, seed=1)
    wander = 0.3 * np.exp(-np.abs(years[:, :, None] - years[:, None]))
    found = visit_posterior(strays(means, years, wander=wander, learning=0.4), USUAL_VISITS)
    first = np.eye(6)[0]
    for eye in range(3):
        covariance = wander[eye] + np.diag(means.variance[eye] + LEARNING_SD**2 * first)
        node, shift, variance = written_out(
            means.mean[eye] + 0.4 * first, covariance, years[eye], TREND_SD, USUAL_VISITS
        )
        assert found.variance[eye] == pytest.approx(node @ NODES, rel=1e-3)
        np.testing.assert_allclose(found.shift[eye], shift - 0.4 * first, atol=1e-3)
        np.testing.assert_allclose(found.shift_variance[eye], variance + LEARNING_SD**2 * first, atol=1e-3)


def test_no_wander_is_a_wander_of_nothing():
    means, years = means_of(20, 7, seed=2)
    means.variance[:, 5:] = np.inf
    none, nothing = (
        visit_posterior(strays(means, years, wander=wander), USUAL_VISITS)
        for wander in (None, np.zeros((20, 7, 7)))
    )
    for name in ("variance", "spread", "shift", "shift_variance"):
        np.testing.assert_allclose(getattr(none, name), getattr(nothing, name), atol=1e-6, err_msg=name)


def steady(variance: float, trend: float, visits: int, eyes: int, seed: int) -> tuple[VisitMeans, np.ndarray]:
    """Visits that stray so far about a trend, dB^2 and dB/year."""
    rng = np.random.default_rng(seed)
    years = np.tile(np.arange(visits) * 0.5, (eyes, 1))
    noise = np.full(years.shape, 0.1)
    return VisitMeans(
        trend * years + np.sqrt(variance + noise) * rng.standard_normal(years.shape), noise
    ), years


def test_a_fast_trend_is_not_taken_for_straying():
    flat, years = steady(0.04, 0.0, 5, 50, seed=4)
    fast, _ = steady(0.04, -2.0, 5, 50, seed=4)
    a, b = (visit_posterior(strays(means, years), USUAL_VISITS) for means in (flat, fast))
    np.testing.assert_allclose(b.variance, a.variance, rtol=0.05)
    np.testing.assert_allclose(b.shift, a.shift, atol=0.05)


def test_a_shifted_visit_of_a_steady_eye_is_found_and_of_a_restless_one_is_not():
    means, years = steady(0.01, 0.0, 8, 20, seed=5)
    means.mean[:, 4] -= 2.5
    found = strays(means, years)
    assert (visit_posterior(found, at(0.01, 0.05)).shift[:, 4] < -1.5).all()
    assert (np.abs(visit_posterior(found, at(3.2, 0.05)).shift) < 0.5).all()


@pytest.mark.parametrize("wander", [0.0, 0.3])
def test_padding_and_single_visits_change_nothing(wander):
    means, years = steady(0.4, 0.0, 6, 10, seed=6)

    def posterior(means: VisitMeans, years: np.ndarray):
        of_eyes = wander * np.ones((*years.shape, years.shape[1]))
        return visit_posterior(strays(means, years, wander=of_eyes if wander else None), USUAL_VISITS)

    found = posterior(means, years)
    longer = VisitMeans(
        np.pad(means.mean, ((0, 0), (0, 2))), np.pad(means.variance, ((0, 0), (0, 2)), constant_values=np.inf)
    )
    again = posterior(longer, np.pad(years, ((0, 0), (0, 2)), mode="edge"))
    np.testing.assert_allclose(again.variance, found.variance, rtol=1e-9)
    np.testing.assert_allclose(again.shift[:, :6], found.shift, atol=1e-9)
    assert (again.shift[:, 6:] == 0).all()
    one = posterior(VisitMeans(means.mean[:, :1], means.variance[:, :1]), years[:, :1])
    np.testing.assert_allclose(one.variance, USUAL_VISITS.weights @ NODES, rtol=1e-6)
    np.testing.assert_allclose(one.shift, 0, atol=1e-6)


def field(visits: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    td = rng.normal(-3, 1.5, (30, visits, 52))
    return td, np.ones(td.shape, bool), np.tile(np.arange(visits) / 2, (30, 1))


def corrected(td: np.ndarray, mask: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Fields less the shifts that are expected."""
    found = strays(visit_means(td, mask), years)
    return without_shift(td, mask, visit_posterior(found, USUAL_VISITS).shift)


def test_a_shifted_visit_is_found_and_taken_out():
    td, mask, years = field(8)
    shifted = td.copy()
    shifted[:, 5] -= 4.0
    moved = (corrected(shifted, mask, years) - shifted).mean(2)
    assert (moved[:, 5] > 3.2).all()
    assert np.abs(np.delete(moved, 5, axis=1)).max() < 0.5


def test_quiet_fields_stay_nearly_as_they_are():
    td, mask, years = field(8)
    assert np.abs(corrected(td, mask, years) - td).max() < 1.0


def test_padding_changes_no_field_and_stays_zero():
    td, mask, years = field(6)
    td[:, 3] += 4
    padded = [np.concatenate([a, np.zeros((30, 3, 52), a.dtype)], axis=1) for a in (td, mask)]
    long = corrected(*padded, np.hstack([years, np.tile(years[:, -1:], 3)]))
    np.testing.assert_allclose(long[:, :6], corrected(td, mask, years))
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
    back = corrected(td[:, ::-1], mask, years)
    np.testing.assert_allclose(back[:, ::-1], corrected(td, mask, years), atol=1e-9)


def test_a_blind_eye_has_no_shift():
    td, mask, years = field(5)
    blind = np.full_like(td, -33.0)
    blind[:, 2] += 8.0
    np.testing.assert_array_equal(corrected(blind, mask, years), blind)


def test_a_shift_is_felt_where_stimuli_are_seen():
    np.testing.assert_allclose(felt(np.array([0.0, -8.0, -18.0, -28.0, -33.0])), [1, 1, 0.5, 0, 0])
    td, mask, _ = field(4)
    taken = without_shift(td, mask, np.full((30, 4), 2.0)) - td
    np.testing.assert_allclose(taken, -2.0 * np.broadcast_to(felt(mean_level(td, mask))[:, None], td.shape))
