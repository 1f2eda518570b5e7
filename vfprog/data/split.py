"""Patient-level split of a training cohort: both eyes of a patient always stand on one side."""

from __future__ import annotations

from hashlib import sha256

import pandas as pd

from vfprog import columns as c
from vfprog.config import SplitConfig
from vfprog.errors import UserError

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def split_patients(visits: pd.DataFrame, options: SplitConfig, seed: int) -> pd.DataFrame:
    """Assign every patient with an included field to a part.

    The order of patients is that of a seeded hash of their identifiers, so the split depends neither on the
    order of rows nor on anything measured. Shares are exact up to rounding, but no part is empty.

    Parameters
    ----------
    visits : DataFrame
        A cohort's visits.
    options : SplitConfig
        Shares of validation and test patients; the others are trained on.
    seed : int

    Returns
    -------
    DataFrame
        ``patient_id, part``, sorted by patient; part is train, validation or test.

    Raises
    ------
    UserError
        If there are fewer patients than parts.
    """
    patients = visits.loc[visits[c.INCLUDED], c.PATIENT].unique()
    order = sorted(patients, key=lambda patient: sha256(f"{seed}:{patient}".encode()).digest())
    sizes = _part_sizes(len(order), options)
    parts = [part for part, size in sizes.items() for _ in range(size)]
    return pd.DataFrame({c.PATIENT: order, c.PART: parts}).sort_values(c.PATIENT, ignore_index=True)


def part_of(visits: pd.DataFrame, split: pd.DataFrame, part: str) -> pd.DataFrame:
    """The visits of the patients of one part."""
    patients = split.loc[split[c.PART] == part, c.PATIENT]
    return visits[visits[c.PATIENT].isin(patients)].reset_index(drop=True)


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
