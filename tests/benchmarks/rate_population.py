"""Where the constants of forecast/rate_prior.py and perimetry/loss.py come from: UWHVF's pointwise regressions.

Run: python tests/benchmarks/rate_population.py FOLDER, the folder of UWHVF's summaries (Montesano et al., TVST
2022;11(1):2). First the profile of focal loss, the sharing among locations and the errors of slopes, by gradient of
the likelihood of all 52 slopes of each eye; then weights and means of the mixture over both patterns, by EM on the
means of damaged and other locations. Prints each; about two minutes. The shipped constants are such a fit, rounded,
with noise correlated among neighbours and the ends of the profile, where few locations lie, held to 0.3 and 0.4.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import logsumexp
from torch import Tensor

from vfprog.forecast.rate_prior import (
    PACES,
    UWHVF_MEANS,
    UWHVF_WEIGHTS,
    RatePrior,
    by_damage,
    component_likelihoods,
    group_means,
)
from vfprog.forecast.rate_scatter import USUAL
from vfprog.forecast.rate_slopes import Slopes
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.loss import FOCAL, FOCAL_LEVEL
from vfprog.perimetry.noise import noise_sd

OFFSET = 2.2  # dB, between UWHVF's normal values and the perimeter's
WANDER_YEARS = 4.0
STEPS, BATCH = 240, 256
GRID = load_grid("24-2")


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slopes and mid-levels (eye, location), and variances of a slope through white noise and wander (eye,)."""
    tested = ~GRID.blind_spot
    summary = pd.read_csv(folder / "Series_Summary.csv.gz")
    summary.index = pd.Index(summary["PatID"].astype(str) + "_" + summary["Eye"])
    tables = [
        pd.read_csv(folder / f"Location_{name}_TD.csv.gz").set_index("PatID_Eye")
        for name in ("Slope", "Intercept")
    ]
    summary = summary.loc[tables[0].index]
    slope, start = (table.loc[tables[0].index].to_numpy()[:, tested] for table in tables)
    years, n = summary["Follow_up_length"].to_numpy(), summary["N_fields"].to_numpy()
    level = start + slope * years[:, None] / 2
    keep = (summary["Baseline_MTD"] < 4).to_numpy() & (years >= 1.5) & (np.abs(slope) < 8).all(1)
    keep &= np.isfinite(level).all(1)
    white, wander = np.transpose([_variances(t, v) for t, v in zip(years[keep], n[keep], strict=True)])
    return slope[keep], level[keep] + OFFSET, white, wander


def _variances(years: float, visits: int) -> tuple[float, float]:
    """Of a least-squares slope over evenly spread visits, through white noise and a wander of variance 1."""
    t = np.linspace(0, years, visits)
    weights = (t - t.mean()) / ((t - t.mean()) ** 2).sum()
    return weights @ weights, weights @ np.exp(-np.abs(t[:, None] - t) / WANDER_YEARS) @ weights


def fit_profile(data: tuple[np.ndarray, ...]) -> dict[str, Tensor]:
    """Parameters of the likelihood of slopes, by Adam; logs of whatever is positive."""
    slope, level, white, wander = (torch.tensor(a, dtype=torch.float64) for a in data)
    sd = torch.tensor(noise_sd(level.numpy()))
    xy = torch.tensor(GRID.xy)
    squared = ((xy[:, None] - xy) ** 2).sum(-1)
    near, half = torch.exp(-squared / 200), (xy[:, None, 1] * xy[:, 1] > 0).double()
    knots, own = torch.tensor(FOCAL_LEVEL), torch.eye(GRID.n, dtype=torch.float64)
    where = (torch.searchsorted(knots, level) - 1).clamp(0, len(knots) - 2)
    between = ((level - knots[where]) / (knots[where + 1] - knots[where])).clamp(0, 1)
    start = {
        "profile": torch.tensor(FOCAL).log(),
        "paces": torch.tensor([0.03, 0.15, 0.4, 0.9, 2.0]).log(),
        "weights": torch.zeros(5),
        "shared": torch.zeros(3),
        "wander_shared": torch.zeros(3),
        "mean": torch.tensor(-0.1),
        "scatter": torch.tensor([1.0, 0.25, 0.4]).log(),
    }
    parameters = {name: value.double().requires_grad_() for name, value in start.items()}
    optimiser = torch.optim.Adam(parameters.values(), lr=0.05)
    for step in range(STEPS):
        i = torch.as_tensor(np.random.default_rng(step).choice(len(slope), BATCH, replace=False))
        profile = torch.lerp(
            parameters["profile"].exp()[where[i]], parameters["profile"].exp()[where[i] + 1], between[i]
        )
        field, hemifield, alone = parameters["shared"].softmax(0)
        drift, close, still = parameters["wander_shared"].softmax(0)
        both = sd[i, :, None] * sd[i, None]
        test, wandering, visit = parameters["scatter"].exp()
        error = white[i, None, None] * (test * both * own + visit)
        error = error + wander[i, None, None] * wandering * both * (drift + close * near + still * own)
        pattern = profile[:, :, None] * profile[:, None] * (field + hemifield * half + alone * own)
        log = []
        for pace in parameters["paces"].exp():
            chol = torch.linalg.cholesky(error + pace**2 * pattern)
            residual = (slope[i] - parameters["mean"] * profile)[..., None]
            white_residual = torch.linalg.solve_triangular(chol, residual, upper=False)
            log_det = chol.diagonal(dim1=1, dim2=2).log().sum(1)
            log.append(-0.5 * (white_residual**2).sum((1, 2)) - log_det)
        loss = -torch.logsumexp(torch.stack(log, 1) + parameters["weights"].log_softmax(0), 1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: value.detach() for name, value in parameters.items()}


def fit_mixture(data: tuple[np.ndarray, ...], scatter: np.ndarray) -> RatePrior:
    """Weights and means over both patterns by EM, without any eyes beside UWHVF's."""
    slope, level, white, wander = data
    sd = noise_sd(level)
    both = sd[:, :, None] * sd[:, None]
    error = white[:, None, None] * (scatter[0] * both * np.eye(GRID.n) + scatter[2])
    error += wander[:, None, None] * scatter[1] * both * 0.5  # between shared by all and each location's own
    counted, nothing = np.ones(slope.shape, dtype=bool), np.zeros(len(slope))
    slopes = Slopes(slope, level, counted, error, np.zeros_like(error), nothing, nothing, nothing)
    means = group_means(slopes, by_damage(level, counted))
    prior = RatePrior(np.full(UWHVF_WEIGHTS.shape, 1 / UWHVF_WEIGHTS.size), UWHVF_MEANS, USUAL)
    for _ in range(200):
        log, precision, support = component_likelihoods(means, prior)
        log += np.log(np.maximum(prior.weights, 1e-6))
        r = np.exp(log - logsumexp(log, axis=(1, 2), keepdims=True))
        prior = RatePrior(r.mean(0), (r * support).sum((0, 2)) / (r * precision).sum((0, 2)), USUAL)
    return prior


if __name__ == "__main__":
    summaries = read(Path(sys.argv[1]))
    fitted = fit_profile(summaries)
    print("profile at", FOCAL_LEVEL, "dB:", fitted["profile"].exp().numpy().round(2))
    print("paces", fitted["paces"].exp().numpy().round(2), "mean", round(float(fitted["mean"]), 3))
    print("shared by field, hemifield, own:", fitted["shared"].softmax(0).numpy().round(2))
    print("test, wander, visit:", fitted["scatter"].exp().numpy().round(3))
    found = fit_mixture(summaries, fitted["scatter"].exp().numpy())
    print("weights at", PACES, ":\n", found.weights.round(3), "\nmeans", found.means.round(3))
