"""Simulated cohorts: a clinic's export that hangs together, the truth beside it, and replicates of known eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import CohortConfig, Simulation
from vfprog.data.nerve_fibres import COLUMNS
from vfprog.data.population import load_population
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.simulated_cohort import SimulatedCohort, simulate_cohort
from vfprog.errors import UserError
from vfprog.io import write_table
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.regression import linear_regression

POPULATION = load_population()


def cohort_of(**options: object) -> SimulatedCohort:
    return simulate_cohort(POPULATION, Simulation.model_validate(options), seed=1)


def test_seed_and_only_the_seed_decides() -> None:
    first, again, other = (
        simulate_cohort(POPULATION, Simulation(eyes=20, visits=(1, 4)), seed) for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(a, b)
    assert not first.truth["rate"].equals(other.truth["rate"])


def test_visits_lie_within_their_limits() -> None:
    fields, truth, _ = cohort_of(eyes=200, visits=[2, 5])
    counts = fields.groupby(c.EYE_KEY).size()
    assert len(counts) == len(truth) == 200
    assert set(counts) == {2, 3, 4, 5}
    assert fields[c.sens(52)].dtypes.eq("int64").all()
    assert fields[c.FALSE_POSITIVES].between(0, 1).all() and fields[c.AGE].between(30, 100).all()


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_patients_have_two_eyes_at_the_configured_rate(share: float) -> None:
    truth = cohort_of(eyes=1000, visits=[1, 1], fellow_eyes=share).truth
    eyes = truth.groupby(c.PATIENT)[c.EYE]
    assert eyes.nunique().equals(eyes.size()), "a patient has two eyes of one side"
    two = (eyes.size() == 2).mean()
    patients = eyes.ngroups
    assert eyes.size().max() <= 2
    assert abs(two - share) <= 4 * np.sqrt(share * (1 - share) / patients) + 1 / patients
    assert 0.4 < (truth[c.EYE] == c.RIGHT).mean() < 0.6


def test_truth_stands_in_the_order_of_the_fields_and_fits_them() -> None:
    fields, truth, _ = cohort_of(eyes=60, visits=[10, 10])
    assert fields[c.EYE_KEY].drop_duplicates(ignore_index=True).equals(truth[c.EYE_KEY])
    np.testing.assert_allclose(truth["rate"], truth.filter(regex=r"^slope_\d+$").mean(axis=1))
    seen = fields.groupby(c.EYE_KEY, sort=False)[c.sens(52)].mean().mean(axis=1).to_numpy()
    level = truth.filter(regex=r"^level_\d+$").mean(axis=1)
    assert np.corrcoef(seen, level)[0, 1] > 0.9


def test_a_seed_of_its_own_replaces_the_runs() -> None:
    own, run = cohort_of(eyes=5, seed=2), simulate_cohort(POPULATION, Simulation(eyes=5), seed=2)
    pd.testing.assert_frame_equal(own.fields, run.fields)


def test_courses_without_wander_are_lines_of_the_true_slopes() -> None:
    cohort = cohort_of(eyes=20, visits=[4, 4], wander=False)
    pd.testing.assert_frame_equal(cohort.courses[c.EYE_KEY], cohort.fields[c.EYE_KEY], check_names=False)
    td = cohort.courses[c.td(52)].to_numpy().reshape(20, 4, 52)
    years = cohort.courses[c.YEARS].to_numpy().reshape(20, 4)
    slope = linear_regression(td[:, :3], years[:, :3], np.ones((20, 3, 52), bool)).slope
    np.testing.assert_allclose(slope, cohort.truth.filter(regex=r"^slope_"), atol=1e-5)


def test_nerve_fibres_come_beside_the_same_fields() -> None:
    without, beside = cohort_of(eyes=40), cohort_of(eyes=40, rnfl=True)
    pd.testing.assert_frame_equal(beside.fields.drop(columns=COLUMNS), without.fields)
    assert beside.fields[COLUMNS].to_numpy().min() > 20


def test_no_field_of_a_simulated_cohort_contradicts_another(tmp_path: Path) -> None:
    simulation = Simulation(eyes=100, visits=(1, 6))
    fields = simulate_cohort(POPULATION, simulation, seed=1).fields
    write_table(fields, tmp_path / "fields.csv")
    config = CohortConfig(role="both", format="simulated", simulate=simulation)
    visits, qc, quarantine = preprocess(read_cohort(config, [tmp_path / "fields.csv"]), config)
    assert quarantine.empty and set(qc["excluded"]) <= {"false positives above the limit"}
    assert qc["fields"] == len(fields) == len(visits)
    assert not any(qc["findings"].values()), qc["findings"]


# Known true fields


def write_truth(folder: Path, **changes: object) -> dict[str, Any]:
    """Two eyes of person 7 and one of person 08, three visits each; the config section that reads them."""
    rows = [("7", "R"), ("7", "L"), ("08", "R")]
    table = pd.DataFrame(
        [(person, eye, visit, 60 + 0.5 * visit) for person, eye in rows for visit in (1, 2, 3)],
        columns=["person", "eye", "visit", "age"],
    )
    for i in range(1, 53):
        table[f"vf.{i}"] = 25.0 - table["visit"] * (i == 1)
    for name, value in changes.items():
        table[name.replace("_", ".")] = value
    table.to_csv(folder / "true.csv", index=False)
    columns = {"patient": "person", "visit": "visit", "visit_interval": 0.5, "age": "age", "sens": "vf.{}"}
    return {"path": str(folder / "true.csv"), "columns": columns}


def test_replicates_are_patients_of_one_person(tmp_path: Path) -> None:
    options = {"truth": write_truth(tmp_path), "replicates": 12, "test": "staircase", "rnfl": True}
    fields, truth, courses = cohort_of(**options)
    assert len(truth) == 36 and len(fields) == len(courses) == 108
    assert set(truth[c.PERSON]) == {"7", "08"}
    assert truth[c.PATIENT].nunique() == 24 and {"7-r01", "7-r12", "08-r05"} <= set(truth[c.PATIENT])
    assert truth.groupby(c.PATIENT)[c.EYE].nunique().groupby(lambda name: name[0]).unique().map(list).to_dict() == {
        "7": [2], "0": [1]
    }  # fmt: skip
    # The truth is one, the tests of it are many.
    assert truth.groupby([c.PERSON, c.EYE])["rate"].nunique().eq(1).all()
    tests = fields[c.sens(52)].to_numpy().reshape(36, -1)
    assert len(np.unique(tests, axis=0)) == 36
    # A sensitivity that stays is a deviation that rises as the normal one falls with age.
    np.testing.assert_allclose(truth["slope_2"], -load_norms("24-2").slope[1], atol=1e-6)


def test_people_are_text_through_the_readers(tmp_path: Path) -> None:
    simulation = Simulation.model_validate({"truth": write_truth(tmp_path), "replicates": 2, "rnfl": True})
    cohort = simulate_cohort(POPULATION, simulation, seed=1)
    write_table(cohort.fields, tmp_path / "fields.csv")
    config = CohortConfig(role="apply", format="simulated", simulate=simulation)
    visits, qc, _ = preprocess(read_cohort(config, [tmp_path / "fields.csv"]), config)
    assert qc["included_fields"] + sum(qc["excluded"].values()) == 18
    assert set(visits[c.PERSON]) == {"7", "08"}
    assert visits[COLUMNS].dtypes.eq(float).all()
    merged = visits.merge(cohort.courses, on=c.VISIT_KEY, suffixes=("", "_true"))
    assert len(merged) == 18
    np.testing.assert_allclose(merged["years"], merged["years_true"], atol=0.01)


def test_one_replicate_keeps_the_patients_name(tmp_path: Path) -> None:
    truth = cohort_of(truth=write_truth(tmp_path)).truth
    assert truth[c.PATIENT].tolist() == truth[c.PERSON].tolist() == ["08", "7", "7"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"vf_3": [np.nan] + [25.0] * 8}, r"row 2: a location has no true sensitivity"),
        ({"vf_3": [99.0] + [25.0] * 8}, r"row 2, column vf\.3: outside"),
        ({"age": [np.nan] + [61.0] * 8}, r"row 2, column age: no age"),
    ],
)
def test_true_fields_must_be_whole(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        cohort_of(truth=write_truth(tmp_path, **changes))
