"""Series of visual fields with known truth, drawn from the shipped population and tested with a perimeter's noise.

y(t) = level + slope (t - T/2) + wander(t) + visit effect + learning effect + noise(level), whole decibels of
sensitivity, nothing below the floor. Used for the demo cohort and to train the networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from vfprog import columns as c
from vfprog.config import Simulation
from vfprog.data.population import NORMATIVE_OFFSET_SD, RESIDUAL_PROBABILITIES, SLOPE_SCALES, Population
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_sd

# Treated patients of a clinic lose less than UWHVF's slopes say; each eye's slope is scaled by U(0, this).
TREATED = 0.5
BEST_LOCATION = (
    5.0  # dB, what a location's level approaches at most: above half of it, gains bring less and less
)
BEST_LEVEL = 2.0  # mean TD of the best healthy eyes, dB: the tails of the mixture reach beyond what eyes see
WANDER_SD = (0.4, 0.95)  # of the level's noise SD
WANDER_YEARS = (2.0, 9.0)  # correlation time
VISIT_SD = 0.6  # of the shift of a whole field, dB; t with 5 degrees of freedom
LEARNING = (0.5, 0.3)  # mean and SD over eyes of what the first field lacks, dB
NEIGHBOUR_CORRELATION = 0.15  # of the noise of locations 6 degrees apart
FLOOR = -2.0  # sensitivity recorded for a stimulus not seen, dB
CEILING = 40.0  # no eye sees dimmer stimuli, whatever a Gaussian level's tail says, dB
AGE = (64.0, 11.0, 35.0, 90.0)  # mean, SD, limits at the first field, years


@dataclass(frozen=True)
class Simulated:
    """Simulated series; visits beyond an eye's number are masked.

    Attributes
    ----------
    level, slope : array (eye, location)
        Truth: total deviation at mid-follow-up (dB) and its change (dB/year).
    years : array (eye, visit)
        Since the first visit.
    age : array (eye,)
        At the first visit, years.
    sens : array (eye, visit, location)
        What the perimeter recorded, whole dB up to ``CEILING``, ``FLOOR`` where not seen.
    td : array (eye, visit, location)
        Its total deviation by the SUNY-IU norms, dB.
    mask : array (eye, visit) of bool
        True for the eye's visits.
    """

    level: np.ndarray
    slope: np.ndarray
    years: np.ndarray
    age: np.ndarray
    sens: np.ndarray
    td: np.ndarray
    mask: np.ndarray


def draw_truth(population: Population, eyes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Levels at mid-follow-up (dB) and slopes (dB/year) of ``eyes`` eyes: two arrays (eye, location)."""
    cluster = rng.choice(
        len(population.level.weight), eyes, p=population.level.weight / population.level.weight.sum()
    )
    level = population.level.draw(cluster, rng) + rng.normal(0, NORMATIVE_OFFSET_SD, (eyes, 1))
    level -= np.maximum(level.mean(1, keepdims=True) - BEST_LEVEL, 0)
    level = np.where(
        level > BEST_LOCATION / 2, BEST_LOCATION - BEST_LOCATION**2 / (4 * level.clip(min=0.1)), level
    )
    quarter = np.searchsorted(population.severity_edges, level.mean(1))
    cumulative = population.slope_weight.cumsum(1)
    cumulative /= cumulative[:, -1:]
    scale = SLOPE_SCALES[(rng.random((eyes, 1)) > cumulative[quarter]).sum(1)]
    slope = population.slope.draw(quarter, rng) * scale[:, None] * rng.uniform(0, TREATED, (eyes, 1))
    return level, slope


def simulate_series(
    population: Population,
    n_visits: np.ndarray,
    interval: float,
    rng: np.random.Generator,
    patient: np.ndarray | None = None,
) -> Simulated:
    """Draw one series for each entry of ``n_visits`` (eye,), its visits about ``interval`` years apart.

    Eyes of one ``patient`` (eye,), numbered from 0, are of one age; left out, every eye has its own.
    """
    grid, norms = load_grid("24-2"), load_norms("24-2")
    eyes, most = len(n_visits), int(n_visits.max())
    level, slope = draw_truth(population, eyes, rng)
    gaps = interval * rng.gamma(8.0, 1 / 8.0, (eyes, most))
    gaps[:, 0] = 0
    years = gaps.cumsum(1)
    mask = np.arange(most) < n_visits[:, None]
    follow_up = np.take_along_axis(years, n_visits[:, None] - 1, axis=1)

    truth = level[:, None] + slope[:, None] * (years - follow_up / 2)[..., None]
    distance = np.linalg.norm(grid.xy[:, None] - grid.xy[None], axis=-1)
    sd = noise_sd(level)[:, None] * rng.uniform(*WANDER_SD, (eyes, 1, 1))
    truth = truth + sd * _wander(gaps, distance, rng)

    age = np.clip(rng.normal(AGE[0], AGE[1], eyes), AGE[2], AGE[3])
    if patient is not None:
        age = age[patient]
    visit = VISIT_SD * rng.standard_t(5, (eyes, most, 1)) / np.sqrt(5 / 3)
    visit[:, 0] -= rng.normal(*LEARNING, (eyes, 1))
    normal = norms.intercept + norms.slope * (age[:, None] + years)[..., None]
    measured = normal + truth + visit + _noise(population, truth, distance, rng)
    sens = np.where(measured < 0, FLOOR, np.round(measured).clip(max=CEILING))
    return Simulated(level, slope, years, age, sens, sens - normal, mask)


def _wander(gaps: np.ndarray, distance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ornstein-Uhlenbeck paths of unit variance: (eye, visit, location), correlated over neighbouring locations."""
    chol = np.linalg.cholesky(0.3 + 0.4 * np.exp(-((distance / 10.0) ** 2)) + 0.3 * np.eye(len(distance)))
    shocks = rng.standard_normal((*gaps.shape, len(distance))) @ chol.T
    decay = np.exp(-gaps / rng.uniform(*WANDER_YEARS, (len(gaps), 1)))[..., None]
    paths = shocks
    # The recursion over visits is what makes the path; each step is all eyes and locations at once.
    for v in range(1, gaps.shape[1]):
        paths[:, v] = decay[:, v] * paths[:, v - 1] + np.sqrt(1 - decay[:, v] ** 2) * shocks[:, v]
    return paths


def _noise(
    population: Population, truth: np.ndarray, distance: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Noise of a test, dB, with the population's SD and shape at each level: the shape of ``truth``."""
    correlation = np.exp(distance * np.log(NEIGHBOUR_CORRELATION) / 6.0)
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
    return noise_sd(truth) * shape


def simulate_cohort(
    population: Population, options: Simulation, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A cohort as a clinic would export it, and its truth.

    Returns
    -------
    fields : DataFrame
        One row per field: ``patient_id, eye, date, age, false_positives, sens_1..sens_52``.
    truth : DataFrame
        One row per eye: ``patient_id, eye, rate`` (dB/year of mean TD), ``level_j`` (dB at mid-follow-up),
        ``slope_j`` (dB/year).
    """
    rng = np.random.default_rng(seed)
    grid = load_grid("24-2")
    n_visits = rng.integers(options.visits[0], options.visits[1] + 1, options.eyes)
    eyes_of_patient = 1 + (rng.random(options.eyes) < options.fellow_eyes)
    patient = np.repeat(np.arange(options.eyes), eyes_of_patient)[: options.eyes]
    series = simulate_series(population, n_visits, options.interval, rng, patient)
    fellow = np.diff(patient, prepend=-1) == 0
    right = rng.random(options.eyes) < 0.5
    right[fellow] = ~right[np.flatnonzero(fellow) - 1]
    eye = np.where(right, c.RIGHT, c.LEFT)
    ids = np.array([f"D{p + 1:04d}" for p in patient])

    rows, visits = np.nonzero(series.mask)
    # One first day, as one age, for both eyes: a patient has one birth date.
    first_day = rng.integers(0, 1500, options.eyes)[patient]
    start = pd.Timestamp("2010-01-04") + pd.to_timedelta(first_day, unit="D")
    days = np.round(series.years[rows, visits] * 365.25).astype(int)
    fields = pd.DataFrame(
        {
            c.PATIENT: ids[rows],
            c.EYE: eye[rows],
            c.DATE: (start[rows] + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"),
            c.AGE: (series.age[rows] + days / 365.25).round(2),
            c.FALSE_POSITIVES: rng.beta(1.0, 25.0, len(rows)).round(2),
        }
    )
    values = pd.DataFrame(series.sens[rows, visits].astype(int), columns=c.sens(grid.n))
    truth = pd.concat(
        [
            pd.DataFrame({c.PATIENT: ids, c.EYE: eye, "rate": series.slope.mean(1)}),
            pd.DataFrame(series.level, columns=[f"level_{j}" for j in range(1, grid.n + 1)]),
            pd.DataFrame(series.slope, columns=[f"slope_{j}" for j in range(1, grid.n + 1)]),
        ],
        axis=1,
    )
    return pd.concat([fields, values], axis=1), truth
