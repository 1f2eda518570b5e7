"""Verbs of guided models: their space, searches and ways in it, and what further loss of an eye would look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Device, Many, Options, Seed, Structure, Threads, verbs

Model = Annotated[Path, typer.Option(help="Folder of the guided model")]


@verbs.command()
def guided_space(
    target: Path,
    model: Model,
    visits: Many,
    splits: Many,
    structure: Structure = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Where the fields that a guided model learned from lie in its latent space (TARGET.json)."""
    from vfprog.config import parse_model
    from vfprog.data.examples import concatenate_examples
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.guided import fit_space
    from vfprog.inference.training_data import training_data
    from vfprog.io import read_json, write_json
    from vfprog.perimetry.grid import load_grid

    place, card = prepare(device, threads), model / "architecture.json"
    network = load_network(model / "weights.safetensors", card, place).double()
    content = read_json(card)
    options, fold = parse_model(content["options"]), content["training"]["fold"]
    data = training_data(options, visits, splits, structure or [], load_grid("24-2"), fold, seed)
    learned = [data.patients] if data.simulated is None else [data.patients, data.simulated]
    fields = concatenate_examples(learned).to(place).double()
    write_json(fit_space(network, list(options.properties), fields, seed).to_card(), target)


@verbs.command()
def guided(
    scores: Path,
    latents: Path,
    paths: Path,
    interpolation: Path,
    model: Model,
    visits: Many,
    splits: Many,
    options: Options,
    structure: Structure = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Hold a guided model's head against held-out fields (SCORES.csv, LATENTS), search its space and walk in it.

    PATHS go from eyes' last fields to the nearest plausible ones with wanted properties, INTERPOLATION between two.
    """
    from vfprog.config import EvaluationConfig, SearchConfig, parse_model
    from vfprog.data.training import read_parts
    from vfprog.forecast.guided_scores import guided_predictions, guided_scores
    from vfprog.forecast.guided_tables import guided_interpolation, guided_paths
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.guided import read_space
    from vfprog.inference.training_data import training_data
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    search = SearchConfig.model_validate(sections["search"])
    evaluation = EvaluationConfig.model_validate(sections["evaluation"])
    network = load_network(model / "weights.safetensors", model / "architecture.json", place).double()
    space = read_space(model, network)
    content = read_json(model / "architecture.json")
    trained, fold = parse_model(content["options"]), content["training"]["fold"]
    data = training_data(trained, visits, splits, structure or [], grid, fold, seed)
    held_out = read_parts(visits, splits, ("test",), grid, fold)
    record = provenance("guided", [model / "weights.safetensors"], model=model.name, seed=seed)
    predictions = guided_predictions(network, space.names, held_out, data, grid)
    write_table(predictions, latents, record)
    write_table(guided_scores(predictions, space.names, evaluation, seed), scores)
    write_table(guided_paths(network, space, held_out, grid, search), paths, record)
    write_table(guided_interpolation(network, space, held_out, grid, search.steps), interpolation, record)


@verbs.command()
def further_loss(
    target: Path,
    model: Model,
    paths: Annotated[Path, typer.Option(help="trajectories.nc")],
    visits: Annotated[Path, typer.Option()],
    rates: Annotated[Path, typer.Option(help="rates.csv: which eyes have a page")],
    options: Options,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """What further loss of the eyes that have a page would look like (TARGET.parquet)."""
    from vfprog import columns as c
    from vfprog.config import ReportConfig, SearchConfig
    from vfprog.data.schema import read_visits
    from vfprog.forecast.guided_tables import further_loss as run
    from vfprog.forecast.guided_tables import last_fields
    from vfprog.inference.checkpoint import load_network
    from vfprog.inference.device import prepare
    from vfprog.inference.guided import read_space
    from vfprog.inference.posterior import read_paths
    from vfprog.io import read_table, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    search = SearchConfig.model_validate(sections["search"])
    report = ReportConfig.model_validate(sections["report"])
    network = load_network(model / "weights.safetensors", model / "architecture.json", place).double()
    path, eyes = read_paths(paths, place)
    td = path.td.double().cpu().numpy()
    # The eyes with a page, ties at the last place among them.
    paged = read_table(rates).nsmallest(report.eye_pages, "rate", keep="all")[c.EYE_KEY]
    chosen = eyes.reset_index().merge(paged, on=c.EYE_KEY)["index"].to_numpy()
    last = last_fields(read_visits(visits, grid, included_only=True))[[*c.EYE_KEY, c.AGE]]
    age = eyes.iloc[chosen].merge(last, on=c.EYE_KEY, how="left")[c.AGE].to_numpy(float)
    table = run(network, read_space(model, network), eyes.iloc[chosen], td[chosen], age, search.plausibility)
    write_table(table, target, provenance("further-loss", [paths, model / "weights.safetensors"]))
