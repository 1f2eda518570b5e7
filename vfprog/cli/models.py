"""Verbs that train models, fit what stands beside the networks, and assess them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Device, Many, Options, Seed, Some, Structure, Threads, verbs


@verbs.command()
def train(
    weights: Path,
    architecture: Path,
    history: Path,
    checkpoint: Annotated[Path, typer.Option(help="Where an interrupted training resumes from")],
    options: Options,
    visits: Some = None,
    splits: Some = None,
    structure: Structure = None,
    fold: Annotated[int, typer.Option(help="Fold of patients to leave out; 0: the split's test part")] = 0,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Train a model's networks: on the training patients of cohorts and simulated ones, or on bundled images."""
    import hashlib

    import pandas as pd

    from vfprog.config import parse_model
    from vfprog.inference.checkpoint import save_network
    from vfprog.inference.device import prepare
    from vfprog.inference.batches import sizes_of
    from vfprog.inference.train import Trainer, run_training
    from vfprog.inference.training_data import training_data
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import code_digest, file_digest

    model, place = parse_model(options), prepare(device, threads)
    visit_files, split_files = visits or [], splits or []
    data = training_data(model, visit_files, split_files, structure or [], load_grid("24-2"), fold, seed)
    inputs = [file_digest(f) for f in [*visit_files, *split_files]]
    fingerprint = hashlib.sha256(
        json.dumps([options, fold, seed, str(place), threads, inputs, code_digest("train")]).encode()
    ).hexdigest()
    trainer = Trainer(model, data.patients, data.simulated, data.validation, seed, place)
    trained = run_training(trainer, checkpoint, fingerprint)
    training = {
        **data.counts,
        "fold": fold,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "seconds": round(sum(row["seconds"] for row in trained.history), 1),
        "elbo_validation": trained.history[trained.best_epoch - 1]["elbo_validation"],
        "seed": seed,
        "device": str(place),
        "inputs": inputs,
    }
    write_table(pd.DataFrame(trained.history), history)
    save_network(trained.network, model, sizes_of(data.patients), training, weights, architecture)
    checkpoint.unlink(missing_ok=True)


@verbs.command()
def adopt(
    source: Annotated[Path, typer.Argument(help="Folder of a trained model")], target: Path, name: str
) -> None:
    """Copy a trained model into a run (TARGET) as it is, under a name of the run's."""
    from vfprog.forecast.serving import adopt_model
    from vfprog.perimetry.grid import load_grid

    adopt_model(source, target, name, load_grid("24-2"))


@verbs.command()
def calibrate(
    card: Path,
    visits: Many,
    splits: Many,
    options: Options,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
    name: Annotated[str, typer.Option()] = "",
) -> None:
    """Fit the residual process, predictive quantiles and rate prior beside CARD's weights; write the model card."""
    from vfprog.config import RatesConfig, TrajectoryConfig
    from vfprog.data.split import patients_of
    from vfprog.data.training import read_parts
    from vfprog.forecast.card import calibrate_model, model_card
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.io import read_json, read_table, write_json
    from vfprog.perimetry.grid import load_grid

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    trajectory = TrajectoryConfig.model_validate(sections["trajectory"])
    section = RatesConfig.model_validate(sections["rates"])
    architecture = card.with_name("architecture.json")
    trained = read_json(architecture)
    fold = trained["training"]["fold"]
    vae = load_network(card.with_name("weights.safetensors"), architecture, place)
    # Validation patients only told when to stop, so they serve calibration beside the training patients.
    table = read_parts(visits, splits, ("train", "validation"), grid, fold)
    fitted = calibrate_model(vae, table, grid, trajectory, section, seed)
    unseen = sum(len(patients_of(read_table(file), "test", fold)) for file in splits)
    cohorts = [file.parent.name for file in visits]
    write_json(model_card(name, trained, cohorts, unseen, table, fitted), card)


@verbs.command()
def card(architecture: Path, target: Path, name: str) -> None:
    """Write the card (TARGET) of a model that needs no calibration, from its ARCHITECTURE.json."""
    from vfprog.forecast.card import network_card
    from vfprog.io import read_json, write_json

    write_json(network_card(name, read_json(architecture)), target)


@verbs.command()
def models(
    target: Path,
    model: Many,
    visits: Many,
    options: Options,
    splits: Annotated[
        list[Path] | None, typer.Option(help="Splits of training cohorts; left out, no cohort was trained on")
    ] = None,
    retests: Annotated[list[Path] | None, typer.Option(help="visits.parquet of test-retest cohorts")] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Assess every trained model on patients it never saw (MODELS.csv); the folds' of a model count as one."""
    from vfprog.config import EvaluationConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.training import read_parts
    from vfprog.forecast.models_table import average_folds, model_row
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid

    grid, place = load_grid("24-2"), prepare(device, threads)
    section = EvaluationConfig.model_validate_json(options)
    retested = [read_visits(file, grid, included_only=True) for file in retests or []]
    rows = []
    for folder in model:
        serving = load_model(folder, grid, place)
        held_out = read_parts(visits, splits or [], ("test",), grid, serving.fold)
        rows.append(model_row(folder, serving, held_out, retested, grid, section, seed))
    write_table(average_folds(rows), target)
