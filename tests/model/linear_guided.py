"""A guided model in which all is linear, and eyes drawn from it: what searches and tables must find is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from vfprog import columns as c
from vfprog.config import GuidedConfig
from vfprog.data.field_examples import field_examples
from vfprog.inference.guided import GuidedSpace, fit_space
from vfprog.inference.networks import build_guided
from vfprog.inference.training_data import TrainingData
from vfprog.model.guided import GuidedModel
from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
NAMES = ["md", "psd"]
LEVEL, DEPTH, CONTRAST, SD = (
    -8.0,
    4.0,
    3.0,
    1.0,
)  # dB: f(z) = LEVEL + DEPTH z_1 + CONTRAST z_2 [superior or inferior]

SCALE = 10.0  # dB, of what the guide sees


def linear_guided() -> GuidedModel:
    """f(z) falls all over with z_1 and from one half to the other with z_2; the head reads MD exactly off z."""
    options = GuidedConfig(
        kind="guided",
        latent_dim=2,
        decoder_hidden=[],
        encoder_hidden=[],
        likelihood="normal",
        properties=NAMES,
    )
    sizes = {"locations": GRID.n, "inputs": GRID.n, "properties": len(NAMES)}
    model = build_guided(options, sizes).double().eval()
    weight = torch.as_tensor(np.stack([np.full(GRID.n, DEPTH), CONTRAST * np.sign(GRID.xy[:, 1])], axis=1))
    norms = 1 / load_norms("24-2").sd_td
    of_md = torch.as_tensor(norms / norms.sum())
    precision = torch.eye(2).double() + weight.T @ weight / SD**2  # diagonal: the halves are of one size
    variance = 1 / precision.diagonal()
    decoder, guide, head = model.model.decoder, model.guide.network, model.model.head
    head.mlp = nn.Linear(2, len(NAMES)).double()
    with torch.no_grad():
        decoder.linear.weight.copy_(weight)
        decoder.linear.bias.zero_()
        decoder.scale.fill_(1.0)
        decoder.centre.fill_(LEVEL)
        model.model.likelihood.log_sd.fill_(np.log(SD))
        guide.seen_centre.fill_(LEVEL)
        guide.seen_scale.fill_(SCALE)
        mean = SCALE * variance[:, None] * weight.T / SD**2
        guide.mlp[0].weight.copy_(torch.cat([mean, torch.zeros(2, GRID.n)]))
        guide.mlp[0].bias.copy_(torch.cat([torch.zeros(2), variance.sqrt().log()]))
        head.mlp.weight.copy_(torch.stack([of_md @ weight, torch.tensor([0.0, 1.0]).double()]))
        head.mlp.bias.copy_(torch.tensor([LEVEL, 5.0]))
    return model


def visits(eyes: int, each: int = 2, seed: int = 0) -> pd.DataFrame:
    """Eyes drawn from the model, two a patient, ``each`` tests of the same field."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((eyes, 2)).repeat(each, axis=0)
    field = LEVEL + DEPTH * z[:, :1] + CONTRAST * z[:, 1:] * np.sign(GRID.xy[:, 1])
    eye = np.arange(eyes).repeat(each)
    keys = {
        c.PATIENT: [f"p{i // 2:03d}" for i in eye],
        c.EYE: np.where(eye % 2, "OS", "OD"),
        c.VISIT: np.tile(np.arange(1, each + 1), eyes),
        c.YEARS: np.tile(np.arange(each) / 2, eyes),
        c.AGE: 60 + eye % 7 + np.tile(np.arange(each) / 2, eyes),
    }
    td = pd.DataFrame(field + SD * rng.standard_normal(field.shape), columns=c.td(GRID.n))
    return pd.concat([pd.DataFrame(keys), td], axis=1)


def training(eyes: int = 400) -> TrainingData:
    """What the model learned from, without simulated eyes."""
    patients = field_examples(visits(eyes, seed=1), GRID, NAMES)
    return TrainingData(patients, None, patients[:10], {})


def space(model: GuidedModel) -> GuidedSpace:
    """Where these lie."""
    return fit_space(model, NAMES, training().patients.double(), seed=0)
