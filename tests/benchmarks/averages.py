"""How far the fit of paths has settled after ``REFINEMENTS`` and ``AVERAGES`` of vfprog/model/latent.py.

Run: python tests/benchmarks/averages.py results/evaluation/rotterdam/visits.parquet, or the visits of another cohort.
Fits the first ten visits with the released model and prints, by both numbers, how far rate and mean TD at the last
visit and the farthest latent lie from those after many of both, in posterior SDs: the median, 90 % and all of the eyes.
Takes seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from vfprog.data.schema import read_visits
from vfprog.data.series import series_from_visits
from vfprog.forecast.serving import load_model
from vfprog.model import latent
from vfprog.model.latent import LatentTrajectory
from vfprog.perimetry.grid import load_grid
from vfprog.provenance import PACKAGE

VISITS = 10
MANY = (15, 8)


def main() -> None:
    """Print the distances."""
    grid = load_grid("24-2")
    model = load_model(PACKAGE / "resources" / "models" / "24-2", grid, torch.device("cpu"))
    series = series_from_visits(read_visits(Path(sys.argv[1]), grid, included_only=True), grid).first(VISITS)
    method = LatentTrajectory(model.vae, model.residuals["trajectory"], network=True, drift=True)
    paths = {}
    for numbers in (MANY, (2, 1), (2, 2), (8, 2), (2, 4), (2, 8)):
        latent.REFINEMENTS, latent.AVERAGES = numbers
        paths[numbers] = method.fit(series)
    settled = paths[MANY]
    quantiles = torch.tensor([0.5, 0.9, 1.0])
    for (refinements, averages), path in paths.items():
        apart = {
            "rate": (path.state - settled.state)[..., 1].mean(1) / settled.md_cov[:, 1, 1].sqrt(),
            "mean TD": (path.td - settled.td).mean(1) / settled.md_cov[:, 0, 0].sqrt(),
            "latent": ((path.z_start - settled.z_start) / settled.z_start_sd).abs().amax(1),
        }
        found = "; ".join(
            f"{name} {' '.join(f'{q:.2f}' for q in value.abs().quantile(quantiles))}"
            for name, value in apart.items()
        )
        print(f"{refinements:2d} refinements, {averages} averages: {found}")


if __name__ == "__main__":
    main()
