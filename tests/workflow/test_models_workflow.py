"""Every kind of model on a tiny config: what the workflow writes of them, with cohorts and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, Run
from vfprog.plots.models import MODEL_FIGURES

pytestmark = pytest.mark.workflow

TRAIN = {"population_series": 300, "steps": 30, "epoch": 15, "kl_warmup": 10}
SIZES = {"latent_dim": 3, "decoder_hidden": [16], "encoder_hidden": [16], "train": TRAIN}
FIELDS = {
    "run": "fields",
    "seed": 7,
    "cohorts": {
        "demo": {
            "role": "train",
            "produce": "visits",
            "format": "simulated",
            "simulate": {"eyes": 40, "visits": [3, 6]},
        }
    },
    "models": {
        "vae": SIZES,
        "plain": {
            **SIZES,
            "kind": "field",
            "likelihood": "normal",
            "floor": "measured",
            "guide": "isotropic",
        },
        "full": {**SIZES, "kind": "field", "guide": "full", "seeds": [2]},
        "hemifield": {**SIZES, "kind": "two_view", "views": "hemifield", "betas": [1.0]},
        "guided": {**SIZES, "kind": "guided"},
        "archetypes": {
            **{k: v for k, v in SIZES.items() if k != "latent_dim"},
            "kind": "archetypes",
            "archetypes": 3,
            "candidates": [3],
        },
    },
    "sweep": {"model": "plain", "beta": [0.3, 1.0], "latent_dim": [2], "seed": [1]},
    "evaluation": {"bootstrap": 100},
}
DIGITS = {
    "run": "digits",
    "models": {"digits": {**SIZES, "kind": "field", "data": "digits", "latent_dim": 2}},
}


@pytest.fixture(scope="module")
def made(clone: Callable[[], Path]) -> dict[str, Path]:
    """Folders of the results of both configs, run in a copy of the workflow."""
    folder = clone()
    results = {}
    for config in (FIELDS, DIGITS):
        name = str(config["run"])
        run = Run(folder, folder / f"{name}.yaml")
        run.config.write_text(yaml.safe_dump(config, sort_keys=False))
        done = run.snakemake("--show-failed-logs")
        assert done.returncode == 0, done.stderr[-8000:]
        assert run.planned() == set()  # and a second run has nothing to do
        results[name] = folder / "results" / name
    return results


@pytest.mark.parametrize("config", [FIELDS, DIGITS], ids=["fields", "digits"])
def test_every_model_has_a_row_figures_and_a_page(made: dict[str, Path], config: dict) -> None:
    folder = made[config["run"]]
    trainings = pd.read_csv(folder / "models.csv")
    table = trainings.drop_duplicates("model").set_index("model")
    assert list(table.index) == list(config["models"])
    assert len(trainings) == len(table) + sum(
        len(section.get("seeds", [])) for section in config["models"].values()
    )
    assert (table["evidence"] >= table["elbo"]).all()
    for name, section in config["models"].items():
        kind = section.get("kind", "vae")
        figures = {path.stem for path in (folder / "models" / name / "figures").glob("*.svg")}
        assert figures == {figure.name for figure in MODEL_FIGURES[kind]}
        page = (folder / "models" / "report" / f"{name}.html").read_text()
        assert all(f'<section id="{figure.name}">' in page for figure in MODEL_FIGURES[kind])
    index = (folder / "models" / "report" / "index.html").read_text()
    assert all(f'href="{name}.html"' in index for name in config["models"])


def test_models_of_other_rows_are_compared_apart(made: dict[str, Path]) -> None:
    pages = made["fields"] / "models" / "report"
    index = (pages / "index.html").read_text()
    assert '<section id="fields">' in index and '<section id="hemifield">' in index
    assert (pages / "comparison-fields.svg").exists() and not (pages / "comparison-hemifield.svg").exists()


def test_a_two_latent_manifold_of_images_covers_its_plane(made: dict[str, Path]) -> None:
    table = pd.read_parquet(made["digits"] / "models" / "digits" / "manifold.parquet")
    assert (table["first"].unique().tolist(), table["second"].unique().tolist()) == ([1], [2])
    assert len(table) == 121 and {"x_1", "x_64"} <= set(table) and "x_65" not in table


def test_a_further_seed_is_a_row_and_a_spread(made: dict[str, Path]) -> None:
    table = pd.read_csv(made["fields"] / "models.csv")
    full = table[table["model"] == "full"]
    assert full["seed"].tolist() == [7, 2] and full["evidence"].nunique() == 2
    assert (made["fields"] / "models" / "full" / "seed-2" / "weights.safetensors").exists()
    assert '<section id="seeds">' in (made["fields"] / "models" / "report" / "index.html").read_text()


def test_a_sweep_trains_every_point_and_stands_on_the_models_page(made: dict[str, Path]) -> None:
    folder = made["fields"] / "models"
    table = pd.read_csv(folder / "sweep.csv")
    assert table[["beta", "latent_dim", "seed"]].to_numpy().tolist() == [[0.3, 2, 1], [1, 2, 1]]
    assert table["chosen"].sum() == 1 and table["evidence"].notna().all()
    assert (folder / "sweep" / "beta~0.3" / "latent_dim~2" / "seed~1" / "weights.safetensors").exists()
    assert '<section id="sweep">' in (folder / "report" / "index.html").read_text()


def test_the_default_config_shows_further_loss(tmp_path: Path) -> None:
    for folder in ("workflow", "config", "vfprog", "Snakefile"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    planned = Run(tmp_path, REPOSITORY / "config" / "config.yaml").planned()
    assert {"guided", "guided_space", "further_loss"} <= planned


@pytest.mark.parametrize("name", ["models", "digits", "sweep"])
def test_the_example_configs_plan(tmp_path: Path, name: str) -> None:
    """Every job of the examples can be made: a dry run finds all inputs."""
    example = REPOSITORY / "config" / "examples" / f"{name}.yaml"
    for folder in ("workflow", "config", "vfprog", "Snakefile"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    planned = Run(tmp_path, example).planned()
    assert {"train", "assess", "pictures", "model_figures", "models_report"} <= planned
