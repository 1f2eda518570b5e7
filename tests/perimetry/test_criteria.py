from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from vfprog.perimetry.classical import classical_rates
from vfprog.perimetry.criteria import PlrCriteria, plr_criteria

YEARS = np.arange(8) * 0.5


def criteria(
    changes: dict[int, float], stray: dict[int, float] | None = None, visits: int = 8
) -> PlrCriteria:
    """PLR of one eye whose locations change by so many dB/year, its last test off by ``stray`` dB."""
    wiggle = 0.2 * np.where(np.arange(visits) % 2, 1, -1)
    td = np.repeat(wiggle[:, np.newaxis], 52, axis=1) - 3
    for location, change in changes.items():
        td[:, location] += change * YEARS[:visits]
    for location, error in (stray or {}).items():
        td[-1, location] += error
    return plr_criteria(td[np.newaxis], YEARS[np.newaxis, :visits], np.ones((1, visits, 52), bool))


def two_omitting(td: np.ndarray, years: np.ndarray) -> int:
    """1 if a location of an eye improves, -1 if it worsens, else 0: by the definition, value by value."""
    signs = []
    for omitted in (-1, -2):
        x, y = np.delete(years, omitted), np.delete(td, omitted)
        if len(x) < 3:
            return 0
        fit = linregress(x, y)
        signs.append(np.sign(fit.slope) if abs(fit.slope) >= 1 and fit.pvalue < 0.01 else 0)
    return int(signs[0]) if signs[0] == signs[1] else 0


@pytest.mark.parametrize(
    ("changes", "points", "net", "confirmed", "progressing"),
    [
        ({}, 0, 0, 0, False),
        (dict.fromkeys(range(2), -1.5), 2, 2, 2, False),
        (dict.fromkeys(range(3), -1.5), 3, 3, 3, True),
        (dict.fromkeys(range(9), -0.9), 0, 0, 0, False),
        (dict.fromkeys(range(5), -1.5) | dict.fromkeys(range(10, 13), 1.5), 5, 2, 2, False),
        (dict.fromkeys(range(4), 1.5), 0, -4, -4, False),
    ],
    ids=["steady", "two", "three", "slow", "improving as well", "improving"],
)
def test_worsening_locations_must_outnumber_improving_ones_by_three(
    changes, points, net, confirmed, progressing
):
    assert tuple(found.item() for found in criteria(changes)) == (points, net, confirmed, progressing)


def test_one_stray_test_at_the_end_does_not_confirm():
    changes = dict.fromkeys(range(4), -0.9)
    found = criteria(changes, dict.fromkeys(range(4), -2.0))
    assert found.points == 4
    assert (found.confirmed, found.progressing) == (0, False)


@pytest.mark.parametrize("visits", [1, 2, 3])
def test_too_few_tests_confirm_nothing(visits):
    found = criteria(dict.fromkeys(range(9), -3.0), visits=visits)
    assert (found.confirmed, found.progressing) == (0, False)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_confirmed_locations_follow_their_definition_whatever_is_missing(seed):
    rng = np.random.default_rng(seed)
    years = rng.uniform(0.3, 0.8, size=(3, 8)).cumsum(axis=1)
    td = rng.choice([-3, -1, 0, 1, 3], size=(3, 1, 6)) * years[..., np.newaxis] + rng.normal(size=(3, 8, 6))
    mask = rng.random(td.shape) < 0.8
    expected = [
        -sum(two_omitting(td[eye, mask[eye, :, i], i], years[eye, mask[eye, :, i]]) for i in range(6))
        for eye in range(3)
    ]
    assert plr_criteria(np.where(mask, td, np.nan), years, mask).confirmed.tolist() == expected


def test_plain_counts_are_those_of_visualfields_slopes_and_p_values(fields, golden):
    table = golden("plr")
    table = table[(table["what"] == "td") & ~table["loc"].isin([26, 35])]
    for (cohort, patient, eye), expected in table.groupby(["set", "id", "eye"]):
        rows, years = fields[cohort].eye(patient, eye)
        td = fields[cohort].td[rows][np.newaxis]
        found = classical_rates(td, np.ones(td.shape, bool), years[np.newaxis], permutations=99, seed=1)
        worsening = (expected["sl"] <= -1) & (expected["pval"] < 0.01)
        improving = (expected["sl"] >= 1) & (1 - expected["pval"] < 0.01)
        assert found["plr_points"].item() == worsening.sum()
        assert found["plr_net"].item() == worsening.sum() - improving.sum()
