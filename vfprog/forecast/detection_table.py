"""How well each score tells progressing eyes from stable ones: AUC, sensitivity, time to detection, and controls.

A score that sees the level of a field tells the groups apart by it where they differ in level, which is no detection.
The control is the same score on the same visits in random order, in which nothing progresses: its AUC must be 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import EvaluationConfig, RatesConfig
from vfprog.data.series import eyes_of
from vfprog.data.views import Views, views_from_visits
from vfprog.forecast.detection import Detector
from vfprog.forecast.detection_scores import all_scores, shuffled_scores
from vfprog.forecast.roc import auc, weighted_auc, weighted_sensitivity
from vfprog.forecast.score import PatientBootstrap
from vfprog.perimetry.grid import Grid
from vfprog.perimetry.weighted_slope import MIN_VISITS

STABLE_RATE = -0.05  # dB/year; where truth is a rate, eyes above it are stable
MIN_GROUP = 10  # eyes a group; below, nothing is said
SHUFFLED_EYES = (
    250  # most eyes a group whose visits are shuffled, spread evenly: it is a mean over many shuffles
)
TOGETHER = 2**15  # shuffled series in memory at once
# Of the paired differences; the last where structure is known.
BASELINES = ("md_trend", "poplr", "zf", "zf_zs")

DETECTION = ["score", "n_visits", "auc", "auc_lower", "auc_upper", "sensitivity_at_95", "sensitivity_lower",
             "sensitivity_upper", "auc_shuffled", "n_eyes", "n_progressing", "n_stable", "n_persons"]  # fmt: skip
DIFFERENCES = ["score", "baseline", "n_visits", "difference", "lower", "upper", "n_eyes", "n_persons"]
TIMES = ["score", "n_visits", "flagged", "lower", "upper", "n_eyes", "n_persons"]


@dataclass(frozen=True)
class Group:
    """Eyes of one kind: their views, and the number of each one's person."""

    views: Views
    person: np.ndarray

    def first(self, n: int) -> Group:
        """The eyes with as many visits, cut to them."""
        enough = self.views.n_visits >= n
        return Group(self.views[enough].first(n), self.person[enough])


@dataclass(frozen=True)
class Labelled:
    """Progressing and stable eyes; ``persons`` are numbered over both."""

    progressing: Group
    stable: Group
    persons: int

    def first(self, n: int) -> Labelled | None:
        """Both groups' eyes with as many visits, cut to them; None where a group is too small."""
        cut = Labelled(self.progressing.first(n), self.stable.first(n), self.persons)
        return cut if min(len(cut.progressing.person), len(cut.stable.person)) >= MIN_GROUP else None


def against_twin(visits: pd.DataFrame, twin: pd.DataFrame, grid: Grid, sectors: list[str]) -> Labelled:
    """The cohort's eyes as progressing, the twin cohort's as stable; persons of one name are one."""
    tables = (visits, twin)
    person = pd.factorize(np.concatenate([_person_of_eyes(table) for table in tables]))[0]
    split = len(eyes_of(visits))
    progressing, stable = (
        Group(views_from_visits(table, grid, sectors), own)
        for table, own in zip(tables, (person[:split], person[split:]), strict=True)
    )
    return Labelled(progressing, stable, int(person.max()) + 1)


def worsening(
    visits: pd.DataFrame, twin: pd.DataFrame, truth: pd.DataFrame, options: RatesConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The visits of eyes of a true rate below ``options.progressing_rate``, and the twins of their persons.

    Of eyes drawn from a population some do not worsen, so that there is nothing to detect.
    """
    chosen = truth.loc[truth["rate"] < options.progressing_rate, c.EYE_KEY]
    of_eyes = visits.merge(chosen, on=c.EYE_KEY)
    return of_eyes, twin[_person(twin).isin(_person(of_eyes))]


def against_truth(
    visits: pd.DataFrame, truth: pd.DataFrame, options: RatesConfig, grid: Grid, sectors: list[str]
) -> Labelled:
    """Eyes of a true rate below ``options.progressing_rate`` as progressing, those above ``STABLE_RATE`` as stable."""
    person = pd.factorize(_person_of_eyes(visits))[0]
    rate = eyes_of(visits).merge(truth[[*c.EYE_KEY, "rate"]], on=c.EYE_KEY, how="left")["rate"].to_numpy()
    views = views_from_visits(visits, grid, sectors)
    progressing, stable = (
        Group(views[kind], person[kind]) for kind in (rate < options.progressing_rate, rate > STABLE_RATE)
    )
    return Labelled(progressing, stable, int(person.max()) + 1)


def _person_of_eyes(visits: pd.DataFrame) -> np.ndarray:
    """Whose eye each is, in the order of eyes_of."""
    return _person(visits.drop_duplicates(c.EYE_KEY)).to_numpy()


def _person(visits: pd.DataFrame) -> pd.Series:
    """Whose field each is."""
    return visits[c.PERSON if c.PERSON in visits else c.PATIENT].astype(str)


def detection_tables(
    eyes: Labelled, detector: Detector, rates: RatesConfig, options: EvaluationConfig, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """``detection.csv``, ``detection_differences.csv``, ``time_to_detection.csv``; no rows where groups are small."""
    weights = PatientBootstrap(eyes.persons, options.bootstrap, seed).weights
    detection: list[dict] = []
    differences: list[dict] = []
    times: list[dict] = []
    for n, cut in _cuts(eyes):
        scored = tuple(all_scores(g.views, detector, rates, seed) for g in (cut.progressing, cut.stable))
        compare = _Comparison(cut, weights, n, *scored)
        times += compare.times()
        if n in options.detection_visits:
            shuffled = _shuffled_auc(cut, detector, rates, options.detection_shuffles, seed)
            detection += compare.detection(shuffled)
            differences += compare.differences()
    return (
        pd.DataFrame(detection, columns=DETECTION),
        pd.DataFrame(differences, columns=DIFFERENCES),
        pd.DataFrame(times, columns=TIMES),
    )


def _cuts(eyes: Labelled) -> Iterator[tuple[int, Labelled]]:
    """Numbers of visits, and the eyes that have as many."""
    most = int(min(g.views.n_visits.max(initial=0) for g in (eyes.progressing, eyes.stable)))
    for n in range(MIN_VISITS, most + 1):
        cut = eyes.first(n)
        if cut is not None:
            yield n, cut


class _Comparison:
    """Statistics of all scores on the same eyes and the same bootstrap replicates.

    ``weights`` (replicate, person); ``progressing`` and ``stable`` hold each score's values in the two groups.
    """

    def __init__(
        self,
        eyes: Labelled,
        weights: np.ndarray,
        n: int,
        progressing: dict[str, np.ndarray],
        stable: dict[str, np.ndarray],
    ) -> None:
        p, s = eyes.progressing.person, eyes.stable.person
        sizes = {"n_progressing": len(p), "n_stable": len(s), "n_persons": len(np.union1d(p, s))}
        self.common = {"n_visits": n, "n_eyes": len(p) + len(s), **sizes}
        # The first row counts every eye once: the estimate itself.
        counted = [np.concatenate([np.ones((1, len(who))), weights[:, who]]) for who in (p, s)]
        scores = {name: (progressing[name], stable[name]) for name in progressing}
        self.auc = {name: weighted_auc(*both, *counted) for name, both in scores.items()}
        self.sensitivity = {name: weighted_sensitivity(*both, *counted) for name, both in scores.items()}

    def detection(self, shuffled: dict[str, float]) -> list[dict]:
        """Rows of ``detection.csv``."""
        sensitivity = ("sensitivity_at_95", "sensitivity_lower", "sensitivity_upper")
        return [
            {"score": name, "auc_shuffled": shuffled[name], **self.common}
            | _estimate(("auc", "auc_lower", "auc_upper"), self.auc[name])
            | _estimate(sensitivity, self.sensitivity[name])
            for name in self.auc
        ]

    def differences(self) -> list[dict]:
        """Rows of ``detection_differences.csv``: AUC less that of a baseline, replicate by replicate."""
        columns = ("difference", "lower", "upper")
        return [
            {"score": name, "baseline": baseline, **self.common}
            | _estimate(columns, self.auc[name] - self.auc[baseline])
            for baseline in BASELINES
            for name in self.auc
            if baseline in self.auc and name != baseline
        ]

    def times(self) -> list[dict]:
        """Rows of ``time_to_detection.csv``: progressing eyes flagged, the threshold from the stable eyes."""
        columns = ("flagged", "lower", "upper")
        return [
            {"score": name, **self.common} | _estimate(columns, found)
            for name, found in self.sensitivity.items()
        ]


def _estimate(columns: tuple[str, str, str], replicates: np.ndarray) -> dict[str, float]:
    """The estimate, which comes first, and the 95 % interval of the replicates after it, under three names."""
    drawn = replicates[1:]
    lower, upper = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
    return dict(zip(columns, (float(replicates[0]), float(lower), float(upper)), strict=True))


def _shuffled_auc(
    eyes: Labelled, detector: Detector, rates: RatesConfig, shuffles: int, seed: int
) -> dict[str, float]:
    """Mean AUC over shuffles of the visit order of every eye."""
    rng = np.random.default_rng([seed, 1])
    groups = [_spread(g.views, SHUFFLED_EYES) for g in (eyes.progressing, eyes.stable)]
    at_once = max(TOGETHER // max(map(len, groups)), 2)
    found: dict[str, list[np.ndarray]] = {}
    for done in range(0, shuffles, at_once):
        k = min(at_once, shuffles - done)
        both = [shuffled_scores(views, detector, rates, k, rng) for views in groups]
        for name in both[0]:
            found.setdefault(name, []).append(auc(both[0][name], both[1][name]))
    return {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}


def _spread(views: Views, most: int) -> Views:
    """At most so many eyes, evenly spread."""
    if len(views) <= most:
        return views
    return views[np.linspace(0, len(views) - 1, most).round().astype(int)]
