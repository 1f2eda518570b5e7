"""Untrained networks of each kind of model, from its options and the sizes of its examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vfprog.config import ArchetypesConfig, GuidedConfig, LatentVariableConfig, NetworkConfig, VaeConfig
from vfprog.inference.batches import Sizes
from vfprog.model.archetypes import ArchetypeDecoder, ArchetypeGenerative, ArchetypeModel
from vfprog.model.field_vae import FieldVAE
from vfprog.model.guided import GuidedGenerative, GuidedModel
from vfprog.model.guides import make_guide
from vfprog.model.latent_variable import Amortised, Generative, LatentVariableModel
from vfprog.model.likelihoods import LIKELIHOODS
from vfprog.model.nets import Decoder


def build_network(options: NetworkConfig, sizes: Sizes) -> Any:
    """An untrained network of the kind that the options are of, weights drawn from torch's global generator."""
    return BUILDERS[options.kind](options, sizes)


def build_vae(options: VaeConfig, sizes: Sizes) -> FieldVAE:
    """The VAE of series."""
    return FieldVAE(options.latent_dim, sizes["locations"], options.decoder_hidden, options.encoder_hidden)


def build_latent_variable(options: LatentVariableConfig, sizes: Sizes) -> LatentVariableModel:
    """The latent-variable model of single rows, of one view or two."""
    decoder = Decoder(options.latent_dim, sizes["locations"], options.decoder_hidden)
    likelihood = LIKELIHOODS[options.likelihood]()
    guide = make_guide(options.guide, options.latent_dim, sizes["inputs"], options.encoder_hidden)
    model = Generative(options.latent_dim, decoder, likelihood, options.floor == "censored")
    return LatentVariableModel(model, Amortised(guide))


def build_guided(options: GuidedConfig, sizes: Sizes) -> GuidedModel:
    """The latent-variable model of fields with a head for their properties."""
    decoder = Decoder(options.latent_dim, sizes["locations"], options.decoder_hidden)
    likelihood = LIKELIHOODS[options.likelihood]()
    guide = make_guide(options.guide, options.latent_dim, sizes["inputs"], options.encoder_hidden)
    censored = options.floor == "censored"
    return GuidedModel(
        GuidedGenerative(options.latent_dim, decoder, likelihood, censored, sizes["properties"]), guide
    )


def build_archetypes(options: ArchetypesConfig, sizes: Sizes) -> ArchetypeModel:
    """Deep archetypal analysis of fields or images."""
    decoder = ArchetypeDecoder(options.archetypes, sizes["locations"], options.decoder_hidden)
    likelihood = LIKELIHOODS[options.likelihood]()
    guide = make_guide(options.guide, options.latent_dim, sizes["inputs"], options.encoder_hidden)
    censored = options.floor == "censored"
    return ArchetypeModel(ArchetypeGenerative(decoder, likelihood, censored, sizes["properties"]), guide)


BUILDERS: dict[str, Callable[[Any, Sizes], Any]] = {
    "vae": build_vae,
    "field": build_latent_variable,
    "two_view": build_latent_variable,
    "archetypes": build_archetypes,
    "guided": build_guided,
}
