"""The config file as types: every key, its meaning, unit and allowed range, checked before any job starts.

``config/schema.json`` is generated from these classes (``vfprog schema``) for editors; a test keeps it in step.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vfprog.errors import UserError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
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


class VisitShift(Section):
    """A disturbance of whole fields: now and then a visit comes out higher or lower than it should."""

    probability: Fraction = Field(0.1, description="Probability that a visit is shifted")
    size: Positive = Field(2.0, description="Shift up or down, at even odds, dB")


class Conditions(Section):
    """What happens to a simulated eye between its tests and during each."""

    rate_scale: tuple[NotNegative, NotNegative] = Field(
        (0.0, 0.5),
        description="Each eye's slopes are the population's times a uniform draw between these; treated patients "
        "of a clinic lose less than the population says, untreated ones would have [1, 1]",
    )
    stable: bool = Field(
        False,
        description="The same eyes not progressing: every location stays at its mean level over the follow-up",
    )
    wander: bool = Field(True, description="The level of a location wanders over the years about its line")
    visit_sd: NotNegative = Field(0.6, description="SD of the shift that all locations of a visit share, dB")
    learning: bool = Field(True, description="The first field lacks what is yet to be learnt, about 0.5 dB")
    visit_shift: VisitShift | None = Field(None, description="Visits disturbed now and then, beside visit_sd")
    test: Literal["population_noise", "staircase"] = Field(
        "population_noise",
        description="population_noise: the population's SD and shape of noise by level; staircase: the perimeter's "
        "4-2 dB staircase at each location",
    )
    noise: NotNegative = Field(1.0, description="Multiplies population_noise")
    false_positives: Fraction = Field(0.03, description="Staircase: presses without a stimulus seen")
    false_negatives: Fraction = Field(0.01, description="Staircase: stimuli seen without a press")

    @model_validator(mode="after")
    def _possible(self) -> Conditions:
        if self.rate_scale[0] > self.rate_scale[1]:
            raise ValueError(f"rate_scale: {list(self.rate_scale)} must be [least, most] with least <= most")
        if self.false_positives + self.false_negatives >= 1:
            raise ValueError("false_positives + false_negatives must be below 1")
        if self.test == "staircase":
            self._refuse("test: staircase", "noise")
        else:
            self._refuse("test: population_noise", "false_positives", "false_negatives")
        return self

    def _refuse(self, given: str, *keys: str) -> None:
        """Raise if a key without effect beside what is ``given`` has another value than its default."""
        idle = [key for key in keys if getattr(self, key) != type(self).model_fields[key].default]
        if idle:
            raise ValueError(f"{', '.join(idle)}: of no effect with {given}; leave it out")


class TrueFields(Section):
    """Known true fields of eyes, to be tested again and again: sensitivities and the age at each visit."""

    path: str = Field(description="Table of true fields, one row a visit, in right-eye format")
    columns: ColumnMap = Field(description="Its columns: patient, eye, a time, age and sens")
    join: Join | None = Field(None, description="A further table whose columns are added, as for a cohort")

    @model_validator(mode="after")
    def _complete(self) -> TrueFields:
        columns = self.columns
        if columns.sens is None or columns.td is not None:
            raise ValueError("columns: a perimeter tests sensitivities: name sens (and not td)")
        if columns.age is None and columns.birth_date is None:
            raise ValueError("columns: normal sensitivity depends on age: name age or birth_date")
        return self

    @property
    def paths(self) -> list[str]:
        """The files it is read from."""
        return [self.path, *([self.join.path] if self.join else [])]


OF_DRAWN_EYES = (
    *("eyes", "visits", "interval", "fellow_eyes"),
    *("rate_scale", "wander", "visit_sd", "learning"),
)  # keys without effect where the true fields are given


class Simulation(Conditions):
    """A simulated cohort with known truth: eyes drawn from a population, or replicates of known true fields."""

    eyes: int = Field(300, ge=1, description="Number of eyes")
    visits: tuple[int, int] = Field((1, 16), description="Fewest and most visits an eye")
    interval: Positive = Field(0.5, description="Mean years between visits")
    fellow_eyes: Fraction = Field(0.6, description="Share of patients with both eyes in the cohort")
    population: str | None = Field(
        None, description="Table made by `vfprog population`, in place of the one shipped with vfprog"
    )
    truth: TrueFields | None = Field(None, description="True fields to test, in place of eyes drawn")
    replicates: int = Field(1, ge=1, description="Series simulated from each eye of truth")
    rnfl: bool = Field(
        False, description="Add the nerve fibre layer in six sectors, micrometres (rnfl_T ...)"
    )
    seed: int | None = Field(
        None,
        ge=0,
        description="In place of the run's seed: cohorts of one seed and as many eyes hold the same eyes",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Simulation:
        if not 1 <= self.visits[0] <= self.visits[1]:
            raise ValueError(f"visits: {list(self.visits)} must be [fewest, most] with 1 <= fewest <= most")
        if self.truth is None and self.replicates > 1:
            raise ValueError("replicates: they are of the eyes of truth; for drawn eyes set eyes")
        if self.truth is not None:
            self._refuse("truth", *OF_DRAWN_EYES)
        return self

    @property
    def paths(self) -> list[str]:
        """The files it is simulated from."""
        given = [self.population] if self.population else []
        return given + (self.truth.paths if self.truth else [])


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
    structure: list[str] = Field(
        [],
        description="Columns of the retinal nerve fibre layer's sectors, micrometres: a second view of the eye, for "
        "p_progressing and detection; carried along without being named under carry",
    )
    truth: str | None = Field(
        None,
        description="Table of the true fields at the same visits, laid out as the cohort's own: rates are held "
        "against it. A simulated cohort brings its own",
    )
    stable_twin: Name | None = Field(
        None,
        description="Name of the cohort that holds the same eyes not progressing: detection is scored against it",
    )
    produce: Literal["report", "detection", "visits"] = Field(
        "report",
        description="report: everything; detection: no more than the tables of detection (of a large benchmark, "
        "say); visits: no more than visits.parquet, of a stable twin",
    )
    title: str = Field("", description="Heading of the report")
    attribution: str = Field("", description="Source and licence of the data, shown in the report")

    @model_validator(mode="after")
    def _one_source(self) -> CohortConfig:
        if self.format == "simulated":
            if self.simulate is None or self.path or self.download:
                raise ValueError("format simulated takes `simulate` and neither path nor download")
            if self.truth is not None:
                raise ValueError("truth: a simulated cohort brings its own; leave it out")
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

    @property
    def origins(self) -> list[str]:
        """The files whose eyes the cohort holds: its sources, and true fields that it tests again."""
        return self.paths + ([self.simulate.truth.path] if self.simulate and self.simulate.truth else [])


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
    cohorts: list[str] | None = Field(
        None,
        min_length=1,
        description="Training cohorts whose patients the networks learn from; the residual process, quantiles and "
        "priors learn from all of them in any case. null: all",
    )


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
    weights: str | None = Field(
        None,
        description="A trained model to use as it is, and nothing is trained: the folder of one "
        "(results/<run>/models/<model>), or `released` for the one shipped with vfprog",
    )

    @model_validator(mode="after")
    def _trained_or_given(self) -> ModelConfig:
        idle = sorted(self.model_fields_set - {"weights"})
        if self.weights is not None and idle:
            raise ValueError(
                f"{', '.join(idle)}: of no effect with weights, whose model is trained; leave it out"
            )
        return self

    @property
    def folder(self) -> Path | None:
        """Where the files of a model given by `weights` are; None for one that is trained."""
        if self.weights == "released":
            return Path(str(files("vfprog") / "resources" / "models" / "24-2"))
        return None if self.weights is None else Path(self.weights)


class SplitConfig(Section):
    """Shares of a training cohort's patients; both eyes of a patient always go together."""

    validation: Share = Field(0.15, description="Patients that decide when training stops")
    test: Share = Field(
        0.35, description="Patients that no model ever sees: the evaluation; of no effect with folds"
    )
    folds: int = Field(
        0,
        ge=0,
        description="Cross-validation: patients fall into so many folds, and each is scored by a model trained "
        "without its fold; rates and forecasts come from one more model, trained on all. 0: a single split",
    )

    @model_validator(mode="after")
    def _some_left(self) -> SplitConfig:
        if self.folds == 1:
            raise ValueError("folds must be 0 (a single split) or at least 2")
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must leave patients to train on: their sum must be below 1")
        return self


class TrajectoryConfig(Section):
    """How an eye's path through latent space is found, and from which model."""

    method: Literal["trajectory", "static", "residual", "published"] = Field(
        "trajectory",
        description="trajectory: a path through latent space, a residual that stands, drifts and wanders about it; "
        "static: the same without drift; residual: the same without a network; published: encode each visit, least "
        "squares per latent over years, decode (extrapolates noise)",
    )
    model: str = Field("vae", description="Name under `models`")
    draws: int = Field(64, ge=2, description="Draws of a path, for method published")


class RatesConfig(Section):
    """Rates of progression."""

    prevalence: Share = Field(0.3, description="Prior probability that an eye progresses, for p_progressing")
    false_positives: Share = Field(0.05, description="Share of stable eyes that `progressing` may flag")
    progressing_rate: float = Field(
        -0.3,
        lt=0,
        description="Where the truth is known, eyes whose true rate is below this progress, dB/year of mean TD",
    )
    fast_rate: float = Field(
        -0.7,
        lt=0,
        description="Where the truth is known, eyes whose true rate is below this are reported apart, dB/year",
    )
    truth_visits: list[Annotated[int, Field(ge=3)]] = Field(
        [5, 10],
        min_length=1,
        description="Where the truth is known, numbers of first visits at which rates are held against it",
    )
    poplr_permutations: int = Field(
        1000, ge=99, description="Permutations of PoPLR when they cannot all be taken"
    )
    floor: Literal["censored", "plain"] = Field(
        "censored",
        description="What PLR and PoPLR take a stimulus not seen for, where sensitivities are given. censored: a "
        "bound, in which nothing changes; plain: a value, whose total deviation rises as normal eyes age",
    )


class ForecastConfig(Section):
    """Forecasts of a future measured test."""

    years_ahead: list[Annotated[float, Field(ge=0)]] = Field(
        [0.5, 1, 2, 3, 5], min_length=1, description="Horizons after the eye's last included visit, years"
    )


class EvaluationConfig(Section):
    """Rolling-origin evaluation on patients that no model saw."""

    first_visits: list[Annotated[int, Field(ge=1)]] = Field(
        list(range(1, 11)), min_length=1, description="Numbers of first visits to forecast from"
    )
    bootstrap: int = Field(1000, ge=100, description="Patient bootstrap replicates for the 95 % intervals")
    min_values: int = Field(300, ge=1, description="A cell of the table appears from this many values on")
    detection_visits: list[Annotated[int, Field(ge=3)]] = Field(
        [5, 8, 10], min_length=1, description="Numbers of first visits at which detection is scored"
    )
    detection_shuffles: int = Field(
        200, ge=2, description="Shuffles of the visit order, the control that a score does not see the level"
    )


class TrustConfig(Section):
    """Checks of the trajectories' posterior: against simulation, against NUTS, and against the tests themselves."""

    cohorts: list[Name] = Field(
        [], description="Cohorts on whose eyes method `trajectory` is checked; minutes for each"
    )
    sbc_eyes: int = Field(
        300, ge=20, description="Eyes for simulation-based calibration: their visits, with simulated tests"
    )
    nuts_eyes: int = Field(20, ge=1, description="Eyes whose posterior is found by NUTS as well")
    nuts_draws: int = Field(1200, ge=10, description="Draws of the chain")
    nuts_warmup: int = Field(300, ge=10, description="Draws before these, to adapt the chain's steps")
    predictive_eyes: int = Field(300, ge=1, description="Eyes for posterior predictive checks")
    replicates: int = Field(200, ge=20, description="Times that their tests are drawn anew")


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
MODEL_FILES = (
    "weights.safetensors",
    "architecture.json",
    "history.csv",
    "card.json",
)  # what makes a trained model


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
    trust: TrustConfig = Field(TrustConfig(), description="Checks of the trajectories' posterior")
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
        self._check_twins()
        self._check_trust()
        self._check_sources_apart()
        self._check_eyes_apart()
        self._check_learning()
        return self

    def _check_learning(self) -> None:
        """Models that are trained need cohorts to learn from, and such cohorts a model that learns from them."""
        trained = {name: model for name, model in self.models.items() if model.weights is None}
        if trained and not self.training_cohorts:
            raise ValueError(
                "cohorts: none has role train or both, so the models have nothing to learn from; give one that role, "
                "or the model `weights: released`"
            )
        if self.training_cohorts and not trained:
            raise ValueError(
                f"cohorts.{self.training_cohorts[0]}.role: all models have `weights`, so nothing learns from this "
                "cohort; its role must be apply"
            )
        if self.split.folds and self.training_cohorts and self.trajectory.model not in trained:
            raise ValueError(
                f"trajectory.model: '{self.trajectory.model}' is given by `weights`, so no fold of it can be scored; "
                "set split.folds: 0"
            )
        for name, model in trained.items():
            for cohort in model.train.cohorts or []:
                if cohort not in self.training_cohorts:
                    raise ValueError(
                        f"models.{name}.train.cohorts: '{cohort}' is no cohort with role train or both; there are "
                        f"{self.training_cohorts}"
                    )

    def _check_twins(self) -> None:
        for name, cohort in self.cohorts.items():
            if cohort.stable_twin is not None and cohort.stable_twin not in self.cohorts.keys() - {name}:
                others = sorted(self.cohorts.keys() - {name})
                raise ValueError(
                    f"cohorts.{name}.stable_twin: '{cohort.stable_twin}' is not another cohort; there are {others}"
                )

    def _check_trust(self) -> None:
        for name in self.trust.cohorts:
            if name not in self.cohorts:
                raise ValueError(f"trust.cohorts: '{name}' is not among cohorts: {sorted(self.cohorts)}")

    def _check_sources_apart(self) -> None:
        """A file that a model learns from must not be scored again as one that no model saw."""
        learned = {path: name for name in self.training_cohorts for path in self.cohorts[name].origins}
        for name, cohort in self.cohorts.items():
            for path in cohort.origins:
                if learned.get(path, name) != name:
                    raise ValueError(
                        f"cohorts.{name}.path: {path} is also read by {learned[path]}, which models learn from, so "
                        f"its patients are not unseen; leave one of the two cohorts out"
                    )

    def _check_eyes_apart(self) -> None:
        """Eyes that a model learns from must not be drawn again as eyes that no model saw."""
        drawn = {
            name: (self.seed if draw.seed is None else draw.seed, draw.eyes, draw.population)
            for name, cohort in self.cohorts.items()
            if (draw := cohort.simulate) and not draw.truth
        }
        for name, eyes in drawn.items():
            same = [other for other in self.training_cohorts if other != name and drawn.get(other) == eyes]
            if same:
                raise ValueError(
                    f"cohorts.{name}.simulate: draws the same eyes as {same[0]}, which models learn from; give it "
                    "another simulate.seed"
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
        simulated = [("simulate", path) for path in cohort.simulate.paths] if cohort.simulate else []
        truth = [("truth", cohort.truth)] if cohort.truth else []
        for key, path in [("path", p) for p in cohort.paths] + join + simulated + truth:
            if not Path(path).is_file():
                missing.append(f"config: cohorts.{name}.{key}: no file {path} (seen from {Path.cwd().name}/)")
    for name, model in config.models.items():
        if (folder := model.folder) is not None:
            absent = [file for file in MODEL_FILES if not (folder / file).is_file()]
            missing += [f"config: models.{name}.weights: no file {folder / file}" for file in absent]
    if missing:
        raise UserError("\n".join(missing))


def read_config(path: Path) -> Config:
    """Read and check a YAML config file; raises :class:`UserError` as :func:`parse_config` does."""
    return parse_config(yaml.safe_load(path.read_text()) or {})


def json_schema() -> str:
    """JSON schema of the config, for editors."""
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
