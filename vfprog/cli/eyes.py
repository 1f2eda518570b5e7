"""Verbs that apply a model to a cohort's eyes: trajectories, rates, forecasts, eyes flagged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Device, Options, Seed, Structure, Threads, verbs


@verbs.command()
def fit(
    latents: Path,
    paths: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Posterior of each visit's latents (LATENTS.parquet) and of each eye's trajectory (PATHS.nc)."""
    from vfprog.config import TrajectoryConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.forecast.methods import make_trajectory
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.inference.posterior import latent_table, write_paths
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    trajectory, grid, place = (
        TrajectoryConfig.model_validate_json(options),
        load_grid("24-2"),
        prepare(device, threads),
    )
    serving = load_model(model, grid, place)
    table = read_visits(visits, grid, included_only=True)
    series = series_from_visits(table, grid).to(place)
    method = make_trajectory(trajectory.method, trajectory, serving.vae, serving.residuals, seed)
    record = provenance(
        "fit", [visits, model / "weights.safetensors"], model=model.name, method=trajectory.method, seed=seed
    )
    write_table(latent_table(table, series, serving.vae), latents, record)
    write_paths(method.fit(series), eyes_of(table), paths, record)


@verbs.command()
def rates(
    target: Path,
    regions: Path,
    locations: Path,
    sensitivity: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    structure: Structure = None,
    seed: Seed = 1,
) -> None:
    """Rates of each eye (TARGET.csv), its REGIONS and LOCATIONS; SENSITIVITY of rates from few visits to the prior."""
    from vfprog.config import RatesConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of
    from vfprog.data.views import views_from_visits
    from vfprog.forecast.detection import Detector
    from vfprog.forecast.rate_prior import RatePrior
    from vfprog.forecast.rates import prior_sensitivity, rate_tables
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    card, grid = read_json(model / "card.json"), load_grid("24-2")
    table = read_visits(visits, grid, included_only=True)
    prior, section = RatePrior.from_card(card["rate_prior"]), RatesConfig.model_validate_json(options)
    views, eyes = views_from_visits(table, grid, structure or []), eyes_of(table)
    detection = Detector.from_card(card["detector"]).detect(views)
    tables = rate_tables(eyes, views, grid, prior, detection, section, seed)
    write_table(tables.eyes, target)
    write_table(tables.regions, regions)
    write_table(tables.locations, locations, provenance("rates", [visits, model / "card.json"], seed=seed))
    write_table(prior_sensitivity(eyes, views, prior), sensitivity)


@verbs.command()
def forecast(
    fields: Path,
    means: Path,
    paths: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Forecast each eye's future tests: FIELDS.parquet by location, MEANS.csv of the mean TD."""
    from vfprog.config import ForecastConfig, TrajectoryConfig
    from vfprog.forecast.methods import make_trajectory
    from vfprog.forecast.predict import forecast_tables
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.inference.posterior import read_paths
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    trajectory = TrajectoryConfig.model_validate(sections["trajectory"])
    years_ahead = ForecastConfig.model_validate(sections["forecast"]).years_ahead
    serving = load_model(model, grid, place)
    method = make_trajectory(trajectory.method, trajectory, serving.vae, serving.residuals, seed)
    path, eyes = read_paths(paths, place)
    calibration = serving.calibration[trajectory.method]
    by_location, by_mean = forecast_tables(eyes, path, method, calibration, years_ahead, grid)
    record = provenance(
        "forecast", [paths, model / "weights.safetensors"], method=trajectory.method, seed=seed
    )
    write_table(by_location, fields, record)
    write_table(by_mean, means)


@verbs.command()
def flagged(
    target: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    structure: Structure = None,
    seed: Seed = 1,
) -> None:
    """Share of eyes flagged after some years, at a specificity set on shuffled visits (FLAGGED.csv)."""
    from vfprog.config import EvaluationConfig, RatesConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of
    from vfprog.data.views import views_from_visits
    from vfprog.forecast.detection import Detector
    from vfprog.forecast.flagged import flagged_table
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid

    sections, grid = json.loads(options), load_grid("24-2")
    table = read_visits(visits, grid, included_only=True)
    views = views_from_visits(table, grid, structure or [])
    detector = Detector.from_card(read_json(model / "card.json")["detector"])
    rates_section = RatesConfig.model_validate(sections["rates"])
    section = EvaluationConfig.model_validate(sections["evaluation"])
    write_table(flagged_table(eyes_of(table), views, detector, rates_section, section, seed), target)
