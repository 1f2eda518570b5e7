"""Is an eye progressing? A score that never sees the level, its probability, and a threshold with known false alarms.

The score z of an eye (a weighted slope over its standard error, see :mod:`~vfprog.perimetry.weighted_slope`) is
compared under two hypotheses, c being the SD of z in an eye that does not change:

    stable       z ~ N(0, c^2),            c^2 = noise + wander log(1 + u(times))
    progressing  z ~ N(d, c^2), d = |N(0, T^2)|,  T = RATE_SD gain sqrt(Sxx)

Locations wander over years, which over a long series looks like change: u, the variance of a slope through an
Ornstein-Uhlenbeck path relative to white noise, says how much so at the eye's own times; in logs, because the eye's own
scatter, which z is divided by, takes up its share of the wander. ``noise``, ``wander`` and ``gain`` come from simulated
eyes, as do the thresholds, one for each number of visits, so that the share of stable eyes flagged is the configured
one however long the series. Level enters none of this: at given times p is an increasing function of z alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear
from scipy.special import expit, log_ndtr, logit
from scipy.stats import norm

from vfprog.config import Conditions, RatesConfig
from vfprog.data.nerve_fibres import simulate_nerve_fibres
from vfprog.data.population import load_population
from vfprog.data.simulate import Simulated, simulate_series
from vfprog.data.views import Views
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.weighted_slope import MIN_VISITS, VISIT_SCATTER, function_score, structure_score

RATE_SD = 0.7  # dB/year of mean TD: progressing eyes lose |N(0, RATE_SD^2)| a year
WANDER_YEARS = 4.0  # correlation time for u
USUAL_VISITS = 16  # up to so many, a score's spread and gain are fitted
# Numbers of visits for which thresholds are found; between them they are interpolated, longer series take the last.
VISITS = (*range(MIN_VISITS, USUAL_VISITS + 1), 20, 25, 32, 40)
SIMULATED_EYES = 4000
USUAL_INTERVAL, INTERVALS = 0.5, (0.1, 2.0)  # years between visits: where nothing is known, and limits
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
        Of the probability, above which an eye is flagged: that of its number of visits, 1 for eyes without a score.
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
    """What one score does in stable and in progressing eyes.

    Attributes
    ----------
    noise, wander : float
        c^2 = noise + wander log(1 + u).
    gain : float
        Expected score of an eye that loses 1 dB/year, over sqrt(Sxx), 1 / years.
    thresholds : tuple of float
        Of p_progressing, at each number of ``VISITS``.
    """

    noise: float
    wander: float
    gain: float
    thresholds: tuple[float, ...]

    def log_bayes(self, z: np.ndarray, years: np.ndarray, visits: np.ndarray) -> np.ndarray:
        """Log Bayes factor of progression against stability: (eye,); 0 where z is NaN.

        Parameters
        ----------
        z : array (eye,)
        years : array (eye, visit)
        visits : array (eye, visit) of bool
        """
        sxx, u = _times(years, visits)
        c2 = self.noise + self.wander * np.log1p(u)
        ratio2 = (RATE_SD * self.gain) ** 2 * sxx / c2
        v2 = 1 + ratio2
        at = np.where(np.isfinite(z), z, 0.0) / np.sqrt(c2) * np.sqrt(ratio2 / v2)
        # 2 exp(at^2 / 2) Phi(at) / v, in logs, so that no score is too large for it.
        log_bayes = np.log(2) + at**2 / 2 + log_ndtr(at) - 0.5 * np.log(v2)
        return np.where(np.isfinite(z), log_bayes, 0.0)

    def threshold(self, n_visits: np.ndarray) -> np.ndarray:
        """Threshold of p_progressing at each number of visits, (eye,)."""
        return np.interp(n_visits, VISITS, self.thresholds)


@dataclass(frozen=True)
class Detector:
    """Detection from fields alone, and from fields and nerve fibre layer together.

    ``prevalence`` is the prior probability that an eye progresses.
    """

    prevalence: float
    function: ScoreModel
    joint: ScoreModel

    def detect(self, views: Views) -> Detection:
        """Judge eyes; those with fewer than three visits at different times keep the prevalence and no flag.

        Structure enters where an eye has three scans or more.
        """
        parts = [self._detect(views[start : start + CHUNK]) for start in range(0, max(len(views), 1), CHUNK)]
        return Detection(*(np.concatenate(list(part)) for part in zip(*parts, strict=True)))

    def _detect(self, views: Views) -> tuple[np.ndarray, np.ndarray]:
        z, structure = scores(views)
        tested = np.any(views.mask, axis=2)
        n = tested.sum(1)
        both = np.isfinite(structure) & np.isfinite(z)
        log_bayes = np.where(
            both,
            self.joint.log_bayes(joint_score(z, structure), views.years, tested),
            self.function.log_bayes(z, views.years, tested),
        )
        threshold = np.where(both, self.joint.threshold(n), self.function.threshold(n))
        return log_bayes + logit(self.prevalence), np.where(np.isfinite(z), threshold, 1.0)

    def to_card(self) -> dict[str, Any]:
        """JSON content."""
        return asdict(self)

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Detector:
        """The inverse of :meth:`to_card`.

        Raises
        ------
        ValueError
            If a score has thresholds at other numbers of visits than ``VISITS``.
        """
        for name in ("function", "joint"):
            if len(card[name]["thresholds"]) != len(VISITS):
                raise ValueError(f"thresholds of {name}: {len(card[name]['thresholds'])}, not {len(VISITS)}")
        models = (
            ScoreModel(**{**card[name], "thresholds": tuple(card[name]["thresholds"])})
            for name in ("function", "joint")
        )
        return cls(card["prevalence"], *models)


def scores(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """Scores of function and of structure, NaN where there is none: two arrays (eye,)."""
    z = function_score(views.td, views.mask, views.years)
    if views.thickness is None or views.measured is None:
        return z, np.full(len(z), np.nan)
    return z, structure_score(views.thickness, views.measured, views.years)


def joint_score(function: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Both views in one score; NaN where one is: (eye,)."""
    return function + structure


def fit_detector(years: np.ndarray, visits: np.ndarray, options: RatesConfig, seed: int) -> Detector:
    """Fit the detector to simulated eyes that are tested as often as the training eyes.

    The simulated eyes have the noise, wander and visit effects of
    :func:`~vfprog.data.simulate.simulate_series`, and a nerve fibre layer that follows the true field. Truth of a
    cohort is never used.

    Parameters
    ----------
    years : array (eye, visit)
        Times of the training eyes' visits.
    visits : array (eye, visit) of bool
        False for padding.
    options : RatesConfig
        Prevalence, and the share of stable eyes to flag.
    seed : int
    """
    rng = np.random.default_rng(seed)
    interval = rng.choice(_intervals(years, visits), (SIMULATED_EYES, 1))
    stable, _ = _simulated(interval, VISITS[-1], seed, stable=True)
    progressing, truth = _simulated(interval, USUAL_VISITS, seed, stable=False)
    rate = truth.slope.mean(1)
    fast = rate < PROGRESSING_RATE
    expected = -rate[fast] * np.sqrt(_times(truth.years, truth.mask)[0][fast])
    firsts = [stable.first(n) for n in VISITS]
    by_view = [scores(first) for first in [*firsts, progressing[fast]]]
    functions = [z for z, _ in by_view]
    joints = [joint_score(z, structure) for z, structure in by_view]
    models = [
        _fit_score(z, firsts, float(np.median(changing / expected)), options)
        for *z, changing in (functions, joints)
    ]
    return Detector(options.prevalence, *models)


def _fit_score(z: list[np.ndarray], firsts: list[Views], gain: float, options: RatesConfig) -> ScoreModel:
    """Spread and thresholds from scores of stable eyes, one array (eye,) for each number of visits in ``firsts``.

    c is matched where it matters, at the quantile beyond which eyes are flagged, with equal relative errors. The
    quantile keeps a margin for its own sampling error, so that no more than the configured share is flagged.
    """
    allowed = options.false_positives
    share = min(1 - allowed + MARGIN * np.sqrt(allowed * (1 - allowed) / SIMULATED_EYES), 1.0)
    usual = VISITS.index(USUAL_VISITS) + 1
    wandered = np.array([np.log1p(_times(first.years, first.visits)[1]).mean() for first in firsts[:usual]])
    c2 = np.array([(np.quantile(scored, share) / norm.ppf(share)) ** 2 for scored in z[:usual]])
    # Noise alone, in visits close together, leaves no less than independent tests would.
    within = ([1 / VISIT_SCATTER, 0.0], [np.inf, np.inf])
    noise, wander = lsq_linear(np.stack([1 / c2, wandered / c2], axis=1), np.ones_like(c2), within).x
    model = ScoreModel(round(float(noise), 4), round(float(wander), 4), round(gain, 4), ())
    thresholds = []
    for scored, first in zip(z, firsts, strict=True):
        p = expit(model.log_bayes(scored, first.years, first.visits) + logit(options.prevalence))
        thresholds.append(round(max(float(np.quantile(p, share)), options.prevalence), 5))
    return replace(model, thresholds=tuple(thresholds))


def _intervals(years: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """Mean years between the visits of each eye that has several, within limits; one usual one if none has."""
    n = visits.sum(1)
    several = n > 1
    if not several.any():
        return np.array([USUAL_INTERVAL])
    last = np.where(visits, years, -np.inf).max(1)
    return np.clip((last - years[:, 0])[several] / (n[several] - 1), *INTERVALS)


def _simulated(interval: np.ndarray, visits: int, seed: int, *, stable: bool) -> tuple[Views, Simulated]:
    """Eyes tested so often at about these intervals, (eye, 1) in years, and their truth."""
    rng = np.random.default_rng([seed, int(stable)])
    n = np.full(len(interval), visits)
    # Without the learning effect, which makes stable eyes seem to improve: not every first field is a first test.
    conditions = Conditions(stable=stable, rate_scale=(1.0, 1.0), learning=False)
    drawn = simulate_series(load_population(), n, interval, rng, conditions=conditions)
    age = drawn.age[:, None] + drawn.years
    thickness = simulate_nerve_fibres(drawn.course, age, load_grid("24-2"), rng).astype(float)
    tested = np.ones(drawn.td.shape, bool)
    return Views(drawn.td, tested, drawn.years, n, thickness, np.ones(thickness.shape, bool)), drawn


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
