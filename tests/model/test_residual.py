"""The residual process: what its scalars mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense import XY, random_process
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from vfprog.model.residual import SCALES, START, ResidualProcess
from vfprog.model.spatial import spatial_basis
from vfprog.perimetry.loss import LOSS, LOSS_LEVEL
from vfprog.perimetry.noise import growth, noise_sd

seeds = st.integers(0, 2**31 - 1)


PARTS = ("standing", "drift", "wander", "noise")


@pytest.mark.parametrize("part", PARTS)
def test_spectrum_is_that_of_common_local_and_own_parts(part: str) -> None:
    process = random_process(3)
    p = {name: value.item() for name, value in process.scalars.items()}
    vectors, roughness = (t.numpy() for t in spatial_basis(XY))
    laplacian = vectors @ np.diag(roughness) @ vectors.T
    smooth = expm(-0.5 * np.exp(2 * p[f"{part}_length"]) * laplacian)
    smooth = smooth * 5 / np.trace(smooth)
    R = (
        np.exp(p.get(f"{part}_common", -np.inf))  # the noise has none: a whole field's is the visit's shift
        + np.exp(p[f"{part}_local"]) * smooth
        + np.exp(p[f"{part}_own"]) * np.eye(5)
    )
    found = vectors @ np.diag(process.spectrum(part).detach()) @ vectors.T
    np.testing.assert_allclose(found, R, rtol=1e-9, atol=1e-12)


def test_a_wander_fades() -> None:
    process = random_process(1)
    tau = process.scalars["tau"].exp().item()
    left = process.wander_left(torch.tensor([0.0, tau, 1e4], dtype=torch.float64))
    np.testing.assert_allclose(left.detach(), [1, np.exp(-1), 0], atol=1e-12)


@given(seed=seeds, level=st.floats(-34, 3))
def test_drift_is_between_the_noise_and_the_expected_loss(seed: int, level: float) -> None:
    process = random_process(seed)
    levels = torch.tensor([[level]], dtype=torch.float64)
    s = torch.tensor([[float(noise_sd(np.array(level)))]], dtype=torch.float64)
    found = {}
    for share in (0.0, 0.5, 1.0):
        with torch.no_grad():
            process.scalars["drift_by_loss"].fill_(share)
            found[share] = process.drift_unit(levels, s).item()
    assert found[0.0] == pytest.approx(s.item())
    assert found[1.0] == pytest.approx(5 * np.exp(np.interp(level, LOSS_LEVEL, np.log(LOSS))))
    assert found[0.5] == pytest.approx(np.sqrt(found[0.0] * found[1.0]))


def test_components_are_weighed_by_level() -> None:
    moved = {"stable_logit": 0.3, "stable_by_level": -0.7, "fast_logit": -2.0, "fast_by_level": 0.4}
    process = ResidualProcess(XY, START | moved).double()
    found = process.log_weights(torch.tensor([-5.0, 5.0], dtype=torch.float64)).exp().detach()
    for weight, logits in zip(found, [(0.3, 0, -2.0), (0.3 - 1.4, 0, -2.0 + 0.8)], strict=True):
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(weight, expected, rtol=1e-6)
    assert found.shape[1] == len(SCALES) and SCALES[1] == 1.0


def test_scalars_can_be_written_down_and_taken_up_again() -> None:
    process = random_process(3)
    card = process.to_card()
    again = ResidualProcess(XY, card)
    assert set(card) == set(START) == set(process.scalars)
    for part in PARTS:
        torch.testing.assert_close(again.spectrum(part), process.spectrum(part), rtol=1e-4, atol=1e-6)
    with pytest.raises(KeyError):
        ResidualProcess(XY, {"tau": 1.0})


def test_distance_from_start() -> None:
    assert ResidualProcess(XY).squared_distance_from_start().item() == pytest.approx(0, abs=1e-12)
    moved = ResidualProcess(XY, START | {"tau": START["tau"] + 2, "noise_own": START["noise_own"] - 1})
    assert moved.squared_distance_from_start().item() == pytest.approx(5, rel=1e-5)


def test_noise_grows_outwards_as_perimetry_says() -> None:
    level = np.random.default_rng(0).uniform(-35, 5, (4, 7, 5))
    found = random_process(0).growth(torch.from_numpy(level))
    np.testing.assert_allclose(found.numpy(), growth(level, XY.numpy()))
