"""Detection scores from slopes: signs, masks, units, and blindness to level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import invgamma
from sklearn.metrics import roc_auc_score

from vfprog.perimetry import weighted_slope as scoring
from vfprog.perimetry.noise import noise_sd
from vfprog.perimetry.regression import linear_regression
from vfprog.perimetry.weighted_slope import (
    function_score,
    mean_slope,
    mean_thickness_slope,
    moderated,
    slopes,
    structure_score,
    weighted_slope,
)

FIELD_SCORES = [weighted_slope, function_score]


def eyes(n: int, visits: int, slope: float = 0.0, level: float = -5.0, seed: int = 0):
    """Fields with independent noise of the table's SD: td, mask, years."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(level, 4, (n, 1, 52))
    years = np.tile(np.arange(visits) / 2, (n, 1))
    td = levels + slope * (years - years.mean(1, keepdims=True))[..., None]
    td = td + noise_sd(levels) * rng.standard_normal((n, visits, 52))
    return td, np.ones(td.shape, bool), years


def scans(n: int, visits: int, slope: float = 0.0, seed: int = 0):
    """Six sectors with noise of 5 micrometres: thickness, mask, years."""
    rng = np.random.default_rng(seed)
    years = np.tile(np.arange(visits) / 2, (n, 1))
    thickness = 90 + slope * years[..., None] + 5 * rng.standard_normal((n, visits, 6))
    return thickness, np.ones(thickness.shape, bool), years


def test_slopes_are_those_of_the_regression():
    td, mask, years = eyes(5, 7, -0.5)
    mask[0, 3, :5] = mask[1, :6, 2] = False
    found, expected = slopes(td * mask, mask, years), linear_regression(td, years, mask)
    np.testing.assert_allclose(found.slope, np.nan_to_num(expected.slope), atol=1e-10)
    degrees = np.maximum(mask.sum(1) - 2, 1)
    defined = np.isfinite(expected.se)
    se = np.sqrt(found.rest / degrees / np.where(found.sxx > 0, found.sxx, 1))
    np.testing.assert_allclose(se[defined], expected.se[defined], rtol=1e-6)


@pytest.mark.parametrize("score", FIELD_SCORES)
def test_worsening_is_positive_and_reversal_turns_the_sign(score):
    td, mask, years = eyes(60, 8, slope=-0.6)
    assert score(td, mask, years).mean() > 2
    np.testing.assert_allclose(score(td[:, ::-1], mask, years), -score(td, mask, years), atol=1e-9)


@pytest.mark.parametrize("score", FIELD_SCORES)
def test_padding_and_an_untested_location_change_nothing(score):
    td, mask, years = eyes(10, 6, slope=-0.3)
    expected = score(td[:, :, 1:], mask[:, :, 1:], years)
    mask[:, :, 0] = False
    td = np.concatenate([td * mask, np.zeros((10, 4, 52))], axis=1)
    mask = np.concatenate([mask, np.zeros((10, 4, 52), bool)], axis=1)
    years = np.hstack([years, np.tile(years[:, -1:], 4)])
    np.testing.assert_allclose(score(td, mask, years), expected, atol=1e-9)


@pytest.mark.parametrize("score", FIELD_SCORES)
def test_too_few_visits_or_one_time_give_no_score(score):
    td, mask, years = eyes(3, 4)
    assert np.isnan(score(td[:, :2], mask[:, :2], years[:, :2])).all()
    assert np.isnan(score(td, mask, np.zeros_like(years))).all()
    assert np.isnan(score(0 * td, mask & False, years)).all()


def test_a_stable_eye_s_weighted_slope_is_in_units_of_its_standard_error():
    z = weighted_slope(*eyes(3000, 8, level=-8.0, seed=3))
    assert z.mean() == pytest.approx(0.0, abs=0.06)
    assert z.std() == pytest.approx(1.0, abs=0.1)


def test_visits_that_stray_together_are_held_against_the_score():
    td, mask, years = eyes(500, 8, seed=4)
    straying = td + 1.5 * np.random.default_rng(1).standard_normal((500, 8, 1))
    plain = weighted_slope(straying, mask, years).std() / weighted_slope(td, mask, years).std()
    own = function_score(straying, mask, years).std() / function_score(td, mask, years).std()
    assert plain > 2
    assert own < 0.75 * plain


@pytest.mark.parametrize("score", FIELD_SCORES)
def test_a_last_visit_that_reads_too_low_is_hardly_held_against_an_eye(monkeypatch, score):
    td, mask, years = eyes(300, 9, seed=8)
    td[:, -1] -= 4.0
    corrected = np.median(score(td, mask, years))
    monkeypatch.setattr(scoring, "without_shift", lambda td, mask, shift: td)
    assert np.median(score(td, mask, years)) > corrected + 1.0


def test_the_precision_of_a_visit_s_weighted_mean():
    """By drawing independent tests and weighing them."""
    rng = np.random.default_rng(3)
    variance, loss = rng.uniform(2, 20, (1, 52)), rng.uniform(0.1, 1, (1, 52))
    precision = np.where(np.arange(52) < 40, 1.0, 0.0)[None]  # the others have no slope
    changes = scoring._Changes(np.zeros((1, 52)), precision, variance, loss)
    weight = np.where(precision > 0, loss / variance, 0.0)
    mean = (rng.standard_normal((40_000, 52)) * np.sqrt(variance)) @ weight[0] / weight.sum()
    assert 1 / mean.var() == pytest.approx(scoring._mean_precision(changes)[0], rel=0.03)


@pytest.mark.parametrize("degrees", [1, 6])
def test_a_moderated_variance_is_the_posterior_mean(degrees):
    """Under an inverse gamma prior of 11 degrees whose mean is 4, which weighs 9: by integration."""

    def posterior(v: float) -> float:
        return invgamma(5.5, scale=4 * 4.5).pdf(v) * v ** (-degrees / 2) * np.exp(-30 / 2 / v)

    expected = quad(lambda v: v * posterior(v), 0, np.inf)[0] / quad(posterior, 0, np.inf)[0]
    assert moderated(np.array(4.0), np.array(30.0), np.array(degrees), 9.0) == pytest.approx(expected)


def test_without_residuals_or_moderation_the_expected_variance_stands():
    assert moderated(np.array(4.0), np.array(0.0), np.array(0), 9.0) == 4.0
    assert moderated(np.array(4.0), np.array(30.0), np.array(6), np.inf) == 4.0


def test_restless_locations_weigh_less(monkeypatch):
    """A tenth of an eye's locations, other ones in each, scatter three times as much as their level says."""
    rng = np.random.default_rng(9)
    series = []
    for slope in (0.0, -0.3):
        td, mask, years = eyes(800, 9, slope, seed=6)
        restless = rng.random((800, 1, 52)) < 0.1
        series.append((td + restless * 2.8 * noise_sd(td) * rng.standard_normal(td.shape), mask, years))
    truth = np.repeat([0, 1], 800)

    def auc() -> float:
        return float(roc_auc_score(truth, np.concatenate([function_score(*one) for one in series])))

    moderate = auc()
    monkeypatch.setattr(scoring, "LOCATION_DEGREES", np.inf)
    assert moderate > auc() + 0.015


@pytest.mark.parametrize("score", FIELD_SCORES)
def test_level_alone_tells_nothing(score):
    """Two stable groups 6 dB apart: a score that saw the level would tell them apart."""
    mild, severe = (score(*eyes(1500, 6, level=level, seed=5 + i)) for i, level in enumerate((-2.0, -8.0)))
    truth = np.repeat([0, 1], 1500)
    assert roc_auc_score(truth, np.concatenate([mild, severe])) == pytest.approx(0.5, abs=0.03)


def test_structure_worsens_as_it_thins():
    z = structure_score(*scans(400, 8, slope=-2.0))
    still = structure_score(*scans(3000, 8, seed=1))
    assert still.mean() == pytest.approx(0, abs=0.06)
    assert z.mean() > 3
    assert still.std() == pytest.approx(1.0, abs=0.08)
    thickness, mask, years = scans(50, 8, slope=-2.0)
    turned = structure_score(thickness[:, ::-1], mask, years)
    np.testing.assert_allclose(turned, -structure_score(thickness, mask, years), atol=1e-9)
    np.testing.assert_allclose(mean_slope(*scans(400, 8, slope=-2.0)).mean(), -2.0, atol=0.1)


def test_a_missing_sector_or_scan_does_not_look_like_thinning():
    thickness, mask, years = scans(200, 6)
    thickness[:, :, 0] += 60  # a thick sector,
    mask[:, 5, 0] = False  # not measured at the last visit
    mask[:, 2] = False  # and a visit without a scan
    assert abs(structure_score(thickness * mask, mask, years).mean()) < 0.3
    mask[:, 1:5] = False
    assert np.isnan(structure_score(thickness * mask, mask, years)).all()  # two scans are left


@pytest.mark.parametrize("missing", ["none", "late", "half and half", "at random"])
def test_sectors_missing_early_or_late_do_not_flatten_the_slope(missing):
    thickness, mask, years = scans(3000, 8, slope=-2.0, seed=2)
    if missing == "late":
        mask[:, 4:, 3:] = False
    if missing == "half and half":
        mask[:, :4, 3:] = mask[:, 4:, :3] = False
    if missing == "at random":
        mask &= np.random.default_rng(3).random(mask.shape) < 0.5
    found = mean_thickness_slope(thickness * mask, mask, years)
    error = (found.slope + 2.0)[np.isfinite(found.slope)]
    assert error.mean() == pytest.approx(0, abs=0.05)
    assert np.sqrt(np.nanmean(found.variance)) == pytest.approx(error.std(), rel=0.12)


def test_sectors_that_each_stand_at_one_time_tell_no_slope():
    thickness, mask, years = scans(5, 6)
    mask &= np.eye(6, dtype=bool)
    assert np.isnan(mean_thickness_slope(thickness * mask, mask, years).slope).all()
