"""Which fields are too improbable, and that spoilt ones are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vfprog import columns as c
from vfprog.config import VaeConfig
from vfprog.data.field_examples import simulated_visits
from vfprog.inference.checkpoint import load_network
from vfprog.inference.typicality import (
    QUANTILE,
    Typicality,
    field_evidence,
    fit_typicality,
    for_whole_field,
    typicality_table,
)
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")


def values(rng: np.random.Generator, fields: int, locations: int = 20) -> np.ndarray:
    """Fields of all levels, whole dB, a few locations not tested."""
    level, spread = -rng.gamma(1.5, 4.0, fields), rng.uniform(1, 6, fields)
    td = np.round(level[:, None] + spread[:, None] * rng.normal(size=(fields, locations)))
    td[rng.random(td.shape) < 0.03] = np.nan
    return td


def evidence_of(rng: np.random.Generator, td: np.ndarray) -> np.ndarray:
    """Evidence that falls with damage and scatters more there, as that of fields does."""
    mean = np.nanmean(td, axis=1)
    return -100 + 3 * mean - 5 * np.nanstd(td, axis=1) + (3 - 0.3 * mean) * rng.normal(size=len(td))


def test_flags_the_stated_share_at_every_level() -> None:
    rng = np.random.default_rng(0)
    td = values(rng, 20_000)
    typical = fit_typicality(evidence_of(rng, td), td)
    later = values(rng, 100_000)
    flagged = evidence_of(rng, later) < typical.threshold(later)
    mild = np.nanmean(later, axis=1) > -6
    for share in (flagged.mean(), flagged[mild].mean(), flagged[~mild].mean()):
        assert QUANTILE / 4 < share < 4 * QUANTILE


def test_an_odd_field_of_a_mild_eye_is_seen() -> None:
    rng = np.random.default_rng(1)
    td = values(rng, 5000)
    evidence = evidence_of(rng, td)
    typical = fit_typicality(evidence, td)
    mild = td[np.nanmean(td, axis=1) > -2]
    odd = evidence_of(rng, mild) - 20
    # Improbable for a mild field; yet one field in a hundred has less evidence.
    assert (odd < typical.threshold(mild)).mean() > 0.95 and np.median(odd) > np.quantile(evidence, 0.01)


def test_threshold_does_not_see_where_values_stand() -> None:
    rng = np.random.default_rng(2)
    td = values(rng, 500)
    typical = fit_typicality(evidence_of(rng, td), td)
    shuffled = rng.permuted(td, axis=1)
    np.testing.assert_allclose(typical.threshold(td), typical.threshold(shuffled))


def test_kept_on_a_card() -> None:
    rng = np.random.default_rng(3)
    td = values(rng, 300)
    typical = fit_typicality(evidence_of(rng, td), td)
    again = Typicality.from_card(json.loads(json.dumps({"vfprog": "0", **typical.to_card()})))
    assert again == typical and again.fields == 300


@pytest.mark.parametrize("fields", [2, 10])
def test_few_fields_will_do(fields: int) -> None:
    rng = np.random.default_rng(4)
    td = values(rng, fields)
    assert np.isfinite(fit_typicality(evidence_of(rng, td), td).threshold(values(rng, 50))).all()


def test_untested_locations_are_made_up_for() -> None:
    tested = np.array([[True, True, True, True], [True, True, False, False]])
    assert for_whole_field(np.array([-8.0, -4.0]), tested) == pytest.approx([-8.0, -8.0])


@pytest.fixture(scope="module")
def network() -> Any:
    folder = VaeConfig(weights="released").folder
    assert folder is not None
    return load_network(folder / "weights.safetensors", folder / "architecture.json", torch.device("cpu"))


def spoilt(visits: pd.DataFrame, order: np.ndarray) -> pd.DataFrame:
    """The same fields with their locations in another order: (field, location)."""
    return visits.assign(
        **{
            name: column
            for names in (c.td(GRID.n), c.sens(GRID.n))
            for name, column in zip(
                names, np.take_along_axis(visits[names].to_numpy(), order, axis=1).T, strict=True
            )
        }
    )


def test_spoilt_fields_are_flagged_and_real_ones_are_not(network: Any) -> None:
    learned, later = (simulated_visits(eyes, 1, GRID, seed) for eyes, seed in ((800, 1), (300, 2)))
    typical = fit_typicality(field_evidence(network, learned, GRID, 1), learned[c.td(GRID.n)].to_numpy())
    shuffled = np.random.default_rng(3).permuted(np.tile(np.arange(GRID.n), (len(later), 1)), axis=1)
    mirrored = np.tile(GRID.mirror(np.arange(GRID.n)[None]), (len(later), 1))
    share = {
        name: typicality_table(network, typical, table, GRID, 1)["flagged"].mean()
        for name, table in (
            ("real", later),
            ("shuffled", spoilt(later, shuffled)),
            ("mirrored", spoilt(later, mirrored)),
        )
    }
    assert share["real"] < 0.01 and share["shuffled"] > 0.15
    # A mirrored field differs less: only defects that know nasal from temporal give it away.
    assert share["mirrored"] > share["real"]


def test_table_says_whose_fields_they_are(network: Any) -> None:
    visits = simulated_visits(12, 2, GRID, 5)
    td = visits[c.td(GRID.n)].to_numpy()
    typical = fit_typicality(field_evidence(network, visits, GRID, 1), td)
    table = typicality_table(network, replace(typical, lowest=1e6), visits, GRID, 1)
    assert list(table.columns) == [*c.VISIT_KEY, "evidence", "threshold", "flagged"]
    assert table["flagged"].all() and (table[c.PATIENT] == visits[c.PATIENT]).all()
    assert table["evidence"].between(-400, -50).all()
