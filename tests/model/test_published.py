"""The published recipe: least squares in latent space, decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import FixedEncoder, random_series, tiny_vae

from vfprog.data.series import Series
from vfprog.model import published as module
from vfprog.model.published import PublishedRecipe
from vfprog.model.summary import visit_summary
from vfprog.model.trajectory import Path, Prediction

SD = torch.tensor([0.3, 0.8], dtype=torch.float64)


def transparent_recipe() -> PublishedRecipe:
    """A recipe whose encoder reads the latents off the first two locations, with known SDs."""
    vae = tiny_vae()
    vae.guide.encoder = FixedEncoder(torch.eye(2, 5, dtype=torch.float64), 0.0, SD)
    return PublishedRecipe(vae, draws=400, seed=1)


def series_on_a_line(years: list[float]) -> Series:
    """One eye whose latents are (0.5, -1) + (-0.2, 0.1) t, and whose other locations vary at will."""
    t = torch.tensor(years, dtype=torch.float64)
    td = torch.randn(1, len(years), 5, dtype=torch.float64)
    td[0, :, 0], td[0, :, 1] = 0.5 - 0.2 * t, -1 + 0.1 * t
    return Series(td, torch.ones_like(td, dtype=torch.bool), t[None], torch.tensor([len(years)]))


def test_every_visit_is_a_series_of_its_own() -> None:
    series = random_series(0)
    visits = visit_summary(series)
    assert len(visits) == series.years.numel()
    torch.testing.assert_close(visits.mean.reshape(series.td.shape), series.td)
    assert (visits.squares == 0).all() and (visits.skew == 0).all() and (visits.count <= 1).all()


def test_latents_on_a_line_are_found_with_the_uncertainty_of_least_squares() -> None:
    years = [0.0, 0.4, 1.5, 2.0, 4.0]
    path = transparent_recipe().fit(series_on_a_line(years))
    torch.testing.assert_close(path.z_start, torch.tensor([[0.5, -1.0]], dtype=torch.float64))
    torch.testing.assert_close(path.z_slope, torch.tensor([[-0.2, 0.1]], dtype=torch.float64))
    design = np.stack([np.ones(5), years], 1)
    covariance = np.linalg.inv(design.T @ design)
    for k in range(2):
        np.testing.assert_allclose(path.z_start_sd[0, k], SD[k] * covariance[0, 0] ** 0.5)
        np.testing.assert_allclose(path.z_slope_sd[0, k], SD[k] * covariance[1, 1] ** 0.5)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    np.testing.assert_allclose(path.z_correlation, [[correlation, correlation]])


def test_one_visit_stands_still() -> None:
    recipe = transparent_recipe()
    path = recipe.fit(series_on_a_line([0.0]))
    assert (path.z_slope == 0).all() and (path.z_slope_sd == 0).all() and (path.z_correlation == 0).all()
    later = recipe.predict(path, torch.tensor([[0.0, 10.0]], dtype=torch.float64))
    torch.testing.assert_close(later.td[0, 0], later.td[0, 1])


def test_predictions_decode_the_line_itself_however_far() -> None:
    """The published recipe's point forecast, with no clamp and no draws."""
    recipe = transparent_recipe()
    path = recipe.fit(series_on_a_line([0.0, 1.0, 2.0]))
    years = torch.tensor([[3.0, 5.0, 90.0]], dtype=torch.float64)
    found = recipe.predict(path, years)
    field = recipe.vae.model.decoder(
        path.z_start[:, None] + path.z_slope[:, None] * years[..., None]
    ).detach()
    torch.testing.assert_close(found.td, field)
    torch.testing.assert_close(found.md, field.mean(-1))


def test_a_sure_line_has_the_noise_of_a_test_only() -> None:
    recipe = transparent_recipe()
    path = recipe.fit(series_on_a_line([0.0, 1.0, 2.0]))
    zero = torch.zeros_like(path.z_start)
    sure = replace(path, z_start_sd=zero, z_slope_sd=zero, z_correlation=zero)
    found = recipe.predict(sure, torch.tensor([[3.0]], dtype=torch.float64))
    torch.testing.assert_close(found.td_sd, recipe.vae.model.noise(found.td).detach(), rtol=1e-5, atol=0)
    far = recipe.predict(sure, torch.tensor([[1e4]], dtype=torch.float64))
    assert torch.isfinite(far.td_sd).all()


def test_uncertainty_of_the_line_widens_predictions() -> None:
    recipe = transparent_recipe()
    path = recipe.fit(series_on_a_line([0.0, 1.0, 2.0]))
    # A decoder without its network is linear, so the variance of the field is that of the line.
    with torch.no_grad():
        recipe.vae.model.decoder.mlp[-1].weight.zero_()
    at = torch.tensor([[2.0, 4.0]], dtype=torch.float64)
    found = recipe.predict(path, at)
    design = np.stack([np.ones(3), [0.0, 1.0, 2.0]], 1)
    leverage = [(row := np.array([1.0, t])) @ np.linalg.inv(design.T @ design) @ row for t in (2.0, 4.0)]
    weight = recipe.vae.model.decoder.linear.weight.detach()
    variance = torch.tensor(leverage)[:, None] * (25 * weight**2 @ SD**2)
    noise = recipe.vae.model.noise(found.td).detach()
    torch.testing.assert_close(found.td_sd[0] ** 2 - noise[0] ** 2, variance, rtol=0.25, atol=0)


def test_results_repeat_and_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, series = PublishedRecipe(tiny_vae(), draws=6, seed=3), random_series(2, eyes=7)
    years = series.last_years[:, None] + torch.tensor([0.5, 2.0])
    path, again = recipe.fit(series), recipe.fit(series)
    monkeypatch.setattr(module, "eye_batches", lambda eyes: [slice(i, i + 2) for i in range(0, eyes, 2)])
    in_batches = recipe.fit(series)
    for name in Path.__dataclass_fields__:
        assert torch.equal(getattr(path, name), getattr(again, name)), name
        torch.testing.assert_close(getattr(in_batches, name), getattr(path, name))
    whole, alone = (
        recipe.predict(path, years),
        [recipe.predict(path[i : i + 1], years[i : i + 1]) for i in range(7)],
    )
    for name in Prediction.__dataclass_fields__:
        torch.testing.assert_close(getattr(Prediction.concatenate(alone), name), getattr(whole, name))


def test_another_seed_draws_otherwise() -> None:
    series = random_series(2)
    a, b = (PublishedRecipe(tiny_vae(), draws=6, seed=seed).fit(series) for seed in (1, 2))
    assert torch.equal(a.td, b.td) and not torch.equal(a.td_sd, b.td_sd)
