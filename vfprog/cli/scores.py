"""Verbs that score a model: forecasts, denoising, and where the truth is known rates and detection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Device, Options, Seed, Structure, Threads, verbs


@verbs.command()
def rates_truth(
    target: Path,
    visits: Annotated[Path, typer.Option()],
    truth: Annotated[Path, typer.Option(help="True fields: courses.parquet, or as the cohort's own table")],
    model: Annotated[Path, typer.Option(help="Folder of the model")],
    options: Options,
    structure: Structure = None,
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
    write_table(rate_truth(table, known, grid, prior, section, seed, structure or []), target)


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
    from vfprog.data.split import part_of, some_patients
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
        tested = some_patients(tested, section.max_patients // len(model), seed)
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
    truth: Annotated[
        Path | None, typer.Option(help="truth.parquet: which eyes have a rate to detect")
    ] = None,
    structure: Structure = None,
    seed: Seed = 1,
) -> None:
    """Score the detection of progression on a cohort with known truth: DETECTION, DIFFERENCES and TIMES (.csv)."""
    from vfprog.config import EvaluationConfig, RatesConfig
    from vfprog.data.schema import read_visits
    from vfprog.errors import UserError
    from vfprog.forecast.detection import Detector
    from vfprog.forecast.detection_table import (
        against_truth,
        against_twin,
        detection_tables,
        worsening,
    )
    from vfprog.io import read_json, read_table, write_table
    from vfprog.perimetry.grid import load_grid

    sections, grid, sectors = json.loads(options), load_grid("24-2"), structure or []
    rates_section = RatesConfig.model_validate(sections["rates"])
    table = read_visits(visits, grid, included_only=True)
    if twin is not None:
        of_twin = read_visits(twin, grid, included_only=True)
        if truth is not None:
            table, of_twin = worsening(table, of_twin, read_table(truth), rates_section)
        eyes = against_twin(table, of_twin, grid, sectors)
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
