"""Models: one section for each kind, told apart by `kind`, and how their networks are trained."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from vfprog.config.section import NotNegative, Positive, Section

MODEL_FILES = (
    "weights.safetensors",
    "architecture.json",
    "history.csv",
    "card.json",
)  # what makes a trained model

Data = Literal["fields", "digits", "faces"]
Property = Literal["md", "psd", "age"]
VALUES = {"fields": 52, "digits": 64, "faces": 625}  # locations of a field, pixels of an image


class TrainConfig(Section):
    """How a model's networks are trained."""

    beta: Positive = Field(1.0, description="Weight of the log-likelihood: loss = KL - beta * log p(td | z)")
    population_series: int = Field(
        40_000,
        ge=0,
        description="Series (of kinds of single fields: fields) simulated from the shipped population, beside the "
        "training patients'; of no effect on images and on views that simulation lacks",
    )
    steps: int = Field(2500, ge=1, description="Most optimiser steps")
    batch: int = Field(256, ge=1, description="Series a step")
    learning_rate: Positive = Field(3e-3, description="Peak of the one-cycle schedule")
    kl_warmup: int = Field(400, ge=0, description="Steps over which the KL term rises to its weight")
    epoch: int = Field(100, ge=1, description="Steps between two looks at the validation patients' loss")
    patience: int = Field(8, ge=1, description="Epochs without a lower validation loss before stopping")
    num_particles: int = Field(1, ge=1, description="Monte Carlo draws of z a step")
    cohorts: list[str] | None = Field(
        None,
        min_length=1,
        description="Training cohorts whose patients the networks learn from; the residual process, quantiles and "
        "priors learn from all of them in any case. null: all",
    )


class NetworkConfig(Section):
    """What all kinds share: sizes of the networks, and training."""

    kind: str
    latent_dim: int = Field(
        12, ge=1, description="Number of latents, at most as many as the data have locations"
    )
    decoder_hidden: list[Annotated[int, Field(ge=1)]] = Field(
        [128, 128], description="Widths of the decoder's hidden layers; none: a linear decoder"
    )
    encoder_hidden: list[Annotated[int, Field(ge=1)]] = Field(
        [192, 192], description="Widths of the guide's hidden layers; none: a linear guide"
    )
    train: TrainConfig = Field(TrainConfig(), description="Training")
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [],
        description="Further seeds than the run's: from each the model is trained and assessed once more, in a folder "
        "of its own, and the models' page shows the spread",
    )

    @property
    def locations(self) -> int:
        """Values of a row that the model explains."""
        return VALUES["fields"]

    @property
    def folder(self) -> Path | None:
        """Where the files of a model are that is used as it is; None for one that is trained."""
        return None

    @property
    def on_images(self) -> bool:
        """Whether it learns from bundled images, and so from no cohort."""
        return False

    @model_validator(mode="after")
    def _seeds_differ(self) -> NetworkConfig:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {self.seeds} names one twice; each must stand once")
        return self

    @model_validator(mode="after")
    def _fewer_latents_than_locations(self) -> NetworkConfig:
        if self.latent_dim > self.locations:
            raise ValueError(
                f"latent_dim: {self.latent_dim} latents for {self.locations} locations; at most {self.locations}"
            )
        return self


class VaeConfig(NetworkConfig):
    """The variational autoencoder of an eye's series: what trajectories, rates and forecasts rest on."""

    kind: Literal["vae"] = Field("vae", description="Kind of model")
    weights: str | None = Field(
        None,
        description="A trained model to use as it is, and nothing is trained: the folder of one "
        "(results/<run>/models/<model>), or `released` for the one shipped with vfprog",
    )

    @model_validator(mode="after")
    def _trained_or_given(self) -> VaeConfig:
        idle = sorted(self.model_fields_set - {"weights", "kind"})
        if self.weights is not None and idle:
            raise ValueError(
                f"{', '.join(idle)}: of no effect with weights, whose model is trained; leave it out"
            )
        return self

    @property
    def folder(self) -> Path | None:
        """Where the files of a model given by `weights` are."""
        if self.weights == "released":
            return Path(str(files("vfprog") / "resources" / "models" / "24-2"))
        return None if self.weights is None else Path(self.weights)


class LatentVariableConfig(NetworkConfig):
    """What the kinds share that explain single fields or images: z ~ N(0, I), x ~ likelihood(f(z))."""

    data: Data = Field(
        "fields",
        description="What it explains: the cohorts' fields, or images: scikit-learn's digits (8 x 8) or "
        "scikit-image's faces (25 x 25)",
    )
    likelihood: Literal["normal", "heteroscedastic", "student_t"] = Field(
        "heteroscedastic",
        description="Of a value about f(z). normal: one SD everywhere; heteroscedastic: normal, its SD a function "
        "of the level f(z); student_t: the same with heavy tails",
    )
    floor: Literal["censored", "measured"] = Field(
        "censored",
        description="A value at the perimeter's floor. censored: known to be at or below it; measured: as if seen",
    )
    guide: Literal["diagonal", "isotropic", "full"] = Field(
        "diagonal",
        description="Covariance of q(z | x): one SD a latent, one SD in all, or a full matrix",
    )

    @property
    def locations(self) -> int:
        """Values of a row that the model explains."""
        return VALUES[self.data]

    @property
    def on_images(self) -> bool:
        """Whether it learns from bundled images, and so from no cohort."""
        return self.data != "fields"

    @property
    def predicted(self) -> list[str]:
        """Properties that a head predicts beside the values themselves."""
        return []


class FieldConfig(LatentVariableConfig):
    """The nonlinear latent-variable model of single fields, plain."""

    kind: Literal["field"] = Field(description="Kind of model")


class TwoViewConfig(LatentVariableConfig):
    """The deep information bottleneck: the guide sees one view of an eye, the decoder explains another."""

    kind: Literal["two_view"] = Field(description="Kind of model")
    data: Literal["fields"] = Field("fields", description="Views are of fields")
    views: Literal["structure_function", "fellow_eye", "hemifield", "early_later"] = Field(
        description="What the guide sees, and what the decoder explains. structure_function: the nerve fibre "
        "layer's sectors (`structure` of a cohort), the field; fellow_eye: one eye's field, the other's; hemifield: "
        "the superior half, the inferior; early_later: the first visits, a later one"
    )
    betas: list[Positive] = Field(
        [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
        min_length=1,
        description="Betas of the information curve, each a model of its own beside that of train.beta",
    )
    folds: int = Field(
        5,
        ge=2,
        description="Folds of patients for the information curve and the scores against ridge regression",
    )

    @property
    def locations(self) -> int:
        """Values of a row that the model explains."""
        return VALUES["fields"] // 2 if self.views == "hemifield" else VALUES["fields"]


class ArchetypesConfig(LatentVariableConfig):
    """Deep archetypal analysis: each field a convex mixture of archetypes in a latent simplex."""

    kind: Literal["archetypes"] = Field(description="Kind of model")
    archetypes: int = Field(6, ge=2, description="Number of archetypes; latent_dim follows from it")
    side: list[Literal["md", "age"]] = Field(
        [], description="Side information decoded from the mixture beside the field"
    )
    candidates: list[Annotated[int, Field(ge=2)]] = Field(
        [3, 6, 10],
        min_length=1,
        description="Numbers of archetypes that are compared by held-out error, each a model of its own",
    )
    repeats: int = Field(
        1,
        ge=0,
        description="Further trainings from other seeds, to see whether the archetypes come out again; beside them "
        "one on each half of the training rows. 0: neither",
    )

    @model_validator(mode="before")
    @classmethod
    def _latents_follow(cls, section: Any) -> Any:
        archetypes = section.get("archetypes", 6) if isinstance(section, dict) else None
        if not isinstance(archetypes, int) or archetypes < 2:
            return section
        if section.get("latent_dim", archetypes - 1) != archetypes - 1:
            raise ValueError(
                f"latent_dim: {section['latent_dim']}, but {archetypes} archetypes span {archetypes - 1} dimensions; "
                "leave it out"
            )
        return {**section, "latent_dim": archetypes - 1}

    @model_validator(mode="after")
    def _fewer_latents_than_locations(self) -> ArchetypesConfig:
        for key, value in [("archetypes", self.archetypes)] + [("candidates", k) for k in self.candidates]:
            if value > self.locations:
                raise ValueError(
                    f"{key}: {value} archetypes for {self.locations} locations; allowed is 2 to {self.locations}"
                )
        return self

    @model_validator(mode="after")
    def _side_of_fields(self) -> ArchetypesConfig:
        if self.side and self.on_images:
            raise ValueError(f"side: {self.side} is known of fields, not of {self.data}; leave it out")
        return self

    @property
    def predicted(self) -> list[str]:
        """Properties that a head predicts beside the values themselves."""
        return list(self.side)


class SearchConfig(Section):
    """Search in a guided latent space for the nearest plausible field with a wanted property."""

    targets: dict[Property, list[float]] = Field(
        {"md": [-3.0, -6.0, -12.0, -18.0, -22.0]},
        description="Wanted values of properties of the model, each sought from every held-out eye's last field; "
        "dB, years",
    )
    plausibility: NotNegative = Field(
        1.0,
        description="Weight of the log density of the training fields' latents against half the squared distance in "
        "posterior SDs; 0: the nearest latents, whether or not fields lie there",
    )
    steps: int = Field(9, ge=2, description="Fields on the way between two, both ends counted")


class GuidedConfig(LatentVariableConfig):
    """A latent space guided by properties of the field that a head predicts from it."""

    kind: Literal["guided"] = Field(description="Kind of model")
    data: Literal["fields"] = Field("fields", description="Properties are of fields")
    properties: list[Property] = Field(
        ["md", "psd", "age"], min_length=1, description="Properties that the head predicts"
    )
    search: SearchConfig = Field(SearchConfig(), description="Search for fields with a wanted property")

    @model_validator(mode="after")
    def _known_properties(self) -> GuidedConfig:
        if len(set(self.properties)) < len(self.properties):
            raise ValueError(f"properties: {self.properties} names one twice; name each once")
        unknown = sorted(set(self.search.targets) - set(self.properties))
        if unknown:
            raise ValueError(
                f"search.targets: '{unknown[0]}' is not among properties; give values of {self.properties}"
            )
        return self

    @property
    def predicted(self) -> list[str]:
        """Properties that a head predicts beside the values themselves."""
        return list(self.properties)


def _kind(section: Any) -> str:
    """Kind of a model's section, `vae` where it says none."""
    return section.get("kind", "vae") if isinstance(section, dict) else section.kind


ModelConfig = Annotated[
    Annotated[VaeConfig, Tag("vae")]
    | Annotated[FieldConfig, Tag("field")]
    | Annotated[TwoViewConfig, Tag("two_view")]
    | Annotated[ArchetypesConfig, Tag("archetypes")]
    | Annotated[GuidedConfig, Tag("guided")],
    Discriminator(_kind),
]
_ADAPTER: TypeAdapter[NetworkConfig] = TypeAdapter(ModelConfig)


def parse_model(section: str | dict[str, Any]) -> Any:
    """A model's section, of the class of its kind, from JSON text or as read from a file.

    Raises
    ------
    pydantic.ValidationError
        If a key or the kind is wrong.
    """
    return _ADAPTER.validate_json(section) if isinstance(section, str) else _ADAPTER.validate_python(section)
