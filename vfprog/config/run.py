"""A whole run: its cohorts and models, and every other section."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from vfprog.config.cohorts import CohortConfig
from vfprog.config.models import MODEL_FILES, ModelConfig, TwoViewConfig, VaeConfig
from vfprog.config.section import Name, Positive, Section, Share
from vfprog.config.sweep import SweepConfig
from vfprog.errors import UserError


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
        description="Where true rates are known, eyes whose rate is below this progress, dB/year of mean TD",
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
    max_patients: int = Field(
        2000,
        ge=10,
        description="Most patients of a cohort whose forecasts are scored, drawn by the seed: more would take hours to "
        "narrow intervals that are narrow already",
    )
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
    nuts_draws: int = Field(2500, ge=10, description="Draws of the chain")
    nuts_warmup: int = Field(400, ge=10, description="Draws before these, to adapt the chain's steps")
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
    further_loss: Name | None = Field(
        None,
        description="Name of a model of kind guided that predicts md: eyes' pages show what further loss would look "
        "like by it; null: they do not",
    )


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
RESERVED_MODELS = {"report", "sweep"}


class Config(Section):
    """A whole run."""

    run: Name = Field("default", description="Everything is written under results/<run>/")
    seed: int = Field(1, ge=0, description="The one seed: same input and seed give the same tables")
    cohorts: dict[Name, CohortConfig] = Field(
        {}, description="The cohorts, by name; none where all models learn from bundled images"
    )
    models: dict[Name, ModelConfig] = Field({"vae": VaeConfig()}, min_length=1, description="Models, by name")
    sweep: SweepConfig | None = Field(
        None, description="One model over beta, latent size and seed; null: none"
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
        self._check_models()
        for name in self.cohorts:
            if name in RESERVED_NAMES:
                raise ValueError(
                    f"cohorts: the name '{name}' is taken by a folder of the run; choose another"
                )
        for name in sorted(RESERVED_MODELS & self.models.keys()):
            raise ValueError(f"models: the name '{name}' is taken by a folder of the run; choose another")
        self._check_twins()
        self._check_further_loss()
        self._check_sweep()
        for name, model in self.models.items():
            if self.seed in model.seeds:
                raise ValueError(
                    f"models.{name}.seeds: {self.seed} is the run's own seed, from which it is trained in any case"
                )
        self._check_trust()
        self._check_sources_apart()
        self._check_eyes_apart()
        self._check_learning()
        return self

    def _check_models(self) -> None:
        """Cohorts need a model of series for their trajectories, and models of fields need cohorts."""
        on_fields = [name for name, model in self.models.items() if not model.on_images]
        if not self.cohorts:
            if on_fields:
                raise ValueError(f"cohorts: none is given, but models {on_fields} are of fields")
            return
        series = [name for name in on_fields if self.models[name].kind == "vae"]
        if self.trajectory.model not in series:
            raise ValueError(
                f"trajectory.model: '{self.trajectory.model}' is not among the models of kind vae: {sorted(series)}"
            )

    def _check_further_loss(self) -> None:
        """What further loss would look like is asked of a guided model, by its MD."""
        name = self.report.further_loss
        fit = [n for n, m in self.models.items() if m.kind == "guided" and "md" in m.properties]
        if name is not None and name not in fit:
            raise ValueError(
                f"report.further_loss: '{name}' is not among the models of kind guided with md in properties: {fit}"
            )

    def _check_sweep(self) -> None:
        """What is swept must be trained here, and its latent size free."""
        if self.sweep is None:
            return
        fit = [n for n, m in self.models.items() if m.folder is None and m.kind != "archetypes"]
        if self.sweep.model not in fit:
            raise ValueError(
                f"sweep.model: '{self.sweep.model}' is not among the models trained here whose latent size is free: "
                f"{fit}"
            )
        most = self.models[self.sweep.model].locations
        for latent_dim in self.sweep.latent_dim:
            if latent_dim > most:
                raise ValueError(
                    f"sweep.latent_dim: {latent_dim} latents for {most} locations; at most {most}"
                )

    def _check_learning(self) -> None:
        """Models that are trained need cohorts to learn from, and such cohorts a model that learns from them."""
        trained = {n: model for n, model in self.models.items() if not (model.folder or model.on_images)}
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
            if isinstance(model, TwoViewConfig) and model.views == "structure_function":
                self._check_structure(name, model)

    def _check_structure(self, name: str, model: TwoViewConfig) -> None:
        """Every cohort that a model learns structure and function from needs both."""
        for cohort in model.train.cohorts or self.training_cohorts:
            if not self.cohorts[cohort].structure:
                raise ValueError(
                    f"models.{name}.views: structure_function: cohort '{cohort}' has no `structure`, the columns of "
                    f"the nerve fibre layer; name them, leave it out of models.{name}.train.cohorts, or choose "
                    "hemifield, fellow_eye or early_later"
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
            # A model's section is told by its kind, which then stands in the place of an error: models.vae.<kind>.key.
            loc = [part for i, part in enumerate(problem["loc"]) if problem["loc"][0] != "models" or i != 2]
            key = ".".join(map(str, loc)) or "config"
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
