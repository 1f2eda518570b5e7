"""Verbs that make cohorts: simulated, fetched, read, split; and the population that simulation draws from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vfprog.cli.app import Many, Options, Seed, log, verbs


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
