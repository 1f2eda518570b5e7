"""Small series that the forecasting tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from vfprog.data.series import Series, padded_series


@pytest.fixture
def make_series() -> Callable[..., Series]:
    """Series of eyes with given mean-TD slopes (dB/year): visits every half year, white noise, 52 locations."""

    def make(
        slopes: np.ndarray, visits: int = 8, noise: float = 1.0, level: float = -3.0, seed: int = 0
    ) -> Series:
        rng = np.random.default_rng(seed)
        years = np.tile(np.arange(visits) / 2, (len(slopes), 1))
        # Noise shared by a visit's locations, so that a visit's mean TD has this noise too.
        td = level + slopes[:, None, None] * years[..., None] + noise * rng.standard_normal((*years.shape, 1))
        td = td + rng.standard_normal((*years.shape, 52))
        n = np.full(len(slopes), visits)
        return padded_series(td.reshape(-1, 52), years.ravel(), n, torch.float64)

    return make


@pytest.fixture
def make_eyes() -> Callable[[int], pd.DataFrame]:
    """Identities of ``n`` eyes, two to a patient."""
    return lambda n: pd.DataFrame(
        {
            "patient_id": [f"P{i // 2}" for i in range(n)],
            "eye": ["OD" if i % 2 == 0 else "OS" for i in range(n)],
        }
    )
