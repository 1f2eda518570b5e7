"""How much of a loss is forecast when some of an eye's locations move and the others stand: the released model.

Run: python tests/benchmarks/moving_locations.py. Neighbouring locations of fields of -3 dB lose steadily, half-yearly
tests have the noise of their level and place and shifted visits. Prints the mean forecast of these locations a year
after the last visit beside the truth. Takes seconds. It says what a location that is not like its field comes to;
nothing is chosen on it.
"""

from __future__ import annotations

import numpy as np
import torch

from vfprog.data.series import Series
from vfprog.forecast.serving import load_model
from vfprog.model.latent import LatentTrajectory
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import growth, noise_sd
from vfprog.provenance import PACKAGE

EYES, LEVEL, VISIT_SD = 100, -3.0, 0.5
CENTRE = (9.0, 9.0)  # degrees: the moving locations lie nearest to it
GRID = load_grid("24-2")


def moving(locations: int, slope: float, visits: int) -> tuple[Series, np.ndarray, np.ndarray]:
    """Eyes, which of their locations move, and what these come to a year after the last visit, dB."""
    rng = np.random.default_rng(1)
    away = np.hypot(*(GRID.xy - CENTRE).T)
    moves = away <= np.sort(away)[locations - 1]
    years = np.arange(visits) / 2
    course = LEVEL + np.outer(years, slope * moves)
    noise = noise_sd(course) * growth(course, GRID.xy) * rng.standard_normal((EYES, visits, GRID.n))
    td = torch.tensor(course + noise + VISIT_SD * rng.standard_normal((EYES, visits, 1)), dtype=torch.float32)
    times = torch.tensor(years, dtype=torch.float32).expand(EYES, -1)
    series = Series(td, torch.ones_like(td, dtype=torch.bool), times, torch.full((EYES,), visits))
    return series, moves, course[-1, moves] + slope


def main() -> None:
    """Print truth and forecast by how many locations move, how fast, and over how many visits."""
    model = load_model(PACKAGE / "resources" / "models" / "24-2", GRID, torch.device("cpu"))
    method = LatentTrajectory(model.vae, model.residuals["trajectory"], network=True, drift=True)
    for locations, slope in ((1, -2.0), (5, -2.0), (12, -2.0), (GRID.n, -1.0), (GRID.n, -2.0)):
        for visits in (5, 10, 16):
            series, moves, truth = moving(locations, slope, visits)
            path = method.fit(series)
            found = method.predict(path, path.last_years[:, None] + 1).td[:, 0, torch.tensor(moves)]
            print(
                f"{locations:2d} locations lose {-slope:g} dB/year, {visits:2d} visits: {truth.mean():6.1f} dB a year "
                f"on, forecast {found.mean():6.1f}"
            )


if __name__ == "__main__":
    main()
