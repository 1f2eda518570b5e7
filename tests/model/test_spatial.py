"""The spatial basis: a diffusion over the field that is a squared exponential within a hemifield."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense import XY

from vfprog.model.spatial import spatial_basis
from vfprog.perimetry.grid import load_grid

FIELD = torch.as_tensor(load_grid("24-2").xy, dtype=torch.float64)


def diffusion(xy: torch.Tensor, length: float) -> np.ndarray:
    vectors, roughness = spatial_basis(xy)
    return ((vectors * torch.exp(-0.5 * length**2 * roughness)) @ vectors.T).numpy()


def diffusion_correlation(length: float) -> np.ndarray:
    covariance = diffusion(FIELD, length)
    sd = np.sqrt(np.diag(covariance))
    return covariance / np.outer(sd, sd)


@pytest.mark.parametrize("xy", [XY, FIELD], ids=["five", "24-2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vectors_are_orthonormal_and_the_first_is_constant(xy: torch.Tensor, dtype: torch.dtype) -> None:
    vectors, roughness = spatial_basis(xy.to(dtype))
    assert vectors.dtype == roughness.dtype == dtype
    n, tolerance = len(xy), 1e-12 if dtype == torch.float64 else 1e-6
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=tolerance)
    np.testing.assert_allclose(vectors[:, 0], n**-0.5, rtol=1e-6)
    assert roughness[0] < tolerance and (roughness.diff() > -tolerance).all() and (roughness[1:] > 0).all()


def test_diffusion_goes_from_each_location_alone_to_all_alike() -> None:
    np.testing.assert_allclose(diffusion(FIELD, 0.0), np.eye(52), atol=1e-12)
    np.testing.assert_allclose(diffusion(FIELD, 1e4), np.full((52, 52), 1 / 52), atol=1e-12)
    some = diffusion(FIELD, 8.0)
    assert (some > -1e-12).all()  # heat is nowhere negative
    np.testing.assert_allclose(some.sum(1), 1, rtol=1e-12)  # and is kept


@pytest.mark.parametrize("length", [6.0, 8.0, 11.0])
def test_within_a_hemifield_it_falls_with_distance_as_a_squared_exponential_does(length: float) -> None:
    correlation = diffusion_correlation(length)
    distance = torch.cdist(FIELD, FIELD).numpy()
    upper = FIELD[:, 1].numpy() > 0
    within = (upper[:, None] == upper) & (distance > 0)
    expected = np.exp(-(distance**2) / (2 * length**2))
    # On a grid as coarse as the length, a diffusion leaves more of the variance where it was.
    assert np.abs(correlation - expected)[within].mean() < 0.1
    assert np.corrcoef(correlation[within], expected[within])[0, 1] > 0.97
    assert (correlation <= diffusion_correlation(length + 2) + 1e-9)[within].all()


def test_the_horizontal_meridian_sets_apart() -> None:
    correlation = diffusion_correlation(6.0)
    distance = torch.cdist(FIELD, FIELD).numpy()
    upper = FIELD[:, 1].numpy() > 0
    neighbours = np.isclose(distance, 6.0)
    across = neighbours & (upper[:, None] != upper)
    assert across.any()
    assert correlation[across].mean() < 0.5 * correlation[neighbours & ~across].mean()
