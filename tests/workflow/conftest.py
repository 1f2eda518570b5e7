"""A tiny run of the whole workflow, made once and shared by the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
PATIENT_ID = "Müller <b>007</b>"  # of a patient in the clinic's table: hostile, and never to be seen in a log


@dataclass(frozen=True)
class Run:
    """A working directory with a copy of the workflow, and what a run of it left there."""

    folder: Path
    config: Path

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here as a user would, on this run's config."""
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        command = [
            sys.executable,
            "-m",
            "snakemake",
            *arguments,
            "--cores",
            "2",
            "--configfile",
            str(self.config),
        ]
        return subprocess.run(command, cwd=self.folder, env=environment, text=True, capture_output=True)

    def planned(self, *arguments: str) -> set[str]:
        """Rules that a dry run would execute."""
        shown = self.snakemake("--dry-run", *arguments)
        assert shown.returncode == 0, shown.stderr
        text = shown.stdout + shown.stderr
        return {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("rule ")} - {
            "all"
        }

    def edit_config(self, **sections: object) -> None:
        """Replace sections of the config."""
        content = yaml.safe_load(self.config.read_text())
        self.config.write_text(yaml.safe_dump({**content, **sections}))


def clinic_table(path: Path) -> None:
    """Twelve eyes of six patients as a clinic might export them, with rows that cannot be used."""
    rng = np.random.default_rng(0)
    rows = []
    for patient in range(6):
        name = PATIENT_ID if patient == 0 else f"00{patient}"
        for eye in ("R", "L"):
            level = rng.normal(-4, 3, 52)
            for visit in range(1 + patient + (eye == "L")):
                date = (pd.Timestamp("2015-03-02") + pd.Timedelta(days=170 * visit)).strftime("%d.%m.%Y")
                td = np.round(level + rng.normal(0, 2, 52)).astype(int)
                rows.append([name, eye, date, "01.05.1950", 0.02, *td])
    names = ["Patient", "Eye", "Tested", "Born", "FP", *[f"td{j}" for j in range(1, 53)]]
    table = pd.DataFrame(rows, columns=names).astype(object)
    table.loc[len(table)] = table.loc[0]  # a duplicate
    table.loc[len(table)] = table.loc[1].where(table.columns != "Eye", "X")  # an eye code that means nothing
    table.loc[len(table)] = table.loc[2].where(table.columns != "td7", 400)  # an impossible deviation
    table.loc[5, "FP"] = 0.6  # unreliable
    table.to_csv(path, index=False, sep=";")


CONFIG = {
    "run": "tiny",
    "seed": 7,
    "cohorts": {
        "demo": {
            "role": "train",
            "format": "simulated",
            "simulate": {"eyes": 40, "visits": [1, 9], "rnfl": True},
            "structure": [f"rnfl_{sector}" for sector in ("T", "TS", "NS", "N", "NI", "TI")],
        },
        "clinic": {
            "role": "apply",
            "path": "clinic.csv",
            "retest": True,
            "columns": {
                "patient": "Patient",
                "eye": "Eye",
                "date": "Tested",
                "date_format": "%d.%m.%Y",
                "birth_date": "Born",
                "td": "td{}",
                "false_positives": "FP",
            },
        },
    },
    "models": {"vae": {"latent_dim": 3, "train": {"population_series": 400, "steps": 60, "epoch": 20}}},
    "trajectory": {"method": "static", "model": "vae", "draws": 8},
    "forecast": {"years_ahead": [0, 1, 2.5]},
    "rates": {"poplr_permutations": 99},
    "evaluation": {"first_visits": [2, 3], "bootstrap": 100},
    "trust": {
        "cohorts": ["demo"],
        "sbc_eyes": 20,
        "nuts_eyes": 1,
        "nuts_draws": 10,
        "nuts_warmup": 10,
        "predictive_eyes": 10,
        "replicates": 20,
    },
}


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes a folder with a copy of the workflow, so that tests may edit its files."""

    def copy() -> Path:
        folder = tmp_path_factory.mktemp("clone")
        for name in ("workflow", "config", "vfprog"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "Snakefile", folder)
        return folder

    return copy


@pytest.fixture(scope="session")
def run(clone: Callable[[], Path]) -> Run:
    """The finished run."""
    folder = clone()
    clinic_table(folder / "clinic.csv")
    made = Run(folder, folder / "tiny.yaml")
    made.config.write_text(yaml.safe_dump(CONFIG))
    result = made.snakemake("--show-failed-logs")
    assert result.returncode == 0, result.stderr[-8000:]
    return made
