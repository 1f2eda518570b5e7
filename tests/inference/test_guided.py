"""The space of a guided model: what it covers, what it refuses, and that searches in it end where they must."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from linear_guided import CONTRAST, DEPTH, GRID, LEVEL, linear_guided, space, visits

from vfprog.data.field_examples import field_examples
from vfprog.errors import UserError
from vfprog.inference.guided import GuidedSpace, decoded_fields, decoded_md, present_of, search
from vfprog.model.guided import GuidedModel
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.staircase import FLOOR


@pytest.fixture(scope="module")
def model() -> GuidedModel:
    return linear_guided()


@pytest.fixture(scope="module")
def known(model: GuidedModel) -> GuidedSpace:
    return space(model)


def test_covered_is_what_nearly_all_training_fields_lie_in(known: GuidedSpace) -> None:
    low, high = known.covered[0]
    # MD is about LEVEL + DEPTH z_1 with z_1 ~ N(0, 1), whose 0.5 % quantile is -2.58.
    assert low == pytest.approx(LEVEL - 2.58 * DEPTH, abs=2.5)
    assert high == pytest.approx(LEVEL + 2.58 * DEPTH, abs=2.5)
    assert known.covers("md", [low - 0.1, LEVEL, high + 0.1]).tolist() == [False, True, False]


def test_a_target_beyond_the_training_fields_is_refused(known: GuidedSpace) -> None:
    known.refuse_uncovered({"md": [-12.0, -3.0]})
    low, high = known.covered[0]
    with pytest.raises(UserError, match=rf"search.targets.md: -40 dB .* allowed is {low:.1f} to {high:.1f}"):
        known.refuse_uncovered({"md": [-12.0, -40.0]})


def test_search_reaches_its_target_by_the_shortest_way(model: GuidedModel, known: GuidedSpace) -> None:
    present = present_of(model, field_examples(visits(6), GRID).double())
    target = torch.full((12,), -15.0).double()
    found = search(model, known, present, "md", target, 0.0)
    assert found.converged.all()
    torch.testing.assert_close(model.properties(found.z)[:, 0], target, atol=0.05, rtol=0)
    # All is linear: the way goes along the gradient in the posterior's metric.
    way = torch.linalg.inv(present.precision[0]) @ model.model.head.mlp.weight[0].detach()
    moved = found.z - present.z
    torch.testing.assert_close(moved[:, 1] / moved[:, 0], (way[1] / way[0]).expand(12))
    pulled = search(model, known, present, "md", target, 200.0)
    assert pulled.percentile.mean() > found.percentile.mean()


def test_distance_is_in_posterior_sds(model: GuidedModel, known: GuidedSpace) -> None:
    present = present_of(model, field_examples(visits(1, 1), GRID).double())
    found = search(model, known, present, "md", torch.tensor([-12.0]).double(), 0.0)
    sd = 1 / np.sqrt(1 + GRID.n * np.array([DEPTH, CONTRAST]) ** 2)
    expected = np.linalg.norm((found.z - present.z).numpy()[0] / sd)
    assert found.distance.item() == pytest.approx(expected, rel=1e-6)


def test_a_space_is_written_and_read(known: GuidedSpace) -> None:
    z = torch.randn(5, 2).double()
    again = GuidedSpace.from_card(json.loads(json.dumps(known.to_card())), z)
    assert (again.names, again.covered) == (known.names, known.covered)
    torch.testing.assert_close(again.density.percentile(z), known.density.percentile(z))


def test_decoded_fields_stop_at_the_perimeters_floor(model: GuidedModel) -> None:
    z = torch.tensor([[-20.0, 0.0], [-20.0, 0.0], [0.0, 0.0]]).double()
    fields = decoded_fields(model, z, np.array([60.0, np.nan, 60.0]))
    floor = FLOOR - load_norms("24-2").normal_sensitivity(np.array([60.0]))[0]
    np.testing.assert_allclose(fields[0], floor)
    np.testing.assert_allclose(fields[1], LEVEL - 20 * DEPTH)
    np.testing.assert_allclose(fields[2], LEVEL)
    assert decoded_md(fields[2:]) == pytest.approx(LEVEL)
