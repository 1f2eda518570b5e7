"""Preprocessing: which fields are used, why others are not, and that nothing vanishes uncounted."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vfprog import columns as c
from vfprog.config import CohortConfig, ColumnMap, Reliability
from vfprog.data import preprocess as module
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import Problem, Reading, read_cohort
from vfprog.data.schema import visits_schema, write_visits
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
GOLDEN = Path(__file__).parents[1] / "golden"


def cohort_config(columns: dict[str, Any] | None = None, **options: Any) -> CohortConfig:
    mapped = {"age": "age", "td": "td{}"} | (columns or {})
    return CohortConfig(role="apply", path="unused", columns=ColumnMap(**mapped), **options)


def field(patient: str = "p", eye: str = "OD", level: float = -3.0, **values: Any) -> dict[str, Any]:
    """A field as a reader returns it, ``level`` dB everywhere."""
    base = {c.PATIENT: patient, c.EYE: eye, c.AGE: np.nan}
    return base | dict.fromkeys(c.td(52), level) | values


def reading_of(rows: list[dict[str, Any]], problems: list[Problem] | None = None) -> Reading:
    fields = pd.DataFrame(rows)
    fields[c.SOURCE] = "f.csv"
    fields[c.ROW] = range(2, 2 + len(rows))
    return Reading(fields, len(rows) + len(problems or []), problems or [])


def dated(day: str, **values: Any) -> dict[str, Any]:
    return field(**{c.DATE: pd.Timestamp(day)} | values)


def reasons(rows: list[dict[str, Any]], cohort: CohortConfig | None = None) -> list[str]:
    """Why each field is excluded, in the order of the source."""
    visits, qc, quarantine = preprocess(reading_of(rows), cohort or cohort_config())
    visits_schema(GRID).validate(visits, lazy=True)
    assert qc["rows_read"] == len(visits) + len(quarantine)
    assert sum(qc["excluded"].values()) == qc["fields"] - qc["included_fields"]
    return visits.sort_values(c.ROW)[c.REASON].tolist()


# Order in time


def test_visits_count_over_all_fields_by_time() -> None:
    rows = [dated("2016-01-01"), dated("2015-01-01"), dated("2017-01-01", td_1=np.nan)]
    visits, qc, _ = preprocess(reading_of(rows), cohort_config(min_locations=1.0))
    assert visits[c.ROW].tolist() == [3, 2, 4]
    assert visits[c.VISIT].tolist() == [1, 2, 3]
    assert visits[c.YEARS].tolist() == pytest.approx([0, 365 / 365.25, 731 / 365.25])
    assert visits[c.INCLUDED].tolist() == [True, True, False]
    assert qc["findings"]["out_of_order"] == 1
    assert qc["notes"][0] == "1 rows stood after a later test of their eye and were put in order."


def test_eyes_are_ordered_apart() -> None:
    rows = [dated("2016-01-01"), dated("2015-01-01", eye="OS"), dated("2015-06-01", patient="q")]
    visits, qc, _ = preprocess(reading_of(rows), cohort_config())
    assert (visits[c.VISIT] == 1).all()
    assert (visits[c.YEARS] == 0).all()
    assert qc["findings"]["out_of_order"] == 0
    assert (qc["eyes"], qc["patients"]) == (3, 2)


def test_one_age_an_eye_grows_with_the_years() -> None:
    cohort = cohort_config({"age_at": "first_field", "years": "years"})
    rows = [field(**{c.TIME_YEARS: time, c.AGE: 60.0}) for time in (2.0, 4.5)]
    visits, _, _ = preprocess(reading_of(rows), cohort)
    assert visits[c.AGE].tolist() == [60.0, 62.5]
    assert visits[c.YEARS].tolist() == [0.0, 2.5]


# Exclusions


def test_exact_duplicates_are_used_once() -> None:
    rows = [dated("2015-01-01"), dated("2015-01-01"), dated("2016-01-01"), dated("2016-01-01", level=-4.0)]
    assert reasons(rows, cohort_config(same_day="all")) == ["", module.DUPLICATE, "", ""]


@pytest.mark.parametrize(
    ("which", "used"), [("last", [False, True, True]), ("first", [True, False, True]), ("all", [True] * 3)]
)
def test_two_tests_on_one_day(which: str, used: list[bool]) -> None:
    rows = [dated("2015-01-01 09:00"), dated("2015-01-01 17:00", level=-4.0), dated("2015-01-02 08:00")]
    found = reasons(rows, cohort_config(same_day=which))
    assert found == ["" if use else module.SAME_DAY_REASON for use in used]


@pytest.mark.parametrize(("gap_days", "same"), [(0.4, True), (0.6, False)])
def test_without_dates_a_day_is_half_a_day_apart(gap_days: float, same: bool) -> None:
    rows = [field(**{c.TIME_YEARS: 60.0 + t / 365.25, "level": -t}) for t in (0.0, gap_days)]
    assert reasons(rows) == [module.SAME_DAY_REASON if same else "", ""]


def test_an_unreliable_repeat_does_not_displace_the_first_test() -> None:
    rows = [dated("2015-01-01 09:00", false_positives=0.0), dated("2015-01-01 17:00", false_positives=0.4)]
    assert reasons(rows) == ["", module.UNRELIABLE[c.FALSE_POSITIVES]]


def test_reliability_limits_exclude_what_lies_above_them() -> None:
    rates = [0.15, 0.16, np.nan]
    rows = [dated(f"201{i}-01-01", false_positives=r, fixation_losses=0.5) for i, r in enumerate(rates)]
    assert reasons(rows) == ["", module.UNRELIABLE[c.FALSE_POSITIVES], ""]
    strict = cohort_config(reliability=Reliability(false_positives=None, fixation_losses=0.49))
    with pytest.raises(UserError, match=r"none of 3 rows .* 3 rows: fixation losses above the limit"):
        preprocess(reading_of(rows), strict)


def test_a_limit_without_rates_is_noted() -> None:
    _, qc, _ = preprocess(reading_of([dated("2015-01-01")]), cohort_config())
    assert qc["notes"][:-1] == ["The source gives no rate of false positives: that limit excludes nothing."]


@pytest.mark.parametrize(("n_untested", "used"), [(5, True), (6, False), (52, False)])
def test_too_few_locations(n_untested: int, used: bool) -> None:
    gone = dict.fromkeys(c.td(n_untested), np.nan)
    rows = [dated("2015-01-01"), dated("2016-01-01", **gone)]
    assert reasons(rows) == ["", "" if used else module.UNTESTED]


def test_eyes_with_too_few_included_fields() -> None:
    rows = [dated(f"201{i}-01-01") for i in range(3)]
    rows += [dated(f"201{i}-01-01", eye="OS", false_positives=0.5 * (i == 2)) for i in range(3)]
    short = [module.TOO_SHORT, module.TOO_SHORT, module.UNRELIABLE[c.FALSE_POSITIVES]]
    assert reasons(rows, cohort_config(min_visits=3)) == ["", "", "", *short]


def test_completed_years_contradict_nothing_but_a_wrong_date_does() -> None:
    # Born 1950-12-31: completed years lag the exact age by up to a year.
    rows = [
        dated(f"{1990 + i}-{month}", age=float(39 + i)) for i in range(20) for month in ("01-01", "12-30")
    ]
    assert set(reasons(rows)) == {""}
    rows.append(dated("2001-06-01", age=64.0))
    assert reasons(rows)[-1] == module.CONTRADICTION
    _, qc, _ = preprocess(reading_of(rows), cohort_config())
    assert qc["findings"]["age_contradicts"] == 1
    assert qc["findings"]["age_backwards"] == 1


def test_time_since_an_eyes_first_field_says_nothing_of_the_other_eye() -> None:
    rows = [
        field(eye=eye, **{c.TIME_YEARS: t, c.AGE: a + t})
        for eye, a in (("OD", 60.0), ("OS", 65.0))
        for t in (0, 1)
    ]
    assert reasons(rows, cohort_config({"years": "years"})) == [""] * 4


def test_whole_ages_as_the_only_time_are_pointed_out() -> None:
    rows = [field(**{c.AGE: 60.0, c.TIME_YEARS: 60.0, "level": level}) for level in (-1.0, -2.0)]
    _, qc, _ = preprocess(reading_of(rows), cohort_config())
    assert "Time comes from ages in whole years: 1 tests" in qc["notes"][-2]


def test_nothing_left_says_why() -> None:
    problems = [Problem("f.csv", row, "eye", "?", "unknown eye code") for row in (9, 10)]
    rows = [dated("2015-01-01", **dict.fromkeys(c.td(52), np.nan))]
    said = (
        "none of 3 rows gives a field to use: 2 rows: column eye: unknown eye code; 1 rows: too few locations"
    )
    with pytest.raises(UserError, match=said):
        preprocess(reading_of(rows, problems), cohort_config())


# Deviations


def test_td_as_given_is_kept_and_md_filled() -> None:
    rows = [dated("2015-01-01", md=-9.0, td_1=-16.0), dated("2016-01-01", md=np.nan, td_1=-16.0)]
    visits, _, _ = preprocess(reading_of(rows), cohort_config())
    assert visits["td_1"].tolist() == [-16.0, -16.0]
    assert visits[c.MTD].tolist() == pytest.approx([-3.25] * 2)
    assert visits[c.MD][0] == -9.0
    assert -3.5 < visits[c.MD][1] < -3.0
    assert visits["pd_1"].tolist() == [-13.0, -13.0]


def test_sensitivities_without_an_age_are_quarantined() -> None:
    sens = dict.fromkeys(c.sens(52), 25.0)
    rows = [
        {c.PATIENT: "p", c.EYE: "OD", c.AGE: age, c.DATE: pd.Timestamp("2015-01-01")} | sens
        for age in (60, None)
    ]
    visits, qc, quarantine = preprocess(reading_of(rows), cohort_config())
    assert len(visits) == 1
    assert visits[c.td(52)].notna().all(axis=None)
    assert quarantine[[c.ROW, "column"]].to_numpy().tolist() == [[3, "age"]]
    assert (qc["rows_read"], qc["quarantined"], qc["fields"]) == (2, 1, 1)


def shipped(name: str, cohort: CohortConfig) -> Reading:
    return read_cohort(cohort, [Path(str(files("vfprog") / "resources" / "cohorts" / f"{name}.csv"))])


@pytest.mark.parametrize("name", ["halifax", "sunyiu_healthy", "sunyiu_patient"])
def test_indices_of_shipped_cohorts_equal_those_of_visualfields(name: str) -> None:
    cohort = CohortConfig(role="apply", path="x", format="visualfields")
    visits, _, quarantine = preprocess(shipped(name, cohort), cohort)
    assert quarantine.empty
    expected = pd.read_csv(GOLDEN / f"{name}_g.csv", dtype={"id": str}).iloc[visits[c.ROW] - 2]
    assert expected["id"].tolist() == visits[c.PATIENT].tolist()
    np.testing.assert_allclose(visits[c.MD], expected["tmd"], atol=1e-9)
    np.testing.assert_allclose(visits[c.PSD], expected["psd"], atol=1e-9)


@pytest.mark.parametrize("name", ["halifax", "sunyiu_patient"])
def test_deviations_of_shipped_cohorts_equal_those_of_visualfields(name: str) -> None:
    cohort = CohortConfig(role="apply", path="x", format="visualfields")
    visits, _, _ = preprocess(shipped(name, cohort), cohort)
    for kind, columns in (("td", c.td(52)), ("pd", c.pd(52))):
        expected = pd.read_csv(GOLDEN / f"{name}_{kind}.csv").filter(regex=r"^l\d").to_numpy()
        found = visits.sort_values(c.ROW)[columns].iloc[: len(expected)]
        np.testing.assert_allclose(found, GRID.without_blind_spot(expected), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "fields", "included", "eyes"),
    [("halifax", 360, 360, 30), ("sunyiu_healthy", 263, 260, 91), ("sunyiu_patient", 42, 42, 2)],
)
def test_counts_of_shipped_cohorts(name: str, fields: int, included: int, eyes: int) -> None:
    cohort = CohortConfig(role="apply", path="x", format="visualfields")
    _, qc, _ = preprocess(shipped(name, cohort), cohort)
    assert (qc["fields"], qc["included_fields"], qc["eyes"]) == (fields, included, eyes)
    assert json.loads(json.dumps(qc)) == qc


# Any table


ROWS = st.lists(
    st.builds(
        dated,
        day=st.sampled_from(
            ["2015-01-01 09:00", "2015-01-01 10:00", "2015-07-01", "2016-01-01", "2018-01-01"]
        ),
        patient=st.sampled_from(["a", "b"]),
        eye=st.sampled_from(["OD", "OS"]),
        level=st.sampled_from([-3.0, -8.0, np.nan]),
        age=st.sampled_from([60.0, 61.0, 80.0, np.nan]),
        false_positives=st.sampled_from([0.0, 0.5, np.nan]),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=25)
@given(
    rows=ROWS,
    min_visits=st.integers(1, 3),
    same_day=st.sampled_from(["first", "last", "all"]),
    data=st.data(),
)
def test_order_of_rows_changes_nothing_and_every_row_is_accounted_for(
    rows: list[dict[str, Any]], min_visits: int, same_day: str, data: st.DataObject
) -> None:
    cohort = cohort_config(min_visits=min_visits, same_day=same_day)
    reading = reading_of(rows)
    try:
        visits, qc, _ = preprocess(reading, cohort)
    except UserError:
        visits = None
    order = data.draw(st.permutations(range(len(rows))))
    shuffled = Reading(reading.fields.iloc[order], reading.rows_read)
    if visits is None:
        with pytest.raises(UserError, match="none of"):
            preprocess(shuffled, cohort)
        return
    again, qc_again, _ = preprocess(shuffled, cohort)
    pd.testing.assert_frame_equal(again, visits)
    assert qc_again == qc
    visits_schema(GRID).validate(visits, lazy=True)
    assert sorted(visits[c.ROW]) == sorted(reading.fields[c.ROW])
    assert (visits[c.INCLUDED] == (visits[c.REASON] == "")).all()
    if same_day != "all":
        used = visits[visits[c.INCLUDED]]
        assert not used.assign(day=used[c.DATE].dt.date).duplicated([*c.EYE_KEY, "day"]).any()


def test_shuffled_file_gives_the_same_visits(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.integers(-20, 2, (30, 52)), columns=[f"td{i}" for i in range(1, 53)])
    table = table.assign(patient_id=np.arange(30) % 4, eye="OD", age=rng.uniform(50, 70, 30).round(3))
    cohort = cohort_config()
    written = []
    for name, rows in (("a.csv", table), ("b.csv", table.sample(frac=1, random_state=1))):
        rows.to_csv(tmp_path / name, index=False)
        visits, _, _ = preprocess(read_cohort(cohort, [tmp_path / name]), cohort)
        written.append(visits.drop(columns=[c.SOURCE, c.ROW]))
    pd.testing.assert_frame_equal(*written)
    write_visits(visits, GRID, tmp_path / "visits.parquet")


@pytest.mark.parametrize("eyes", [[], ["?"], ["?", ""]])
def test_a_file_without_one_usable_row(tmp_path: Path, eyes: list[str]) -> None:
    columns = {"date": "date", "age": None, "carry": ["note"]}
    row = {c.PATIENT: "1", "date": "2015-01-01", "note": "a"} | {f"td{i}": "0" for i in range(1, 53)}
    table = pd.DataFrame([row | {"eye": eye} for eye in eyes], columns=[*row, "eye"])
    table.to_csv(tmp_path / "f.csv", index=False)
    cohort = cohort_config(columns)
    said = "unknown eye code" if eyes else "the source holds no rows"
    with pytest.raises(UserError, match=rf"none of {len(eyes)} rows gives a field to use: .*{said}"):
        preprocess(read_cohort(cohort, [tmp_path / "f.csv"]), cohort)
    for time in ({"date": None, "age": "td1"}, {"date": "date", "birth_date": "date"}):
        cohort = cohort_config(columns | time)
        with pytest.raises(UserError, match="none of"):
            preprocess(read_cohort(cohort, [tmp_path / "f.csv"]), cohort)


def test_cells_that_are_no_thickness_are_left_out_and_their_fields_kept() -> None:
    thickness = ["95", "900", "0", "thick", None]
    rows = [dated(f"2020-0{i + 1}-01", rnfl=cell) for i, cell in enumerate(thickness)]
    cohort = cohort_config(structure=["rnfl"])
    visits, qc, quarantine = preprocess(reading_of(rows), cohort)
    assert visits["rnfl"].tolist()[:1] == [95.0] and visits["rnfl"].isna().tolist() == [False, *[True] * 4]
    assert visits[c.INCLUDED].all() and quarantine.empty
    note, scans = [note for note in qc["notes"] if "nerve fibre" in note]
    assert "nerve fibre layer: 1." in scans and "fewer than 3 scans to use: 1 of 1;" in scans
    assert note.startswith("3 cells") and "is 900 in" in note and "column rnfl" in note and "row 3" in note
    rows[0]["false_positives"] = 0.6
    unreliable = preprocess(reading_of([*rows[:1], *rows[4:]]), cohort)[1]["notes"]
    assert any("Of these scans 1 stand beside fields that are not used" in note for note in unreliable)
    assert not any("no thickness" in note for note in unreliable)
