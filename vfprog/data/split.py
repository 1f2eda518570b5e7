"""Patient-level split of a training cohort: both eyes of a patient always stand on one side."""

from __future__ import annotations

from hashlib import sha256

import pandas as pd

from vfprog import columns as c
from vfprog.config import SplitConfig
from vfprog.errors import UserError

PARTS = TRAIN, VALIDATION, TEST = "train", "validation", "test"
SERVING = 0  # in place of a fold's number: the model that serves rates and forecasts


def split_patients(visits: pd.DataFrame, options: SplitConfig, seed: int) -> pd.DataFrame:
    """Assign every patient with an included field to a part and, for cross-validation, to a fold.

    The order of patients is that of a seeded hash of their identifiers, so the split depends neither on the
    order of rows nor on anything measured. Shares are exact up to rounding, but no part is empty; nor is one of
    those that :func:`part_of` makes for a fold.

    Parameters
    ----------
    visits : DataFrame
        A cohort's visits.
    options : SplitConfig
        Shares of validation and test patients; the others are trained on. With folds there is no test part.
    seed : int

    Returns
    -------
    DataFrame
        ``patient_id, part`` and with folds ``fold`` (1..), sorted by patient; part is train, validation or test.

    Raises
    ------
    UserError
        If there are fewer patients than parts or folds need.
    """
    order = _in_random_order(visits.loc[visits[c.INCLUDED], c.PATIENT], seed)
    sizes = _fold_sizes(len(order), options) if options.folds else _part_sizes(len(order), options)
    parts = [part for part, size in sizes.items() for _ in range(size)]
    split = pd.DataFrame({c.PATIENT: order, c.PART: parts})
    if options.folds:
        # In turn, so that each fold has its share of training and of validation patients.
        split[c.FOLD] = [i % options.folds + 1 for i in range(len(order))]
    return split.sort_values(c.PATIENT, ignore_index=True)


def some_patients(visits: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """The visits of ``most`` patients drawn by the seed; all where there are no more."""
    chosen = _in_random_order(visits[c.PATIENT], seed)[:most]
    return visits[visits[c.PATIENT].isin(chosen)].reset_index(drop=True)


def _in_random_order(patients: pd.Series, seed: int) -> list[str]:
    """Each patient once, in the order of a seeded hash."""
    return sorted(patients.unique(), key=lambda patient: sha256(f"{seed}:{patient}".encode()).digest())


def part_of(visits: pd.DataFrame, split: pd.DataFrame, part: str, fold: int = SERVING) -> pd.DataFrame:
    """The visits of the patients of one part; see :func:`patients_of`."""
    return visits[visits[c.PATIENT].isin(patients_of(split, part, fold))].reset_index(drop=True)


def patients_of(split: pd.DataFrame, part: str, fold: int = SERVING) -> pd.Series:
    """The patients of one part, as the model of a fold sees them.

    A fold's patients are its model's test patients, whatever part they stand in for the other models.
    """
    if fold == SERVING:
        chosen = split[c.PART] == part
    elif part == TEST:
        chosen = split[c.FOLD] == fold
    else:
        chosen = (split[c.PART] == part) & (split[c.FOLD] != fold)
    return split.loc[chosen, c.PATIENT]


def _part_sizes(n: int, options: SplitConfig) -> dict[str, int]:
    """Number of patients by part, at least one in each."""
    if n < 3:
        raise UserError(
            f"{n} patients cannot be split into {TRAIN}, {VALIDATION} and {TEST}: add patients, or give the cohort "
            "role apply"
        )
    sizes = {TEST: max(round(n * options.test), 1), VALIDATION: max(round(n * options.validation), 1)}
    if sum(sizes.values()) >= n:
        sizes[max(sizes, key=lambda part: sizes[part])] -= sum(sizes.values()) - (n - 1)
    return {**sizes, TRAIN: n - sum(sizes.values())}


def _fold_sizes(n: int, options: SplitConfig) -> dict[str, int]:
    """Number of patients by part beside folds: two at least, for a fold takes every so many-th of them."""
    least = max(options.folds, 4)
    if n < least:
        raise UserError(
            f"{n} patients are too few for {options.folds} folds: at least {least} are needed; add patients, set fewer "
            "split.folds, or give the cohort role apply"
        )
    validation = min(max(round(n * options.validation), 2), n - 2)
    return {VALIDATION: validation, TRAIN: n - validation}
