"""How fast a location of a given level loses sight, relative to others of its eye."""

from __future__ import annotations

import numpy as np

# What locations of a level lose in the 30 % of UWHVF's eyes that worsen most, relative to others: signs of worsening.
LOSS_LEVEL = np.array([-32.0, -26, -20, -12.5, -7.5, -3.5, -1, 1, 3])  # dB
LOSS = np.array([2.7, 4, 4.3, 2.7, 1.4, 0.73, 0.27, 0.13, 0.07])

# How fast locations of a level change either way, in all eyes: fastest near -18 dB, slow where the field is still
# normal or already blind. Fitted by likelihood to the 2,782 UWHVF eyes' regressions (Montesano et al., TVST
# 2022;11(1):2), see tests/benchmarks/rate_population.py.
FOCAL_LEVEL = np.array([-30, -24, -18, -12, -8, -5, -2.5, 0, 3.0])  # dB
FOCAL = np.array([0.3, 2.3, 3.8, 3.1, 2.1, 1.25, 0.7, 0.4, 0.4])


def focal_loss(level: np.ndarray) -> np.ndarray:
    """Relative loss at levels of total deviation (dB): any shape."""
    return np.interp(level, FOCAL_LEVEL, FOCAL)
