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
Structure = Annotated[list[str] | None, typer.Option(help="Column of a nerve fibre layer sector; repeat")]
Detection = Annotated[Path | None, typer.Option(help="detection.csv of a cohort with known truth")]
Trust = Annotated[Path | None, typer.Option(help="sbc.csv of a cohort whose posterior was checked")]
RatesTruth = Annotated[Path | None, typer.Option(help="rates_truth.csv of a cohort with known truth")]
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
def simulate(fields: Path, truth: Path, courses: Path, options: Options, seed: Seed = 1) -> None:
    """Simulate a cohort with known truth: FIELDS.csv as a clinic would export it, TRUTH and COURSES.parquet."""
    from vfprog.config import Simulation
    from vfprog.data.population import load_population
    from vfprog.data.simulated_cohort import simulate_cohort
    from vfprog.io import write_table
    from vfprog.provenance import provenance

    section = Simulation.model_validate_json(options)
    population = load_population(Path(section.population) if section.population else None)
    cohort = simulate_cohort(population, section, seed)
    record = provenance("simulate", [Path(path) for path in section.paths], seed=seed)
    write_table(cohort.fields, fields)
    write_table(cohort.truth, truth, record)
    write_table(cohort.courses, courses, record)


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
    fold: Annotated[int, typer.Option(help="Fold of patients to leave out; 0: the split's test part")] = 0,
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
    table = read_parts(visits, splits, ("train",), grid, fold)
    own = series_from_visits(table, grid)
    validation = series_from_visits(read_parts(visits, splits, ("validation",), grid, fold), grid)
    series = model.train.population_series
    simulated = simulated_summary(series, seed) if series else None
    inputs = [file_digest(f) for f in [*visits, *splits]]
    fingerprint = hashlib.sha256(
        json.dumps([options, fold, seed, str(place), threads, inputs, code_digest("train")]).encode()
    ).hexdigest()
    trainer = Trainer(model, series_summary(own), simulated, series_summary(validation), seed, place)
    trained = run_training(trainer, checkpoint, fingerprint)
    training = {
        "cohorts": [f.parent.name for f in visits],
        "patients": int(table["patient_id"].nunique()),
        "eyes": len(own),
        "fields": len(table),
        "fold": fold,
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
    from vfprog.inference.checkpoint import load_vae
    from vfprog.inference.device import prepare
    from vfprog.io import read_json, read_table, write_json
    from vfprog.perimetry.grid import load_grid

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    trajectory = TrajectoryConfig.model_validate(sections["trajectory"])
    section = RatesConfig.model_validate(sections["rates"])
    architecture = card.with_name("architecture.json")
    trained = read_json(architecture)
    fold = trained["training"]["fold"]
    vae = load_vae(card.with_name("weights.safetensors"), architecture, place)
    # Validation patients only told when to stop, so they serve calibration beside the training patients.
    table = read_parts(visits, splits, ("train", "validation"), grid, fold)
    fitted = calibrate_model(vae, table, grid, trajectory, section, seed)
    unseen = sum(len(patients_of(read_table(file), "test", fold)) for file in splits)
    cohorts = [file.parent.name for file in visits]
    write_json(model_card(name, trained, cohorts, unseen, table, fitted), card)


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
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.data.views import views_from_visits
    from vfprog.forecast.detection import Detector
    from vfprog.forecast.rate_prior import RatePrior
    from vfprog.forecast.rates import prior_sensitivity, rate_tables
    from vfprog.io import read_json, write_table
    from vfprog.perimetry.grid import load_grid
    from vfprog.provenance import provenance

    card, grid = read_json(model / "card.json"), load_grid("24-2")
    table = read_visits(visits, grid, included_only=True)
    series, prior = series_from_visits(table, grid), RatePrior.from_card(card["rate_prior"])
    section = RatesConfig.model_validate_json(options)
    views, eyes = views_from_visits(table, grid, structure or []), eyes_of(table)
    detection = Detector.from_card(card["detector"]).detect(views)
    floor = views.at_floor if section.floor == "censored" else None
    tables = rate_tables(eyes, series, grid, prior, detection, section, seed, floor)
    write_table(tables.eyes, target)
    write_table(tables.regions, regions)
    write_table(tables.locations, locations, provenance("rates", [visits, model / "card.json"], seed=seed))
    write_table(prior_sensitivity(eyes, series, prior), sensitivity)


@verbs.command()
def rates_truth(
    target: Path,
    visits: Annotated[Path, typer.Option()],
    truth: Annotated[Path, typer.Option(help="True fields: courses.parquet, or as the cohort's own table")],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    seed: Seed = 1,
) -> None:
    """Hold rates against a cohort's known truth (TARGET.csv)."""
    from vfprog.config import CohortConfig, RatesConfig
    from vfprog.data.preprocess import preprocess as run
    from vfprog.data.readers import read_cohort
    from vfprog.data.schema import read_visits
    from vfprog.forecast.rate_prior import RatePrior
    from vfprog.forecast.rate_truth import rate_truth
    from vfprog.io import read_json, read_table, write_table
    from vfprog.perimetry.grid import load_grid

    sections, grid = json.loads(options), load_grid("24-2")
    cohort = CohortConfig.model_validate(sections["cohort"])
    known = read_table(truth) if cohort.simulate else run(read_cohort(cohort, [truth]), cohort)[0]
    prior = RatePrior.from_card(read_json(model / "card.json")["rate_prior"])
    section = RatesConfig.model_validate(sections["rates"])
    table = read_visits(visits, grid, included_only=True)
    write_table(rate_truth(table, known, grid, prior, section, seed), target)


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
def evaluate(
    scores: Path,
    differences: Path,
    published: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[
        list[Path], typer.Option(help="Folder of the model; of each fold's, in cross-validation")
    ],
    options: Options,
    split: Annotated[
        Path | None, typer.Option(help="Split of a training cohort: a model is scored on its test patients")
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
    from vfprog.forecast.evaluate import Unseen, published_comparison
    from vfprog.forecast.evaluate import evaluate as run
    from vfprog.forecast.methods import forecast_methods
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.io import read_table, write_table
    from vfprog.perimetry.grid import load_grid

    sections, grid, place = json.loads(options), load_grid("24-2"), prepare(device, threads)
    section = EvaluationConfig.model_validate(sections["evaluation"])
    trajectory = TrajectoryConfig.model_validate(sections["trajectory"])
    table = read_visits(visits, grid, included_only=True)
    unseen = []
    for serving in (load_model(folder, grid, place) for folder in model):
        tested = table if split is None else part_of(table, read_table(split), "test", serving.fold)
        series = series_from_visits(tested, grid).to(place)
        methods = forecast_methods(trajectory, serving.vae, serving.residuals, serving.shrinkage, seed)
        unseen.append(Unseen(eyes_of(tested), series, methods, serving.calibration))
    by_cell, apart = run(unseen, section, seed)
    write_table(by_cell, scores)
    write_table(apart, differences)
    write_table(published_comparison(unseen, section, seed), published)


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
    from vfprog.config import EvaluationConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.forecast.methods import PROCESSES
    from vfprog.forecast.retest import retest_error
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.io import write_table
    from vfprog.model.latent import LatentTrajectory
    from vfprog.perimetry.grid import load_grid

    grid, place = load_grid("24-2"), prepare(device, threads)
    section = EvaluationConfig.model_validate_json(options)
    serving = load_model(model, grid, place)
    table = read_visits(visits, grid, included_only=True)
    static = LatentTrajectory(serving.vae, serving.residuals["static"], **PROCESSES["static"])
    series = series_from_visits(table, grid).to(place)
    write_table(retest_error(eyes_of(table), series, static, section, seed), target)


@verbs.command()
def detect(
    detection: Path,
    differences: Path,
    times: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    twin: Annotated[Path | None, typer.Option(help="visits.parquet of the same eyes not progressing")] = None,
    truth: Annotated[Path | None, typer.Option(help="truth.parquet, where there is no twin")] = None,
    structure: Structure = None,
    seed: Seed = 1,
) -> None:
    """Score the detection of progression on a cohort with known truth: DETECTION, DIFFERENCES and TIMES (.csv)."""
    from vfprog.config import EvaluationConfig, RatesConfig
    from vfprog.data.schema import read_visits
    from vfprog.forecast.detection import Detector
    from vfprog.forecast.detection_table import against_truth, against_twin, detection_tables
    from vfprog.io import read_json, read_table, write_table
    from vfprog.perimetry.grid import load_grid

    sections, grid, sectors = json.loads(options), load_grid("24-2"), structure or []
    rates_section = RatesConfig.model_validate(sections["rates"])
    table = read_visits(visits, grid, included_only=True)
    if twin is not None:
        eyes = against_twin(table, read_visits(twin, grid, included_only=True), grid, sectors)
    elif truth is not None:
        eyes = against_truth(table, read_table(truth), rates_section, grid, sectors)
    else:
        raise UserError("detect: give --twin or --truth; without truth nothing can be scored")
    detector = Detector.from_card(read_json(model / "card.json")["detector"])
    section = EvaluationConfig.model_validate(sections["evaluation"])
    tables = detection_tables(eyes, detector, rates_section, section, seed)
    for found, target in zip(tables, (detection, differences, times), strict=True):
        write_table(found, target)


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


@verbs.command()
def trust(
    sbc: Path,
    nuts: Path,
    predictive: Path,
    visits: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Check the posterior of trajectories: by simulation (SBC), NUTS and tests drawn anew (PREDICTIVE, all .csv)."""
    import torch

    from vfprog.config import TrustConfig
    from vfprog.data.schema import read_visits
    from vfprog.data.series import eyes_of, series_from_visits
    from vfprog.forecast.serving import load_model
    from vfprog.inference.device import prepare
    from vfprog.inference.trust import trust_tables
    from vfprog.io import write_table
    from vfprog.perimetry.grid import load_grid

    grid, place = load_grid("24-2"), prepare(device, threads)
    serving = load_model(model, grid, place)
    table = read_visits(visits, grid, included_only=True)
    # In double precision, so that what is checked is the method and not the arithmetic.
    series = series_from_visits(table, grid, torch.float64).to(place)
    section = TrustConfig.model_validate_json(options)
    tables = trust_tables(
        serving.vae.double(),
        serving.residuals["trajectory"].double(),
        eyes_of(table),
        series,
        grid,
        section,
        seed,
    )
    for found, target in zip(tables, (sbc, nuts, predictive), strict=True):
        write_table(found, target)


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


@verbs.command()
def figures(
    cohort: Path,
    model: Path,
    target: Path,
    options: Options,
    split: Split = None,
    retest: Retest = None,
    detection: Detection = None,
    rates_truth: RatesTruth = None,
    trust: Trust = None,
) -> None:
    """Draw a cohort's figures into the folder TARGET."""
    from vfprog.config import PlotsConfig
    from vfprog.plots.figures import draw_figures

    section = PlotsConfig.model_validate_json(options)
    draw_figures(
        cohort,
        model,
        target,
        section,
        split=split,
        retest=retest,
        detection=detection,
        rates_truth=rates_truth,
        trust=trust,
    )


@verbs.command()
def report(
    cohort: Path,
    model: Path,
    models: Path,
    options: Options,
    split: Split = None,
    retest: Retest = None,
    detection: Detection = None,
    rates_truth: RatesTruth = None,
    trust: Trust = None,
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
        detection=detection,
        rates_truth=rates_truth,
        trust=trust,
        report=ReportConfig.model_validate(sections["report"]),
        plots=PlotsConfig.model_validate(sections["plots"]),
        rates=RatesConfig.model_validate(sections["rates"]),
    )


@verbs.command()
def population(source: Path, retests: Path, target: Path, seed: Seed = 1) -> None:
    """Make the population table TARGET.json from SOURCE and RETESTS.

    SOURCE is a cohort's visits.parquet, or the folder of UWHVF's published summaries; RETESTS is the visits.parquet
    of a cohort whose eyes were tested again and again, which shows the noise of a test.
    """
    from vfprog.data.deconvolution import build_population
    from vfprog.data.eye_summaries import read_eye_summaries
    from vfprog.data.schema import read_visits
    from vfprog.data.series import series_from_visits
    from vfprog.io import write_json
    from vfprog.perimetry.grid import load_grid

    grid = load_grid("24-2")
    series = series_from_visits(read_visits(retests, grid, included_only=True), grid)
    complete = series[series.n_visits == series.n_visits.max()]
    td, eyes = complete.td.numpy().astype(float), read_eye_summaries(source)
    write_json(build_population(eyes, td, retests.parent.name, seed).to_card(), target)


@verbs.command()
def schema() -> None:
    """Print the JSON schema of the config, for editors (kept as config/schema.json)."""
    from vfprog.config import json_schema

    print(json_schema(), end="")
