"""The detector: false positives of stable eyes however long the series, monotone, blind where nothing is known."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logit
from scipy.stats import norm

from vfprog.config import CohortConfig, Conditions, RatesConfig
from vfprog.data.nerve_fibres import simulate_nerve_fibres
from vfprog.data.population import load_population
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.simulate import simulate_series
from vfprog.data.views import Views, views_from_visits
from vfprog.forecast import detection
from vfprog.forecast.detection import RATE_SD, Detector, ScoreModel, fit_detector, scanned_share, scores
from vfprog.perimetry.floor import BRIGHTEST
from vfprog.perimetry.grid import load_grid

OPTIONS = RatesConfig(prevalence=0.3)
NEW_EYES = 800
LONGEST = 40  # visits


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Fitted to fewer eyes than usual, for speed: their thresholds are surer to err to the safe side."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "SIMULATED_EYES", 800)
        return fit_detector(OPTIONS, seed=1)


def simulated(
    interval: float | np.ndarray = 0.5,
    eyes: int = NEW_EYES,
    seed: int = 99,
    longest: int = LONGEST,
    **conditions: object,
) -> Views:
    rng = np.random.default_rng(seed)
    usual = Conditions.model_validate({"rate_scale": (1.0, 1.0), **conditions})
    drawn = simulate_series(load_population(), np.full(eyes, longest), interval, rng, conditions=usual)
    age = drawn.age[:, None] + drawn.years
    thickness = simulate_nerve_fibres(drawn.course, age, load_grid("24-2"), rng).astype(float)
    shapes = (drawn.td.shape, thickness.shape)
    tested, measured = (np.ones(shape, bool) for shape in shapes)
    at_floor = drawn.sens <= BRIGHTEST
    return Views(drawn.td, tested, drawn.years, np.full(eyes, longest), thickness, measured, at_floor)


@pytest.fixture(scope="module")
def stable() -> Views:
    """Stable eyes that the detector was not fitted to: wander, visit effects, noise, and the learning effect."""
    return simulated(stable=True)


@pytest.mark.parametrize("n", [3, 4, 6, 9, 12, 16, 22, 40])
def test_stable_eyes_are_flagged_at_the_configured_rate(detector, stable, n):
    """Sampling leaves the share of 800 eyes within 0.8 points of its own rate."""
    first = stable.first(n)
    assert 0.01 < detector.detect(first.without_structure()).flagged.mean() < 0.07
    assert 0.01 < detector.detect(first).flagged.mean() < 0.07


@pytest.mark.parametrize("interval", [0.02, 0.15, 0.3, 0.8, 1.5])
def test_so_are_they_however_far_apart_their_visits(detector, interval):
    """Mild eyes and severe ones alike; in visits a week apart little is to be seen, and next to no eye is flagged."""
    views = simulated(interval, stable=True, learning=False, longest=12)
    mild = views.td[:, 0].mean(1) > -2
    for n in (3, 5, 12):
        first = views.first(n)
        for flagged in (detector.detect(first).flagged, detector.detect(first.without_structure()).flagged):
            assert flagged.mean() < 0.07
            assert max(flagged[mild].mean(), flagged[~mild].mean()) < 0.085
        assert interval < 0.1 or flagged.mean() > 0.01


@pytest.mark.parametrize(
    "disturbed", [{"visit_shift": {"probability": 0.1, "size": 2.0}}, {"visit_sd": 0.85}]
)
def test_disturbed_visits_raise_no_alarms(detector, disturbed):
    views = simulated(stable=True, learning=False, longest=8, **disturbed).without_structure()
    for n in (3, 4, 8):
        assert detector.detect(views.first(n)).flagged.mean() < 0.075, n


def test_tests_in_pairs_once_a_year_raise_no_alarms(detector):
    twice = np.array([year + test / 52 for year in range(5) for test in range(2)])
    views = simulated(
        np.tile(np.diff(twice, prepend=0.0), (NEW_EYES, 1)), stable=True, learning=False, longest=10
    )
    assert detector.detect(views).flagged.mean() < 0.07
    assert detector.detect(views.without_structure()).flagged.mean() < 0.07


def test_progressing_eyes_are_found_and_structure_helps(detector):
    views = simulated(eyes=1500, seed=5)
    slope = simulate_series(
        load_population(),
        np.full(1500, LONGEST),
        0.5,
        np.random.default_rng(5),
        conditions=Conditions(rate_scale=(1, 1)),
    ).slope.mean(1)
    fast = views[slope < -0.5].first(10)
    alone, both = detector.detect(fast.without_structure()), detector.detect(fast)
    assert alone.flagged.mean() > 0.4
    assert both.flagged.mean() > alone.flagged.mean() + 0.05
    assert (both.log_odds != alone.log_odds).all()


def test_two_scans_are_no_second_view(detector, stable):
    first = stable[:50].first(6)
    assert first.measured is not None
    measured = first.measured.copy()
    measured[:, 2:] = False
    few = replace(first, measured=measured, thickness=first.thickness * measured)
    alone = detector.detect(first.without_structure())
    np.testing.assert_array_equal(detector.detect(few).log_odds, alone.log_odds)


def test_the_threshold_is_that_of_the_views_there_are(detector, stable):
    first = stable[:5].first(8)
    assert first.measured is not None and first.thickness is not None
    half = first.measured.copy()
    half[:, 4:] = False
    few = replace(first, measured=half, thickness=first.thickness * half)
    share = scanned_share(few.years, few.mask.any(2), half.any(2))
    assert (share > 0.05).all() and (share < 0.5).all()
    alone, joint = detector._thresholds(first.years, first.mask.any(2))
    assert (np.abs(joint - alone) > 0.05).all()
    for views, expected in (
        (first.without_structure(), alone),
        (few, alone + (joint - alone) * share),
        (first, joint),
    ):
        np.testing.assert_allclose(logit(detector.detect(views).threshold), expected, rtol=1e-6)


@pytest.mark.parametrize("scans", [slice(0, 3), slice(-3, None), slice(-5, None), slice(None, None, 4)])
def test_stable_eyes_with_fewer_scans_than_fields_are_flagged_no_more(detector, stable, scans):
    for n in (8, 16, 20):
        first = stable.first(n)
        assert first.measured is not None and first.thickness is not None
        measured = np.zeros_like(first.measured)
        measured[:, scans] = True
        few = replace(first, measured=measured, thickness=first.thickness * measured)
        assert detector.detect(few).flagged.mean() < 0.065, n


def test_one_mean_thickness_is_a_view_as_six_sectors_are(detector, stable):
    """Its score is as many times smaller as its gain is taken to be."""
    first = stable.first(10)
    assert first.measured is not None and first.thickness is not None
    mean = replace(first, thickness=first.thickness.mean(2, keepdims=True), measured=first.measured[:, :, :1])
    (_, six), (_, one) = scores(first), scores(mean)
    assert one.std() / six.std() == pytest.approx(detection.sector_gain(mean.measured), rel=0.5)
    assert detection.sector_gain(first.measured) == 1
    assert detector.detect(mean).flagged.mean() < 0.07


def test_eyes_of_which_nothing_is_known_keep_the_prevalence_and_no_flag(detector, stable):
    for views in (stable[:20].first(2), replace(stable[:20].first(5), years=np.zeros((20, 5)))):
        found = detector.detect(views)
        np.testing.assert_allclose(found.p_progressing, 0.3)
        assert not found.flagged.any() and (found.threshold == 1).all()
    assert len(detector.detect(stable[:0]).flagged) == 0


@pytest.mark.parametrize("view", ["function", "structure"])
def test_p_progressing_rises_with_each_score_at_given_times(detector, view):
    z = np.linspace(-60, 60, 400)
    years = np.tile(np.arange(8) / 2, (400, 1))
    log_bayes = getattr(detector, view).log_bayes(z, years, np.ones(years.shape, bool))
    assert (np.diff(log_bayes) > 0).all() and np.isfinite(log_bayes).all()


def test_both_views_are_one_path_that_stands_still_or_moves_in_both(detector, stable):
    """The odds against the integral over both paces, each view at the times at which it was taken."""
    first = stable[:3].first(6)
    assert first.measured is not None and first.thickness is not None
    measured = first.measured.copy()
    measured[:, 1] = False  # a visit without a scan
    views = replace(first, measured=measured, thickness=first.thickness * measured)
    scored = np.stack(scores(views), 1)
    found = detector.detect(views).log_odds
    for eye in range(3):
        log_bayes = 0.0
        for z, model, taken in zip(
            scored[eye], (detector.function, detector.structure), (slice(None), [0, 2, 3, 4, 5]), strict=True
        ):
            years = views.years[eye][taken]
            away = years - years.mean()
            sxx = (away**2).sum()
            decay = np.exp(-np.abs(years[:, None] - years) / detection.WANDER_YEARS)
            c = np.sqrt(model.noise + model.wander * np.log1p(away @ decay @ away / sxx))
            t = RATE_SD * model.gain * np.sqrt(sxx)
            moving = quad(lambda d, z=z, t=t, c=c: 2 * norm.pdf(d, 0, t) * norm.pdf(z, d, c), 0, 12 * t)[0]
            log_bayes += np.log(moving / norm.pdf(z, 0, c))
        assert found[eye] == pytest.approx(np.log(0.3 / 0.7) + log_bayes, rel=1e-6)


@pytest.mark.parametrize("z", [-1.5, 0.0, 2.5])
def test_p_progressing_is_the_posterior_of_its_two_hypotheses(z):
    model = ScoreModel(noise=1.5, wander=2.0, gain=1.8)
    years = np.array([[0.0, 0.5, 1.5, 2.0, 4.0]])
    away = years[0] - years[0].mean()
    sxx = (away**2).sum()
    decay = np.exp(-np.abs(years[0][:, None] - years[0]) / detection.WANDER_YEARS)
    c = np.sqrt(1.5 + 2.0 * np.log1p(away @ decay @ away / sxx))
    t = RATE_SD * 1.8 * np.sqrt(sxx)
    progressing = quad(lambda d: 2 * norm.pdf(d, 0, t) * norm.pdf(z, d, c), 0, 12 * t, limit=200)[0]
    found = model.log_bayes(np.array([z]), years, np.ones((1, 5), bool))[0]
    assert found == pytest.approx(np.log(progressing / norm.pdf(z, 0, c)), rel=1e-6)


def test_the_level_of_a_field_decides_nothing(detector):
    """Mild and severe stable eyes have nearly the same chance of a flag."""
    views = simulated(eyes=3000, stable=True, learning=False, longest=12).without_structure()
    level = views.td[:, 0].mean(1)
    for n in (5, 12):
        flagged = detector.detect(views.first(n)).flagged
        assert abs(flagged[level > -2].mean() - flagged[level < -6].mean()) < 0.03, n


def test_locations_never_seen_change_nothing(detector, stable):
    """Their total deviation rises with the norms' ageing, on a perfect line, whatever the eye does."""
    views = replace(stable[:200].first(16).without_structure(), at_floor=None)
    ever, never = views.mask.copy(), np.zeros(views.mask.shape, bool)
    ever[:, :, :15] = False
    never[:, :, :15] = True
    expected = detector.detect(replace(views, td=views.td * ever, mask=ever)).log_odds
    rising = np.where(never, -32 + 0.08 * views.years[:, :, None], views.td)
    found = detector.detect(replace(views, td=rising, at_floor=never)).log_odds
    np.testing.assert_allclose(found, expected)


def test_simulated_eyes_have_the_floor_that_real_ones_have():
    views, _ = detection._simulated(0.5, 8, [1], stable=True)
    assert views.at_floor.any() and (views.td[views.at_floor] < -15).all()
    assert not views.floor_held().mask.all()


def test_the_card_holds_the_whole_detector(detector, stable):
    again = Detector.from_card(json.loads(json.dumps(detector.to_card())))
    assert again == detector
    card = detector.to_card()
    card["joint_thresholds"] = card["joint_thresholds"][:-1]
    with pytest.raises(ValueError, match=r"thresholds of the detector: of shape \(13, 5\), not \(14, 5\)"):
        Detector.from_card(card)
    lowest = np.min([detector.thresholds, detector.joint_thresholds])
    assert lowest == pytest.approx(logit(OPTIONS.prevalence), abs=1e-4)


def test_between_the_visits_and_intervals_it_knows_a_threshold_is_interpolated(detector):
    table = np.array(detector.thresholds)

    def threshold(n: int, interval: float) -> float:
        years = np.arange(n)[None] * interval
        return float(detector._thresholds(years, np.ones((1, n), bool))[0][0])

    assert threshold(5, 0.5) == pytest.approx(table[2, 2])
    assert threshold(9, 1.0) == pytest.approx(table[5:7, 3].mean())
    assert threshold(5, np.sqrt(0.5)) == pytest.approx(table[2, 2:4].mean())
    assert threshold(60, 1 / 50) == pytest.approx(table[-1, 0])
    assert threshold(4, 9.0) == pytest.approx(table[1, -1])


def test_untested_visits_leave_the_interval_alone():
    tested = np.array([[False, True, True, False, True, False], [False] * 6])
    years = np.tile([0.0, 1.0, 1.5, 3.0, 4.0, 4.0], (2, 1))
    assert detection._interval(years, tested).tolist() == [1.5, 0.0]


def test_halifax_retests_in_any_order_are_stable(detector):
    """Twelve weekly tests an eye, taken in random orders as if half a year apart."""
    path = str(files("vfprog") / "resources" / "cohorts" / "halifax.csv")
    cohort = CohortConfig(role="apply", format="visualfields", path=path)
    visits, _, _ = preprocess(
        read_cohort(cohort, [files("vfprog") / "resources" / "cohorts" / "halifax.csv"]), cohort
    )
    weekly = views_from_visits(visits[visits["included"]].reset_index(drop=True), load_grid("24-2"), [])
    assert not detector.detect(weekly).flagged.any()
    rng = np.random.default_rng(0)
    half_yearly = replace(weekly, years=np.tile(np.arange(12) / 2, (len(weekly), 1)))
    for n in (3, 5, 8, 12):
        orders = [rng.random(weekly.years.shape).argsort(1)[:, :n] for _ in range(40)]
        shares = [
            detector.detect(
                replace(
                    half_yearly.first(n),
                    td=np.take_along_axis(weekly.td, order[:, :, None], 1),
                    mask=np.take_along_axis(weekly.mask, order[:, :, None], 1),
                    at_floor=None,
                )
            ).flagged.mean()
            for order in orders
        ]
        assert np.mean(shares) <= 0.05, n
