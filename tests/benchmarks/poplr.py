"""Time of the classical analyses by eye.

On one core: ``OPENBLAS_NUM_THREADS=1 python tests/benchmarks/poplr.py``.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from vfprog.perimetry.poplr import poplr
from vfprog.perimetry.regression import linear_regression

PERMUTATIONS, LOCATIONS, EYES = 5000, 52, 50


def main() -> None:
    """Print milliseconds by eye and number of visits."""
    rng = np.random.default_rng(1)
    print("visits  PoPLR, ms/eye  PLR, ms/eye")
    for visits in (6, 7, 8, 12, 20):
        td = rng.normal(-3, 2, size=(EYES, visits, LOCATIONS))
        years = rng.uniform(0.3, 0.8, size=(EYES, visits)).cumsum(axis=1)
        poplr(td[0], years[0], PERMUTATIONS, rng)  # fills the table of log p

        start = perf_counter()
        poplr(td, years, PERMUTATIONS, rng)
        between = perf_counter()
        linear_regression(td, years, np.ones(td.shape, dtype=bool))
        end = perf_counter()
        print(f"{visits:6d}{1e3 * (between - start) / EYES:15.1f}{1e3 * (end - between) / EYES:13.3f}")


if __name__ == "__main__":
    main()
