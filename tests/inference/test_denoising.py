"""Decoded fields against other tests of the same eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vfprog import columns as c
from vfprog.config import VaeConfig
from vfprog.data.field_examples import simulated_visits
from vfprog.inference import denoising as module
from vfprog.inference.checkpoint import load_network
from vfprog.inference.denoising import decoded_fields, forecast_mae, measured_fields, retest_mae
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")


def table(fields: list[list[float]], n_visits: list[int]) -> pd.DataFrame:
    """Visits of eyes whose fields hold one value everywhere, or NaN."""
    visits = pd.DataFrame(
        np.repeat(np.array(fields, dtype=float), GRID.n // len(fields[0]), axis=1), columns=c.td(GRID.n)
    )
    eye = np.repeat(np.arange(len(n_visits)), n_visits)
    return visits.assign(**{c.PATIENT: [f"P{i}" for i in eye], c.EYE: c.RIGHT})


def test_error_is_from_the_mean_of_the_other_fields() -> None:
    visits = table([[0.0], [-2.0], [-4.0], [-9.0]], [3, 1])
    decoded = np.full((4, GRID.n), -1.0)
    # Means of the others: -3, -2, -1; the eye with a single field has none.
    assert retest_mae(decoded, visits, GRID) == pytest.approx((2 + 1 + 0) / 3)
    assert np.isnan(retest_mae(decoded[3:], visits[3:], GRID))


def test_untested_values_are_left_out() -> None:
    visits = table([[0.0, np.nan], [-2.0, -6.0], [-4.0, -8.0]], [3])
    decoded = np.zeros((3, GRID.n))
    # The upper half as before; below, two fields of which each has the other for its mean.
    assert retest_mae(decoded, visits, GRID) == pytest.approx((3 + 2 + 1 + 8 + 6) / 5)


def test_forecast_is_the_mean_of_the_first_three_decoded_fields() -> None:
    visits = table([[0.0], [0.0], [0.0], [-5.0], [-7.0], [-1.0]], [5, 1])
    decoded = np.array([[-1.0], [-2.0], [-3.0], [50.0], [50.0], [50.0]]).repeat(GRID.n, axis=1)
    assert forecast_mae(decoded, visits, GRID) == pytest.approx((3 + 5) / 2)
    measured = measured_fields(visits, GRID)
    np.testing.assert_array_equal(measured, visits[c.td(GRID.n)].to_numpy())
    visits.loc[0, c.td(1)[0]] = np.nan
    filled = measured_fields(visits, GRID)[0]
    assert filled[0] == pytest.approx(filled[1:].mean())
    assert np.isnan(forecast_mae(decoded[5:], visits[5:], GRID))


@pytest.fixture(scope="module")
def network() -> Any:
    folder = VaeConfig(weights="released").folder
    assert folder is not None
    return load_network(folder / "weights.safetensors", folder / "architecture.json", torch.device("cpu"))


def test_decoded_fields_forecast_better_than_one_test(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = simulated_visits(40, 5, GRID, 1)
    decoded = decoded_fields(network, visits, GRID)
    assert decoded.shape == (200, GRID.n)
    raw = visits[c.td(GRID.n)].to_numpy(float)
    assert retest_mae(decoded, visits, GRID) < retest_mae(raw, visits, GRID)
    monkeypatch.setattr(module, "AT_ONCE", 33)
    np.testing.assert_allclose(decoded_fields(network, visits, GRID), decoded, atol=1e-4)
