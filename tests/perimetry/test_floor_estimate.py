"""The floor found among values computed back from total deviation."""

from __future__ import annotations

import numpy as np
import pytest

from vfprog.perimetry.floor import FEWEST, WIDTH, estimate_floor


def sensitivities(at_floor: int, where: float = -1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seen = np.concatenate([rng.uniform(1, 12, 400), rng.normal(28, 3, 5000)])
    return np.concatenate([seen, where + rng.uniform(-0.7, 0.7, at_floor), [np.nan] * 5])


@pytest.mark.parametrize("where", [-2.0, -1.0, 0.5])
def test_the_pile_is_found(where: float) -> None:
    found = estimate_floor(sensitivities(300, where))
    assert found == pytest.approx(where + WIDTH, abs=0.6)
    assert found is not None and (sensitivities(300, where)[-305:-5] <= found).all()


@pytest.mark.parametrize("at_floor", [0, FEWEST // 2])
def test_where_nothing_piles_up_there_is_none(at_floor: int) -> None:
    assert estimate_floor(sensitivities(at_floor)) is None
