"""The residual process: its closed form against conditioning of the whole joint Gaussian, written out in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import random_series, tiny_vae
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model import residual as module
from vfprog.model.residual import START, ResidualProcess, StaticField
from vfprog.model.summary import FieldSummary, summarise

XY = torch.tensor([[-9, 3], [-3, 3], [3, 9], [3, -3], [-15, -3]], dtype=torch.float64)
seeds = st.integers(0, 2**32 - 1)


def random_scalars(seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {name: value + rng.normal(0, 0.4) for name, value in START.items()}


def random_process(seed: int) -> ResidualProcess:
    process = ResidualProcess(XY, random_scalars(seed))
    return process.double()


def numbers(process: ResidualProcess) -> dict[str, float]:
    return {name: value.item() for name, value in process.scalars.items()}


def eye_with_gaps(seed: int, visits: int, whole_locations: bool) -> tuple[Tensor, Tensor]:
    """TD and mask (1, visit, location); gaps are whole locations, or single tests as well."""
    rng = np.random.default_rng(seed)
    mask = np.ones((1, visits, 5), bool) & (rng.random((1, 1, 5)) < 0.7)
    mask[..., 0] = True
    if not whole_locations:
        mask[:, 1:] &= rng.random(mask[:, 1:].shape) < 0.7
    return torch.as_tensor(rng.normal(-5, 4, mask.shape)) * torch.as_tensor(mask), torch.as_tensor(mask)


def prior_mean(process: ResidualProcess, summary: FieldSummary, field: Tensor) -> np.ndarray:
    """m = alpha f + (1 - alpha) m_bar + offset, at a visit without the learning effect: (location,)."""
    p = numbers(process)
    alpha = 1 / (1 + np.exp(-p["alpha_logit"]))
    eye_mean = summary.mean[0][summary.mask[0]].mean().item()
    m = alpha * field[0].numpy() + (1 - alpha) * eye_mean + p["offset"]
    return (
        m - p["learning"] / summary.n_visits.item()
    )  # both f and m_bar describe visits of which one was the first


def condition(
    prior: np.ndarray, joint: np.ndarray, data: np.ndarray, expected: np.ndarray, cross: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    gain = np.linalg.solve(joint, cross.T).T
    return gain @ (data - expected), prior - gain @ cross.T


def assert_posterior(
    process: ResidualProcess,
    summary: FieldSummary,
    field: Tensor,
    noise: Tensor,
    mean: np.ndarray,
    cov: np.ndarray,
) -> None:
    """Compare with the mean (dB) and covariance (dB^2) of the underlying field; z is taken as known."""
    known = field.expand(3, -1, -1)
    found, sd, md_sd = (t[0].detach().numpy() for t in process.posterior(summary, field, known, noise))
    np.testing.assert_allclose(found, mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sd, np.sqrt(np.diag(cov)), rtol=1e-5)
    np.testing.assert_allclose(md_sd, np.sqrt(cov.mean()), rtol=1e-5)


@settings(max_examples=40)
@given(seed=seeds, visits=st.integers(1, 4))
def test_posterior_is_that_of_the_joint_of_residual_visit_effects_and_tests(seed: int, visits: int) -> None:
    process, (td, mask) = random_process(seed), eye_with_gaps(seed, visits, whole_locations=True)
    rng = np.random.default_rng(seed)
    summary, p = summarise(td, mask), numbers(process)
    field, noise = torch.as_tensor(rng.normal(-5, 3, (1, 5))), torch.as_tensor(rng.uniform(1, 6, (1, 5)))
    m, s = prior_mean(process, summary, field), noise[0].numpy()

    R = process.covariance().detach().numpy()
    tested = mask[0].numpy().nonzero()  # one entry for each test: its visit, its location
    same_visit = tested[0][:, None] == tested[0]
    same_test = same_visit & (tested[1][:, None] == tested[1])
    at = tested[1]
    joint = np.outer(s[at], s[at]) * R[np.ix_(at, at)]
    joint += np.exp(p["visit_variance"]) * same_visit
    joint += np.exp(p["noise_factor"]) * same_test * np.outer(s[at], s[at])
    data = td[0].numpy()[tested] - p["learning"] * (tested[0] == 0)
    cross = np.outer(s, s[at]) * R[:, at]
    shift, cov = condition(np.outer(s, s) * R, joint, data, m[at], cross)
    assert_posterior(process, summary, field, noise, m + shift, cov)


@settings(max_examples=40)
@given(seed=seeds, visits=st.integers(2, 5))
def test_unequal_counts_enter_as_means_of_so_many_tests(seed: int, visits: int) -> None:
    # Where counts differ the visit effects of the eye's means are taken as one, shared by all locations.
    process, (td, mask) = random_process(seed), eye_with_gaps(seed, visits, whole_locations=False)
    rng = np.random.default_rng(seed)
    summary, p = summarise(td, mask), numbers(process)
    field, noise = torch.as_tensor(rng.normal(-5, 3, (1, 5))), torch.as_tensor(rng.uniform(1, 6, (1, 5)))
    m, s, n = prior_mean(process, summary, field), noise[0].numpy(), summary.n_visits.item()

    at = summary.mask[0].numpy().nonzero()[0]
    R, count = process.covariance().detach().numpy(), summary.count[0].numpy()[at]
    joint = np.outer(s[at], s[at]) * R[np.ix_(at, at)] + np.exp(p["visit_variance"]) / n
    joint += np.diag(np.exp(p["noise_factor"]) * s[at] ** 2 / count)
    data = summary.mean[0].numpy()[at] - p["learning"] / n
    shift, cov = condition(np.outer(s, s) * R, joint, data, m[at], np.outer(s, s[at]) * R[:, at])
    assert_posterior(process, summary, field, noise, m + shift, cov)


@settings(max_examples=10)
@given(seed=seeds)
def test_uncertainty_of_the_latents_is_what_the_residual_leaves_of_it(seed: int) -> None:
    process, series = random_process(seed), random_series(seed, eyes=3)
    summary = summarise(series.td, series.mask)
    rng = np.random.default_rng(seed)
    draws, noise = torch.as_tensor(rng.normal(-5, 3, (6, 3, 5))), torch.as_tensor(rng.uniform(1, 6, (3, 5)))
    field = draws.mean(0)
    _, certain_sd, certain_md = process.posterior(summary, field, field.expand(2, -1, -1), noise)
    _, sd, md_sd = process.posterior(summary, field, draws, noise)
    # The posterior mean as a function of the decoded field, draw by draw.
    moved = torch.stack([process.posterior(summary, f, f.expand(2, -1, -1), noise)[0] for f in draws])
    torch.testing.assert_close(sd**2, certain_sd**2 + moved.var(0), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(md_sd**2, certain_md**2 + moved.mean(-1).var(0), rtol=1e-8, atol=1e-8)


@settings(max_examples=20)
@given(seed=seeds, garbage=st.floats(-1e6, 1e6))
def test_untested_locations_say_nothing(seed: int, garbage: float) -> None:
    process, series = random_process(seed), random_series(seed, tested=0.4)
    summary = summarise(series.td, series.mask)
    spoilt = replace(summary, mean=torch.where(summary.mask, summary.mean, garbage))
    field, noise = summary.mean * 0.5 - 2, 2 + summary.count
    clean, dirty = (process.posterior(x, field, field.expand(2, -1, -1), noise) for x in (summary, spoilt))
    for a, b in zip(clean, dirty, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(process.level(summary, field)[~summary.mask], field[~summary.mask])


def test_level_moves_from_the_decoded_field_to_the_mean_of_the_tests() -> None:
    process, n = random_process(0), torch.tensor([[0.0, 1, 3, 9, 99]], dtype=torch.float64)
    of_ten = torch.full((1, 5), -10.0, dtype=torch.float64)
    zeros = torch.zeros_like(of_ten)
    summary = FieldSummary(of_ten, zeros, zeros, n, n.amax(1))
    np.testing.assert_allclose(process.level(summary, zeros), [[0, -5, -7.5, -9, -9.9]])


def test_covariance_by_hand() -> None:
    process = random_process(7)
    p, R = numbers(process), process.covariance().detach().numpy()
    near = np.exp(p["local"] - 6.0**2 / (2 * np.exp(2 * p["length"])))
    assert R[0, 1] == pytest.approx(np.exp(p["common"]) + near, rel=1e-9)
    # The third and fourth locations lie 12 degrees apart on two sides of the horizontal meridian.
    across = np.exp(p["local"] - 12.0**2 / (2 * np.exp(2 * p["length"]))) / (1 + np.exp(p["hemifield_logit"]))
    assert R[2, 3] == pytest.approx(np.exp(p["common"]) + across, rel=1e-9)
    np.testing.assert_allclose(np.diag(R), sum(np.exp(p[k]) for k in ("common", "local", "own")), rtol=1e-9)
    assert (R == R.T).all() and np.linalg.eigvalsh(R).min() > 0


def test_predictions_by_formula_and_growing_with_time() -> None:
    process = random_process(1)
    p, rng = numbers(process), np.random.default_rng(1)
    mean, sd, noise = (torch.as_tensor(rng.uniform(1, 4, (2, 5))) for _ in range(3))
    md_sd, ahead = (
        torch.tensor([0.4, 0.8], dtype=torch.float64),
        torch.tensor([[0.0, 1, 4, 400]] * 2).double(),
    )
    found = process.predict(mean, sd, md_sd, noise, ahead)
    assert torch.equal(found.td, mean[:, None].expand(2, 4, 5))
    torch.testing.assert_close(found.md, mean.mean(1, keepdim=True).expand(2, 4))

    visit, factor = np.exp(p["visit_variance"]), np.exp(p["noise_factor"])
    now = sd**2 + factor * noise**2 + visit
    torch.testing.assert_close(found.td_sd[:, 0] ** 2, now)
    md_now = md_sd**2 + visit + factor * (noise**2).sum(1) / 25
    torch.testing.assert_close(found.md_sd[:, 0] ** 2, md_now)
    # After centuries the wander has its full variance.
    wander = np.exp(p["wander"]) * noise**2
    torch.testing.assert_close(found.td_sd[:, 3] ** 2, now + wander)
    md_wander = np.exp(p["wander_common"]) * (noise**2).mean(1) + wander.sum(1) / 25
    torch.testing.assert_close(found.md_sd[:, 3] ** 2, md_now + md_wander)
    share = (1 - np.exp(-4 / np.exp(p["tau"]))) * torch.ones(2, 5, dtype=torch.float64)
    torch.testing.assert_close((found.td_sd[:, 2] ** 2 - now) / wander, share)
    assert (found.td_sd.diff(dim=1) > 0).all() and (found.md_sd.diff(dim=1) > 0).all()


def test_scalars_can_be_written_down_and_taken_up_again() -> None:
    process = ResidualProcess(XY, random_scalars(3))
    again = ResidualProcess(XY, numbers(process))
    assert set(process.scalars) == set(START)
    assert torch.equal(process.covariance(), again.covariance())
    assert all(torch.equal(process.scalars[name], again.scalars[name]) for name in START)


def test_distance_from_start() -> None:
    assert ResidualProcess(XY).squared_distance_from_start().item() == pytest.approx(0, abs=1e-12)
    moved = ResidualProcess(XY, START | {"tau": START["tau"] + 2, "own": START["own"] - 1})
    assert moved.squared_distance_from_start().item() == pytest.approx(5, rel=1e-5)


# The static trajectory


def static_field(seed: int = 0) -> StaticField:
    return StaticField(tiny_vae(), random_process(seed), draws=8, seed=4)


def test_an_eye_is_its_own_whoever_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    method, series = static_field(), random_series(3, eyes=7)
    together = method.fit(series)
    alone = [method.fit(series[i : i + 1]) for i in range(7)]
    monkeypatch.setattr(module, "eye_batches", lambda eyes: [slice(i, i + 3) for i in range(0, eyes, 3)])
    in_batches = method.fit(series)
    for name in type(together).__dataclass_fields__:
        expected = getattr(together, name)
        torch.testing.assert_close(torch.cat([getattr(p, name) for p in alone]), expected)
        torch.testing.assert_close(getattr(in_batches, name), expected)


def test_padding_says_nothing() -> None:
    method, series = static_field(), random_series(3, eyes=4)
    padded = Series(
        *(torch.cat([t, t[:, -2:]], 1) for t in (series.td, series.mask, series.years)), series.n_visits
    )
    padded.mask[:, -2:] = False
    expected, found = method.fit(series), method.fit(padded)
    for name in type(expected).__dataclass_fields__:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name))


def test_many_equal_visits_are_believed() -> None:
    method, n = static_field(), 20_000
    field = torch.tensor([-1.0, -3, -20, -8, 1], dtype=torch.float64)
    td = field.expand(1, n, 5)
    series = Series(
        td, torch.ones_like(td, dtype=torch.bool), torch.linspace(0, 9, n)[None].double(), torch.tensor([n])
    )
    many, few = method.fit(series), method.fit(series.first(1))
    torch.testing.assert_close(many.td[0], field, atol=0.02, rtol=0)
    assert (many.td_sd < 0.1 * few.td_sd).all() and (many.md_sd < 0.1 * few.md_sd).all()
    # One visit is believed in part only.
    assert ((few.td[0] - field).abs() > 0.2).all()


def test_static_predictions_stand_still_and_start_at_the_last_visit() -> None:
    method, series = static_field(), random_series(1)
    path = method.fit(series)
    assert (path.z_slope == 0).all() and (path.z_slope_sd == 0).all()
    assert torch.equal(path.last_years, series.last_years)
    ahead = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    found = method.predict(path, path.last_years[:, None] + ahead)
    expected = method.residual.predict(path.td, path.td_sd, path.md_sd, path.noise, ahead.expand(6, 3))
    torch.testing.assert_close(found.td_sd, expected.td_sd)
    assert (found.td == path.td[:, None]).all()


def test_seed_decides() -> None:
    vae, process, series = tiny_vae(), random_process(0), random_series(0)
    first, again, other = (StaticField(vae, process, 8, seed).fit(series).td_sd for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
