"""Every detection score under one call, larger where an eye worsens more surely: the detector's beside the classical.

All but the detector's are compared as they are used: MD trend and PoPLR by p-value, PLR by its count of locations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vfprog.config import RatesConfig
from vfprog.data.views import Views
from vfprog.forecast.calibrate import measured_mtd
from vfprog.forecast.detection import Detector
from vfprog.perimetry.classical import poplr_cohort
from vfprog.perimetry.criteria import plr_criteria
from vfprog.perimetry.poplr import combined_statistics
from vfprog.perimetry.regression import Regression, linear_regression
from vfprog.perimetry.weighted_slope import mean_slope, structure_score, weighted_slope

DB_PER_MICROMETRE = 0.3  # about what brings a slope of thickness and one of mean TD to one scale of noise
LOWEST = -1e9  # of an eye for which a score is not defined: it is flagged last
CHUNK = 4096  # series scored at once

Score = Callable[[Views], np.ndarray]


def score_functions(views: Views, detector: Detector, options: RatesConfig) -> dict[str, Score]:
    """The scores that views allow, by name, in the order of the tables: each a function of views to (eye,).

    ``p_progressing`` is the detector's, with structure where there is one; ``p_progressing_function`` then leaves
    structure out. ``zf`` and ``zf_zs`` are the plain weighted slopes, ``rnfl_md_sum`` the sum of the slopes of mean TD
    and of mean thickness, the latter as dB.
    """
    censored = options.floor == "censored"
    functional: dict[str, Score] = {
        "md_trend": lambda v: -_md_trend(v).p,
        "plr": lambda v: plr_criteria(*_held(v, censored)).net,
        "zf": lambda v: weighted_slope(v.td, v.mask, v.years),
        "p_progressing": lambda v: detector.detect(v).log_odds,
    }
    if views.thickness is None:
        return functional
    structural: dict[str, Score] = {
        "p_progressing_function": lambda v: detector.detect(v.without_structure()).log_odds,
        "rnfl_md_sum": lambda v: -_md_trend(v).slope - DB_PER_MICROMETRE * mean_slope(*_structure(v)),
        "zf_zs": lambda v: weighted_slope(v.td, v.mask, v.years) + structure_score(*_structure(v)),
    }
    return {**functional, **structural}


def all_scores(views: Views, detector: Detector, options: RatesConfig, seed: int) -> dict[str, np.ndarray]:
    """Every score of eyes, PoPLR's among them: arrays (eye,)."""
    found = {
        name: _chunked(score, views) for name, score in score_functions(views, detector, options).items()
    }
    td, years, mask = _held(views, options.floor == "censored")
    return {**found, "poplr": _defined(-poplr_cohort(td, mask, years, options.poplr_permutations, seed))}


def shuffled_scores(
    views: Views, detector: Detector, options: RatesConfig, shuffles: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The same scores of eyes whose visits come in random orders: arrays (shuffle, eye).

    PoPLR's p of a shuffled series is the rank of its statistic among those of the other shuffles, as it is among
    permutations anyway. Eyes all have the same number of visits.
    """
    repeated = views[np.tile(np.arange(len(views)), shuffles)].shuffled(rng)
    found = {
        name: _chunked(score, repeated).reshape(shuffles, -1)
        for name, score in score_functions(views, detector, options).items()
    }
    td, years, mask = _held(views, options.floor == "censored")
    orders = rng.permuted(np.tile(np.arange(years.shape[1]), (shuffles, 1)), axis=1)
    together = max(CHUNK * 50 // shuffles, 1)
    s = np.concatenate(
        [
            combined_statistics(np.where(mask[i], td[i], np.nan), years[i], orders, 1.0)
            for i in (slice(at, at + together) for at in range(0, len(views), together))
        ]
    )
    return {**found, "poplr": s.argsort(1).argsort(1).T.astype(float)}


def _md_trend(views: Views) -> Regression:
    return linear_regression(measured_mtd(views.td, views.mask), views.years, np.any(views.mask, axis=2))


def _held(views: Views, censored: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """td, years, mask as pointwise methods take them, values at the floor censored where that is known and wanted."""
    views = views.floor_held() if censored else views
    return views.td, views.years, views.mask


def _structure(views: Views) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert views.thickness is not None and views.measured is not None, "the caller has looked"
    return views.thickness, views.measured, views.years


def _chunked(score: Score, views: Views) -> np.ndarray:
    parts = [score(views[at : at + CHUNK]) for at in range(0, max(len(views), 1), CHUNK)]
    return _defined(np.concatenate(parts).astype(float))


def _defined(score: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(score), score, LOWEST)
