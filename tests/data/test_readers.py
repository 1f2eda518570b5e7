"""Readers: every format gives the same shape, and no bad cell passes or takes a good row with it."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vfprog import columns as c
from vfprog.config import CohortConfig, ColumnMap, Join
from vfprog.data.readers import Reading, read_cohort
from vfprog.data.readers.uwhvf import GRID_COLUMNS, GRID_ROWS
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
ZEROS = {f"td{i}": "0" for i in range(1, 53)}


def table_cohort(columns: dict[str, Any] | None = None, **options: Any) -> CohortConfig:
    mapped = {"patient": "id", "date": "date", "td": "td{}"} | (columns or {})
    return CohortConfig(role="apply", path="unused", columns=ColumnMap(**mapped), **options)


def record(**cells: str) -> dict[str, str]:
    return {"id": "007", "eye": "OD", "date": "2015-06-14", **ZEROS, **cells}


def read_rows(folder: Path, rows: list[dict[str, str]], cohort: CohortConfig) -> Reading:
    path = folder / "fields.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return read_cohort(cohort, [path])


def only_problem(reading: Reading) -> tuple[int, str, str, str]:
    (problem,) = reading.problems
    assert reading.rows_read == len(reading.fields) + 1
    return problem.row, problem.column, problem.value, problem.problem


# Files


def test_identifiers_keep_leading_zeros_and_eyes_are_decoded(tmp_path: Path) -> None:
    rows = [record(eye=eye) for eye in ("OD", "OS", "R", "L", "Right", "Left", "od", "LEFT")]
    fields = read_rows(tmp_path, rows, table_cohort()).fields
    assert list(fields[c.PATIENT]) == ["007"] * 8
    assert list(fields[c.EYE]) == ["OD", "OS"] * 4
    assert list(fields[c.ROW]) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert set(fields[c.SOURCE]) == {"fields.csv"}


@pytest.mark.parametrize(
    ("delimiter", "name", "encoding"),
    [
        (",", "f.csv", "utf-8"),
        (";", "f.csv", "latin-1"),
        ("\t", "f.tsv", "utf-8-sig"),
        (";", "f.txt", "utf-8-sig"),
    ],
)
def test_delimiters_encodings_and_decimal_commas(
    tmp_path: Path, delimiter: str, name: str, encoding: str
) -> None:
    mark = "." if delimiter == "," else ","
    cells = record(id="Zoë", td1=f"-3{mark}5", iop=f"{mark}5")
    text = "\n".join(delimiter.join(line) for line in (cells.keys(), cells.values()))
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    fields = read_cohort(table_cohort({"carry": ["iop"]}), [path]).fields
    assert fields.loc[0, [c.PATIENT, "td_1", "iop"]].tolist() == ["Zoë", -3.5, 0.5]


def test_rows_of_another_width_are_quarantined_and_blank_lines_skipped(tmp_path: Path) -> None:
    header, row = ",".join(record()), ",".join(record().values())
    path = tmp_path / "fields.csv"
    path.write_text(f"{header}\n{row}\n\n{row},note\n{row[:20]}\n{row}\n")
    reading = read_cohort(table_cohort(), [path])
    assert list(reading.fields[c.ROW]) == [2, 6]
    assert [problem.row for problem in reading.problems] == [4, 5]
    assert "56 columns where the header has 55" in reading.problems[0].problem
    assert reading.rows_read == 4


def test_excel_and_parquet_agree_with_csv(tmp_path: Path) -> None:
    rows = pd.DataFrame([record(), record(eye="OS", td3="-7", md="-1.25")])
    typed = rows.astype({name: float for name in [*ZEROS, "md"]}).assign(date=pd.to_datetime(rows["date"]))
    typed.to_parquet(tmp_path / "f.parquet")
    with pd.ExcelWriter(tmp_path / "f.xlsx") as book:
        pd.DataFrame({"other": [1]}).to_excel(book, sheet_name="Notes")
        typed.to_excel(book, sheet_name="Fields", index=False)
    rows.to_csv(tmp_path / "f.csv", index=False)
    cohort = table_cohort({"md": "md"}, sheet="Fields")
    csv, excel, parquet = (
        read_cohort(cohort, [tmp_path / f"f.{suffix}"]).fields.drop(columns=c.SOURCE)
        for suffix in ("csv", "xlsx", "parquet")
    )
    assert csv["td_3"].tolist() == [0, -7]
    pd.testing.assert_frame_equal(excel, csv, check_dtype=False)
    pd.testing.assert_frame_equal(parquet, csv, check_dtype=False)


def test_excel_without_its_package_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.xlsx"
    pd.DataFrame([record()]).to_excel(path, index=False)
    real_import = builtins.__import__

    def without_openpyxl(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_openpyxl)
    with pytest.raises(UserError, match=r"pip install vfprog\[excel\]"):
        read_cohort(table_cohort(), [path])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "no such file"),
        ("empty.csv", b"", "not a readable table"),
        ("twice.csv", b"id,eye,id\n1,OD,1\n", "two columns are called 'id'"),
        ("old.xls", b"x", "save the sheet as .xlsx"),
        ("broken.xlsx", b"x", "cannot be read"),
        ("broken.parquet", b"x", "not a readable Parquet file"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_cohort(table_cohort(), [tmp_path / name])


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    for name, rows in (("a.csv", [record()]), ("b.csv", [record(), record(eye="?")])):
        pd.DataFrame(rows).to_csv(tmp_path / name, index=False)
    reading = read_cohort(table_cohort(), [tmp_path / "a.csv", tmp_path / "b.csv"])
    assert list(reading.fields[c.SOURCE]) == ["a.csv", "b.csv"]
    assert reading.rows_read == 3
    assert reading.problems[0].source == "b.csv"


# Columns


def test_a_missing_column_is_named_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"fields.csv: has no column 'Eye'.*closest are eye"):
        read_rows(tmp_path, [record()], table_cohort({"eye": "Eye"}))


def test_missing_locations_are_listed(tmp_path: Path) -> None:
    cells = record()
    del cells["td52"]
    with pytest.raises(UserError, match=r"lacks td52, but grid 24-2 has locations 1 to 52"):
        read_rows(tmp_path, [cells], table_cohort())
    with pytest.raises(UserError, match=r"lacks td53 and has td77"):
        read_rows(tmp_path, [record(td54="0", td77="0")], table_cohort())
    with pytest.raises(UserError, match=r"has td0"):
        read_rows(tmp_path, [record(td0="0")], table_cohort())


def test_locations_are_found_by_number_not_by_order(tmp_path: Path) -> None:
    cells = {"id": "1", "eye": "OD", "date": "2015-06-14"}
    cells |= {f"t{i:02d}x": str(-i / 2) for i in range(52, 0, -1)}
    fields = read_rows(tmp_path, [cells], table_cohort({"td": "t{}x"})).fields
    assert fields[c.td(52)].to_numpy()[0].tolist() == [-i / 2 for i in range(1, 53)]


def full_field(values: np.ndarray) -> dict[str, str]:
    return {"id": "1", "date": "2015-06-14"} | {f"td{i + 1}": str(v) for i, v in enumerate(values)}


def test_blind_spot_is_dropped_unseen(tmp_path: Path) -> None:
    values = -np.arange(54) / 2
    cells = full_field(values) | {"eye": "OD", "td26": "100", "td35": "blind"}
    reading = read_rows(tmp_path, [cells], table_cohort())
    assert reading.problems == []
    assert np.array_equal(reading.fields[c.td(52)].to_numpy()[0], values[~GRID.blind_spot])


def test_left_eyes_as_seen_are_mirrored_with_and_without_the_blind_spot(tmp_path: Path) -> None:
    # As its patient sees it, a left eye has x of the other sign than right-eye format.
    by_position = {(x, y): -abs(x + y / 10) for x, y in GRID.full_xy}
    as_seen = sorted(((-x, y) for x, y in GRID.full_xy), key=lambda xy: (-xy[1], xy[0]))
    values = np.array([by_position[-x, y] for x, y in as_seen])
    blind = np.array([abs(y) == 3 and x == -15 for x, y in as_seen])
    expected = [by_position[x, y] for x, y in GRID.xy]

    full = full_field(values) | {f"td{i + 1}": "999" for i in np.flatnonzero(blind)}
    reading = read_rows(tmp_path, [full | {"eye": "OS"}], table_cohort(left_eyes="as_seen"))
    assert reading.fields[c.td(52)].to_numpy()[0].tolist() == expected
    rows = [full_field(values[~blind]) | {"eye": eye} for eye in ("OS", "OD")]
    fields = read_rows(tmp_path, rows, table_cohort(left_eyes="as_seen")).fields
    assert fields[c.td(52)].to_numpy()[0].tolist() == expected
    assert fields[c.td(52)].to_numpy()[1].tolist() == values[~blind].tolist()


# Codes


def test_missing_codes_hold_where_they_are_set(tmp_path: Path) -> None:
    cohort = table_cohort({"carry": ["iop"]}, missing_in={"iop": [-1], "td": [99, "x"]})
    fields = read_rows(tmp_path, [record(iop="-1.0", td1="-1", td2="99.0", td3="x", td4="")], cohort).fields
    assert np.isnan(fields["iop"][0])
    assert fields["td_1"][0] == -1
    assert fields[["td_2", "td_3", "td_4"]].isna().all(axis=None)


def test_the_second_view_is_carried_without_being_named_twice(tmp_path: Path) -> None:
    cohort = table_cohort({"carry": ["iop"]}, structure=["oct.T", "iop"])
    fields = read_rows(tmp_path, [record(iop="12", **{"oct.T": "71"})], cohort).fields
    assert fields.loc[0, ["iop", "oct.T"]].tolist() == [12, 71]
    with pytest.raises(UserError, match=r"no column 'oct\.N'"):
        read_rows(tmp_path, [record()], table_cohort(structure=["oct.N"]))


def test_codes_for_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'ipo'"):
        read_rows(tmp_path, [record(iop="1")], table_cohort(missing_in={"ipo": [-1]}))


def test_not_seen_becomes_the_floor_in_sensitivities_only(tmp_path: Path) -> None:
    sens = {f"s{i}": "20" for i in range(1, 53)}
    cohort = table_cohort({"sens": "s{}"}, not_seen=["<0", -9], floor=-1.0)
    reading = read_rows(tmp_path, [record(**sens | {"s1": "<0", "s2": "-9"}, td5="-9")], cohort)
    assert reading.fields[["sens_1", "sens_2", "sens_3", "td_5"]].to_numpy()[0].tolist() == [-1, -1, 20, -9]
    assert only_problem(read_rows(tmp_path, [record(**sens, td1="<0")], cohort))[1:3] == ("td1", "<0")


def test_percentages_become_fractions(tmp_path: Path) -> None:
    columns = {"false_positives": "fp", "reliability_unit": "percent"}
    reading = read_rows(tmp_path, [record(fp="12.5"), record(fp="")], table_cohort(columns))
    assert reading.fields[c.FALSE_POSITIVES].tolist() == pytest.approx([0.125, np.nan], nan_ok=True)


def test_carried_columns_keep_codes_and_never_take_our_names(tmp_path: Path) -> None:
    cells = record(code="001", mixed="a", md="given", iop="15")
    fields = read_rows(tmp_path, [cells, cells | {"iop": ""}], table_cohort({"carry": "all"})).fields
    assert fields[["code", "mixed", "given_md"]].to_numpy()[0].tolist() == ["001", "a", "given"]
    assert fields["iop"].tolist() == pytest.approx([15, np.nan], nan_ok=True)
    assert set(fields) == {
        *(c.PATIENT, c.EYE, c.AGE, c.DATE, c.SOURCE, c.ROW, "code", "mixed", "given_md", "iop"),
        *c.td(52),
    }


# Time


def test_age_from_birth_date_in_decimal_years(tmp_path: Path) -> None:
    columns = {"birth_date": "born", "date_format": "%d.%m.%Y"}
    row = record(born="14.06.1950", date="14.06.2015")
    fields = read_rows(tmp_path, [row, row | {"born": ""}], table_cohort(columns)).fields
    assert fields[c.DATE][0] == pd.Timestamp("2015-06-14")
    assert fields[c.AGE].tolist() == pytest.approx([23741 / 365.25, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("columns", "expected_time", "expected_age"),
    [
        ({"age": "days", "age_unit": "days"}, 60.0, 60.0),
        ({"years": "since", "age": "days", "age_unit": "days"}, 2.25, 60.0),
        ({"visit": "n", "visit_interval": 0.5}, 1.5, np.nan),
        ({"visit": "n", "age": "days", "age_unit": "days"}, 60.0, 60.0),
    ],
)
def test_time_without_dates(
    tmp_path: Path, columns: dict[str, Any], expected_time: float, expected_age: float
) -> None:
    cells = record(days=str(60 * 365.25), since="2.25", n="3")
    fields = read_rows(tmp_path, [cells], table_cohort({"date": None} | columns)).fields
    assert fields[c.TIME_YEARS][0] == expected_time
    assert fields[c.AGE][0] == pytest.approx(expected_age, nan_ok=True)


@pytest.mark.parametrize("text", ["2015-06-14T10:20:00Z", "2015-06-14 10:20:00+05:30", "20150614 10:20"])
def test_dates_keep_the_local_time_of_day(tmp_path: Path, text: str) -> None:
    fields = read_rows(tmp_path, [record(date=text)], table_cohort()).fields
    assert fields[c.DATE][0] == pd.Timestamp("2015-06-14 10:20")


# Bad cells


@pytest.mark.parametrize(
    ("cells", "column", "value", "said"),
    [
        ({"id": ""}, "id", "(hidden)", "no patient identifier"),
        ({"eye": "OU"}, "eye", "OU", "both eyes"),
        ({"eye": "rechts"}, "eye", "rechts", "columns.eye_codes"),
        ({"eye": ""}, "eye", "", "unknown eye code"),
        ({"date": "14.06.2015"}, "date", "14.06.2015", "columns.date_format"),
        ({"date": "2015"}, "date", "2015", "not a date"),
        ({"date": "1015-06-14"}, "date", "1015-06-14", "1900 to 2100"),
        ({"date": ""}, "date", "", "no date"),
        ({"age": "sixty"}, "age", "sixty", "not a number"),
        ({"age": "22000"}, "age", "22000", "columns.age_unit"),
        ({"td7": "-3,5"}, "td7", "-3,5", "list the code under missing"),
        ({"td7": "-99"}, "td7", "-99", "outside -45 to 25"),
        ({"s7": "-99"}, "s7", "-99", "missing or not_seen"),
        ({"s7": "inf"}, "s7", "inf", "outside -2 to 50"),
        ({"md": "120"}, "md", "120", "not in dB"),
        ({"fp": "12"}, "fp", "12", "columns.reliability_unit"),
    ],
)
def test_a_bad_cell_is_quarantined_with_a_remedy(
    tmp_path: Path, cells: dict[str, str], column: str, value: str, said: str
) -> None:
    sens = {f"s{i}": "20" for i in range(1, 53)}
    good = record(age="60", md="-1", fp="0.1", **sens)
    cohort = table_cohort({"age": "age", "sens": "s{}", "md": "md", "false_positives": "fp"})
    reading = read_rows(tmp_path, [good, good | cells, good], cohort)
    row, *found, problem = only_problem(reading)
    assert row == 3
    assert found == [column, value]
    assert said in problem
    assert list(reading.fields[c.ROW]) == [2, 4]


def test_birth_dates_and_identifiers_are_never_shown(tmp_path: Path) -> None:
    cohort = table_cohort({"birth_date": "born"})
    assert only_problem(read_rows(tmp_path, [record(born="1950/01/02")], cohort))[1:3] == ("born", "(hidden)")


CELLS = {
    "id": st.sampled_from(["1", "02", "", "NA"]),
    "eye": st.sampled_from(["OD", "L", "OU", "x", ""]),
    "date": st.sampled_from(["2015-06-14", "14.6.15", "", "2016-01-01 08:30"]),
    "td1": st.sampled_from(["0", "-3.5", "", "<0", "99", "-1e3"]),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)
@given(rows=st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=20))
def test_read_and_quarantined_rows_add_up(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    reading = read_rows(tmp_path, [record(**row) for row in rows], table_cohort())
    numbers = [*reading.fields[c.ROW], *(problem.row for problem in reading.problems)]
    assert sorted(numbers) == list(range(2, 2 + len(rows)))
    assert reading.rows_read == len(rows)
    assert reading.fields[c.DATE].notna().all()


# Joined tables


def join_cohort(folder: Path, people: list[dict[str, Any]]) -> CohortConfig:
    pd.DataFrame(people).to_csv(folder / "people.csv", index=False)
    join = Join(path=str(folder / "people.csv"), by=["id", "eye"])
    return table_cohort({"age": "age", "carry": ["sex"]}, join=join)


def test_join_adds_columns_by_text_keys(tmp_path: Path) -> None:
    people = [
        {"id": "007", "eye": "OD", "age": 61, "sex": "F", "date": "x"},
        {"id": "7", "eye": "OS", "age": 70},
    ]
    fields = read_rows(tmp_path, [record(), record(eye="OS")], join_cohort(tmp_path, people)).fields
    assert fields[c.AGE].tolist() == pytest.approx([61, np.nan], nan_ok=True)
    assert fields["sex"].tolist() == ["F", np.nan]
    assert fields[c.DATE].notna().all(), "a column of both tables is the first's"


def test_join_refuses_two_rows_for_one_key(tmp_path: Path) -> None:
    people = [{"id": "007", "eye": "OD", "age": age, "sex": "F"} for age in (61, 62)]
    with pytest.raises(UserError, match=r"people.csv: row 3 has the id and eye of an earlier row"):
        read_rows(tmp_path, [record()], join_cohort(tmp_path, people))


# visualFields


def test_visualfields_layout(tmp_path: Path) -> None:
    cells = {"id": "p", "eye": "OS", "date": "2015-06-14", "time": "10:20:30", "age": 64, "type": "pwg"}
    cells |= {"fpr": 0.07, "fnr": 0.1, "fl": "NA", "duration": "00:06:42"}
    cells |= {f"l{i}": i / 2 for i in range(1, 55)}
    pd.DataFrame([cells, cells | {"eye": "OU"}]).to_csv(tmp_path / "vf.csv", index=False)
    reading = read_cohort(
        CohortConfig(role="apply", path="vf.csv", format="visualfields"), [tmp_path / "vf.csv"]
    )
    field = reading.fields.iloc[0]
    assert field[c.DATE] == pd.Timestamp("2015-06-14 10:20:30")
    assert [field[c.AGE], field[c.FALSE_POSITIVES], field[c.FALSE_NEGATIVES]] == [64, 0.07, 0.1]
    assert np.isnan(field[c.FIXATION_LOSSES])
    assert field[c.sens(52)].tolist() == [i / 2 for i in range(1, 55) if i not in (26, 35)]
    assert only_problem(reading)[:3] == (3, "eye", "OU")


# UWHVF


def as_alldata(table: pd.DataFrame, grids_only: bool = False) -> dict[str, Any]:
    """Rows of VF_Data.csv in the layout of alldata.json, its sequences in an order of their own."""
    order = np.random.default_rng(5).permutation(54)
    coords = [
        {"x": int(x), "y": int(y), "index": int(np.flatnonzero(order == i)[0])}
        for i, (x, y) in enumerate(GRID.full_xy)
    ]
    data: dict[str, Any] = {}
    for _, row in table.iterrows():
        sens = row[[f"Sens_{i}" for i in range(1, 55)]].to_numpy(float)
        td = row[[f"TD_{i}" for i in range(1, 55)]].to_numpy(float)
        exam: dict[str, Any] = {"age": row["Age"]}
        for key, values in (("hvf", sens), ("td", np.where(GRID.blind_spot, sens, td))):
            cells = np.full((8, 9), 100.0)
            cells[
                [GRID_ROWS[y] for y in GRID.full_xy[:, 1]], [GRID_COLUMNS[x] for x in GRID.full_xy[:, 0]]
            ] = values
            exam[key] = cells.tolist()
            if not grids_only:
                exam[f"{key}_seq"] = values[order].tolist()
        patient = data.setdefault(str(row["PatID"]), {"gender": row["Gender"], "year": 2000})
        patient.setdefault(row["Eye"][0], []).append(exam)
    return {"pts": 0, "eyes": 0, "hvfs": len(table), "coords": coords, "data": data}


def read_uwhvf(kind: str, path: Path) -> Reading:
    return read_cohort(CohortConfig(role="apply", path="x", format=f"uwhvf_{kind}"), [path])


@pytest.mark.shared_data
@pytest.mark.parametrize("grids_only", [False, True])
def test_both_forms_of_uwhvf_agree(tmp_path: Path, shared: Path, grids_only: bool) -> None:
    source = shared / "data" / "uwhvf_sample" / "VF_Data.csv"
    path = tmp_path / "alldata.json"
    path.write_text(json.dumps(as_alldata(pd.read_csv(source), grids_only)))
    key = [c.PATIENT, c.EYE, c.AGE]
    by_csv, by_json = (
        reading.fields.sort_values(key, ignore_index=True)
        for reading in (read_uwhvf("csv", source), read_uwhvf("json", path))
    )
    assert len(by_csv) == 15
    columns = [*key, c.TIME_YEARS, "Gender", *c.td(52), *c.sens(52)]
    pd.testing.assert_frame_equal(by_csv[columns], by_json[columns])


@pytest.mark.shared_data
def test_untested_and_broken_exams_of_uwhvf(tmp_path: Path, shared: Path) -> None:
    content = as_alldata(pd.read_csv(shared / "data" / "uwhvf_sample" / "VF_Data.csv"))
    first, second, third = content["data"]["647"]["R"] + content["data"]["647"]["L"]
    position = next(p["index"] for p in content["coords"] if (p["x"], p["y"]) == (-9, 21))
    first["td_seq"][position] = 100.0
    second |= {"hvf_seq": [20.0] * 30, "hvf": [[20.0] * 8] * 8}
    del third["age"]
    path = tmp_path / "alldata.json"
    path.write_text(json.dumps(content))
    reading = read_uwhvf("json", path)
    field = reading.fields.query("patient_id == '647'").iloc[0]
    assert np.isnan(field["td_1"])
    assert not np.isnan(field["td_2"])
    assert [(p.row, p.column) for p in reading.problems] == [(2, "td or hvf"), (3, "age")]
    assert reading.rows_read == 15


@pytest.mark.parametrize("text", ["{", "[]", '{"coords": [], "data": {}}'])
def test_another_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "alldata.json").write_text(text)
    with pytest.raises(UserError, match=r"alldata.json: not an alldata.json of UWHVF"):
        read_uwhvf("json", tmp_path / "alldata.json")


# Real cohorts


@pytest.mark.shared_data
def test_rotterdam_reads_whole(shared: Path) -> None:
    columns = {"patient": "study_id", "date": None, "age": "age_days", "age_unit": "days", "md": "md"}
    cohort = table_cohort(columns | {"carry": ["iop"]}, missing_in={"iop": [-1]})
    reading = read_cohort(cohort, [shared / "data" / "rotterdam" / "rotterdam_dev.csv"])
    assert (len(reading.fields), reading.problems) == (1123, [])
    assert reading.fields["iop"].isna().sum() == 148
    assert (reading.fields[c.td(52)] == -1).sum().sum() > 1000
