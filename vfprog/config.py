"""The config file as types: every key, its meaning, unit and allowed range, checked before any job starts.

``config/schema.json`` is generated from these classes (``vfprog schema``) for editors; a test keeps it in step.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vfprog.errors import UserError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]  # of something that must not be empty
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Format = Literal["table", "visualfields", "uwhvf_csv", "uwhvf_json", "simulated"]


class Section(BaseModel):
    """A part of the config: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMap(Section):
    """Which column of the user's table holds what. Only for ``format: table``."""

    patient: str = Field("patient_id", description="Patient identifier, read as text")
    eye: str = Field("eye", description="Laterality of the eye")
    eye_codes: dict[str, Literal["OD", "OS"]] = Field(
        {"OD": "OD", "OS": "OS", "R": "OD", "L": "OS", "Right": "OD", "Left": "OS"},
        description="What the values of the eye column mean",
    )
    date: str | None = Field(None, description="Date of the test")
    date_format: str | None = Field(
        None, description="strptime format of dates, e.g. %d.%m.%Y; ISO when absent"
    )
    birth_date: str | None = Field(None, description="Birth date, to compute the age at the test")
    age: str | None = Field(None, description="Age at the test")
    age_unit: Literal["years", "days"] = Field("years", description="Unit of the age column")
    age_at: Literal["test", "first_field"] = Field(
        "test", description="first_field: the age column holds one age an eye, that at its first field"
    )
    years: str | None = Field(None, description="Years since the eye's first field, where there is no date")
    visit: str | None = Field(None, description="Visit number, where there is neither date nor time")
    visit_interval: Positive | None = Field(None, description="Years between two visit numbers")
    td: str | None = Field(
        None, description="Total deviation columns; {} stands for the location number: td{}"
    )
    sens: str | None = Field(None, description="Sensitivity columns; {} stands for the location number")
    md: str | None = Field(None, description="Mean deviation as the perimeter printed it, dB")
    false_positives: str | None = Field(None, description="False-positive rate")
    false_negatives: str | None = Field(None, description="False-negative rate")
    fixation_losses: str | None = Field(None, description="Fixation-loss rate")
    reliability_unit: Literal["fraction", "percent"] = Field("fraction", description="Unit of those rates")
    carry: list[str] | Literal["all"] = Field(
        [], description="Further columns to carry along into visits.parquet"
    )

    @model_validator(mode="after")
    def _complete(self) -> ColumnMap:
        if not (self.td or self.sens):
            raise ValueError("name the columns of td or sens (for example td: 'td{}')")
        for key in ("td", "sens"):
            pattern = getattr(self, key)
            if pattern is not None and pattern.count("{}") != 1:
                raise ValueError(f"{key}: '{pattern}' needs one {{}} where the location number stands")
        if not (self.date or self.age or self.years or self.visit):
            raise ValueError("name a column for time: date, age, years or visit")
        if self.visit and not (self.date or self.age or self.years) and self.visit_interval is None:
            raise ValueError("visit numbers alone say nothing of time: give visit_interval, in years")
        if self.birth_date and not self.date:
            raise ValueError("birth_date gives an age only beside date: name the date column too")
        if self.age_at == "first_field" and not (self.date or self.years or self.visit):
            raise ValueError(
                "age_at first_field says nothing of later tests: name date, years or visit as well"
            )
        return self


class Join(Section):
    """A further table whose columns are added to each row, for example ages kept in a patient list."""

    path: str = Field(description="The further table; of a column that both have, the first table's is kept")
    by: list[str] = Field(min_length=1, description="Columns that both tables share and that identify a row")


class Download(Section):
    """A file to fetch once; it is verified, and an interrupted download resumes."""

    url: str = Field(pattern=r"^(https?|file)://.*[^/]$", description="http, https or file address of a file")
    git_blob: str = Field(pattern=r"^[0-9a-f]{40}$", description="SHA-1 git blob id of the whole file")

    @property
    def file_name(self) -> str:
        """Name of the file, safe in a path and a shell: the address without its query, odd characters replaced."""
        return re.sub(r"[^A-Za-z0-9._-]", "_", unquote(urlsplit(self.url).path).rsplit("/", 1)[-1])


class Simulation(Section):
    """A simulated cohort with known truth, drawn from the population shipped with vfprog."""

    eyes: int = Field(300, ge=1, description="Number of eyes")
    visits: tuple[int, int] = Field((1, 16), description="Fewest and most visits an eye")
    interval: Positive = Field(0.5, description="Mean years between visits")
    fellow_eyes: Fraction = Field(0.6, description="Share of patients with both eyes in the cohort")

    @model_validator(mode="after")
    def _ordered(self) -> Simulation:
        if not 1 <= self.visits[0] <= self.visits[1]:
            raise ValueError(f"visits: {list(self.visits)} must be [fewest, most] with 1 <= fewest <= most")
        return self


class Reliability(Section):
    """Limits above which a field is excluded (counted in the QC); null means no limit."""

    false_positives: Fraction | None = Field(0.15, description="Highest false-positive rate")
    false_negatives: Fraction | None = Field(
        None, description="Highest false-negative rate; rises with real loss"
    )
    fixation_losses: Fraction | None = Field(None, description="Highest fixation-loss rate")


class CohortConfig(Section):
    """One cohort: where its fields are, how to read them, which to use, and what it is for."""

    role: Literal["train", "apply", "both"] = Field(
        description="train: models learn from its training patients, scored on the others; apply: never learned "
        "from; both: the same as train, and the cohort is of interest in itself"
    )
    format: Format = Field("table", description="How the source is laid out")
    path: list[str] | str | None = Field(None, description="The file or files to read")
    download: Download | None = Field(None, description="Fetch the file instead of giving its path")
    simulate: Simulation | None = Field(None, description="For format: simulated")
    sheet: str | int = Field(0, description="Sheet of an Excel file: its name or number from 0")
    columns: ColumnMap | None = Field(None, description="Column map, for format: table")
    join: Join | None = Field(None, description="A further table whose columns are added")
    grid: Literal["24-2"] = Field("24-2", description="Test grid")
    left_eyes: Literal["mirrored", "as_seen"] = Field(
        "mirrored",
        description="mirrored: left eyes are stored in right-eye format already; as_seen: stored as the patient "
        "sees them, so vfprog mirrors them",
    )
    missing: list[str | float] = Field(
        ["", "NA", "NaN", "nan"], description="Codes for a missing value, everywhere"
    )
    missing_in: dict[str, list[str | float]] = Field(
        {}, description="Further codes by column, or for td and sens: {iop: [-1]}"
    )
    not_seen: list[str | float] = Field(
        ["<0"], description="Sensitivity codes for a stimulus not seen at full brightness; read as `floor`"
    )
    floor: float = Field(-2.0, ge=-2, le=0, description="Sensitivity given to a stimulus not seen, dB")
    reliability: Reliability = Field(Reliability(), description="Reliability limits")
    min_locations: Fraction = Field(0.9, description="Smallest tested share of the grid's locations")
    min_visits: int = Field(1, ge=1, description="Fewest included fields an eye must have")
    same_day: Literal["last", "first", "all"] = Field(
        "last", description="Which of two tests on one day is used"
    )
    retest: bool = Field(
        False, description="Visits are so close that the eye did not change: measure denoising"
    )
    title: str = Field("", description="Heading of the report")
    attribution: str = Field("", description="Source and licence of the data, shown in the report")

    @model_validator(mode="after")
    def _one_source(self) -> CohortConfig:
        if self.format == "simulated":
            if self.simulate is None or self.path or self.download:
                raise ValueError("format simulated takes `simulate` and neither path nor download")
            return self
        if self.simulate is not None:
            raise ValueError("`simulate` goes with format: simulated only")
        if (self.path is None) == (self.download is None):
            raise ValueError("give either path or download")
        if (self.format == "table") != (self.columns is not None):
            raise ValueError("format table needs `columns`; the other formats name their columns themselves")
        return self

    @property
    def paths(self) -> list[str]:
        """The source files, as a list."""
        return [self.path] if isinstance(self.path, str) else list(self.path or [])


class TrainConfig(Section):
    """How a model's networks are trained."""

    beta: Positive = Field(1.0, description="Weight of the log-likelihood: loss = KL - beta * log p(td | z)")
    population_series: int = Field(
        40_000,
        ge=0,
        description="Series simulated from the shipped population, beside the training patients'",
    )
    steps: int = Field(2500, ge=1, description="Most optimiser steps")
    batch: int = Field(256, ge=1, description="Series a step")
    learning_rate: Positive = Field(3e-3, description="Peak of the one-cycle schedule")
    kl_warmup: int = Field(400, ge=0, description="Steps over which the KL term rises to its weight")
    epoch: int = Field(100, ge=1, description="Steps between two looks at the validation patients' ELBO")
    patience: int = Field(8, ge=1, description="Epochs without a better validation ELBO before stopping")
    num_particles: int = Field(1, ge=1, description="Monte Carlo draws of z a step")


class ModelConfig(Section):
    """A latent-variable model of fields."""

    kind: Literal["vae"] = Field("vae", description="Kind of model")
    latent_dim: int = Field(12, ge=1, le=52, description="Number of latents")
    decoder_hidden: list[int] = Field(
        [128, 128], min_length=1, description="Widths of the decoder's hidden layers"
    )
    encoder_hidden: list[int] = Field(
        [192, 192], min_length=1, description="Widths of the guide's hidden layers"
    )
    train: TrainConfig = Field(TrainConfig(), description="Training")


class SplitConfig(Section):
    """Shares of a training cohort's patients; both eyes of a patient always go together."""

    validation: Share = Field(0.15, description="Patients that decide when training stops")
    test: Share = Field(0.35, description="Patients that no model ever sees: the evaluation")

    @model_validator(mode="after")
    def _some_left(self) -> SplitConfig:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must leave patients to train on: their sum must be below 1")
        return self


class TrajectoryConfig(Section):
    """How an eye's path through latent space is found, and from which model."""

    method: Literal["static", "published"] = Field(
        "static",
        description="static: the eye's underlying field from all its visits plus its shrunk standing residual; "
        "published: encode each visit, least squares per latent over years, decode (extrapolates noise)",
    )
    model: str = Field("vae", description="Name under `models`")
    draws: int = Field(64, ge=2, description="Posterior draws of z an eye")


class RatesConfig(Section):
    """Rates of progression."""

    prevalence: Share = Field(0.3, description="Prior probability that an eye progresses, for p_progressing")
    false_positives: Share = Field(0.05, description="Share of stable eyes that `progressing` may flag")
    poplr_permutations: int = Field(
        1000, ge=99, description="Permutations of PoPLR when they cannot all be taken"
    )


class ForecastConfig(Section):
    """Forecasts of a future measured test."""

    years_ahead: list[Annotated[float, Field(ge=0)]] = Field(
        [0.5, 1, 2, 3, 5], min_length=1, description="Horizons after the eye's last included visit, years"
    )


class EvaluationConfig(Section):
    """Rolling-origin evaluation on patients that no model saw."""

    first_visits: list[Annotated[int, Field(ge=1)]] = Field(
        [3, 5, 7], min_length=1, description="Visits given"
    )
    bootstrap: int = Field(1000, ge=100, description="Patient bootstrap replicates for the 95 % intervals")
    min_values: int = Field(300, ge=1, description="A cell of the table appears from this many values on")


class PlotsConfig(Section):
    """Figures. A change here reruns figures and reports only."""

    td_range: tuple[float, float] = Field((-35.0, 5.0), description="Colour range of total deviation, dB")
    sens_range: tuple[float, float] = Field((0.0, 35.0), description="Gray range of sensitivity, dB")
    font_size: Positive = Field(9.0, description="Base font size, points")
    example_eyes: int = Field(4, ge=1, description="Eyes shown in the cohort's series figure")


class ReportConfig(Section):
    """The HTML report."""

    eye_pages: int = Field(1000, ge=0, description="Most pages of single eyes, fastest worsening first")


class Threads(Section):
    """torch and BLAS threads by rule: fixed here, so that results do not depend on --cores."""

    train: int = Field(2, ge=1)
    fit: int = Field(1, ge=1)
    evaluate: int = Field(1, ge=1)


class ComputeConfig(Section):
    """Where the work runs."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    threads: Threads = Field(Threads(), description="Threads by rule")


RESERVED_NAMES = {"models", "logs"}


class Config(Section):
    """A whole run."""

    run: Name = Field("default", description="Everything is written under results/<run>/")
    seed: int = Field(1, ge=0, description="The one seed: same input and seed give the same tables")
    cohorts: dict[Name, CohortConfig] = Field(min_length=1, description="The cohorts, by name")
    models: dict[Name, ModelConfig] = Field(
        {"vae": ModelConfig()}, min_length=1, description="Models, by name"
    )
    split: SplitConfig = Field(SplitConfig(), description="Patient-level split of training cohorts")
    trajectory: TrajectoryConfig = Field(TrajectoryConfig(), description="Latent trajectories")
    rates: RatesConfig = Field(RatesConfig(), description="Rates")
    forecast: ForecastConfig = Field(ForecastConfig(), description="Forecasts")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="Evaluation")
    plots: PlotsConfig = Field(PlotsConfig(), description="Figures")
    report: ReportConfig = Field(ReportConfig(), description="Report")
    compute: ComputeConfig = Field(ComputeConfig(), description="Device and threads")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.trajectory.model not in self.models:
            raise ValueError(
                f"trajectory.model: '{self.trajectory.model}' is not among models: {sorted(self.models)}"
            )
        for name in self.cohorts:
            if name in RESERVED_NAMES:
                raise ValueError(
                    f"cohorts: the name '{name}' is taken by a folder of the run; choose another"
                )
        self._check_sources_apart()
        if not self.training_cohorts:
            raise ValueError("cohorts: none has role train or both, so the models have nothing to learn from")
        return self

    def _check_sources_apart(self) -> None:
        """A file that a model learns from must not be scored again as one that no model saw."""
        learned = {path: name for name in self.training_cohorts for path in self.cohorts[name].paths}
        for name, cohort in self.cohorts.items():
            for path in cohort.paths:
                if learned.get(path, name) != name:
                    raise ValueError(
                        f"cohorts.{name}.path: {path} is also read by {learned[path]}, which models learn from, so "
                        f"its patients are not unseen; leave one of the two cohorts out"
                    )

    @property
    def training_cohorts(self) -> list[str]:
        """Names of the cohorts whose training patients the models learn from."""
        return [name for name, cohort in self.cohorts.items() if cohort.role in ("train", "both")]


def parse_config(raw: dict[str, Any]) -> Config:
    """Check a config read from YAML.

    Raises
    ------
    UserError
        Naming every wrong key, its value and what is allowed.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"]) or "config"
            given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
            lines.append(f"config: {key}: {problem['msg'].removeprefix('Value error, ')}{given}")
        raise UserError("\n".join(lines)) from None


def check_sources(config: Config) -> None:
    """Check that every file a cohort is read from exists, relative to the working directory.

    Raises
    ------
    UserError
        Naming every key whose file does not.
    """
    missing = []
    for name, cohort in config.cohorts.items():
        join = [("join.path", cohort.join.path)] if cohort.join else []
        for key, path in [("path", p) for p in cohort.paths] + join:
            if not Path(path).is_file():
                missing.append(f"config: cohorts.{name}.{key}: no file {path} (seen from {Path.cwd().name}/)")
    if missing:
        raise UserError("\n".join(missing))


def read_config(path: Path) -> Config:
    """Read and check a YAML config file; raises :class:`UserError` as :func:`parse_config` does."""
    return parse_config(yaml.safe_load(path.read_text()) or {})


def json_schema() -> str:
    """JSON schema of the config, for editors."""
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
