"""Command line: one verb per rule of the workflow. ``vfprog VERB --help`` explains each.

Verbs take files, and the config sections they need as JSON, so each runs without the workflow. A user's mistake
ends in one line and status 2. Imports stand inside the verbs: a verb loads, and depends on, only what it uses.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from vfprog.errors import UserError

Options = Annotated[str, typer.Option(help="Config section as JSON")]
Seed = Annotated[int, typer.Option(help="The run's seed")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Threads = Annotated[int, typer.Option(help="torch and BLAS threads")]
Many = Annotated[list[Path], typer.Option()]
Split = Annotated[Path | None, typer.Option(help="split.csv of a training cohort")]
Retest = Annotated[Path | None, typer.Option(help="retest.csv of a cohort with retests")]

verbs = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
log = logging.getLogger("vfprog")


def app() -> None:
    """Run the command line; a :class:`UserError` is one line on stderr and exit status 2."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        verbs()
    except UserError as error:
        print(f"vfprog: {error}", file=sys.stderr)
        sys.exit(2)


@verbs.command()
def simulate(fields: Path, truth: Path, options: Options, seed: Seed = 1) -> None:
    """Simulate a cohort with known truth: FIELDS.csv as a clinic would export it, TRUTH.parquet."""
    from vfprog.config import Simulation
    from vfprog.data.population import load_population
    from vfprog.data.simulate import simulate_cohort
    from vfprog.io import write_table
    from vfprog.provenance import provenance

    cohort, known = simulate_cohort(load_population(), Simulation.model_validate_json(options), seed)
    write_table(cohort, fields)
    write_table(known, truth, provenance("simulate", [], seed=seed))


@verbs.command()
def fetch(target: Path, options: Options) -> None:
    """Fetch a cohort's file to TARGET, verify it, and go on where an earlier fetch broke off."""
    from vfprog.config import Download
    from vfprog.data import fetch as fetching

    download = Download.model_validate_json(options)
    fetching.fetch(download.url, download.git_blob, target)


@verbs.command()
def preprocess(
    visits: Path,
    qc: Path,
    quarantine: Path,
    source: Many,
    options: Options,
    name: Annotated[str, typer.Option()] = "",
) -> None:
    """Read a cohort's sources into VISITS.parquet, QC.json and QUARANTINE.csv."""
    from vfprog.config import CohortConfig
    from vfprog.data.preprocess import preprocess as run
    from vfprog.data.readers import read_cohort
    from vfprog.data.schema import write_visits
    from vfprog.io import write_json, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    cohort = CohortConfig.model_validate_json(options)
    table, quality, rejected = run(read_cohort(cohort, source), cohort)
    write_table(rejected, quarantine)
    write_json(quality, qc)
    record = provenance("preprocess", source, cohort=name)
    write_visits(table, load_grid(cohort.grid), visits, record)
    log.info("%d fields of %d eyes, %d rows quarantined", len(table), quality["eyes"], len(rejected))


@verbs.command()
def split(visits: Path, target: Path, options: Options, seed: Seed = 1) -> None:
    """Split a training cohort's patients into train, validation and test."""
    from vfprog.config import SplitConfig
    from vfprog.data.split import split_patients
    from vfprog.io import read_table, write_table

    write_table(split_patients(read_table(visits), SplitConfig.model_validate_json(options), seed), target)


@verbs.command()
def train(
    weights: Path,
    architecture: Path,
    history: Path,
    visits: Many,
    splits: Many,
    checkpoint: Annotated[Path, typer.Option(help="Where an interrupted training resumes from")],
    options: Options,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Train a model's networks on simulated series and the training patients'."""
    import hashlib

    import pandas as pd

    from vfprog.config import ModelConfig
    from vfprog.data.series import series_from_visits
    from vfprog.data.training import read_parts
    from vfprog.inference.checkpoint import save_vae
    from vfprog.inference.dataset import series_summary, simulated_summary
    from vfprog.inference.device import prepare
    from vfprog.inference.train import Trainer, run_training
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import code_digest, file_digest

    model, grid = ModelConfig.model_validate_json(options), load_grid("24-2")
    place = prepare(device, threads)
    table = read_parts(visits, splits, ("train",), grid)
    own = series_from_visits(table, grid)
    validation = series_from_visits(read_parts(visits, splits, ("validation",), grid), grid)
    series = model.train.population_series
    simulated = simulated_summary(series, seed) if series else None
    inputs = [file_digest(f) for f in [*visits, *splits]]
    fingerprint = hashlib.sha256(
        json.dumps([options, seed, str(place), threads, inputs, code_digest("train")]).encode()
    ).hexdigest()
    trainer = Trainer(model, series_summary(own), simulated, series_summary(validation), seed, place)
    trained = run_training(trainer, checkpoint, fingerprint)
    training = {
        "cohorts": [f.parent.name for f in visits],
        "patients": int(table["patient_id"].nunique()),
        "eyes": len(own),
        "fields": len(table),
        "population_series": series,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "seconds": round(sum(row["seconds"] for row in trained.history), 1),
        "elbo_validation": trained.history[trained.best_epoch - 1]["elbo_validation"],
        "seed": seed,
        "device": str(place),
        "inputs": inputs,
    }
    write_table(pd.DataFrame(trained.history), history)
    save_vae(trained.vae, model, training, weights, architecture)
    checkpoint.unlink(missing_ok=True)


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
    from vfprog.data.training import read_parts
    from vfprog.forecast.card import calibrate_model, model_card
    from vfprog.inference.checkpoint import load_vae
    from vfprog.inference.device import prepare
    from vfprog.io import read_json, write_json
    from vfprog.perimetry.grid import load_grid

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    trajectory = TrajectoryConfig.model_validate(sections["trajectory"])
    section = RatesConfig.model_validate(sections["rates"])
    architecture = card.with_name("architecture.json")
    vae = load_vae(card.with_name("weights.safetensors"), architecture, place)
    # Validation patients only told when to stop, so they serve calibration beside the training patients.
    table = read_parts(visits, splits, ("train", "validation"), grid)
    fitted = calibrate_model(vae, table, grid, trajectory, section, seed)
    write_json(model_card(name, read_json(architecture), table, fitted), card)


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
    method = make_trajectory(trajectory.method, trajectory, serving.vae, serving.residual, seed)
    record = provenance(
        "fit", [visits, model / "weights.safetensors"], model=model.name, method=trajectory.method, seed=seed
    )
    write_table(latent_table(table, series, serving.vae), latents, record)
    write_paths(method.fit(series), eyes_of(table), paths, record)


@verbs.command()
def rates(
    target: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    seed: Seed = 1,
) -> None:
    """Rate of progression of each eye, with classical methods beside it (RATES.csv)."""
    from vfprog.config import RatesConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.forecast.rate_prior import prior_from_card
    from vfprog.forecast.rates import rate_table
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid

    card, grid = read_json(model / "card.json"), load_grid("24-2")
    table = read_visits(visits, grid, included_only=True)
    series, prior = series_from_visits(table, grid), prior_from_card(card["rate_prior"])
    section = RatesConfig.model_validate_json(options)
    write_table(rate_table(eyes_of(table), series, prior, card["threshold"], section, seed), target)


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
    method = make_trajectory(trajectory.method, trajectory, serving.vae, serving.residual, seed)
    path, eyes = read_paths(paths, place)
    calibration = serving.calibration[trajectory.method]
    by_location, by_mean = forecast_tables(eyes, path, method, calibration, years_ahead, grid)
    record = provenance(
        "forecast", [paths, model / "weights.safetensors"], method=trajectory.method, seed=seed
    )
    write_table(by_location, fields, record)
    write_table(by_mean, means)


@verbs.command()
def evaluate(
    scores: Path,
    differences: Path,
    published: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    split: Annotated[
        Path | None, typer.Option(help="Split of a training cohort: only its test patients count")
    ] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Forecast the later visits of patients that no model saw, with every method, and score them."""
    from vfprog.config import EvaluationConfig, TrajectoryConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.data.split import part_of
    from vfprog.forecast.evaluate import evaluate as run
    from vfprog.forecast.evaluate import published_comparison
    from vfprog.forecast.methods import forecast_methods
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.io import read_table, write_table
    from vfprog.perimetry.grid import load_grid

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    section = EvaluationConfig.model_validate(sections["evaluation"])
    serving = load_model(model, grid, place)
    table = read_visits(visits, grid, included_only=True)
    if split is not None:
        table = part_of(table, read_table(split), "test")
    series, eyes = series_from_visits(table, grid).to(place), eyes_of(table)
    trajectory = TrajectoryConfig.model_validate(sections["trajectory"])
    methods = forecast_methods(trajectory, serving.vae, serving.residual, seed)
    by_cell, apart = run(eyes, series, methods, serving.calibration, section, seed)
    write_table(by_cell, scores)
    write_table(apart, differences)
    write_table(published_comparison(eyes, series, methods, serving.calibration, section, seed), published)


@verbs.command()
def retest(
    target: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Measure denoising of single fields on a test-retest cohort."""
    from vfprog.config import EvaluationConfig, TrajectoryConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.forecast.retest import retest_error
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.io import write_table
    from vfprog.model.residual import StaticField
    from vfprog.perimetry.grid import load_grid

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    section = EvaluationConfig.model_validate(sections["evaluation"])
    draws = TrajectoryConfig.model_validate(sections["trajectory"]).draws
    serving = load_model(model, grid, place)
    table = read_visits(visits, grid, included_only=True)
    static = StaticField(serving.vae, serving.residual, draws, seed)
    series = series_from_visits(table, grid).to(place)
    write_table(retest_error(eyes_of(table), series, static, section, seed), target)


@verbs.command()
def models(
    target: Path,
    model: Many,
    visits: Many,
    splits: Many,
    options: Options,
    retests: Annotated[list[Path] | None, typer.Option(help="visits.parquet of test-retest cohorts")] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Assess every trained model on test patients (MODELS.csv)."""
    import pandas as pd

    from vfprog.config import EvaluationConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.training import read_parts
    from vfprog.forecast.models_table import model_row
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid

    grid, place = load_grid("24-2"), prepare(device, threads)
    section = EvaluationConfig.model_validate_json(options)
    held_out = read_parts(visits, splits, ("test",), grid)
    retested = [read_visits(file, grid, included_only=True) for file in retests or []]
    rows = [model_row(folder, load_model(folder, grid, place), held_out, retested, grid, section, seed)
            for folder in model]  # fmt: skip
    write_table(pd.DataFrame(rows), target)


@verbs.command()
def figures(
    cohort: Path,
    model: Path,
    target: Path,
    options: Options,
    split: Split = None,
    retest: Retest = None,
) -> None:
    """Draw a cohort's figures into the folder TARGET."""
    from vfprog.config import PlotsConfig
    from vfprog.plots.figures import draw_figures

    draw_figures(cohort, model, target, PlotsConfig.model_validate_json(options), split=split, retest=retest)


@verbs.command()
def report(
    cohort: Path,
    model: Path,
    models: Path,
    options: Options,
    split: Split = None,
    retest: Retest = None,
) -> None:
    """Write a cohort's HTML report: report/index.html and a page for each eye."""
    from vfprog.config import CohortConfig, PlotsConfig, RatesConfig, ReportConfig
    from vfprog.report.render import write_report

    sections = json.loads(options)
    write_report(
        cohort.name,
        CohortConfig.model_validate(sections["cohort"]),
        cohort,
        model,
        models,
        split=split,
        retest=retest,
        report=ReportConfig.model_validate(sections["report"]),
        plots=PlotsConfig.model_validate(sections["plots"]),
        rates=RatesConfig.model_validate(sections["rates"]),
    )


@verbs.command()
def population(uwhvf: Path, retests: Path, target: Path, seed: Seed = 1) -> None:
    """Make the population table TARGET.json from UWHVF's published summaries and a retest cohort's visits.parquet."""
    from vfprog.data.population import build_population
    from vfprog.data.schema import read_visits
    from vfprog.data.series import series_from_visits
    from vfprog.io import write_json
    from vfprog.perimetry.grid import load_grid

    grid = load_grid("24-2")
    series = series_from_visits(read_visits(retests, grid, included_only=True), grid)
    complete = series[series.n_visits == series.n_visits.max()]
    write_json(build_population(uwhvf, complete.td.numpy().astype(float), seed).to_card(), target)


@verbs.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors (kept as config/schema.json)."""
    from vfprog.config import json_schema

    print(json_schema(), end="")
