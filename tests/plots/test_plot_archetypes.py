"""Figures of archetypes: what is drawn is what the tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from vfprog.plots.archetypes import (
    archetype_title,
    corners,
    mixture,
    most_moved,
    moved_by,
    path_pictures,
    plot_number,
    plot_simplex,
    plot_stability,
    plot_weights,
)

TABLE = pd.DataFrame({"archetype": [1, 2, 3], "name": ["normal", "central", "total loss"]})


def eye(weights: np.ndarray, patient: str = "p", cohort: str = "demo") -> pd.DataFrame:
    keys = {"cohort": cohort, "patient_id": patient, "eye": "OD", "visit": np.arange(len(weights)) + 1}
    table = pd.DataFrame(weights, columns=["w_1", "w_2", "w_3"]).assign(**keys)
    return table.assign(years=np.arange(len(weights)) / 2)


MOVING = np.linspace([1, 0, 0], [0, 0, 1], 9)
STILL = np.tile([0.2, 0.5, 0.3], (9, 1))


def test_the_share_exchanged_is_one_between_two_archetypes_and_zero_at_rest() -> None:
    assert moved_by(eye(np.repeat([[1.0, 0, 0], [0, 0, 1]], 6, axis=0))) == pytest.approx(1)
    assert moved_by(eye(STILL)) == 0


def test_eyes_that_moved_most_come_first_and_without_their_identifiers() -> None:
    weights = pd.concat([eye(STILL, "secret-a"), eye(MOVING, "secret-b"), eye(MOVING[:4], "secret-c")])
    shown = most_moved(weights)
    assert [e["patient_id"].iloc[0] for e in shown.values()] == ["secret-b", "secret-a"]
    assert not any("secret" in title for title in shown)


def test_a_mixture_lies_among_the_corners_of_its_archetypes() -> None:
    assert np.allclose(np.linalg.norm(corners(5), axis=1), 1)
    ax = plot_simplex(MOVING, TABLE, Figure().subplots())
    path = ax.lines[0].get_xydata()
    assert np.allclose(path[[0, -1]], corners(3)[[0, 2]])
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3"]


def test_weights_are_stacked_to_one() -> None:
    ax = plot_weights(eye(MOVING), TABLE, Figure().subplots())
    top = ax.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1)
    assert ax.get_legend_handles_labels()[1] == ["1: normal", "2: central", "3: total loss"]
    assert np.array_equal(mixture(eye(MOVING)), MOVING)


@pytest.mark.parametrize(
    ("row", "first"),
    [
        ({"name": "central", "correlation": 0.876}, "2: central (r = 0.88)"),
        ({"name": "normal", "correlation": np.nan}, "2: normal"),
        ({"name": np.nan, "correlation": np.nan}, "Archetype 2"),
    ],
)
def test_titles_say_name_and_use(row: dict, first: str) -> None:
    title = archetype_title(pd.Series({"archetype": 2, "mean_weight": 0.1, "largest_weight": 0.95, **row}))
    assert title == f"{first}\nweight 10 %, largest 95 %"


def test_every_method_has_its_line() -> None:
    number = pd.DataFrame(
        [
            {"archetypes": k, "method": m, "error": k + i, "lower": k + i - 0.5, "upper": k + i + 0.5}
            for k in (3, 6)
            for i, m in enumerate(("deep", "linear", "pca"))
        ]
    )
    ax = plot_number(number, "", Figure().subplots())
    drawn = [line[0].get_ydata().tolist() for line in ax.containers]
    assert drawn == [[3, 6], [4, 7], [5, 8]]
    assert list(ax.get_xticks()) == [3, 6]


def test_correlations_stand_over_their_archetypes() -> None:
    stability = pd.DataFrame(
        {
            "against": ["seed", "seed", "half", "half"],
            "archetype": [1, 2, 1, 2],
            "correlation": [0.9, 1, 0.4, 0.6],
        }
    )
    ax = plot_stability(stability, Figure().subplots())
    assert [line.get_label() for line in ax.lines[:2]] == [
        "Another seed, same rows: mean 0.95",
        "Other rows (halves): mean 0.50",
    ]
    empty = plot_stability(stability.iloc[:0], Figure().subplots())
    assert "repeats" in empty.texts[0].get_text()


def test_a_way_is_drawn_between_its_measured_ends() -> None:
    rows = pd.DataFrame(
        {"share": [1.0, 0.0, np.nan, np.nan], "end": [np.nan, np.nan, 1, 0], "x_1": [20.0, 10.0, 21.0, 9.0]}
    )
    assert path_pictures(rows)[:, 0].tolist() == [9, 10, 20, 21]
