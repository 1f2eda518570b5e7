"""Is an eye progressing? A probability that never sees the level, and a threshold of known false alarms.

An eye's path through both views, fields and nerve fibre layer, is straight: it stands still in both, or it is
progressing and moves in both, each at a pace of its own. Each view is reduced to a score z, a weighted slope over its
standard error (see :mod:`~vfprog.perimetry.weighted_slope`):

    stable       z_v ~ N(0, c_v^2),              c_v^2 = noise + wander log(1 + u(times of v))
    progressing  z_v ~ N(d_v, c_v^2), d_v = |N(0, T_v^2)|,  T_v = RATE_SD gain_v sqrt(Sxx of v)

so that log Bayes factors of views add up, a view that is not there adding 0. Locations wander over years, which over a
long series looks like change: u, the variance of a slope through an Ornstein-Uhlenbeck path relative to white noise,
says how much so at the eye's own times; in logs, because the eye's own scatter, which z is divided by, takes up its
share of the wander. ``noise`` and ``wander`` come from the fields of simulated eyes, and the layer is taken to wander
as much for its noise; each view's ``gain`` comes from simulated eyes. The probability is that of this model. What the
model leaves out, ageing of layers among it, the thresholds make up for: they come from simulated stable eyes, one for
each number of visits and mean time between them, so that the share of these flagged is about the configured one, and no
more, however many visits an eye has at about even intervals. Level enters none of this: at given times the probability
rises with either score, and is a function of the scores alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import lsq_linear
from scipy.special import expit, log_ndtr, logit
from scipy.stats import norm

from vfprog.config import Conditions, RatesConfig, VisitShift
from vfprog.data.nerve_fibres import NORMAL, simulate_nerve_fibres
from vfprog.data.population import load_population
from vfprog.data.simulate import Simulated, simulate_series
from vfprog.data.views import Views
from vfprog.perimetry.floor import BRIGHTEST
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.weighted_slope import LOCAL_SCATTER, function_score, structure_score

RATE_SD = 0.7  # dB/year of mean TD: progressing eyes lose |N(0, RATE_SD^2)| a year
WANDER_YEARS = 4.0  # correlation time for u
FITTED_VISITS = 16  # up to so many, a score's spread and gain are fitted
# Numbers of visits, and years between them, for which thresholds are found; between these they are interpolated, in
# logs of the years, and beyond them they stay.
VISITS = (3, 4, 5, 6, 7, 8, 10, 12, 14, FITTED_VISITS, 20, 25, 32, 40)
INTERVALS = (0.1, 0.25, 0.5, 1.0, 2.0)
USUAL_INTERVAL = 0.5
FURTHEST_YEARS = 30  # that an eye is followed; rarer tests over more years take the threshold of so many
# More shifts than in usual clinics, for unreliable patients' eyes; and half of the eyes by each kind of test, for
# neither is quite a real one.
SHIFTS = VisitShift(probability=0.08, size=2.0)
TESTS = ("population_noise", "staircase")
SIMULATED_EYES = 4000  # at each of these intervals
MARGIN = 1.64  # standard errors of the share of simulated eyes beyond a threshold
PROGRESSING_RATE = -0.25  # dB/year; simulated eyes below it tell the gain
CHUNK = 4096  # eyes scored at once


@dataclass(frozen=True)
class Detection:
    """What the detector says: arrays (eye,).

    Attributes
    ----------
    log_odds : array
        Of progression against stability.
    threshold : array
        Of the probability, above which an eye is flagged: that of its visits, 1 for eyes without a score.
    """

    log_odds: np.ndarray
    threshold: np.ndarray

    @property
    def p_progressing(self) -> np.ndarray:
        """Posterior probability of progression."""
        return np.asarray(expit(self.log_odds))

    @property
    def flagged(self) -> np.ndarray:
        """Whether the probability is above the threshold."""
        return self.p_progressing > self.threshold


@dataclass(frozen=True)
class ScoreModel:
    """What one view's score does in stable and in progressing eyes.

    Attributes
    ----------
    noise, wander : float
        c^2 = noise + wander log(1 + u).
    gain : float
        Expected score of an eye whose field loses 1 dB/year, over sqrt(Sxx), 1 / years.
    """

    noise: float
    wander: float
    gain: float

    def log_bayes(self, z: np.ndarray, years: np.ndarray, visits: np.ndarray) -> np.ndarray:
        """Log Bayes factor of progression against stability: (eye,); 0 where z is NaN.

        Parameters
        ----------
        z : array (eye,)
        years : array (eye, visit)
        visits : array (eye, visit) of bool
            At which the view was taken.
        """
        sxx, u = _times(years, visits)
        c2 = self.noise + self.wander * np.log1p(u)
        ratio2 = (RATE_SD * self.gain) ** 2 * sxx / c2
        v2 = 1 + ratio2
        at = np.where(np.isfinite(z), z, 0.0) / np.sqrt(c2) * np.sqrt(ratio2 / v2)
        # 2 exp(at^2 / 2) Phi(at) / v, in logs, so that no score is too large for it.
        log_bayes = np.log(2) + at**2 / 2 + log_ndtr(at) - 0.5 * np.log(v2)
        return np.where(np.isfinite(z), log_bayes, 0.0)


@dataclass(frozen=True)
class Detector:
    """Detection from fields, and from the nerve fibre layer beside them.

    Attributes
    ----------
    prevalence : float
        Prior probability that an eye progresses.
    function, structure : ScoreModel
        Of the fields and of the nerve fibre layer.
    thresholds, joint_thresholds : tuple of tuples of float
        Of the log odds, at each number of ``VISITS`` and each of ``INTERVALS``: from fields alone, and from both views.
    """

    prevalence: float
    function: ScoreModel
    structure: ScoreModel
    thresholds: tuple[tuple[float, ...], ...]
    joint_thresholds: tuple[tuple[float, ...], ...]

    def detect(self, views: Views) -> Detection:
        """Judge eyes; those without a score keep the prevalence and no flag.

        Without one are eyes with fewer than three visits at different times, and those in which nothing was ever seen.
        Structure enters where an eye has three scans or more.
        """
        parts = [self._detect(views[start : start + CHUNK]) for start in range(0, max(len(views), 1), CHUNK)]
        return Detection(*(np.concatenate(list(part)) for part in zip(*parts, strict=True)))

    def _detect(self, views: Views) -> tuple[np.ndarray, np.ndarray]:
        z, layer = scores(views)
        tested = np.any(views.mask, axis=2)
        both = np.isfinite(z) & np.isfinite(layer)
        log_odds = logit(self.prevalence) + self.function.log_bayes(z, views.years, tested)
        share = np.zeros(len(z))
        if views.measured is not None:
            scanned = np.any(views.measured, axis=2)
            structure = replace(self.structure, gain=self.structure.gain * sector_gain(views.measured))
            log_odds += structure.log_bayes(np.where(both, layer, np.nan), views.years, scanned)
            share = both * scanned_share(views.years, tested, scanned)
        # With few scans, or all within a short time, odds are nearly those of fields alone: so is their threshold.
        alone, joint = self._thresholds(views.years, tested)
        return log_odds, np.where(np.isfinite(z), expit(alone + (joint - alone) * share), 1.0)

    def _thresholds(self, years: np.ndarray, tested: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From fields alone and from both views, of eyes tested so: two arrays (eye,)."""
        n, interval = tested.sum(1), _interval(years, tested)
        at = np.stack(
            [np.clip(n, VISITS[0], VISITS[-1]), np.log(np.clip(interval, INTERVALS[0], INTERVALS[-1]))], 1
        )
        grid = (VISITS, np.log(INTERVALS))
        alone, joint = (
            RegularGridInterpolator(grid, t)(at) for t in (self.thresholds, self.joint_thresholds)
        )
        return alone, joint

    def to_card(self) -> dict[str, Any]:
        """JSON content."""
        return asdict(self)

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Detector:
        """The inverse of :meth:`to_card`.

        Raises
        ------
        ValueError
            If there are thresholds for other numbers of visits and years between them than those of this module.
        """
        shape = (len(VISITS), len(INTERVALS))
        tables = [np.array(card[name], float) for name in ("thresholds", "joint_thresholds")]
        for table in tables:
            if table.shape != shape:
                raise ValueError(f"thresholds of the detector: of shape {table.shape}, not {shape}")
        function, structure = (ScoreModel(**card[name]) for name in ("function", "structure"))
        return cls(card["prevalence"], function, structure, *(_nested(table) for table in tables))


def scanned_share(years: np.ndarray, tested: np.ndarray, scanned: np.ndarray) -> np.ndarray:
    """How much of what fields' times tell of a slope those of the scans do, at most 1: (eye,)."""
    of_fields, of_scans = (_times(years, taken)[0] for taken in (tested, scanned))
    return np.minimum(of_scans / np.where(of_fields > 0, of_fields, np.inf), 1.0)


def sector_gain(measured: np.ndarray) -> float:
    """Gain of a layer of so many sectors (eye, visit, sector) against that of six, which the simulated eyes have."""
    return float(np.sqrt(measured.shape[2] / len(NORMAL)))


def scores(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """Scores of function and of structure, NaN where there is none: two arrays (eye,).

    Where values at the floor are known, they are held, and locations that were never seen left out: their total
    deviation rises by ageing, on a perfect line, which is no change.
    """
    held = views.floor_held()
    z = function_score(held.td, held.mask, held.years)
    if views.thickness is None or views.measured is None:
        return z, np.full(len(z), np.nan)
    return z, structure_score(views.thickness, views.measured, views.years)


@dataclass(frozen=True)
class _Stable:
    """Scores of both views of simulated stable eyes tested alike: arrays (eye,); ``years`` (eye, visit)."""

    z: np.ndarray
    layer: np.ndarray
    years: np.ndarray

    @property
    def visits(self) -> np.ndarray:
        """All are there: (eye, visit)."""
        return np.ones(self.years.shape, bool)

    def log_bayes(self, function: ScoreModel, structure: ScoreModel) -> tuple[np.ndarray, np.ndarray]:
        """Of progression, from fields alone and from both views: two arrays (eye,)."""
        alone = function.log_bayes(self.z, self.years, self.visits)
        return alone, alone + structure.log_bayes(self.layer, self.years, self.visits)


def fit_detector(options: RatesConfig, seed: int) -> Detector:
    """Fit the detector to simulated eyes, tested at each of ``INTERVALS``.

    These eyes have the noise, wander and visit effects of :func:`~vfprog.data.simulate.simulate_series`, more shifted
    visits than usual, and a nerve fibre layer that follows the true field. No patient enters.

    Parameters
    ----------
    options : RatesConfig
        Prevalence, and the share of stable eyes to flag.
    seed : int
    """
    gain, layer_gain = _gains(seed)
    stable = [_stable_eyes(interval, [seed, number]) for number, interval in enumerate(INTERVALS)]
    # Margin for the quantile's own sampling error, so that no more than the configured share is flagged.
    allowed = options.false_positives
    share = min(1 - allowed + MARGIN * np.sqrt(allowed * (1 - allowed) / SIMULATED_EYES), 1.0)
    fitted = VISITS.index(FITTED_VISITS) + 1
    noise, wander = _fit_spread([eyes for followed in stable for eyes in followed[:fitted]], share)
    function = ScoreModel(noise, wander, gain)
    # Simulated layers do not stray over the years and would be believed too much; real ones may, as fields do against
    # their own noise, which leaves a layer's score of scans close together the variance 1.
    structure = ScoreModel(1.0, round(wander / noise, 4), layer_gain)
    found = np.array(
        [
            [np.quantile(odds, share) for odds in eyes.log_bayes(function, structure)]
            for followed in stable
            for eyes in followed
        ]
    ).reshape(len(INTERVALS), len(VISITS), 2)
    log_odds = (logit(options.prevalence) + np.maximum(found, 0.0)).round(4)
    alone, joint = (_nested(log_odds[:, :, view].T) for view in range(2))
    return Detector(options.prevalence, function, structure, alone, joint)


def _gains(seed: int) -> tuple[float, float]:
    """Of both views' scores, in eyes that progress."""
    progressing, truth = _simulated(USUAL_INTERVAL, FITTED_VISITS, [seed], stable=False)
    rate = truth.slope.mean(1)
    fast = rate < PROGRESSING_RATE
    expected = -rate[fast] * np.sqrt(_times(truth.years, truth.mask)[0][fast])
    gain, layer_gain = (round(float(np.median(z / expected)), 4) for z in scores(progressing[fast]))
    return gain, layer_gain


def _stable_eyes(interval: float, seed: list[int]) -> list[_Stable]:
    """Stable eyes after each number of ``VISITS``, or the most within ``FURTHEST_YEARS``, at about this interval."""
    reached = [n for n in VISITS if (n - 1) * interval <= FURTHEST_YEARS]
    tested = [_simulated(interval, reached[-1], seed, stable=True, test=test)[0] for test in TESTS]
    stable = []
    for n in reached:
        firsts = [views.first(n) for views in tested]
        z, layer = (np.concatenate(view) for view in zip(*map(scores, firsts), strict=True))
        stable.append(_Stable(z, layer, np.concatenate([first.years for first in firsts])))
    return stable + stable[-1:] * (len(VISITS) - len(reached))


def _fit_spread(stable: list[_Stable], share: float) -> tuple[float, float]:
    """Noise and wander of the score of fields, from stable eyes tested in many ways.

    c is matched where it matters, at the quantile ``share`` beyond which eyes are flagged, with equal relative errors.
    """
    wandered = np.array([np.log1p(_times(eyes.years, eyes.visits)[1]).mean() for eyes in stable])
    c2 = np.array([(np.quantile(eyes.z, share) / norm.ppf(share)) ** 2 for eyes in stable])
    # Noise alone, in visits close together, leaves no less than independent tests would.
    within = ([1 / LOCAL_SCATTER, 0.0], [np.inf, np.inf])
    noise, wander = lsq_linear(np.stack([1 / c2, wandered / c2], axis=1), np.ones_like(c2), within).x
    return round(float(noise), 4), round(float(wander), 4)


def _nested(table: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in table.tolist())


def _interval(years: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Mean years between an eye's tests, 0 with fewer than two: (eye,)."""
    n = tested.sum(1)
    first, last = (np.where(tested, years, end).T for end in (np.inf, -np.inf))
    span = last.max(0) - first.min(0)
    return np.where(n > 1, span / np.maximum(n - 1, 1), 0.0)


def _simulated(
    interval: float, visits: int, seed: list[int], *, stable: bool, test: str = TESTS[0]
) -> tuple[Views, Simulated]:
    """Eyes tested so often at about this interval, in years, and their truth."""
    rng = np.random.default_rng([*seed, int(stable), TESTS.index(test)])
    n = np.full(SIMULATED_EYES // len(TESTS), visits)
    # Without the learning effect, which makes stable eyes seem to improve: not every first field is a first test.
    conditions = Conditions(
        stable=stable, rate_scale=(1.0, 1.0), learning=False, visit_shift=SHIFTS, test=test
    )
    drawn = simulate_series(load_population(), n, interval, rng, conditions=conditions)
    age = drawn.age[:, None] + drawn.years
    thickness = simulate_nerve_fibres(drawn.course, age, load_grid("24-2"), rng).astype(float)
    tested = np.ones(drawn.td.shape, bool)
    views = Views(
        drawn.td, tested, drawn.years, n, thickness, np.ones(thickness.shape, bool), drawn.sens <= BRIGHTEST
    )
    return views, drawn


def _times(years: np.ndarray, visits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of squared times about their mean (years^2), and u: two arrays (eye,).

    u = d' K d / Sxx with d the times about their mean and K_ij = exp(-|t_i - t_j| / WANDER_YEARS).
    """
    n = np.maximum(visits.sum(1, keepdims=True), 1)
    d = np.where(visits, years - np.where(visits, years, 0.0).sum(1, keepdims=True) / n, 0.0)
    sxx = (d**2).sum(1)
    apart = np.abs(years[:, :, None] - years[:, None])
    wandered = np.einsum("ei,eij,ej->e", d, np.exp(-apart / WANDER_YEARS), d)
    timed = sxx > 1e-9
    return np.where(timed, sxx, 0.0), np.where(timed, wandered / np.where(timed, sxx, 1.0), 0.0)
