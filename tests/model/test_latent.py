"""Paths against plain conditioning of the whole joint normal of latents, residual process and tests."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from dense import METHODS, dense, later_rows, random_method
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import random_series, tiny_vae

from vfprog.data.series import Series
from vfprog.model import latent as module
from vfprog.model.archetypes import ArchetypeDecoder
from vfprog.model.field_vae import FieldVAE
from vfprog.model.latent import LatentTrajectory
from vfprog.model.linear import (
    FAR,
    PSEUDO_TESTS,
    USUAL_SCATTER,
    USUAL_UNREST,
    own_scatter,
    own_unrest,
)
from vfprog.model.nets import Decoder
from vfprog.model.residual import ResidualProcess
from vfprog.model.trajectory import Path
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import LOCATION_DEGREES

seeds = st.integers(0, 2**31 - 1)
methods = st.sampled_from(sorted(METHODS))
AHEAD = (0.0, 0.3, 2.0, 9.0)


@settings(max_examples=20)
@given(seed=seeds, name=methods)
def test_coordinates_are_those_of_the_joint_normal(seed: int, name: str) -> None:
    method, series = random_method(seed, name), random_series(seed, eyes=3, tested=0.7)
    linear = method.encoded(series)
    with torch.no_grad():
        found = method.conditioned(series, linear, method.covariance(series, linear.known)).posterior
        latents = [method._latents(found.mean[:, k]) for k in range(found.mean.shape[1])]
        alone = torch.eye(found.mean.shape[1], dtype=torch.float64)
        each = [replace(found, weight=w.expand_as(found.weight)).covariance().numpy() for w in alone]
    for eye in range(3):
        whole = dense(method, series, linear, eye)
        weight, means, covariances = whole.conditioned()
        np.testing.assert_allclose(found.weight[eye], weight, rtol=1e-7, atol=1e-12)
        k = whole.latent
        unit = np.ones(k)
        if method.drift:
            unit = np.repeat([1, np.exp(method.residual.scalars["latent_drift"].item())], k)
        for (start, slope), cov, mean, covariance in zip(latents, each, means, covariances, strict=True):
            np.testing.assert_allclose(start[eye], mean[:k], atol=1e-8)
            np.testing.assert_allclose(
                slope[eye], mean[k : 2 * k] if method.drift else 0 * mean[:k], atol=1e-8
            )
            size = len(unit)
            found_cov = cov[eye, :size, :size] * np.outer(unit, unit)
            np.testing.assert_allclose(found_cov, covariance[:size, :size], atol=1e-8)


@settings(max_examples=20)
@given(seed=seeds, name=methods)
def test_paths_are_those_of_the_joint_normal(seed: int, name: str) -> None:
    method, series = random_method(seed, name), random_series(seed, eyes=3, tested=0.7)
    linear, path = method.encoded(series), method.fit(series)
    for eye in range(3):
        whole = dense(method, series, linear, eye)
        mean, covariance = whole.moments()
        parts = [whole.field_rows[part] for part in ("level", "drift", "wander")]
        state = np.stack([rows @ mean for rows in parts], -1)
        state[:, 0] += whole.field_shift
        np.testing.assert_allclose(path.state[eye], state, atol=1e-7)
        cov = np.stack([[np.einsum("jx,xy,jy->j", a, covariance, b) for b in parts] for a in parts])
        np.testing.assert_allclose(path.state_cov[eye], cov.transpose(2, 0, 1), atol=1e-7)
        of_mean = np.stack([rows.mean(0) for rows in parts])
        np.testing.assert_allclose(path.md_cov[eye], of_mean @ covariance @ of_mean.T, atol=1e-7)
        k = whole.latent
        np.testing.assert_allclose(path.z_start[eye], mean[:k], atol=1e-7)
        np.testing.assert_allclose(path.z_start_sd[eye], np.sqrt(np.diag(covariance)[:k]), atol=1e-7)
        if method.drift:
            sd = np.sqrt(np.diag(covariance)[: 2 * k])
            np.testing.assert_allclose(path.z_slope[eye], mean[k : 2 * k], atol=1e-7)
            np.testing.assert_allclose(path.z_slope_sd[eye], sd[k:], atol=1e-7)
            both = np.diag(covariance[:k, k : 2 * k]) / (sd[:k] * sd[k:])
            np.testing.assert_allclose(path.z_correlation[eye], both, atol=1e-7)
        else:
            assert not path.z_slope[eye].any() and not path.state[eye, :, 1].any()


@settings(max_examples=20)
@given(seed=seeds, name=methods)
def test_predictions_are_those_of_the_joint_normal(seed: int, name: str) -> None:
    method, series = random_method(seed, name), random_series(seed, eyes=3, tested=0.7)
    linear, path = method.encoded(series), method.fit(series)
    path = replace(path, floor=torch.full_like(path.floor, -torch.inf))
    years = path.last_years[:, None] + torch.tensor(AHEAD, dtype=torch.float64)
    tests, field = method.predict(path, years), method.underlying(path, years)
    p = {name: value.exp().item() for name, value in method.residual.scalars.items()}
    basis = method.residual.vectors.numpy()
    of_noise = basis @ np.diag(method.residual.spectrum("noise").detach()) @ basis.T
    for eye in range(3):
        later = tuple(years[eye].tolist())
        whole = dense(method, series, linear, eye, later)
        mean, covariance = whole.moments()
        s = linear.known.noise[eye].detach().numpy()
        for i, rows in enumerate(later_rows(method, whole, s, path.last_years[eye].item(), later)):
            expected = rows @ mean + whole.field_shift
            for found in (tests, field):
                np.testing.assert_allclose(found.td[eye, i], expected, atol=1e-7)
                np.testing.assert_allclose(found.md[eye, i], expected.mean(), atol=1e-7)
            cov = rows @ covariance @ rows.T
            np.testing.assert_allclose(field.td_sd[eye, i] ** 2, np.diag(cov), atol=1e-7)
            np.testing.assert_allclose(field.md_sd[eye, i] ** 2, cov.mean(), atol=1e-7)
            cov = cov + p["visit_variance"] + s[:, None] * of_noise * s
            np.testing.assert_allclose(tests.td_sd[eye, i] ** 2, np.diag(cov), atol=1e-7)
            np.testing.assert_allclose(tests.md_sd[eye, i] ** 2, cov.mean(), atol=1e-7)


# What must not matter


def with_floor(series: Series) -> Series:
    return replace(series, at_floor=(series.td < -6) & series.mask)


def assert_same_paths(found: Path, expected: Path) -> None:
    for field in fields(Path):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, msg=field.name)


def bent_method(seed: int, name: str) -> LatentTrajectory:
    """With a decoder that is not linear, so that refinements move."""
    method = random_method(seed, name)
    method.vae = tiny_vae(seed=seed)
    return method


@pytest.mark.parametrize("name", sorted(METHODS))
def test_an_eye_is_its_own_whoever_stands_beside_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, series = bent_method(1, name), with_floor(random_series(3, eyes=7, tested=0.7))
    together = method.fit(series)
    alone = Path.concatenate([method.fit(series[i : i + 1]) for i in range(7)])
    assert_same_paths(alone, together)
    backwards = torch.arange(6, -1, -1)
    assert_same_paths(method.fit(series[backwards]), together[backwards])
    monkeypatch.setattr(
        module, "alike_batches", lambda _: [torch.tensor([2, 6, 0]), torch.tensor([5, 1, 3, 4])]
    )
    assert_same_paths(method.fit(series), together)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_padding_says_nothing(name: str) -> None:
    method, series = bent_method(1, name), with_floor(random_series(3, eyes=4))
    padded = Series(
        *(torch.cat([t, t[:, -2:]], 1) for t in (series.td, series.mask, series.years)),
        series.n_visits,
        torch.cat([series.at_floor, series.at_floor[:, -2:]], 1),
    )
    for said in (padded.mask, padded.at_floor):
        said[:, -2:] = False
    padded.years[:, -2:] = padded.last_years[:, None]
    padded.td[:, -2:] = 999.0
    expected = method.path(series, *method.refined(series, method.encoded(series)))
    assert_same_paths(method.path(padded, *method.refined(padded, method.encoded(padded))), expected)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_what_was_not_tested_says_nothing(name: str) -> None:
    method, series = bent_method(1, name), random_series(5, tested=0.6)
    spoilt = replace(series, td=torch.where(series.mask, series.td, 1e6))
    assert_same_paths(method.fit(spoilt), method.fit(series))


@pytest.mark.parametrize("name", ["static", "trajectory"])
def test_a_location_never_tested_is_less_sure(name: str) -> None:
    method, series = random_method(3, name), random_series(8, eyes=1, tested=1.0)
    mask = series.mask.clone()
    mask[:, :, 2] = False
    without = method.fit(replace(series, mask=mask, td=series.td * mask))
    assert without.td_sd[0, 2] > 1.1 * method.fit(series).td_sd[0, 2]
    assert without.td_sd[0, 2] == without.td_sd[0].max()


# Pieces


def test_a_decoder_that_bends_is_linear_about_the_posterior_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    method, series = bent_method(2, "trajectory"), random_series(2)
    in_use = module.REFINEMENTS
    monkeypatch.setattr(module, "REFINEMENTS", 40)
    monkeypatch.setattr(module, "AVERAGES", 0)
    with torch.no_grad():
        linear, conditioned = method.refined(series, method.encoded(series))
        start, slope = method._latents(conditioned.posterior.centre())
    torch.testing.assert_close(linear.start, start, atol=1e-5, rtol=0)
    torch.testing.assert_close(linear.slope, slope, atol=1e-5, rtol=0)
    settled = method.path(series, linear, conditioned)
    monkeypatch.setattr(module, "REFINEMENTS", in_use)
    usual = method.fit(series)
    assert ((usual.z_start - settled.z_start).abs() < 0.2 * settled.z_start_sd).all()
    assert ((usual.td - settled.td).abs() < 0.1 * settled.td_sd).all()


def test_jacobian_is_that_of_the_decoder() -> None:
    vae, z = tiny_vae(3), torch.randn(2, 4, 3, dtype=torch.float64)
    field, jacobian = vae.model.decoder.with_jacobian(z)
    torch.testing.assert_close(field, vae.model.decoder(z))
    for eye in range(2):
        for visit in range(4):
            expected = torch.autograd.functional.jacobian(vae.model.decoder, z[eye, visit])
            torch.testing.assert_close(jacobian[eye, visit], expected)


def test_jacobian_of_a_linear_decoder_is_its_weight() -> None:
    decoder = Decoder(3, 5, []).double()
    field, jacobian = decoder.with_jacobian(torch.randn(2, 4, 3, dtype=torch.float64))
    assert field.shape == (2, 4, 5)
    torch.testing.assert_close(jacobian, (decoder.scale * decoder.linear.weight).expand(2, 4, 5, 3))


@pytest.mark.parametrize("hidden", [[], [7]])
def test_jacobian_of_archetypes_goes_through_their_weights(hidden: list[int]) -> None:
    decoder, z = ArchetypeDecoder(4, 5, hidden).double(), torch.randn(2, 3, dtype=torch.float64)
    field, jacobian = decoder.with_jacobian(z)
    torch.testing.assert_close(field, decoder(z))
    for row in range(2):
        torch.testing.assert_close(jacobian[row], torch.autograd.functional.jacobian(decoder, z[row]))


def test_predictions_bend_as_the_decoder_does() -> None:
    method, series = bent_method(4, "trajectory"), random_series(4)
    path = method.fit(series)
    path = replace(path, floor=torch.full_like(path.floor, -torch.inf))
    ahead = torch.tensor(AHEAD, dtype=torch.float64)
    found = method.predict(path, path.last_years[:, None] + ahead)
    left = method.residual.wander_left(ahead).detach()
    level, drift, wander = (path.state[..., i][:, None] for i in range(3))
    decode = method.vae.model.decoder
    now = path.z_start + path.z_slope * path.last_years[:, None]
    with torch.no_grad():
        step = 1e-6
        slope = (decode(now + step * path.z_slope) - decode(now - step * path.z_slope)) / (2 * step)
        later = decode(now[:, None] + path.z_slope[:, None] * ahead[:, None])
        expected = level + wander * left[:, None] + (drift - slope[:, None]) * ahead[:, None]
        expected = expected + later - decode(now)[:, None]
    torch.testing.assert_close(found.td, expected, atol=1e-6, rtol=0)


def test_nothing_is_predicted_below_the_floor() -> None:
    method, series = random_method(0, "trajectory"), random_series(0, tested=1.0)
    low = torch.zeros_like(series.mask)
    low[0, 0, 3] = True
    series = replace(series, td=torch.where(low, -1.0, series.td), at_floor=low)
    path = method.fit(series)
    assert path.floor[0].tolist() == [-38, -38, -38, -1, -38] and (path.floor[1:] == -38).all()
    path = replace(path, state=path.state - 100)
    found = method.predict(path, path.last_years[:, None])
    assert torch.equal(found.td[:, 0], path.floor) and torch.equal(path.td, path.floor)


def test_a_restless_eye_and_a_restless_location_have_their_own_scatter() -> None:
    noise = torch.full((3, 5), 2.0, dtype=torch.float64)
    td = -3 + 2 * torch.randn(3, 400, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    td[1] = -3 + 3 * (td[1] + 3)
    td[0, :, 2] = -3 + 4 * (td[0, :, 2] + 3)
    mask = torch.ones_like(td, dtype=torch.bool)
    mask[2, 2:] = False
    years = torch.arange(400.0).expand(3, -1).double()
    series = Series(td, mask, years, torch.tensor([400, 400, 2]))
    found = own_scatter(series, noise)
    for eye in range(2):
        squares = np.polyfit(years[eye], td[eye].numpy(), 1, full=True)[1] / 4 / USUAL_SCATTER
        of_eye = (PSEUDO_TESTS + squares.sum()) / (PSEUDO_TESTS + 5 * 398)
        expected = np.sqrt((LOCATION_DEGREES * of_eye + squares) / (LOCATION_DEGREES + 398))
        np.testing.assert_allclose(found[eye].numpy(), expected)
    assert (found[2] == 1).all() and ((found[1] > 2.7) & (found[1] < 3.7)).all()
    assert found[0, 2] > 3 * found[0, 1]
    method = random_method(0, "static")
    linear = method.encoded(series)
    usual = method.noise(linear.known.level).detach()
    torch.testing.assert_close(linear.known.noise, usual * own_scatter(series, usual))


def test_a_location_that_moves_fast_is_not_taken_for_a_noisy_one() -> None:
    td = -3 + 2 * torch.randn(40, 10, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    years = torch.arange(10.0, dtype=torch.float64).expand(40, -1)
    still = Series(td, torch.ones_like(td, dtype=torch.bool), years, torch.full((40,), 10))
    moving = replace(still, td=td - 2 * years[..., None] * torch.tensor([1.0, 0, 0, 0, 0]))
    noise = torch.full((40, 5), 2.0, dtype=torch.float64)
    torch.testing.assert_close(own_scatter(moving, noise), own_scatter(still, noise))


def test_scatter_of_visits_at_one_time_is_that_about_their_mean() -> None:
    td = -3 + 2 * torch.randn(40, 10, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = torch.full((40, 5), 2.0, dtype=torch.float64)
    never_later = torch.zeros(40, 10, dtype=torch.float64)
    series = Series(td, torch.ones_like(td, dtype=torch.bool), never_later, torch.full((40,), 10))
    squares = td.var(1) * 9 / 4 / USUAL_SCATTER
    of_eye = (PSEUDO_TESTS + squares.sum(1, keepdim=True)) / (PSEUDO_TESTS + 5 * 9)
    expected = (LOCATION_DEGREES * of_eye + squares) / (LOCATION_DEGREES + 9)
    torch.testing.assert_close(own_scatter(series, noise), expected.sqrt())


def test_locations_never_seen_do_not_make_an_eye_a_steady_one() -> None:
    td = -3 + 2 * torch.randn(3, 10, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    years = torch.arange(10.0, dtype=torch.float64).expand(3, -1)
    never = torch.zeros(td.shape, dtype=torch.bool)
    never[..., 3:] = True
    series = Series(torch.where(never, -31.0, td), torch.ones_like(never), years, torch.full((3,), 10))
    noise = torch.full((3, 5), 2.0, dtype=torch.float64)
    found = own_scatter(replace(series, at_floor=never), noise)
    torch.testing.assert_close(found, own_scatter(replace(series, mask=~never), noise))
    assert (found[:, :3] > own_scatter(series, noise)[:, :3]).all()


def steady(shifts: list[float], slope: float = -1.0) -> Series:
    """One eye that loses ``slope`` dB/year at all locations, its visits shifted."""
    years = torch.arange(len(shifts), dtype=torch.float64)
    td = (-4 + slope * years + torch.tensor(shifts, dtype=torch.float64))[None, :, None].expand(1, -1, 5)
    return Series(
        td.clone(), torch.ones(td.shape, dtype=torch.bool), years[None], torch.tensor([len(shifts)])
    )


def test_unrest_is_the_scatter_of_visits_about_a_line_drawn_to_the_usual() -> None:
    torch.testing.assert_close(own_unrest(steady([0.0] * 8)), torch.tensor([3 / 9]).double())
    # Residuals -1, 3, -3, 1 times 0.3 about a line: squares 1.8 on 2 degrees of freedom.
    shifted = own_unrest(steady([-0.3, 0.9, -0.9, 0.3]))
    torch.testing.assert_close(shifted, torch.tensor([(3 + 1.8 / USUAL_UNREST) / 5]).double())
    assert own_unrest(steady([0.0, 5.0])).item() == 1
    # One blank visit is no restless eye: it counts as a visit 3 usual SDs off a line through the others.
    blank = own_unrest(steady([0.0, 0, 0, -25, 0, 0, 0, 0]))
    torch.testing.assert_close(blank, torch.tensor([(3 + 9) / 9]).double())


@pytest.mark.parametrize("name", ["trajectory", "residual"])
def test_a_steady_eye_s_trend_is_believed_sooner_than_a_restless_one_s(name: str) -> None:
    method = random_method(3, name)
    rates = []
    for shifts in ([0.0] * 8, [-2.0, 2, -2, 2, 2, -2, 2, -2]):  # neither adds to the slope
        state = method.fit(steady(shifts)).state
        rates.append(state[0, :, 1].mean().item())
    assert rates[0] < 1.1 * rates[1] < 0


def test_what_stands_far_beside_the_decoder_is_known() -> None:
    method = random_method(0, "static")
    series = random_series(0, eyes=1, most=1, tested=1.0)
    five = Series(
        series.td.expand(1, 5, 5).clone(),
        series.mask.expand(1, 5, 5).clone(),
        torch.arange(5.0)[None].double(),
        torch.tensor([5]),
    )
    five.td[..., 2] = -34
    with torch.no_grad():
        linear = method.encoded(five)
        field, spectra = method.vae.model.decoder(linear.start), method.residual.spectrum
        varying = (spectra("wander").mean() + spectra("noise").mean()) / 5
        reach = FAR * linear.known.noise * (spectra("standing").mean() + varying).sqrt()
    difference = five.td[:, 0] - field
    expected = difference - difference.clamp(-reach, reach)
    assert expected[0, 2] < -10
    torch.testing.assert_close(linear.known.apart, expected)
    five.mask[..., 2] = False
    assert method.encoded(five).known.apart[0, 2] == 0  # nothing is known of a location that was never tested


# Single precision, as in use


def odd_eyes(visits: int = 40) -> Series:
    """In single precision, 52 locations: many visits, visits at one time or nearly so, no vision, all at the floor."""
    rng = np.random.default_rng(0)
    years = np.stack(
        [np.linspace(0, 25, visits), np.zeros(visits), 1e-3 * np.arange(visits), np.arange(visits) / 2]
    )
    years = np.concatenate([years, years[-1:], years[-1:]])
    td = rng.normal(-4, 3, (6, visits, 52))
    td[3], td[4] = -35, -20 - 15 * (rng.random((visits, 52)) < 0.5)
    at_floor = np.zeros(td.shape, bool)
    at_floor[4, :10, :30] = True
    tested = rng.random(td.shape) < np.array([1, 1, 1, 1, 1, 0.1])[:, None, None]
    tensors = (torch.as_tensor(a) for a in (np.where(tested, td, 0), tested, years))
    td_, mask, years_ = tensors
    return Series(td_.float(), mask, years_.float(), torch.full((6,), visits), torch.as_tensor(at_floor))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_odd_eyes_in_single_precision(name: str) -> None:
    series = odd_eyes()
    torch.manual_seed(0)
    vae = FieldVAE(8, 52, [32], [32]).eval()
    xy = torch.as_tensor(load_grid("24-2").xy, dtype=torch.float32)
    paths = {}
    for dtype in (torch.float32, torch.float64):
        method = LatentTrajectory(vae.to(dtype), ResidualProcess(xy.to(dtype)).to(dtype), **METHODS[name])
        given = replace(series, td=series.td.to(dtype), years=series.years.to(dtype))
        path = method.fit(given)
        found = method.predict(path, path.last_years[:, None] + torch.tensor([[0.0, 5.0]], dtype=dtype))
        for record in (path, found):
            for field in fields(record):
                assert torch.isfinite(getattr(record, field.name)).all(), field.name
        paths[dtype] = path
    single, double = paths[torch.float32], paths[torch.float64]
    apart = (single.td.double() - double.td).abs() / double.td_sd
    assert apart.max() < 0.02
    torch.testing.assert_close(single.td_sd.double(), double.td_sd, rtol=0.01, atol=0.01)
    assert (single.md_sd > 0).all()
