"""Health of a model: latents in use, and noise as it should be."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kstest

from vfprog.data.examples import one_view
from vfprog.inference.health import collapse_warnings, latent_health, pit_table, transformed
from vfprog.model.likelihoods import Normal, StudentT


class Knows:
    """A guide that reads its first latent off the row, and leaves the second at the prior."""

    def posterior(self, batch: object) -> torch.distributions.Distribution:
        loc = torch.stack([batch.x[:, 0], torch.zeros(len(batch))], 1)  # type: ignore[attr-defined, arg-type]
        scale = torch.tensor([0.1, 1.0]).expand_as(loc)
        return torch.distributions.Independent(torch.distributions.Normal(loc, scale), 1)

    def kl_by_latent(self, batch: object) -> torch.Tensor:
        prior = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
        return torch.distributions.kl_divergence(self.posterior(batch).base_dist, prior)  # type: ignore[attr-defined]


def test_a_latent_is_active_where_it_knows_something() -> None:
    torch.manual_seed(0)
    found = latent_health(Knows(), one_view(torch.randn(2000, 3)))
    assert list(found["active"]) == [True, False]
    # 0.5 (0.1^2 + E z^2 - 1) - log 0.1, with E z^2 the variance of the mean.
    expected = 0.5 * (0.01 + found["mean_variance"][0] - 1) - np.log(0.1)
    assert found["kl"][0] == pytest.approx(expected, abs=0.01) and found["kl"][1] == 0
    assert found["mean_variance"][0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("active", "warns"), [([True] * 3 + [False], 0), ([False] * 4, 1), ([True] + [False] * 7, 1)]
)
def test_collapse_is_told(active: list[bool], warns: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        words = collapse_warnings(pd.DataFrame({"active": active}), "small")
    assert len(words) == warns == len(caplog.records)
    assert all("posterior collapse" in text and f"of {len(active)} latents" in text for text in words)


@pytest.mark.parametrize("df", [None, 6])
def test_transform_is_uniform_where_the_noise_is_right(df: int | None) -> None:
    torch.manual_seed(1)
    loc, scale = torch.randn(4000, 5) * 8 - 15, torch.full((4000, 5), 3.0)
    base = Normal(loc, scale) if df is None else StudentT(df, loc, scale)
    recorded = base.sample().round().clamp(min=-30)
    found = transformed(base, recorded, recorded == -30, 1.0).flatten().numpy()
    assert kstest(found, "uniform").pvalue > 1e-3
    # Taken for values that were seen, those at the floor pile up where the cell happens to lie.
    ignored = transformed(base, recorded, torch.zeros_like(recorded, dtype=torch.bool), 1.0).flatten().numpy()
    assert kstest(ignored, "uniform").pvalue < 1e-6


def test_histogram_shows_noise_that_is_too_small() -> None:
    torch.manual_seed(2)
    loc = torch.linspace(-30, 0, 20_000)
    base = Normal(loc, torch.ones_like(loc))
    level, recorded = loc.numpy(), (loc + 2 * torch.randn_like(loc)).round()
    values = transformed(base, recorded, torch.zeros_like(loc, dtype=torch.bool), 1.0).numpy()
    found = pit_table(values, level, by_level=True)
    assert list(found["band"].unique()) == ["all", "-inf to -15", "-15 to -5", "-5 to inf"]
    assert found.groupby("band")["count"].sum()["all"] == 20_000
    whole = found[found["band"] == "all"]
    assert whole["share"].mean() == pytest.approx(1) and whole["share"].iloc[[0, -1]].min() > 2
    # Two normals centred alike, one twice as wide: the distribution functions are 0.161 apart at most.
    assert whole["ks"].iloc[0] == pytest.approx(0.161, abs=0.02)
    assert list(pit_table(values, level, by_level=False)["band"].unique()) == ["all"]
