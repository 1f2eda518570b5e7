"""The shipped examples parse, and the cohorts they describe read whole from the development data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import CohortConfig, read_config
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.schema import visits_schema
from vfprog.data.split import split_patients
from vfprog.perimetry.grid import load_grid

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
COUNTS = {  # fields, eyes, patients
    ("rotterdam", "rotterdam"): (1123, 85, 55),
    ("rotterdam_both", "rotterdam"): (1123, 85, 55),
    ("lei_sfd", "progressing"): (810, 81, 54),
    ("lei_sfd", "stable"): (810, 81, 54),
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_parse_and_are_named_after_their_run(path: Path) -> None:
    config = read_config(path)
    assert config.run == path.stem
    assert all(cohort.attribution for cohort in config.cohorts.values() if cohort.simulate is None)


def beside_the_repository(cohort: CohortConfig) -> CohortConfig:
    """The cohort with its paths taken from the repository's folder, where the examples are run."""
    root = EXAMPLES.parents[1]
    join = cohort.join and cohort.join.model_copy(update={"path": str(root / cohort.join.path)})
    return cohort.model_copy(update={"path": [str(root / path) for path in cohort.paths], "join": join})


@pytest.mark.shared_data
@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(("example", "name"), COUNTS)
def test_example_cohorts_read_whole(example: str, name: str) -> None:
    config = read_config(EXAMPLES / f"{example}.yaml")
    cohort = beside_the_repository(config.cohorts[name])
    visits, qc, quarantine = preprocess(read_cohort(cohort, [Path(path) for path in cohort.paths]), cohort)
    visits_schema(load_grid(cohort.grid)).validate(visits, lazy=True)
    assert (qc["included_fields"], qc["eyes"], qc["patients"]) == COUNTS[example, name]
    assert quarantine.empty
    # The plain mean of TD, straight from the file; MD weighs the locations, so it is near but another.
    raw = pd.read_csv(cohort.paths[0]).filter(regex=r"^td\.?\d+$").mean(axis=1)
    np.testing.assert_allclose(visits[c.MTD], raw[visits[c.ROW] - 2], atol=1e-9)
    assert np.corrcoef(visits[c.MD], visits[c.MTD])[0, 1] > 0.97


@pytest.mark.shared_data
@pytest.mark.usefixtures("shared")
def test_ages_of_lei_run_with_time() -> None:
    cohort = beside_the_repository(read_config(EXAMPLES / "lei_sfd.yaml").cohorts["stable"])
    visits, _, _ = preprocess(read_cohort(cohort, [Path(path) for path in cohort.paths]), cohort)
    eye = visits.groupby(c.EYE_KEY)
    assert (eye.size() == 10).all()
    assert (eye[c.YEARS].max() == 4.5).all()
    assert (eye[c.AGE].max() - eye[c.AGE].min() == 4.5).all()
    assert visits[["oct.T", "oct.TI"]].notna().all(axis=None)


@pytest.mark.shared_data
@pytest.mark.usefixtures("shared")
def test_rotterdam_both_scores_every_patient_in_one_of_five_folds() -> None:
    config = read_config(EXAMPLES / "rotterdam_both.yaml")
    cohort = beside_the_repository(config.cohorts["rotterdam"])
    visits, _, _ = preprocess(read_cohort(cohort, [Path(path) for path in cohort.paths]), cohort)
    split = split_patients(visits, config.split, config.seed)
    assert split[c.PATIENT].is_unique
    assert set(split[c.PATIENT]) == set(visits[c.PATIENT])
    assert split["fold"].value_counts().between(10, 12).all()
    assert set(split["fold"]) == {1, 2, 3, 4, 5}
