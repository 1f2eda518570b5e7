"""Digests: an edit reruns the verbs that reach the edited file, and no others."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfprog import provenance
from vfprog.provenance import code_digest, file_digest

VERBS = (
    "simulate", "fetch", "preprocess", "split", "train", "calibrate", "fit", "rates", "forecast", "evaluate", "retest",
    "models", "figures", "report", "population", "schema",
)  # fmt: skip


def forget() -> None:
    provenance._closure.cache_clear()
    provenance._content.cache_clear()


def digests() -> dict[str, str]:
    forget()
    return {verb: code_digest(verb) for verb in VERBS}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, which the digests are taken from."""
    copy = tmp_path / "vfprog"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "cohorts"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    yield copy
    forget()


def changed_by_an_edit(file: Path) -> set[str]:
    before = digests()
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    after = digests()
    return {verb for verb in VERBS if before[verb] != after[verb]}


@pytest.mark.parametrize(
    ("file", "touched", "untouched"),
    [
        ("plots/style.py", {"figures", "report"}, {"preprocess", "train", "fit", "rates", "forecast", "evaluate"}),
        ("model/nets.py", {"train", "calibrate", "fit", "forecast", "evaluate", "models"}, {"preprocess", "split", "fetch", "figures", "report"}),
        ("inference/train.py", {"train"}, {"fit", "rates", "forecast", "evaluate", "report", "preprocess"}),
        ("data/preprocess.py", {"preprocess"}, {"train", "fit", "split", "report"}),
        ("data/readers/table.py", {"preprocess"}, {"train", "fit", "figures", "report"}),
        ("data/split.py", {"split", "train", "calibrate", "models"}, {"preprocess", "report", "figures"}),
        ("forecast/rates.py", {"rates", "calibrate"}, {"train", "preprocess", "figures"}),
        ("report/render.py", {"report"}, set(VERBS) - {"report"}),
        ("perimetry/poplr.py", {"rates"}, {"train", "preprocess", "split", "figures"}),
        ("columns.py", set(VERBS) - {"fetch", "schema"}, {"schema"}),
        ("__init__.py", {"preprocess", "train", "report"}, set()),
    ],
)  # fmt: skip
def test_an_edited_module_changes_the_verbs_that_reach_it(
    package: Path, file: str, touched: set[str], untouched: set[str]
) -> None:
    changed = changed_by_an_edit(package / file)
    assert touched <= changed, touched - changed
    assert not untouched & changed


@pytest.mark.parametrize(
    ("file", "touched", "untouched"),
    [
        ("resources/population.json", {"simulate", "train"}, {"preprocess", "fit", "report"}),
        ("resources/norms/24-2/sunyiu.csv", {"preprocess", "simulate"}, {"split", "fetch"}),
        ("resources/grids/24-2.csv", {"preprocess", "train", "fit", "figures"}, {"split", "fetch", "schema"}),
        ("report/templates/base.html.j2", {"report"}, set(VERBS) - {"report"}),
    ],
)
def test_shipped_tables_and_templates_count_as_code(
    package: Path, file: str, touched: set[str], untouched: set[str]
) -> None:
    path = package / file
    if not path.exists():  # the folder of norms: any of its files
        path = sorted(f for f in path.parent.rglob("*") if f.is_file())[0]
    changed = changed_by_an_edit(path)
    assert touched <= changed, touched - changed
    assert not untouched & changed


def test_a_verbs_own_text_counts_and_no_other_verbs(package: Path) -> None:
    cli = package / "cli.py"
    before = digests()
    text = cli.read_text(encoding="utf-8")
    cli.write_text(text.replace("def figures(", "def figures(  # edited\n", 1), encoding="utf-8")
    assert cli.read_text(encoding="utf-8") != text
    after = digests()
    assert {verb for verb in VERBS if before[verb] != after[verb]} == {"figures"}


def test_digests_repeat_and_tell_verbs_apart(package: Path) -> None:
    first = digests()
    assert first == digests()
    assert len(set(first.values())) == len(VERBS)
    assert all(len(digest) == 16 for digest in first.values())


def test_verbs_may_be_written_with_hyphens_and_must_exist() -> None:
    with pytest.raises(KeyError):
        code_digest("no-such-verb")
    assert code_digest("fit") == code_digest("fit")


def test_digest_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"fields" * 100_000)
    assert file_digest(file) == hashlib.sha256(b"fields" * 100_000).hexdigest()
