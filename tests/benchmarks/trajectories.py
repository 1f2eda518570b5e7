"""Time to fit paths to simulated eyes of 4 to 10 visits, by method, with and without what is known of the floor.

On two cores: ``OMP_NUM_THREADS=2 python tests/benchmarks/trajectories.py [eyes [method ...]]``. The networks are
untrained, which changes results but not the work; CPU time counts all cores.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter, process_time

import numpy as np
import torch

from vfprog.config import VaeConfig
from vfprog.data.population import load_population
from vfprog.data.series import Series, padded_series
from vfprog.data.simulate import simulate_series
from vfprog.forecast.methods import PROCESSES
from vfprog.inference.networks import build_vae
from vfprog.model.latent import LatentTrajectory
from vfprog.model.residual import ResidualProcess
from vfprog.perimetry.floor import BRIGHTEST
from vfprog.perimetry.grid import load_grid


def draw(eyes: int) -> Series:
    """Simulated eyes with 4 to 10 visits."""
    rng = np.random.default_rng(1)
    n_visits = rng.integers(4, 11, eyes)
    drawn = simulate_series(load_population(), n_visits, 0.5, rng)
    series = padded_series(drawn.td[drawn.mask], drawn.years[drawn.mask], n_visits, torch.float32)
    return replace(series, at_floor=torch.as_tensor(drawn.sens <= BRIGHTEST) & series.mask)


def main(eyes: int = 1000, names: Sequence[str] = ()) -> None:
    """Print seconds by method, of all or of some."""
    series = draw(eyes)
    assert series.at_floor is not None
    floored = series.at_floor.any(2).any(1).float().mean()
    torch.manual_seed(0)
    vae = build_vae(VaeConfig(), {"locations": 52}).eval()
    residual = ResidualProcess(torch.as_tensor(load_grid("24-2").xy, dtype=torch.float32))
    print(
        f"{eyes} eyes, {int(series.n_visits.sum())} visits; {floored:.0%} of the eyes have tests at the floor"
    )
    for name in names or PROCESSES:
        method = LatentTrajectory(vae, residual, **PROCESSES[name])
        for floor, given in (("as values", replace(series, at_floor=None)), ("at or below", series)):
            wall, cpu = perf_counter(), process_time()
            method.fit(given)
            wall, cpu = perf_counter() - wall, process_time() - cpu
            print(f"{name:10s} floor {floor:11s} {wall:7.1f} s  {cpu:7.1f} s CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000, sys.argv[2:])
