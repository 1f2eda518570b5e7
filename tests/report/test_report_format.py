"""Numbers as the report writes them."""

from __future__ import annotations

import math

import pytest

from vfprog.report.format import (
    count,
    estimate,
    interval,
    number,
    p_value,
    percent,
    plain,
    probability,
    quantity,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(-0.854, 2, "−0.85"), (-0.001, 2, "0.00"), (12, 1, "12.0"), (NAN, 2, "–")]
)
def test_numbers_have_true_minus_signs_and_no_minus_zero(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "< 0.01"), (0.0049, "< 0.01"), (0.005, "0.01"), (0.5, "0.50"), (0.9999, "> 0.99"), (NAN, "–")],
)
def test_probabilities_are_never_certain(p: float, text: str) -> None:
    assert probability(p) == text


@pytest.mark.parametrize(("p", "text"), [(0.0, "< 0.001"), (0.0123, "0.012"), (1.0, "1.000"), (NAN, "–")])
def test_p_values_are_never_zero(p: float, text: str) -> None:
    assert p_value(p) == text


def test_intervals_stand_beside_their_value() -> None:
    assert interval(-1.2, 0.345) == "[−1.20, 0.34]"
    assert estimate(-0.5, -1.2, 0.2, 1) == "−0.5 [−1.2, 0.2]"
    assert estimate(NAN, NAN, NAN) == "–"
    assert estimate(2.15, NAN, NAN) == "2.15"


def test_counts_set_thousands_apart() -> None:
    assert count(28943) == "28\N{NARROW NO-BREAK SPACE}943"
    assert count(NAN) == "–"
    assert quantity(1, "eye") == "1 eye"
    assert quantity(0, "eye") == "0 eyes"
    assert percent(0.125, 1) == "12.5 %"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (3, "3"),
        (2.0, "2"),
        (-0.12345, "−0.1235"),
        (["a", "b"], "a, b"),
        ("<b>", "<b>"),
        (NAN, "–"),
    ],
)
def test_values_of_a_card_read_plainly(value: object, text: str) -> None:
    assert plain(value) == text
