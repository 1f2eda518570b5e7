"""Rates against known truth: posterior and least squares on the same simulated eyes, clinics unlike one another.

Run: python tests/benchmarks/rates.py. Prints RMSE (dB/year) and coverage of the 90 % interval by kind of eye, from
fields alone and with the nerve fibre layer. The prior is fitted to 300 eyes of each training clinic, 1,500 eyes of each
clinic are scored at 5 and at 10 visits.
"""

from __future__ import annotations

import numpy as np

from vfprog.config import Conditions, VisitShift
from vfprog.data.nerve_fibres import simulate_nerve_fibres
from vfprog.data.population import load_population
from vfprog.data.simulate import simulate_series
from vfprog.data.views import Views
from vfprog.forecast.rate_posterior import evidence, field_posterior
from vfprog.forecast.rate_prior import RatePrior, fit_rate_prior
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.regression import linear_regression

LEARNED, SCORED = 300, 1500
STAIRCASE = Conditions(wander=False, learning=False, visit_sd=0.0, rate_scale=(0, 1), test="staircase")
CLINICS = {
    "clinic": Conditions(),
    "staircase": STAIRCASE,
    "noisy": STAIRCASE.model_copy(
        update={"false_positives": 0.15, "false_negatives": 0.03, "visit_shift": VisitShift()}
    ),
    "untreated": Conditions(rate_scale=(1, 1)),
}


def draw(conditions: Conditions, n: np.ndarray, seed: int) -> tuple[Views, np.ndarray, np.ndarray]:
    """Both views of eyes with so many visits, true rates and mean levels."""
    rng = np.random.default_rng(seed)
    drawn = simulate_series(load_population(), n, 0.5, rng, conditions=conditions)
    mask = np.broadcast_to(drawn.mask[:, :, None], drawn.td.shape)
    last = np.where(drawn.mask, drawn.years, 0).max(1, keepdims=True)
    years = np.where(drawn.mask, drawn.years, last)
    thickness = simulate_nerve_fibres(drawn.course, drawn.age[:, None] + years, load_grid("24-2"), rng)
    measured = np.broadcast_to(drawn.mask[:, :, None], thickness.shape)
    views = Views(drawn.td * mask, mask, years, n, thickness * measured, measured)
    rate = linear_regression(drawn.truth.mean(2), years, drawn.mask).slope
    return views, rate, drawn.level.mean(1)


def learn(conditions: Conditions) -> RatePrior:
    """The prior of 300 eyes with 3 to 16 visits."""
    views, _, _ = draw(conditions, np.random.default_rng(5).integers(3, 17, LEARNED), seed=1)
    return fit_rate_prior(views.td, views.mask, views.years)


def score(prior: RatePrior, conditions: Conditions, visits: int) -> None:
    """Print one clinic's errors and coverage at a number of visits."""
    views, truth, level = draw(conditions, np.full(SCORED, visits), seed=2 + visits)
    slope = linear_regression(views.td.mean(2), views.years, views.mask.any(2)).slope
    kinds = {
        "all": np.ones(SCORED, dtype=bool),
        "mild": level > -6,
        "moderate": (level <= -6) & (level > -12),
        "severe": level <= -12,
        "true rate < -0.7": truth < -0.7,
    }
    for name, seen in (("fields alone", views.without_structure()), ("both views", views)):
        rates = [field_posterior(part, prior).rate for part in evidence(seen, prior)]
        rate = np.concatenate([r.expectation() for r in rates])
        lower, upper = (np.concatenate([r.quantile(p) for r in rates]) for p in (0.05, 0.95))
        cells = []
        for kind, eyes in kinds.items():
            rmse, plain = (np.sqrt(((r - truth)[eyes] ** 2).mean()) for r in (rate, slope))
            covered = ((truth >= lower) & (truth <= upper))[eyes].mean()
            cells.append(
                f"{kind} {rmse:.3f} (least squares {plain:.3f}, covers {covered:.2f}, n={eyes.sum()})"
            )
        print(f"    {visits:2d} visits, {name}: " + "; ".join(cells))


if __name__ == "__main__":
    for learned in CLINICS:
        fitted = learn(CLINICS[learned])
        print(f"prior of {learned}: {fitted.scatter}")
        for served in CLINICS:
            print(f"  served: {served}")
            for at in (5, 10):
                score(fitted, CLINICS[served], at)
