"""Stable eyes that the released detector flags, from fields alone, by conditions of testing and number of visits.

python tests/benchmarks/false_alarms.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import vfprog
from vfprog.config import Conditions, VisitShift
from vfprog.data.population import load_population
from vfprog.data.simulate import simulate_series
from vfprog.data.views import Views
from vfprog.forecast.detection import Detector
from vfprog.io import read_json
from vfprog.perimetry.floor import BRIGHTEST

CARD = Path(vfprog.__file__).parent / "resources" / "models" / "24-2" / "card.json"
EYES = 4000
SEVERE = -6.0  # dB
USUAL = {"stable": True, "learning": False}
HALF_YEARLY = {
    "as usual": {},
    "restless visits, SD 0.85 dB": {"visit_sd": 0.85},
    "one visit in ten 2 dB high or low": {"visit_shift": VisitShift()},
    "one in five, 3 dB": {"visit_shift": VisitShift(probability=0.2, size=3.0)},
    "staircase": {"test": "staircase"},
}
WEEK = 1 / 52
TIMES = {
    "yearly, two tests each": [year + test * WEEK for year in range(5) for test in range(2)],
    "five weekly, five weekly eight years on": [start + test * WEEK for start in (0, 8) for test in range(5)],
    "60 quarter-yearly": [0.25 * test for test in range(60)],
}


def main() -> None:
    """Print shares flagged: of all eyes, and of those below ``SEVERE``."""
    detector = Detector.from_card(read_json(CARD)["detector"])
    for name, more in HALF_YEARLY.items():
        views, severe = stable_eyes([0.5 * test for test in range(20)], **more)
        for n in (3, 4, 5, 8, 12, 20):
            report(f"{n:3d} half-yearly visits, {name}", detector.detect(views.first(n)).flagged, severe)
    for name, times in TIMES.items():
        views, severe = stable_eyes(times)
        report(f"{len(times):3d} visits, {name}", detector.detect(views).flagged, severe)


def stable_eyes(times: list[float], **conditions: object) -> tuple[Views, np.ndarray]:
    """Views of simulated stable eyes tested at about these times (years), and which are severe."""
    gaps = np.tile(np.diff(times, prepend=times[0]), (EYES, 1))
    drawn = simulate_series(
        load_population(),
        np.full(EYES, len(times)),
        gaps,
        np.random.default_rng(2),
        conditions=Conditions.model_validate({**USUAL, **conditions}),
    )
    tested = np.ones(drawn.td.shape, bool)
    views = Views(drawn.td, tested, drawn.years, np.full(EYES, len(times)), at_floor=drawn.sens <= BRIGHTEST)
    return views, drawn.level.mean(1) < SEVERE


def report(what: str, flagged: np.ndarray, severe: np.ndarray) -> None:
    """One line of the table."""
    print(f"{what:65s} {100 * flagged.mean():5.1f} %   severe {100 * flagged[severe].mean():5.1f} %")


if __name__ == "__main__":
    main()
