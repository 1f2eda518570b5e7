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
    "assess", "models", "typical", "typicality", "figures", "report", "population", "schema",
)  # fmt: skip


def forget() -> None:
    for cached in (provenance._closure, provenance._imported_by, provenance._content):
        cached.cache_clear()


def digests() -> dict[str, str]:
    forget()
    return {verb: code_digest(verb) for verb in VERBS}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "vfprog"
    shutil.copytree(provenance.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "cohorts"))
    return folder


@pytest.fixture
def package(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, which the digests are taken from."""
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    yield copy
    forget()


@pytest.fixture(scope="module")
def unedited(copy: Path) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "PACKAGE", copy)
        return digests()


def changed_by(edited: str, file: Path, unedited: dict[str, str]) -> set[str]:
    """Verbs whose digest changes while ``file`` holds another text."""
    text = file.read_text(encoding="utf-8")
    assert edited != text
    file.write_text(edited, encoding="utf-8")
    try:
        after = digests()
    finally:
        file.write_text(text, encoding="utf-8")
    return {verb for verb in VERBS if unedited[verb] != after[verb]}


def changed_by_a_blank_line(file: Path, unedited: dict[str, str]) -> set[str]:
    return changed_by(file.read_text(encoding="utf-8") + "\n", file, unedited)


@pytest.mark.parametrize(
    ("file", "touched", "untouched"),
    [
        ("plots/style.py", {"figures", "report"}, {"preprocess", "train", "fit", "rates", "forecast", "evaluate"}),
        ("model/nets.py", {"train", "calibrate", "fit", "forecast", "evaluate"}, {"preprocess", "split", "figures"}),
        ("inference/train.py", {"train"}, {"fit", "rates", "forecast", "evaluate", "report", "preprocess"}),
        ("data/preprocess.py", {"preprocess"}, {"train", "fit", "split", "report"}),
        ("data/readers/table.py", {"preprocess"}, {"train", "fit", "figures", "report"}),
        ("data/split.py", {"split", "train", "calibrate", "assess", "typical"}, {"preprocess", "report", "models"}),
        ("forecast/rates.py", {"rates"}, {"train", "calibrate", "preprocess", "figures"}),
        ("report/render.py", {"report"}, set(VERBS) - {"report"}),
        ("perimetry/poplr.py", {"rates"}, {"train", "preprocess", "split", "figures"}),
        ("columns.py", set(VERBS) - {"fetch", "schema"}, {"schema"}),
        ("__init__.py", {"preprocess", "train", "report"}, set()),
    ],
)  # fmt: skip
def test_an_edited_module_changes_the_verbs_that_reach_it(
    package: Path, unedited: dict[str, str], file: str, touched: set[str], untouched: set[str]
) -> None:
    changed = changed_by_a_blank_line(package / file, unedited)
    assert touched <= changed, touched - changed
    assert not untouched & changed


@pytest.mark.parametrize(
    ("file", "touched", "untouched"),
    [
        ("resources/population.json", {"simulate", "train"}, {"preprocess", "fit", "report"}),
        ("resources/norms/24-2/coefficients.csv", {"preprocess", "simulate"}, {"split", "fetch"}),
        ("resources/grids/24-2.csv", {"preprocess", "train", "fit"}, {"split", "fetch", "schema"}),
        ("report/templates/base.html.j2", {"report"}, set(VERBS) - {"report"}),
    ],
)
def test_shipped_tables_and_templates_count_as_code(
    package: Path, unedited: dict[str, str], file: str, touched: set[str], untouched: set[str]
) -> None:
    changed = changed_by_a_blank_line(package / file, unedited)
    assert touched <= changed, touched - changed
    assert not untouched & changed


def test_a_verbs_own_text_counts_and_no_other_verbs(package: Path, unedited: dict[str, str]) -> None:
    text = (package / "cli" / "pages.py").read_text(encoding="utf-8")
    edited = text.replace("def figures(", "def figures(  # edited\n", 1)
    assert changed_by(edited, package / "cli" / "pages.py", unedited) == {"figures"}


def test_digests_repeat_and_tell_verbs_apart(package: Path, unedited: dict[str, str]) -> None:
    assert digests() == unedited
    assert len(set(unedited.values())) == len(VERBS)
    assert all(len(digest) == 16 for digest in unedited.values())


def test_a_verb_that_does_not_exist() -> None:
    with pytest.raises(KeyError, match="no_such_verb"):
        code_digest("no-such-verb")


def test_digest_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"fields" * 100_000)
    assert file_digest(file) == hashlib.sha256(b"fields" * 100_000).hexdigest()
