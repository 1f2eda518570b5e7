"""Networks: interpolation as numpy does it, noise by level, and bounds that keep training finite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import linear_vae, random_summary, tiny_vae

from vfprog.model.nets import CENTRE, LARGEST_LOG_SD, TestNoise, interpolate
from vfprog.model.summary import FieldSummary
from vfprog.perimetry.noise import NOISE_LEVEL, NOISE_SD, noise_sd

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, knots=st.integers(2, 8))
def test_interpolation_is_numpys(seed: int, knots: int) -> None:
    rng = np.random.default_rng(seed)
    at, values = rng.uniform(0.1, 3, knots).cumsum(), rng.normal(size=knots)
    x = np.concatenate([rng.uniform(at[0] - 2, at[-1] + 2, 20), at])
    found = interpolate(torch.as_tensor(x), torch.as_tensor(at), torch.as_tensor(values))
    np.testing.assert_allclose(found, np.interp(x, at, values), atol=1e-12)


def test_gradients_are_the_slopes_and_finite_everywhere() -> None:
    knots = torch.tensor([-2.0, 0.0, 4.0], dtype=torch.float64)
    values = torch.tensor([1.0, 5.0, 3.0], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([-50.0, -2.0, -1.0, 0.0, 1.0, 4.0, 1e6], dtype=torch.float64, requires_grad=True)
    by_x, by_value = torch.autograd.grad(interpolate(x, knots, values).sum(), (x, values))
    assert torch.isfinite(by_x).all() and torch.isfinite(by_value).all()
    assert by_x[[0, 2, 4, 6]].tolist() == [0.0, 2.0, -0.5, 0.0]
    # Weights of the knots at each x sum to 1: -50, -2 and half of -1 on the first, and so on.
    np.testing.assert_allclose(by_value, [2.5, 0.5 + 1 + 0.75, 0.25 + 1 + 1])


def test_noise_starts_at_the_measured_table_and_learns_a_factor_at_each_level() -> None:
    noise = TestNoise().double()
    level = torch.tensor([*NOISE_LEVEL, -80.0, 30.0], dtype=torch.float64)
    np.testing.assert_allclose(noise(level).detach(), noise_sd(level.numpy()), rtol=1e-6)
    with torch.no_grad():
        noise.log_factor[4] = np.log(2.0)
    np.testing.assert_allclose(noise(level)[4].item(), 2 * NOISE_SD[4], rtol=1e-6)
    np.testing.assert_allclose(noise(level).detach()[[3, 5]], NOISE_SD[[3, 5]], rtol=1e-6)
    assert set(dict(noise.named_parameters())) == {"log_factor"}


def test_decoder_is_linear_where_its_network_is_silent() -> None:
    weight = torch.arange(10.0, dtype=torch.float64).reshape(5, 2)
    z = torch.tensor([[0.0, 0.0], [1.0, -2.0]], dtype=torch.float64)
    decoded = linear_vae(weight, 2.0).model.decoder(z)
    torch.testing.assert_close(decoded, 5 * z @ weight.T - 3)


def test_a_location_never_tested_is_to_the_guide_as_the_population_centre() -> None:
    summary, vae = random_summary(3, tested=0.4), tiny_vae()
    untested = ~summary.mask
    assert untested.any()
    centred = replace(
        summary,
        mean=torch.where(untested, CENTRE, summary.mean),
        count=torch.where(untested, 1.0, summary.count),
    )
    for unseen, seen in zip(vae.guide.encoder(summary), vae.guide.encoder(centred), strict=True):
        torch.testing.assert_close(unseen, seen)


def test_guide_stays_within_its_bounds_for_odd_fields() -> None:
    summary = random_summary(1)
    odd = FieldSummary(
        1e4 * summary.mean, summary.squares, -1e4 * summary.skew, summary.count, summary.n_visits
    )
    for seed in range(5):
        z_loc, z_scale = tiny_vae(seed=seed).guide.encoder(odd)
        assert torch.isfinite(z_loc).all()
        assert (z_scale >= np.exp(-6.0) * 0.999).all() and (z_scale <= np.exp(LARGEST_LOG_SD) * 1.001).all()
