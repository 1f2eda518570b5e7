"""A real kill: ``vfprog train`` sent SIGKILL goes on to the very bytes of a run that was left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from vfprog.config import CohortConfig, Simulation, SplitConfig, TrainConfig, VaeConfig
from vfprog.data.population import load_population
from vfprog.data.preprocess import preprocess
from vfprog.data.readers import read_cohort
from vfprog.data.schema import write_visits
from vfprog.data.simulated_cohort import simulate_cohort
from vfprog.data.split import split_patients
from vfprog.io import read_json, write_table
from vfprog.perimetry.grid import load_grid

OPTIONS = VaeConfig(
    latent_dim=2,
    decoder_hidden=[8],
    encoder_hidden=[8],
    train=TrainConfig(population_series=200, steps=100, epoch=5, batch=32, kl_warmup=20, patience=100),
)
OUTPUTS = ("weights.safetensors", "architecture.json", "history.csv")


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """A folder with the visits and the split of a small simulated cohort."""
    folder = tmp_path / "cohort"
    simulation = Simulation(eyes=12, visits=(2, 4))
    fields = simulate_cohort(load_population(), simulation, seed=1).fields
    write_table(fields, folder / "fields.csv")
    config = CohortConfig(role="both", format="simulated", simulate=simulation)
    visits, _, _ = preprocess(read_cohort(config, [folder / "fields.csv"]), config)
    write_visits(visits, load_grid("24-2"), folder / "visits.parquet")
    write_table(split_patients(visits, SplitConfig(), seed=1), folder / "split.csv")
    return folder


def start_training(cohort: Path, target: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from vfprog.cli import app; app()", "train"]
    command += [str(target / name) for name in OUTPUTS]
    command += ["--visits", str(cohort / "visits.parquet"), "--splits", str(cohort / "split.csv")]
    command += ["--checkpoint", str(target / "checkpoint.pt"), "--options", OPTIONS.model_dump_json()]
    command += ["--device", "cpu", "--seed", "3"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, "training ended before its first checkpoint was seen"
        time.sleep(0.002)


def test_killed_training_resumes_to_the_same_bytes(cohort: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    left_alone, victim = start_training(cohort, whole), start_training(cohort, killed)
    wait_for(killed / "checkpoint.pt", victim)
    victim.kill()
    assert victim.wait() == -signal.SIGKILL
    victim.communicate()
    assert (killed / "checkpoint.pt").exists()
    assert not any((killed / name).exists() for name in OUTPUTS)
    assert left_alone.communicate()[1] and left_alone.returncode == 0

    again = start_training(cohort, killed)
    log = again.communicate()[1]
    assert again.returncode == 0, log
    assert "resuming after epoch" in log

    weights = [(folder / OUTPUTS[0]).read_bytes() for folder in (whole, killed)]
    assert weights[0] == weights[1]
    first, second = (pd.read_csv(folder / OUTPUTS[2]).drop(columns="seconds") for folder in (whole, killed))
    pd.testing.assert_frame_equal(first, second)
    cards = [read_json(folder / OUTPUTS[1]) for folder in (whole, killed)]
    for card in cards:
        del card["training"]["seconds"]
    assert cards[0] == cards[1]
    assert cards[0]["training"]["population_series"] == 200
    assert json.loads(OPTIONS.model_dump_json()) == cards[0]["options"]
    assert not (killed / "checkpoint.pt").exists() and not list(tmp_path.rglob("*.part"))
