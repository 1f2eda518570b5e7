"""The command line: a user's mistake is one line and status 2; every rule's verb exists and explains itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from vfprog import columns as c
from vfprog.config import CohortConfig
from vfprog.data.schema import write_visits
from vfprog.perimetry.grid import load_grid
from vfprog.provenance import code_digest

RULES = (REPOSITORY / "workflow" / "rules").glob("*.smk")
VERBS = sorted({verb for file in RULES for verb in re.findall(r'"vfprog (\w+) ', file.read_text())})


def vfprog(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from vfprog.cli import app; app()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_verb_of_the_workflow_explains_itself():
    assert len(VERBS) >= 12
    shown = vfprog("--help").stdout
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", shown), verb
        assert len(code_digest(verb)) == 16


def test_a_users_mistake_is_one_line_and_status_2(tmp_path):
    source = tmp_path / "fields.csv"
    source.write_text("Patient,Eye,Age,td1\nP1,OD,60,-3\n")
    cohort = CohortConfig(
        role="apply", path=str(source), columns={"patient": "MRN", "eye": "Eye", "age": "Age", "td": "td{}"}
    )
    outputs = [tmp_path / name for name in ("visits.parquet", "qc.json", "quarantine.csv")]
    result = vfprog("preprocess", *outputs, "--source", source, "--options", cohort.model_dump_json())
    assert result.returncode == 2
    assert result.stderr.startswith("vfprog: ") and "fields.csv" in result.stderr and "MRN" in result.stderr
    assert "Traceback" not in result.stderr
    assert not any(path.exists() for path in outputs)


def test_detection_without_truth_cannot_be_scored(tmp_path):
    grid = load_grid("24-2")
    visits = pd.DataFrame({"patient_id": ["P1"], "eye": ["OD"], "visit": [1], "years": [0.0], "age": [60.0]})
    visits = visits.assign(
        md=-3.0, mtd=-3.0, psd=2.0, included=True, reason="", **dict.fromkeys(c.td(grid.n), -3.0)
    )
    write_visits(visits, grid, tmp_path / "visits.parquet")
    options = json.dumps({"rates": {}, "evaluation": {}})
    outputs = [tmp_path / f"{name}.csv" for name in ("detection", "differences", "times")]
    inputs = ("--visits", tmp_path / "visits.parquet", "--model", tmp_path, "--options", options)
    result = vfprog("detect", *outputs, *inputs)
    assert result.returncode == 2
    assert "give --twin or --truth" in result.stderr


@pytest.mark.parametrize("verb", ["fit", "forecast"])
def test_verbs_do_not_load_the_workflow_manager(verb):
    loaded = (
        "import sys; from typer.testing import CliRunner; from vfprog.cli import verbs;"
        f"CliRunner().invoke(verbs, ['{verb}', '--help']); print('snakemake' in sys.modules, 'torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout
    assert shown.split() == ["False", "False"]  # help is instant: nothing heavy is imported until a verb runs
