"""Verbs that hold trained models, and fields, to what the models say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Device, Seed, Some, Structure, Threads, verbs


@verbs.command()
def assess(
    assessment: Path,
    evidence: Path,
    health: Path,
    pit: Path,
    samples: Path,
    drawn: Path,
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    name: Annotated[str, typer.Option(help="The model's name in the config")] = "",
    visits: Some = None,
    splits: Some = None,
    structure: Structure = None,
    retests: Annotated[list[Path] | None, typer.Option(help="visits.parquet of test-retest cohorts")] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Assess a model on rows it never saw: ASSESSMENT.json, EVIDENCE, HEALTH, PIT and SAMPLES.csv, DRAWN.parquet."""
    from vfprog.data.schema import read_visits
    from vfprog.inference.assess import assess as run
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.held_out import read_held_out
    from vfprog.inference.models_table import assessment_card
    from vfprog.io import read_json, write_json, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    grid, place = load_grid("24-2"), prepare(device, threads)
    architecture, weights = read_json(model / "architecture.json"), model / "weights.safetensors"
    held_out = read_held_out(architecture, visits or [], splits or [], structure or [], grid)
    retested = [read_visits(file, grid, included_only=True) for file in retests or []]
    network = load_network(weights, model / "architecture.json", place)
    found = run(network, held_out, retested, grid, name or model.name, seed)
    for table, target in zip(found.tables, (evidence, health, pit, samples), strict=True):
        write_table(table, target)
    write_table(found.drawn, drawn, provenance("assess", [weights], seed=seed))
    write_json(assessment_card(name or model.name, architecture, network.latent_dim, found.row), assessment)


@verbs.command()
def models(target: Path, assessments: Annotated[list[Path], typer.Argument(help="assessment.json")]) -> None:
    """Gather the models' assessments into MODELS.csv; those of a model's folds count as one."""
    from vfprog.inference.models_table import models_table
    from vfprog.io import read_json, write_table

    write_table(models_table([read_json(file) for file in assessments]), target)


@verbs.command()
def sweep(target: Path, assessments: Annotated[list[Path], typer.Argument(help="assessment.json")]) -> None:
    """Gather the assessments of one model's sweep over beta, latent size and seed into SWEEP.csv, with the choice."""
    from vfprog.inference.sweep import sweep_table
    from vfprog.io import read_json, write_table

    write_table(sweep_table([read_json(file) for file in assessments]), target)


@verbs.command()
def typical(
    target: Path,
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    visits: Some = None,
    splits: Some = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Find below which evidence a field is untypical (TARGET.json), from the patients that the model learned from.

    Where they have few fields, or the run has no such patients, fields simulated from the shipped population are added.
    """
    import pandas as pd

    from vfprog import columns as c
    from vfprog.data.field_examples import simulated_visits
    from vfprog.data.training import read_parts
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.typicality import ENOUGH, field_evidence, fit_typicality
    from vfprog.io import write_json
    from vfprog.perimetry.grid import load_grid

    grid, place = load_grid("24-2"), prepare(device, threads)
    network = load_network(model / "weights.safetensors", model / "architecture.json", place)
    learned = [read_parts(visits or [], splits, ("train", "validation"), grid)] if splits else []
    missing = ENOUGH - sum(map(len, learned))
    simulated = [simulated_visits(missing, 1, grid, seed)] if missing > 0 else []
    table = pd.concat([*learned, *simulated], ignore_index=True)
    evidence = field_evidence(network, table, grid, seed)
    write_json(fit_typicality(evidence, table[c.td(grid.n)].to_numpy(float)).to_card(), target)


@verbs.command()
def typicality(
    target: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Flag a cohort's untypical fields (TARGET.csv): those that the model, from typical.json, finds too improbable."""
    from vfprog.data.schema import read_visits
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.typicality import Typicality, typicality_table
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid

    grid, place = load_grid("24-2"), prepare(device, threads)
    network = load_network(model / "weights.safetensors", model / "architecture.json", place)
    known = Typicality.from_card(read_json(model / "typical.json"))
    table = read_visits(visits, grid, included_only=True)
    write_table(typicality_table(network, known, table, grid, seed), target)
