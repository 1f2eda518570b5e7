"""What the networks are trained on: simulated series and the training patients' own."""

from __future__ import annotations

import numpy as np
import torch

from vfprog.data.population import load_population
from vfprog.data.series import Series
from vfprog.data.simulate import simulate_series
from vfprog.model.summary import FieldSummary, concatenate, summarise

FIRST_VISITS = (1, 2, 3, 5, 8, 14)  # each eye's series counts once for each of these that it reaches
SIMULATED_VISITS = (1, 14)
SIMULATED_INTERVAL = 0.5  # years
CHUNK = 5000  # series simulated at a time, to bound the memory


def simulated_summary(series: int, seed: int) -> FieldSummary:
    """Statistics of ``series`` series drawn from the shipped population."""
    population = load_population()
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, series, CHUNK):
        n_visits = rng.integers(SIMULATED_VISITS[0], SIMULATED_VISITS[1] + 1, min(CHUNK, series - start))
        drawn = simulate_series(population, n_visits, SIMULATED_INTERVAL, rng)
        td = torch.as_tensor(drawn.td, dtype=torch.float32)
        parts.append(summarise(td, torch.as_tensor(drawn.mask)[..., None].expand_as(td)))
    return concatenate(parts)


def series_summary(series: Series) -> FieldSummary:
    """Statistics of real series, each cut at several numbers of first visits, as a clinic sees them grow."""
    parts = []
    for n in FIRST_VISITS:
        enough = torch.nonzero(series.n_visits >= n)[:, 0]
        if len(enough):
            first = series[enough].first(n)
            parts.append(summarise(first.td, first.mask))
    return concatenate(parts)
