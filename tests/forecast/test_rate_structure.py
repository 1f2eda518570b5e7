"""Rates from both views: against a joint normal written out, on simulated eyes, and where scans lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vfprog.config import Conditions, RatesConfig
from vfprog.data.nerve_fibres import MEAN_AGEING, mean_thinning, simulate_nerve_fibres
from vfprog.data.population import load_population
from vfprog.data.simulate import simulate_series
from vfprog.data.views import Views
from vfprog.forecast.detection import Detection
from vfprog.forecast.rate_posterior import RatePosterior, evidence, field_posterior, region_posterior
from vfprog.forecast.rate_prior import DEFAULT, PACES, SHARED, by_damage, profiles
from vfprog.forecast.rate_structure import DRIFT_SD, LOOSE
from vfprog.forecast.rates import rate_tables
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.regression import linear_regression
from vfprog.perimetry.weighted_slope import mean_thickness_slope

GRID = load_grid("24-2")


def _views(eyes: int, visits: int, thinning: float = -1.0, seed: int = 1) -> Views:
    """Fields about -6 dB that do not change but for noise, sectors that thin by so many micrometres a year."""
    rng = np.random.default_rng(seed)
    years = np.tile(np.arange(visits) * 0.5, (eyes, 1))
    td = rng.normal(-6, 3, (eyes, visits, GRID.n))
    thickness = 80 + thinning * years[:, :, None] + rng.normal(0, 4, (eyes, visits, 6))
    whole = [np.ones(a.shape, dtype=bool) for a in (td, thickness)]
    return Views(td, whole[0], years, np.full(eyes, visits), thickness, whole[1])


def test_the_posterior_is_that_of_fields_and_thickness_as_one_joint_normal():
    views = _views(2, 6)
    assert views.thickness is not None and views.measured is not None
    found = next(evidence(views, DEFAULT))
    slopes, field, eye = found.slopes, field_posterior(found, DEFAULT), 1
    scans = mean_thickness_slope(views.thickness, views.measured, views.years)
    gain, share = mean_thinning(slopes.level[eye], GRID), np.full(GRID.n, 1 / GRID.n)
    means = by_damage(slopes.level, slopes.counted)[eye]
    log_weight = []
    for k in range(DEFAULT.weights.size):
        pattern, pace = divmod(k, len(PACES))
        profile = profiles(slopes.level[eye])[pattern]
        mean, cov = DEFAULT.means[pattern] * profile, PACES[pace] ** 2 * profile[:, None] * SHARED * profile
        with_thickness = np.vstack([means, gain])
        seen = with_thickness @ cov @ with_thickness.T
        seen[:-1, :-1] += means @ slopes.covariance[eye] @ means.T
        seen[-1, -1] += LOOSE**2 * gain @ cov @ gain + DRIFT_SD**2 + scans.variance[eye]
        measured = np.append(means @ slopes.slope[eye], scans.slope[eye] + MEAN_AGEING)
        residual = measured - with_thickness @ mean
        # Wander moves the fields alone.
        wander = np.append(means @ slopes.wander[eye] @ share, 0.0)
        for of, shared in ((field.lasting, 0.0), (field.rate, wander)):
            together = with_thickness @ cov @ share + shared
            expected = share @ mean + together @ np.linalg.solve(seen, residual)
            assert of.mean[eye, k] == pytest.approx(expected, abs=1e-9)
        log_weight.append(
            np.log(DEFAULT.weights.ravel()[k])
            - 0.5 * (residual @ np.linalg.solve(seen, residual) + np.linalg.slogdet(seen)[1])
        )
    weight = np.exp(np.array(log_weight) - max(log_weight))
    np.testing.assert_allclose(field.rate.weight[eye], weight / weight.sum(), rtol=1e-6)


def test_thinning_says_that_an_eye_worsens_and_a_thick_layer_that_it_does_not():
    rates = [
        field_posterior(next(evidence(_views(1, 5, thinning), DEFAULT)), DEFAULT).rate.expectation()[0]
        for thinning in (-4.0, -MEAN_AGEING, 3.0)
    ]
    assert rates[0] < rates[1] - 0.02 < rates[2] - 0.04


def test_two_scans_say_nothing():
    views = _views(3, 6, thinning=-5.0)
    assert views.measured is not None and views.thickness is not None
    measured = views.measured.copy()
    measured[0, 2:] = False
    views = replace(views, measured=measured, thickness=views.thickness * measured)
    both, alone = (next(evidence(v, DEFAULT)) for v in (views, views.without_structure()))
    regions = np.array(list(GRID.regions.values()))
    for posterior in (
        lambda found: field_posterior(found, DEFAULT).rate.expectation(),
        lambda found: region_posterior(found, regions, DEFAULT).rate.expectation()[:, 0],
    ):
        changed = np.abs(posterior(both) - posterior(alone))
        assert changed[0] < 1e-4 and (changed[1:] > 1e-3).all()


def test_the_field_as_a_region_is_the_field():
    found = next(evidence(_views(4, 7), DEFAULT))
    whole = region_posterior(found, np.ones((1, GRID.n), dtype=bool), DEFAULT)
    expected = field_posterior(found, DEFAULT).rate.expectation()
    np.testing.assert_allclose(whole.rate.expectation()[:, 0], expected)


def test_both_views_are_nearer_the_truth_than_fields_alone():
    """Untreated eyes with five visits, whose fibres thin with their sight and measure as scans do."""
    eyes, rng = 900, np.random.default_rng(3)
    conditions = Conditions(rate_scale=(1.0, 1.0))
    drawn = simulate_series(load_population(), np.full(eyes, 5), 0.5, rng, conditions=conditions)
    age = drawn.age[:, None] + drawn.years
    thickness = simulate_nerve_fibres(drawn.course, age, GRID, rng).astype(float)
    whole = [np.ones(a.shape, dtype=bool) for a in (drawn.td, thickness)]
    views = Views(drawn.td, whole[0], drawn.years, np.full(eyes, 5), thickness, whole[1])
    truth = linear_regression(drawn.truth.mean(2), drawn.years, drawn.mask).slope

    def posterior(views: Views) -> RatePosterior:
        parts = [field_posterior(part, DEFAULT).rate for part in evidence(views, DEFAULT)]
        return RatePosterior(
            *(np.concatenate([getattr(p, k) for p in parts]) for k in ("weight", "mean", "sd"))
        )

    both, alone = posterior(views), posterior(views.without_structure())
    squared, reference = ((p.expectation() - truth) ** 2 for p in (both, alone))
    gain = reference - squared
    assert gain.mean() > 2 * gain.std() / np.sqrt(eyes)
    covered = [((truth > p.quantile(0.05)) & (truth < p.quantile(0.95))).mean() for p in (both, alone)]
    assert covered[0] > covered[1] - 0.03


def test_tables_show_the_slope_of_the_layer_and_the_rate_without_it(make_eyes):
    views = _views(3, 6, thinning=-2.0)
    undecided, options = Detection(np.zeros(3), np.full(3, 0.8)), RatesConfig(poplr_permutations=99)
    table, alone = (
        rate_tables(make_eyes(3), v, GRID, DEFAULT, undecided, options, seed=1).eyes
        for v in (views, views.without_structure())
    )
    assert (table["rnfl_lower"] < table["rnfl_slope"]).all() and (
        table["rnfl_slope"] < table["rnfl_upper"]
    ).all()
    np.testing.assert_allclose(table["fields_alone_rate"], alone["rate"])
    np.testing.assert_allclose(table["fields_alone_upper"], alone["rate_upper"])
    assert "rnfl_slope" not in alone
