"""The lock, pyproject.toml and environment.yml name the same versions; generated files are in step."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.conftest import REPOSITORY
from vfprog.config import json_schema, read_config


def _pins(lines: list[str]) -> dict[str, str]:
    """Exact pins by normalised name; anything that is not one is an error."""
    pins = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, f"not an exact version: {line}"
        pins[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return pins


def _project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def _direct() -> dict[str, str]:
    project = _project()
    extras = [pin for group in project["optional-dependencies"].values() for pin in group]
    return _pins([*project["dependencies"], *extras])


def test_lock_holds_every_direct_pin():
    locked = _pins((REPOSITORY / "requirements.lock").read_text().split())
    direct = _direct()
    assert {name: locked.get(name) for name in direct} == direct
    assert locked["torch"] == "2.13.0"


def test_conda_environment_holds_the_same_pins():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    assert "python=3.11" in environment["dependencies"]
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert _pins([line for line in pip if not line.startswith("--")]) == _direct()
    assert "--constraint requirements.lock" in pip


def test_versions_agree():
    version = _project()["version"]
    assert f"version: {version}" in (REPOSITORY / "CITATION.cff").read_text()
    assert f"## {version}" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_config_schema_is_in_step():
    stored = (REPOSITORY / "config" / "schema.json").read_text()
    assert stored == json_schema(), "run: vfprog schema > config/schema.json"


def test_readmes_example_is_a_valid_config(tmp_path):
    readme = (REPOSITORY / "README.md").read_text()
    example = re.search(r"```yaml\n(# clinic\.yaml.*?)```", readme, re.DOTALL)
    assert example
    path = tmp_path / "clinic.yaml"
    path.write_text(example[1])
    assert read_config(path).cohorts["clinic"].columns is not None


def test_readme_names_every_required_column():
    readme = (REPOSITORY / "README.md").read_text()
    for column in (
        "p_worsening",
        "p_progressing",
        "p_faster_1",
        "md_slope_p",
        "plr_points",
        "poplr_p",
        "td_median",
    ):
        assert f"`{column}" in readme or f" {column}" in readme, column
