"""The covariance of an eye's tests against the matrix over all locations and visits, written out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from dense import XY, random_process
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import random_series
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.covariance import SeriesCovariance, SingleTests

seeds = st.integers(0, 2**31 - 1)


@dataclass(frozen=True)
class Case:
    series: Series
    s: Tensor
    covariance: SeriesCovariance
    parts: list[
        np.ndarray
    ]  # by eye: K over its visits x locations, in units of s, single tests' variance left out
    of_last: list[
        np.ndarray
    ]  # covariance with all tests of the standing residual, and of the wander at the last visit


def random_case(seed: int) -> Case:
    process, series = random_process(seed), random_series(seed, eyes=4, most=4, tested=0.7)
    s = 1 + 4 * torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    single = SingleTests.where(series.visits[..., None] & ~series.mask, torch.float64)
    p = {name: value.item() for name, value in process.scalars.items()}
    basis = process.vectors.numpy()
    of = {
        part: basis @ np.diag(process.spectrum(part).detach()) @ basis.T
        for part in ("standing", "wander", "noise")
    }
    unrest = torch.linspace(0.4, 2.0, 4, dtype=torch.float64)
    parts, of_last = [], []
    for eye in range(4):
        n = int(series.n_visits[eye])
        t = series.years[eye, :n].numpy()
        left = np.exp(-np.abs(t[:, None] - t) / np.exp(p["tau"]))
        decibel = 1 / s[eye].numpy()
        shift = (
            unrest[eye].item() * np.exp(p["visit_variance"]) * np.kron(np.eye(n), np.outer(decibel, decibel))
        )
        K = np.kron(np.ones((n, n)), of["standing"]) + unrest[eye].item() * np.kron(left, of["wander"])
        parts.append(K + np.kron(np.eye(n), of["noise"]) + shift)
        of_last.append(np.stack([np.kron(np.ones(n), of["standing"]), np.kron(left[-1], of["wander"])]))
    with torch.no_grad():
        covariance = process.covariance(series.years, series.visits, s, unrest, single)
    return Case(series, s, covariance, parts, of_last)


def design_of(case: Case, seed: int, columns: int = 3) -> Tensor:
    """Columns (eye, visit, location, column), 0 at padding and where not tested."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*case.series.td.shape, columns, dtype=torch.float64, generator=generator)
    return x * case.series.mask[..., None]


def spectral(case: Case, x: Tensor) -> Tensor:
    return torch.cat([case.covariance.spectral(x[..., c]) for c in range(x.shape[-1])], -1)


@settings(max_examples=20)
@given(seed=seeds)
def test_gram_and_determinant_are_those_of_the_tests_that_were_made(seed: int) -> None:
    case = random_case(seed)
    x = design_of(case, seed)
    found = case.covariance.solve(spectral(case, x)).gram()
    for eye, K in enumerate(case.parts):
        n = int(case.series.n_visits[eye])
        made = case.series.mask[eye, :n].reshape(-1).numpy()
        own = x[eye, :n].reshape(-1, 3).numpy()[made]
        expected = own.T @ np.linalg.solve(K[np.ix_(made, made)], own)
        np.testing.assert_allclose(found[eye], expected, atol=1e-9)
        log_det = np.linalg.slogdet(K[np.ix_(made, made)])[1]
        np.testing.assert_allclose(case.covariance.log_det[eye], log_det, atol=1e-9)


@settings(max_examples=20)
@given(seed=seeds)
def test_what_tests_explain_of_standing_and_wander(seed: int) -> None:
    case = random_case(seed)
    process, x = random_process(seed), design_of(case, seed)
    series, v = case.series, case.covariance.vectors
    kept = series.visits.double()[:, None]
    standing, wander = (process.spectrum(part).detach()[None, :, None] for part in ("standing", "wander"))
    left = process.wander_left(series.last_years[:, None] - series.years).detach()[:, None]
    target = torch.stack([standing * kept, wander * left * kept], -1)
    regression, within, outside = case.covariance.explain(target, case.covariance.solve(spectral(case, x)))
    for eye, (K, of_last) in enumerate(zip(case.parts, case.of_last, strict=True)):
        n = int(series.n_visits[eye])
        made = series.mask[eye, :n].reshape(-1).numpy()
        own = x[eye, :n].reshape(-1, 3).numpy()[made]
        gain = np.linalg.solve(
            K[np.ix_(made, made)], np.concatenate([own, *of_last[:, :, made].transpose(0, 2, 1)], 1)
        )
        for i in range(2):
            in_field = (v @ regression[eye, :, i]).numpy()
            np.testing.assert_allclose(in_field, of_last[i][:, made] @ gain[:, :3], atol=1e-9)
            for k in range(2):
                explained = v @ torch.diag(within[eye, :, i, k]) @ v.T
                explained = explained - v @ outside[eye, :, i] @ outside[eye, :, k].T @ v.T
                expected = of_last[i][:, made] @ gain[:, 3 + 5 * k : 8 + 5 * k]
                np.testing.assert_allclose(explained, expected, atol=1e-9)


@settings(max_examples=20)
@given(seed=seeds)
def test_single_tests_given_all_others(seed: int) -> None:
    case = random_case(seed)
    x, rng = design_of(case, seed), np.random.default_rng(seed)
    coefficients = rng.normal(size=2)
    single = case.covariance.single
    precision = torch.where(single.real, torch.rand(single.index.shape).double(), 1.0)
    covariance = case.covariance.with_precision(precision)
    values = torch.as_tensor(rng.normal(size=single.index.shape)) * single.real
    first = covariance.spectral(single.put(values, x[..., 0]))
    solved = covariance.solve(torch.cat([first, spectral(case, x)[..., 1:]], -1))
    away, variance = covariance.tests(solved)
    again = covariance.solve_again(case.covariance.solve(spectral(case, x)), values)
    for name in ("columns", "inside", "along", "outside"):
        torch.testing.assert_close(getattr(again, name), getattr(solved, name))
    for eye, K in enumerate(case.parts):
        n, real = int(case.series.n_visits[eye]), single.real[eye].numpy()
        at = single.index[eye].numpy()[real]
        joint = K.copy()
        joint[at, at] += 1 / precision[eye].numpy()[real]
        y = x[eye, :n, :, 0].reshape(-1).numpy().copy()
        y[at] = values[eye].numpy()[real]
        rest = y - x[eye, :n, :, 1:].reshape(-1, 2).numpy() @ coefficients
        mean = y - rest + K @ np.linalg.solve(joint, rest)
        spread = K - K @ np.linalg.solve(joint, K)
        found = values[eye] + away[eye] @ torch.tensor([1.0, *-coefficients])
        np.testing.assert_allclose(found[real], mean[at], atol=1e-9)
        np.testing.assert_allclose(variance[eye][real], np.diag(spread)[at], atol=1e-9)


def test_places_of_single_tests() -> None:
    chosen = torch.zeros(3, 2, 4, dtype=torch.bool)
    chosen[0, 1, [0, 3]] = chosen[2, 0, 2] = True
    single = SingleTests.where(chosen, torch.float64)
    assert single.real.tolist() == [[True, True], [False, False], [True, False]]
    assert single.precision.tolist() == [[0, 0], [1, 1], [0, 1]]
    assert single.visit[0].tolist() == [1, 1] and single.location[0].tolist() == [0, 3]
    values = torch.arange(24.0, dtype=torch.float64).reshape(3, 2, 4)
    assert single.of(values).tolist() == [[4, 7], [0, 0], [18, 0]]
    put = single.put(torch.full((3, 2), -1.0, dtype=torch.float64), values)
    assert torch.equal(put, torch.where(chosen, -1.0, values))
    none = SingleTests.where(torch.zeros(3, 2, 4, dtype=torch.bool), torch.float32)
    assert none.index.shape == (3, 0) and none.precision.dtype == torch.float32


def test_one_decibel_is_one_decibel_everywhere() -> None:
    process = random_process(0)
    s = torch.tensor([[1.0, 2, 3, 4, 5]], dtype=torch.float64)
    none = SingleTests.where(torch.zeros(1, 1, 5, dtype=torch.bool), torch.float64)
    covariance = process.covariance(
        torch.zeros(1, 1).double(), torch.ones(1, 1, dtype=torch.bool), s, torch.ones(1).double(), none
    )
    assert len(XY) == 5
    torch.testing.assert_close(covariance.shift @ process.vectors.T * s, torch.ones_like(s))
