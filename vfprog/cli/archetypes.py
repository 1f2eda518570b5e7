"""The verb of models of archetypes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Device, Seed, Some, Threads, verbs


@verbs.command()
def archetypes(
    table: Path,
    weights: Path,
    number: Path,
    stability: Path,
    interpolation: Path,
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    visits: Some = None,
    splits: Some = None,
    cohort: Annotated[
        list[Path] | None, typer.Option(help="visits.parquet of a cohort whose fields are weighed")
    ] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Name a model's archetypes (TABLE.csv), weigh every visit (WEIGHTS.parquet), and hold its NUMBER against others.

    STABILITY.csv says whether archetypes come out again; INTERPOLATION.parquet mixes held-out rows.
    """
    from dataclasses import replace

    import pandas as pd

    from vfprog.config import parse_model
    from vfprog.data.schema import read_visits
    from vfprog.inference.archetypes import (
        archetype_table,
        interpolation_table,
        number_table,
        row_weights,
        stability_table,
        visit_weights,
    )
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.held_out import read_held_out
    from vfprog.inference.training_data import training_data
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    grid, place, files = load_grid("24-2"), prepare(device, threads), (visits or [], splits or [])
    architecture = read_json(model / "architecture.json")
    options, training = parse_model(architecture["options"]), architecture["training"]
    network = load_network(model / "weights.safetensors", model / "architecture.json", place)
    held_out = read_held_out(architecture, *files, [], grid)
    held_out = replace(held_out, examples=held_out.examples.to(place))
    data = training_data(options, *files, [], grid, training["fold"], seed)
    by_cohort = [
        visit_weights(network, read_visits(file, grid, included_only=True), file.parent.name, grid)
        for file in cohort or []
    ]
    record = provenance("archetypes", [model / "weights.safetensors"], model=model.name, seed=seed)
    write_table(archetype_table(network, held_out, options, grid), table)
    weighed = pd.concat(by_cohort, ignore_index=True) if by_cohort else row_weights(network, held_out)
    write_table(weighed, weights, record)
    write_table(number_table(network, data, held_out, options, seed), number)
    write_table(stability_table(network, data, options, seed), stability)
    write_table(interpolation_table(network, held_out), interpolation, record)
