"""The latent simplex: its geometry, its weights, and the model on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyro import poutine
from torch import Tensor

from vfprog.data.examples import Examples, one_view
from vfprog.errors import UserError
from vfprog.model.archetypes import (
    CONCENTRATION,
    SPREAD,
    ArchetypeDecoder,
    ArchetypeGenerative,
    ArchetypeModel,
    regular_simplex,
)
from vfprog.model.guides import DiagonalGuide
from vfprog.model.likelihoods import NormalLikelihood
from vfprog.model.linear_archetypes import LinearArchetypes, filled

LOCATIONS = 6
NUMBERS = st.integers(2, 12)


def model_of(archetypes: int, hidden: list[int], side: int = 0, seed: int = 0) -> ArchetypeModel:
    torch.manual_seed(seed)
    decoder = ArchetypeDecoder(archetypes, LOCATIONS, hidden)
    generative = ArchetypeGenerative(decoder, NormalLikelihood(), False, side)
    return ArchetypeModel(generative, DiagonalGuide(archetypes - 1, LOCATIONS, [8])).double().eval()


def mixtures(rows: int, archetypes: np.ndarray, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and rows of noisy mixtures."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(len(archetypes), 0.4), rows)
    return weights, weights @ archetypes + rng.normal(0, noise, (rows, archetypes.shape[1]))


def random_archetypes(number: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(-8, 8, (number, LOCATIONS))


def rows_of(x: np.ndarray, properties: Tensor | None = None) -> Examples:
    return one_view(torch.as_tensor(x), properties=properties)


@given(NUMBERS)
def test_vertices_are_those_of_a_regular_simplex_about_the_origin(k: int) -> None:
    vertices = regular_simplex(k)
    assert vertices.shape == (k, k - 1)
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1)
    assert np.allclose(vertices.sum(axis=0), 0)
    apart = np.linalg.norm(vertices[:, None] - vertices, axis=-1)[~np.eye(k, dtype=bool)]
    assert np.allclose(apart, apart[0])
    assert np.allclose(vertices.T @ vertices, np.eye(k - 1) * k / (k - 1))


@given(NUMBERS)
def test_a_point_of_the_simplex_is_one_mixture_only(k: int) -> None:
    assert np.linalg.matrix_rank(np.column_stack([regular_simplex(k), np.ones(k)])) == k


@given(NUMBERS, st.floats(0.01, 30), st.integers(0, 100))
def test_weights_are_not_negative_and_sum_to_one(k: int, size: float, seed: int) -> None:
    decoder = ArchetypeDecoder(k, LOCATIONS, []).double()
    z = size * torch.randn(20, k - 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    weights = decoder.weights(z)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(-1), torch.ones(20, dtype=torch.float64))


@given(NUMBERS)
def test_each_archetype_is_reached_along_its_vertex(k: int) -> None:
    decoder = ArchetypeDecoder(k, LOCATIONS, []).double()
    weights = decoder.weights(50 * decoder.vertices)
    assert torch.allclose(weights, torch.eye(k, dtype=torch.float64), atol=1e-6)


def test_the_prior_has_the_log_ratios_of_a_dirichlet_distribution() -> None:
    k = 4
    log_weights = np.log(np.random.default_rng(1).dirichlet(np.full(k, CONCENTRATION), 200_000))
    coordinates = log_weights @ regular_simplex(k) * np.sqrt((k - 1) / k)
    assert np.allclose(coordinates.mean(axis=0), 0, atol=0.03)
    assert np.allclose(np.cov(coordinates.T), SPREAD**2 * np.eye(k - 1), atol=0.1)
    z = torch.randn(10, k - 1, dtype=torch.float64)
    own = ArchetypeDecoder(k, LOCATIONS, []).double().weights(z).log().numpy() @ regular_simplex(k)
    assert np.allclose(own * np.sqrt((k - 1) / k), SPREAD * z.numpy())


def test_without_hidden_layers_fields_are_mixtures_of_the_archetypes() -> None:
    network = model_of(4, [])
    z = torch.randn(7, 3, dtype=torch.float64)
    weights = network.model.decoder.weights(z)
    assert torch.allclose(network.decode(z), weights @ network.archetypes)


@pytest.mark.parametrize(("hidden", "close"), [([], 1e-4), ([16], 0.5)])
def test_training_starts_from_linear_archetypes(hidden: list[int], close: float) -> None:
    _, x = mixtures(300, random_archetypes(4), 0.5, 2)
    network = model_of(4, hidden)
    network.standardise(rows_of(x))
    linear = LinearArchetypes(x, 4, 1000).archetypes
    assert np.abs(network.archetypes.detach().numpy() - linear).max() < close


def test_the_start_does_not_depend_on_values_that_are_missing() -> None:
    _, x = mixtures(200, random_archetypes(3), 0.5, 2)
    mask = torch.as_tensor(np.random.default_rng(4).random(x.shape) > 0.1)
    starts = []
    for junk in (0.0, 99.0):
        network = model_of(3, [8])
        network.standardise(one_view(torch.where(mask, torch.as_tensor(x), junk), mask))
        starts.append(network.archetypes.detach())
    assert torch.equal(*starts)


def test_fewer_rows_than_archetypes_are_refused() -> None:
    with pytest.raises(UserError, match="archetypes: 4 archetypes of 3 training rows; at most 3"):
        model_of(4, []).standardise(rows_of(np.random.default_rng(1).normal(size=(3, LOCATIONS))))


def test_what_pyro_scores_is_prior_and_likelihood_of_field_and_side() -> None:
    network = model_of(3, [8], side=2)
    properties = torch.randn(5, 2, dtype=torch.float64) * 3 + 60
    examples = rows_of(mixtures(5, random_archetypes(3), 1.0, 5)[1], properties)
    network.standardise(examples)
    z = torch.randn(5, 2, dtype=torch.float64)
    traced = poutine.trace(poutine.condition(network.model, data={"z": z})).get_trace(examples)
    by_hand = network.prior(5).log_prob(z) + network.log_likelihood(examples, z)
    assert torch.allclose(traced.log_prob_sum(), by_hand.sum())


def test_unknown_side_information_counts_for_nothing() -> None:
    network = model_of(3, [8], side=1)
    x, z = mixtures(5, random_archetypes(3), 1.0, 5)[1], torch.randn(5, 2, dtype=torch.float64)
    unknown = torch.zeros(5, 1, dtype=torch.bool)
    scores = [
        network.log_likelihood(one_view(torch.as_tensor(x), properties=value, property_mask=unknown), z)
        for value in (torch.zeros(5, 1).double(), torch.full((5, 1), 70.0).double())
    ]
    assert torch.equal(*scores)
    plain = network.model.x_dist(z, rows_of(x)).log_prob(torch.as_tensor(x))
    assert torch.allclose(scores[0], plain)


def test_linear_archetypes_recover_the_vertices_of_a_simplex() -> None:
    truth = random_archetypes(3)
    weights, x = mixtures(500, truth, 0.0, 6)
    found = LinearArchetypes(x, 3, 1000)
    apart = np.abs(found.archetypes[:, None] - truth).max(-1)
    partner = apart.argmin(axis=1)
    assert sorted(partner) == [0, 1, 2]
    assert apart.min(axis=1).max() < 1.0
    given = found.weights(x)
    assert np.allclose(given.sum(axis=1), 1)
    assert given.min() >= 0
    assert np.abs(given - weights[:, partner]).max() < 0.05
    assert np.abs(found.reconstruct(x) - x).max() < 1.0


def test_missing_values_are_filled_with_their_locations_mean() -> None:
    x, mask = np.array([[1.0, 5.0], [3.0, 99.0]]), np.array([[True, True], [True, False]])
    assert np.array_equal(filled(x, mask), [[1, 5], [3, 5]])
