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
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="Benchmark that the run learns from: the model must not be shipped"),
    ] = None,
    fold: Annotated[int, typer.Option(help="Fold of patients to leave out; 0: the split's test part")] = 0,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Train a model's networks: on the training patients of cohorts and simulated ones, or on bundled images."""
    import hashlib

    import pandas as pd

    from vfprog.config import parse_model
    from vfprog.inference.batches import sizes_of
    from vfprog.inference.checkpoint import save_network
    from vfprog.inference.device import prepare
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
        "benchmarks": benchmark or [],
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
    from vfprog.forecast.adopt import adopt_model
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
def pictures(
    gallery: Path,
    manifold: Path,
    canvas: Path,
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    visits: Some = None,
    splits: Some = None,
    structure: Structure = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Draw from a model, reconstruct held-out rows, decode its latent plane: GALLERY, MANIFOLD and CANVAS.json."""
    from vfprog.config import parse_model
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.held_out import read_held_out
    from vfprog.inference.pictures import canvas_of, gallery_table, manifold_table
    from vfprog.io import read_json, write_json, write_table
    from vfprog.perimetry.grid import load_grid

    grid, place, architecture = load_grid("24-2"), prepare(device, threads), model / "architecture.json"
    trained = read_json(architecture)
    held_out = read_held_out(trained, visits or [], splits or [], structure or [], grid)
    network = load_network(model / "weights.safetensors", architecture, place)
    examples = held_out.examples.to(place)
    write_table(gallery_table(network, examples, seed), gallery)
    write_table(manifold_table(network, examples), manifold)
    write_json(canvas_of(parse_model(trained["options"]), held_out), canvas)


@verbs.command()
def bottleneck(
    curve: Path,
    scores: Path,
    example: Path,
    visits: Many,
    options: Options,
    structure: Structure = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Cross-validate a two-view model: information CURVE, SCORES against ridge (.csv), EXAMPLE predictions."""
    from vfprog.config import EvaluationConfig, TwoViewConfig
    from vfprog.data.split import PARTS
    from vfprog.data.training import read_parts
    from vfprog.data.two_views import simulated_views, two_views
    from vfprog.forecast.bottleneck_tables import curve_table, example_table, scores_table
    from vfprog.inference.bottleneck import cross_validate
    from vfprog.inference.device import prepare
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    model = TwoViewConfig.model_validate(sections["model"])
    evaluation = EvaluationConfig.model_validate(sections["evaluation"])
    # Every patient: each is scored by a fold that left it out.
    views = two_views(read_parts(visits, [], PARTS, grid), model.views, grid, structure or [])
    simulated = simulated_views(model.train.population_series, model.views, grid, seed)
    scored = cross_validate(views, simulated, model, seed, place)
    write_table(curve_table(scored, evaluation, seed), curve)
    write_table(scores_table(scored, evaluation, seed), scores)
    write_table(example_table(scored, grid), example, provenance("bottleneck", visits, seed=seed))
