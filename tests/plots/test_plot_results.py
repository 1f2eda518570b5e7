"""Which eyes, horizons and visits are shown, and in which order."""

from __future__ import annotations

import pandas as pd
import pytest

from vfprog.plots.results import (
    Results,
    closest_horizon,
    evenly_spaced,
    example_eyes,
    number_eyes,
    of_eye,
    trajectory_of,
    with_sound_intervals,
)


def test_eyes_are_numbered_from_the_fastest_worsening(results: Results) -> None:
    assert list(results.rates["rate"]) == sorted(results.rates["rate"])
    assert list(results.rates["number"]) == [1, 2, 3, 4, 5, 6]


def test_tied_rates_are_ordered_by_key() -> None:
    rates = pd.DataFrame(
        {"patient_id": ["b", "a", "a"], "eye": ["OD", "OS", "OD"], "rate": [-0.5, -0.5, -0.5]}
    )
    numbered = number_eyes(rates)
    assert list(zip(numbered["patient_id"], numbered["eye"], strict=True)) == [
        ("a", "OD"),
        ("a", "OS"),
        ("b", "OD"),
    ]


def test_examples_are_different_eyes_and_say_why(results: Results) -> None:
    shown = example_eyes(results.rates, 5)
    assert shown["number"].is_unique
    assert len(shown) == 5
    # The eye worsening fastest has the most visits too, so the next kind follows it.
    assert list(shown["why"])[:3] == [
        "fastest of the longer followed",
        "most stable of these",
        "fewest visits",
    ]
    assert shown.loc[2, "n_visits"] == 1


def test_no_more_examples_than_eyes(results: Results) -> None:
    assert len(example_eyes(results.rates, 50)) == len(results.rates)


def test_one_eye_is_an_example(results: Results) -> None:
    assert len(example_eyes(results.rates.head(1), 4)) == 1


def test_rows_of_an_eye_come_from_that_eye_alone(results: Results) -> None:
    eye = results.rates.iloc[2]
    visits = of_eye(results.visits, eye)
    assert set(visits["patient_id"]) == {eye["patient_id"]}
    assert set(visits["eye"]) == {eye["eye"]}
    track = trajectory_of(results.trajectories, eye)
    assert track["patient_id"].item() == eye["patient_id"]
    assert track["laterality"].item() == eye["eye"]


@pytest.mark.parametrize(
    ("horizons", "expected"), [([0.5, 1, 2, 3, 5], 5), ([1, 2], 2), ([4, 6], 6), ([0.0], 0), ([10, 7], 7)]
)
def test_the_horizon_closest_to_five_years(horizons: list[float], expected: float) -> None:
    assert closest_horizon(pd.Series(horizons), 5) == expected


def test_many_visits_are_thinned_to_evenly_spaced_ones_with_both_ends() -> None:
    assert evenly_spaced(5, 12) == [0, 1, 2, 3, 4]
    thinned = evenly_spaced(40, 12)
    assert (thinned[0], thinned[-1], len(set(thinned))) == (0, 39, 12)


def test_an_interval_over_few_patients_is_not_shown() -> None:
    scores = pd.DataFrame(
        {"value": [2.0, 2.0], "lower": [1.9, 2.0], "upper": [2.1, 2.0], "n_patients": [10, 1]}
    )
    sound = with_sound_intervals(scores)
    assert sound["lower"].isna().tolist() == sound["upper"].isna().tolist() == [False, True]
    assert sound["value"].tolist() == [2.0, 2.0]


def test_positions_follow_the_grid(results: Results) -> None:
    assert results.xy.shape == (52, 2)
    assert tuple(results.xy[0]) == (-9, 21)
