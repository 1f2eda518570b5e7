"""The split: by patient, of exact shares, and blind to the order of rows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vfprog import columns as c
from vfprog.config import SplitConfig
from vfprog.data.split import TEST, TRAIN, VALIDATION, part_of, patients_of, some_patients, split_patients
from vfprog.errors import UserError


def visits_of(patients: list[str]) -> pd.DataFrame:
    rows = [(patient, eye) for patient in patients for eye in (c.RIGHT, c.LEFT)]
    return pd.DataFrame(rows, columns=c.EYE_KEY).assign(**{c.INCLUDED: True})


shares = st.builds(lambda a, b: (a, b), st.floats(0.01, 0.6), st.floats(0.01, 0.6)).filter(
    lambda s: sum(s) < 0.99
)
patients = st.lists(st.text(min_size=1, max_size=5), min_size=3, max_size=30, unique=True)


@settings(max_examples=40)
@given(patients=patients, shares=shares, seed=st.integers(0, 5), data=st.data())
def test_no_patient_stands_on_two_sides(
    patients: list[str], shares: tuple[float, float], seed: int, data: st.DataObject
) -> None:
    options = SplitConfig(validation=shares[0], test=shares[1])
    visits = visits_of(patients)
    split = split_patients(visits, options, seed)
    sides = [set(part_of(visits, split, part)[c.PATIENT]) for part in (TRAIN, VALIDATION, TEST)]
    assert sum(map(len, sides)) == len(set().union(*sides)) == len(patients)
    order = data.draw(st.permutations(range(len(visits))))
    pd.testing.assert_frame_equal(split_patients(visits.iloc[order], options, seed), split)


@given(patients=patients, shares=shares)
def test_shares_are_exact_up_to_rounding_and_no_part_is_empty(
    patients: list[str], shares: tuple[float, float]
) -> None:
    n = len(patients)
    sizes = split_patients(visits_of(patients), SplitConfig(validation=shares[0], test=shares[1]), 1)[c.PART]
    wanted = {VALIDATION: shares[0], TEST: shares[1], TRAIN: 1 - sum(shares)}
    assert set(sizes) == set(wanted)
    assume(all(n * share >= 1 for share in wanted.values()))
    for part, share in wanted.items():
        assert abs((sizes == part).sum() - n * share) <= 1


def test_seed_and_only_the_seed_decides() -> None:
    visits = visits_of([f"{i:03d}" for i in range(100)])
    first, again, other = (split_patients(visits, SplitConfig(), seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first[c.PART] != other[c.PART]).sum() > 20
    assert first[c.PART].value_counts().to_dict() == {TRAIN: 50, TEST: 35, VALIDATION: 15}
    assert first[c.PATIENT].is_monotonic_increasing


def test_patients_without_an_included_field_are_in_no_part() -> None:
    visits = visits_of(["a", "b", "c", "d"])
    visits.loc[visits[c.PATIENT] == "d", c.INCLUDED] = False
    assert split_patients(visits, SplitConfig(), 1)[c.PATIENT].tolist() == ["a", "b", "c"]


def test_too_few_patients() -> None:
    with pytest.raises(UserError, match="2 patients cannot be split into train, validation and test"):
        split_patients(visits_of(["a", "b"]), SplitConfig(), 1)


@settings(max_examples=40)
@given(patients=st.lists(st.text(min_size=1, max_size=5), min_size=8, max_size=40, unique=True),
       folds=st.integers(2, 8), share=st.floats(0.01, 0.9), seed=st.integers(0, 5))  # fmt: skip
def test_folds_test_every_patient_once_and_leave_no_part_empty(
    patients: list[str], folds: int, share: float, seed: int
) -> None:
    options = SplitConfig(folds=folds, validation=share, test=0.05)
    split = split_patients(visits_of(patients), options, seed)
    tested = [set(patients_of(split, TEST, fold)) for fold in range(1, folds + 1)]
    assert sum(map(len, tested)) == len(set().union(*tested)) == len(patients)
    sizes = [len(fold) for fold in tested]
    assert max(sizes) - min(sizes) <= 1
    for fold in range(1, folds + 1):
        sides = [set(patients_of(split, part, fold)) for part in (TRAIN, VALIDATION, TEST)]
        assert all(sides) and sum(map(len, sides)) == len(set().union(*sides)) == len(patients)
    assert patients_of(split, TEST).empty
    assert set(patients_of(split, TRAIN)) | set(patients_of(split, VALIDATION)) == set(patients)


def test_too_few_patients_for_the_folds() -> None:
    with pytest.raises(UserError, match="4 patients are too few for 5 folds: at least 5 are needed"):
        split_patients(visits_of(["a", "b", "c", "d"]), SplitConfig(folds=5), 1)


def test_one_fold_is_no_cross_validation() -> None:
    with pytest.raises(ValueError, match="folds must be 0"):
        SplitConfig(folds=1)


def test_some_patients_are_whole_and_the_same_whatever_the_order_of_rows():
    visits = pd.DataFrame({c.PATIENT: [f"P{i:03d}" for i in range(50) for _ in range(3)], "row": range(150)})
    some = some_patients(visits, 10, seed=1)
    assert some[c.PATIENT].nunique() == 10 and len(some) == 30
    again = some_patients(visits.iloc[::-1], 10, seed=1)
    assert set(again[c.PATIENT]) == set(some[c.PATIENT]) != set(some_patients(visits, 10, seed=2)[c.PATIENT])
    assert len(some_patients(visits, 50, seed=1)) == 150
