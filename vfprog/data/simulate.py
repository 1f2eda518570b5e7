"""Series of visual fields with known truth, drawn from a population and tested with a perimeter's noise.

y(t) = level + slope (t - T/2) + wander(t) + visit effect + learning effect + noise(level), whole decibels of
sensitivity, nothing below the floor. Used for simulated cohorts and to train the networks. Known true fields take
the place of level, slope and wander where they are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from vfprog.config import Conditions
from vfprog.data.eye_summaries import FASTEST
from vfprog.data.population import RESIDUAL_PROBABILITIES, SLOPE_SCALES, Population
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.loss import focal_loss
from vfprog.perimetry.noise import growth, noise_correlation, noise_sd
from vfprog.perimetry.regression import linear_regression
from vfprog.perimetry.staircase import DIMMEST, FLOOR, field_test

BEST_LOCATION = (
    5.0  # dB, what a location's level approaches at most: above half of it, gains bring less and less
)
BEST_LEVEL = 2.0  # mean TD of the best healthy eyes, dB: the tails of the mixture reach beyond what eyes see
WANDER_SD = (0.4, 0.95)  # of the level's noise SD
WANDER_YEARS = (2.0, 9.0)  # correlation time
LEARNING = (0.5, 0.3)  # mean and SD over eyes of what the first field lacks, dB
AGE = (64.0, 11.0, 35.0, 90.0)  # mean, SD, limits at the first field, years
USUAL = Conditions()


@dataclass(frozen=True)
class Simulated:
    """Simulated series; visits beyond an eye's number are masked.

    Attributes
    ----------
    level, slope : array (eye, location)
        Truth: total deviation at mid-follow-up (dB) and its change (dB/year).
    course : array (eye, visit, location)
        What level and slope come to at each visit: total deviation, dB.
    truth : array (eye, visit, location)
        The true field at each visit, dB: the course, and the wander about it.
    years : array (eye, visit)
        Since the first visit.
    age : array (eye,)
        At the first visit, years.
    sens : array (eye, visit, location)
        What the perimeter recorded, whole dB up to ``DIMMEST``, ``FLOOR`` where not seen.
    td : array (eye, visit, location)
        Its total deviation by the SUNY-IU norms, dB.
    mask : array (eye, visit) of bool
        True for the eye's visits.
    """

    level: np.ndarray
    slope: np.ndarray
    course: np.ndarray
    truth: np.ndarray
    years: np.ndarray
    age: np.ndarray
    sens: np.ndarray
    td: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class TrueSeries:
    """The true fields of eyes, visits in order of time and padded at the end.

    Attributes
    ----------
    eyes : DataFrame
        ``patient_id, eye``, one row an eye.
    years : array (eye, visit)
        Since the eye's first field; padding repeats the last visit.
    age : array (eye,)
        At the first visit, years.
    td : array (eye, visit, location)
        True total deviation by the SUNY-IU norms, dB; 0 in the padding.
    mask : array (eye, visit) of bool
        True for the eye's visits.
    """

    eyes: pd.DataFrame
    years: np.ndarray
    age: np.ndarray
    td: np.ndarray
    mask: np.ndarray


def draw_truth(
    population: Population,
    eyes: int,
    rng: np.random.Generator,
    rate_scale: tuple[float, float] = USUAL.rate_scale,
) -> tuple[np.ndarray, np.ndarray]:
    """Levels at mid-follow-up (dB) and slopes (dB/year) of ``eyes`` eyes: two arrays (eye, location).

    An eye's slopes are the population's times what locations of their level lose, none faster than those that the
    population was made from, and all times a uniform draw between the two of ``rate_scale``.
    """
    cluster = rng.choice(
        len(population.level.weight), eyes, p=population.level.weight / population.level.weight.sum()
    )
    level = population.level.draw(cluster, rng) + rng.normal(0, population.offset_sd, (eyes, 1))
    level -= np.maximum(level.mean(1, keepdims=True) - BEST_LEVEL, 0)
    level = np.where(
        level > BEST_LOCATION / 2, BEST_LOCATION - BEST_LOCATION**2 / (4 * level.clip(min=0.1)), level
    )
    quarter = np.searchsorted(population.severity_edges, level.mean(1))
    cumulative = population.slope_weight.cumsum(1)
    cumulative /= cumulative[:, -1:]
    scale = SLOPE_SCALES[(rng.random((eyes, 1)) > cumulative[quarter]).sum(1)]
    slope = population.slope.draw(quarter, rng) * scale[:, None] * focal_loss(level)
    return level, slope.clip(-FASTEST, FASTEST) * rng.uniform(*rate_scale, (eyes, 1))


def simulate_series(
    population: Population,
    n_visits: np.ndarray,
    interval: float | np.ndarray,
    rng: np.random.Generator,
    patient: np.ndarray | None = None,
    conditions: Conditions = USUAL,
) -> Simulated:
    """Draw one series for each entry of ``n_visits`` (eye,), its visits about ``interval`` years apart.

    The interval is one for all, or each eye's own, (eye, 1). Eyes of one ``patient`` (eye,), numbered from 0, are
    of one age; left out, every eye has its own. What ``conditions`` switch off is drawn all the same: the same
    generator gives the same eyes under any of them.
    """
    eyes, most = len(n_visits), int(n_visits.max())
    level, slope = draw_truth(population, eyes, rng, conditions.rate_scale)
    if conditions.stable:
        slope = np.zeros_like(slope)
    gaps = interval * rng.gamma(8.0, 1 / 8.0, (eyes, most))
    gaps[:, 0] = 0
    years = gaps.cumsum(1)
    mask = np.arange(most) < n_visits[:, None]
    follow_up = np.take_along_axis(years, n_visits[:, None] - 1, axis=1)

    course = level[:, None] + slope[:, None] * (years - follow_up / 2)[..., None]
    sd = noise_sd(level)[:, None] * rng.uniform(*WANDER_SD, (eyes, 1, 1))
    wander = sd * _wander(gaps, rng)
    truth = course + wander if conditions.wander else course

    age = np.clip(rng.normal(AGE[0], AGE[1], eyes), AGE[2], AGE[3])
    if patient is not None:
        age = age[patient]
    visit = conditions.visit_sd * rng.standard_t(5, (eyes, most, 1)) / np.sqrt(5 / 3)
    learnt = rng.normal(*LEARNING, (eyes, 1))
    visit[:, 0] -= learnt if conditions.learning else 0.0
    sens, td = _tested(truth, visit, age[:, None] + years, conditions, population, rng)
    return Simulated(level, slope, course, truth, years, age, sens, td, mask)


def retest_series(
    truth: TrueSeries, population: Population, rng: np.random.Generator, conditions: Conditions = USUAL
) -> Simulated:
    """Test known true fields once; their slopes are least-squares slopes over each eye's visits.

    Under ``conditions.stable`` every location stays at its mean over the visits. Noise by level, where it is asked
    for, is the population's.
    """
    tested = np.broadcast_to(truth.mask[..., None], truth.td.shape)
    level = (truth.td * tested).sum(1) / tested.sum(1)
    course = np.broadcast_to(level[:, None], truth.td.shape) if conditions.stable else truth.td
    slope = linear_regression(course, truth.years, tested).slope
    visit = np.zeros((*truth.mask.shape, 1))
    sens, td = _tested(course, visit, truth.age[:, None] + truth.years, conditions, population, rng)
    return Simulated(level, slope, course, course, truth.years, truth.age, sens, td, truth.mask)


def _tested(
    truth: np.ndarray,
    visit: np.ndarray,
    age: np.ndarray,
    conditions: Conditions,
    population: Population,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Recorded sensitivity and its total deviation, dB.

    ``truth`` (eye, visit, location) is true total deviation and ``visit`` (eye, visit, 1) a visit's shift, dB;
    ``age`` (eye, visit) years.
    """
    norms = load_norms("24-2")
    normal = norms.intercept + norms.slope * age[..., None]
    if conditions.visit_shift is not None:
        p, size = conditions.visit_shift.probability, conditions.visit_shift.size
        visit = visit + rng.choice([-size, 0.0, size], visit.shape, p=[p / 2, 1 - p, p / 2])
    if conditions.test == "staircase":
        errors = (conditions.false_positives, conditions.false_negatives)
        sens = field_test(normal + truth + visit, normal, load_grid("24-2"), rng, *errors)
    else:
        measured = normal + truth + visit + conditions.noise * _noise(population, truth, rng)
        sens = np.where(measured < 0, FLOOR, np.round(measured).clip(max=DIMMEST))
    return sens, sens - normal


def _wander(gaps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ornstein-Uhlenbeck paths of unit variance: (eye, visit, location), correlated over neighbouring locations."""
    xy = load_grid("24-2").xy
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
    chol = np.linalg.cholesky(0.3 + 0.4 * np.exp(-((distance / 10.0) ** 2)) + 0.3 * np.eye(len(distance)))
    shocks = rng.standard_normal((*gaps.shape, len(distance))) @ chol.T
    decay = np.exp(-gaps / rng.uniform(*WANDER_YEARS, (len(gaps), 1)))[..., None]
    paths = shocks
    # The recursion over visits is what makes the path; each step is all eyes and locations at once.
    for v in range(1, gaps.shape[1]):
        paths[:, v] = decay[:, v] * paths[:, v - 1] + np.sqrt(1 - decay[:, v] ** 2) * shocks[:, v]
    return paths


def _noise(population: Population, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of a test, dB, with the SD of its level and place and the population's shape: the shape of ``truth``."""
    xy = load_grid("24-2").xy
    correlation = noise_correlation(xy)
    gaussian = rng.standard_normal(truth.shape) @ np.linalg.cholesky(correlation).T
    # Quantiles at evenly spaced Gaussian scores by level, so that one bilinear look-up turns the scores to noise.
    scores = np.linspace(-3.2, 3.2, 65)
    from_probability = np.array(
        [np.interp(ndtr(scores), RESIDUAL_PROBABILITIES, q) for q in population.residual_quantile]
    )
    # Between and beyond the tabulated quantiles some of the tails is lost: bring each level back to mean 0, SD 1.
    weight = np.exp(-(scores**2) / 2) / np.exp(-(scores**2) / 2).sum()
    from_probability -= from_probability @ weight[:, None]
    from_probability /= np.sqrt(from_probability**2 @ weight[:, None])
    row = np.interp(truth, population.residual_level, np.arange(len(population.residual_level)))
    column = (np.clip(gaussian, -3.19, 3.19) + 3.2) / 0.1
    i, j = np.minimum(row.astype(int), len(from_probability) - 2), column.astype(int)
    a, b = row - i, column - j
    shape = (1 - a) * ((1 - b) * from_probability[i, j] + b * from_probability[i, j + 1]) + a * (
        (1 - b) * from_probability[i + 1, j] + b * from_probability[i + 1, j + 1]
    )
    return noise_sd(truth) * growth(truth, xy) * shape
