"""Properties of fields: those of the norms, unknown where the field is, refused where they do not vary."""

from __future__ import annotations

import numpy as np
import pytest

from vfprog.data.properties import field_properties, refuse_constant
from vfprog.errors import UserError
from vfprog.perimetry.deviation import load_norms

NORMS = load_norms("24-2")


def fields(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(-5, 4, (6, 52))


def test_md_and_psd_are_weighted_by_the_norms() -> None:
    td, weight = fields(), 1 / NORMS.sd_td
    found = field_properties(td, np.full(6, 60.0), ["psd", "md"])
    np.testing.assert_allclose(found[:, 1], (td * weight).sum(1) / weight.sum())
    pattern = td - np.sort(td, axis=1)[:, -7][:, None]  # the seventh best of 52 is the general height
    weight = 1 / NORMS.sd_pd
    mean = (pattern * weight).sum(1, keepdims=True) / weight.sum()
    expected = np.sqrt(((pattern - mean) ** 2 * weight).sum(1) / (weight.sum() - 1))
    np.testing.assert_allclose(found[:, 0], expected)


def test_what_is_unknown_stays_so() -> None:
    td, age = fields(), np.array([50, np.nan, 70, 60, 61, 62])
    td[0] = np.nan
    found = field_properties(td, age, ["md", "age"])
    assert np.isnan(found).tolist() == [[True, False], [False, True], *[[False, False]] * 4]
    np.testing.assert_array_equal(found[:, 1], age)


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        ([60.0, 60.0, np.nan], "'age' is 60 years in every training field.*allowed.*md, psd"),
        ([np.nan] * 3, "'age' is known of no training field"),
    ],
)
def test_a_constant_property_is_refused(ages: list[float], said: str) -> None:
    values = np.stack([np.arange(3.0), ages], axis=1)
    with pytest.raises(UserError, match=rf"(?i)config: models: properties: {said}"):
        refuse_constant(values, ["md", "age"])


def test_one_field_is_no_constant() -> None:
    refuse_constant(np.array([[1.0, 60.0]]), ["md", "age"])
