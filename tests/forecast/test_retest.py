"""Denoising of retests against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vfprog.config import EvaluationConfig, VaeConfig
from vfprog.data.series import Series
from vfprog.errors import UserError
from vfprog.forecast.retest import retest_error
from vfprog.inference.networks import build_vae
from vfprog.model.latent import LatentTrajectory
from vfprog.model.residual import ResidualProcess
from vfprog.perimetry.grid import load_grid

OPTIONS = EvaluationConfig(bootstrap=100)


@pytest.fixture(scope="module")
def static() -> LatentTrajectory:
    torch.manual_seed(0)
    vae = build_vae(
        VaeConfig(latent_dim=2, decoder_hidden=[4], encoder_hidden=[4]), {"locations": 52}
    ).double()
    xy = torch.as_tensor(load_grid("24-2").xy)
    return LatentTrajectory(vae, ResidualProcess(xy).double(), network=True, drift=False)


def test_raw_error_is_the_distance_from_the_mean_of_the_others(static, make_series, make_eyes):
    made = make_series(np.zeros(5), visits=4)
    mask = made.mask & (torch.rand(made.mask.shape, generator=torch.Generator().manual_seed(1)) > 0.2)
    series = Series(made.td * mask, mask, made.years, made.n_visits)
    table = retest_error(make_eyes(5), series, static, OPTIONS, seed=1).set_index("method")
    errors = []
    for eye in range(5):
        for visit in range(4):
            for j in range(52):
                others = [series.td[eye, v, j] for v in range(4) if v != visit and mask[eye, v, j]]
                if mask[eye, visit, j] and others:
                    errors.append(abs(series.td[eye, visit, j] - sum(others) / len(others)))
    assert table.loc["raw", "value"] == pytest.approx(float(np.mean(errors)), rel=1e-6)
    assert list(table.index) == ["raw", "vae", "static"]
    assert table["n_eyes"].eq(5).all() and table["n_patients"].eq(3).all()


def test_single_visits_are_refused_with_the_key_to_change(static, make_series, make_eyes):
    with pytest.raises(UserError, match="retest: false"):
        retest_error(make_eyes(3), make_series(np.zeros(3), visits=1), static, OPTIONS, seed=1)
