"""How many eyes a score flags after 2 and 4 years, at a specificity that needs no known truth.

The threshold of each score is set on the cohort's own visits in random order, in which nothing progresses: it flags 5 %
of those. Shuffling also breaks up what wanders over years without progressing, so ``reversed``, the share of eyes
flagged with time running backwards, stands beside: nobody's glaucoma improves, and a score that flags many reversed
eyes flags wander.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import EvaluationConfig, RatesConfig
from vfprog.data.views import Views
from vfprog.forecast.detection import Detector
from vfprog.forecast.detection_scores import LOWEST, Score, score_functions
from vfprog.forecast.roc import SPECIFICITY
from vfprog.forecast.score import by_patient, patient_bootstrap
from vfprog.perimetry.weighted_slope import MIN_VISITS

AFTER_YEARS = (2.0, 4.0)
BASELINE = "md_trend"
SHOWN = (BASELINE, "p_progressing")
SHUFFLED = 50_000  # series, about; small cohorts are shuffled as often as the config says
DAY = 1 / 365.25  # years; visits on the very day count

COLUMNS = ["score", "years", "flagged", "lower", "upper", "reversed", "difference", "difference_lower",
           "difference_upper", "n_eyes", "n_patients"]  # fmt: skip


def flagged_table(
    eyes: pd.DataFrame,
    views: Views,
    detector: Detector,
    rates: RatesConfig,
    options: EvaluationConfig,
    seed: int,
) -> pd.DataFrame:
    """``flagged.csv``: share of eyes flagged after some years, with 95 % patient-bootstrap intervals.

    Eyes count that were followed so long and tested three times or more by then; ``difference`` is the share less
    that of MD trend on the same eyes. The threshold is not resampled.
    """
    rows: list[dict] = []
    for years in AFTER_YEARS:
        followed = views.years.max(1, initial=0) >= years - DAY
        cut = views.until(years + DAY)
        chosen = np.flatnonzero(followed & (cut.n_visits >= MIN_VISITS))
        if len(chosen):
            seen = eyes.iloc[chosen].reset_index(drop=True)
            rows += _rows(seen, cut[chosen], years, detector, rates, options, seed)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    eyes: pd.DataFrame,
    views: Views,
    years: float,
    detector: Detector,
    rates: RatesConfig,
    options: EvaluationConfig,
    seed: int,
) -> list[dict]:
    """A row for each score, from eyes cut to the first ``years``."""
    patient, bootstrap = patient_bootstrap(eyes, options, seed)
    everyone = np.ones(len(views), bool)
    shuffles = int(np.clip(SHUFFLED // len(views), 2, options.detection_shuffles))
    rng = np.random.default_rng([seed, round(years)])
    shuffled = [views.shuffled(rng) for _ in range(shuffles)]
    functions = score_functions(views, detector, rates)
    above = {name: _above_shuffled(functions[name], shuffled, (views, views.reversed())) for name in SHOWN}

    def interval(columns: tuple[str, str, str], value: np.ndarray) -> dict[str, float]:
        found = bootstrap.mean(*by_patient(value, everyone, patient, bootstrap.patients))
        return dict(zip(columns, found, strict=True))

    return [
        {"score": name, "years": years, "reversed": float(backwards.mean())}
        | interval(("flagged", "lower", "upper"), flagged)
        | interval(("difference", "difference_lower", "difference_upper"), flagged - above[BASELINE][0])
        | {"n_eyes": len(eyes), "n_patients": eyes[c.PATIENT].nunique()}
        for name, (flagged, backwards) in above.items()
    ]


def _above_shuffled(score: Score, shuffled: list[Views], cases: tuple[Views, Views]) -> list[np.ndarray]:
    """Which eyes of each case exceed the score's threshold on shuffled visits: 1 and 0, (eye,)."""
    threshold = np.quantile(np.concatenate([_score(score, views) for views in shuffled]), SPECIFICITY)
    return [(_score(score, views) > threshold).astype(float) for views in cases]


def _score(score: Score, views: Views) -> np.ndarray:
    found = score(views)
    return np.where(np.isfinite(found), found, LOWEST)
