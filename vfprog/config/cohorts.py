"""Cohorts: where an eye's fields come from, how they are read, which are used, and how they are simulated."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from vfprog.config.section import Fraction, Name, NotNegative, Positive, Section

Format = Literal["table", "visualfields", "uwhvf_csv", "uwhvf_json", "simulated"]


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
    td_floor: float | Literal["estimated"] | None = Field(
        "estimated",
        description="Where total deviation alone is given: the sensitivity by the shipped norms, dB, at or below which "
        "a value counts as at the floor. estimated: from the values, which pile up there; null: nowhere",
    )
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
        description="Columns of the retinal nerve fibre layer's sectors, micrometres, which together go once around "
        "the disc (or their mean alone): a second view of the eye, for rates and p_progressing; carried along without "
        "being named under carry",
    )
    truth: str | None = Field(
        None,
        description="Table of the true fields at the same visits, laid out as the cohort's own: rates are held "
        "against it. A simulated cohort brings its own",
    )
    benchmark: bool = Field(
        False,
        description="A benchmark: what is trained in a run that learns from it is never put into the package",
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
