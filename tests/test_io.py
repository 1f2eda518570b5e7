"""Files: whole or not at all, with their provenance, and identifiers as they were."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from vfprog import __version__, io
from vfprog.columns import PATIENT
from vfprog.errors import UserError
from vfprog.io import atomic, read_json, read_table, write_json, write_table, write_text

AWKWARD_IDS = ["007", "NA", "nan", "None", "1e5", "0012.50", "true", "Ünal, Özge", 'quote"d', " x ", "#1"]


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("existing", [None, "before"])
def test_a_failure_leaves_nothing_behind_and_the_old_file_alone(tmp_path: Path, existing: str | None) -> None:
    target = tmp_path / "card.json"
    if existing is not None:
        target.write_text(existing)
    with pytest.raises(RuntimeError, match="half way"), atomic(target) as temporary:
        temporary.write_text("half")
        assert temporary.parent == target.parent and temporary != target
        raise RuntimeError("half way")
    assert files_in(tmp_path) == ([] if existing is None else ["card.json"])
    assert existing is None or target.read_text() == existing


def test_a_success_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "note.txt"
    write_text("first", target)
    with atomic(target) as temporary:
        temporary.write_text("second", encoding="utf-8")
        assert target.read_text() == "first"
        assert str(os.getpid()) in temporary.name  # two processes never share a temporary file
    assert target.read_text() == "second" and files_in(target.parent) == ["note.txt"]


def test_cards_carry_their_versions(tmp_path: Path) -> None:
    content = {"name": "Ünal", "values": [1, 2.5, None]}
    write_json(content, tmp_path / "card.json")
    assert read_json(tmp_path / "card.json") == content | {
        "schema_version": io.SCHEMA_VERSION,
        "vfprog": __version__,
    }


def test_cards_hold_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"rate": float("nan")}, tmp_path / "card.json")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_tables_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({PATIENT: AWKWARD_IDS, "rate": np.linspace(-1, 1 / 3, len(AWKWARD_IDS)), "n": 3})
    table.loc[2, "rate"] = np.nan
    write_table(table, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table)
    assert files_in(tmp_path) == [name]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_identifiers_that_look_like_numbers_stay_text(tmp_path: Path, name: str) -> None:
    write_table(pd.DataFrame({PATIENT: ["007", "0012"], "rate": [0.5, 1]}), tmp_path / name)
    assert read_table(tmp_path / name)[PATIENT].tolist() == ["007", "0012"]


def test_parquet_carries_provenance(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    write_table(pd.DataFrame({PATIENT: ["1"]}, index=[5]), file, {"seed": 3, "sources": ["ab12"]})
    record = json.loads(pq.read_schema(file).metadata[b"vfprog"])
    expected = {"schema_version": io.SCHEMA_VERSION, "vfprog": __version__, "seed": 3, "sources": ["ab12"]}
    assert record == expected
    assert list(read_table(file)) == [PATIENT]


def test_tables_of_another_schema_version_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(io, "SCHEMA_VERSION", 0)
        patch.setitem(io.VERSIONS, "schema_version", 0)
        write_table(pd.DataFrame({PATIENT: ["1"]}), file)
        assert len(read_table(file)) == 1
    with pytest.raises(
        UserError, match=r"t\.parquet: written with table schema 0, this vfprog reads 1; delete it"
    ):
        read_table(file)
