"""Posteriors as files."""

from __future__ import annotations

from pathlib import Path as FilePath

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from tiny import random_path, random_series, tiny_vae

from vfprog import columns as c
from vfprog.data.series import Series, eyes_of
from vfprog.inference.posterior import latent_table, read_paths, write_paths
from vfprog.io import VERSIONS
from vfprog.model.summary import summarise
from vfprog.model.trajectory import Path

IDS = ["007", "NA", "Ünal, Ö.", "007", "1e5", "x"]
SIDES = [c.RIGHT, c.LEFT, c.RIGHT, c.LEFT, c.RIGHT, c.LEFT]


def visits_of(series: Series) -> pd.DataFrame:
    """Rows of the series, one a visit, in its order."""
    eye, visit = torch.nonzero(series.visits).T.tolist()
    table = pd.DataFrame({c.PATIENT: [IDS[i] for i in eye], c.EYE: [SIDES[i] for i in eye]})
    table[c.VISIT] = [2 * v + 1 for v in visit]  # excluded fields leave gaps
    return table.assign(**{c.YEARS: series.years[series.visits].numpy(), "other": 1})


def test_each_visits_latents_stand_beside_its_key() -> None:
    vae, series = tiny_vae(), random_series(0)
    visits = visits_of(series)
    visits.index = visits.index[::-1]  # whatever the caller's index
    table = latent_table(visits, series, vae)
    latents = ["z_1", "z_2", "z_1_sd", "z_2_sd"]
    assert list(table) == [*c.VISIT_KEY, c.YEARS, *latents, *(f"td_hat_{j}" for j in range(1, 6))]
    keys = [*c.VISIT_KEY, c.YEARS]
    pd.testing.assert_frame_equal(table[keys], visits[keys].reset_index(drop=True))
    for row, (eye, visit) in enumerate(torch.nonzero(series.visits).tolist()):
        alone = slice(eye, eye + 1), slice(visit, visit + 1)
        z, sd = vae.guide.encoder(summarise(series.td[alone], series.mask[alone]))
        np.testing.assert_allclose(table.loc[row, latents].to_numpy(float), torch.cat([z, sd], 1).detach()[0])
        np.testing.assert_allclose(
            table.filter(like="td_hat_").loc[row].to_numpy(), vae.model.decoder(z).detach()[0]
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_paths_come_back_as_they_were(dtype: torch.dtype, tmp_path: FilePath) -> None:
    path = random_path(6, dtype=dtype)
    path.floor[2] = -torch.inf
    eyes = pd.DataFrame({c.PATIENT: IDS, c.EYE: SIDES})
    file = tmp_path / "trajectories.nc"
    write_paths(path, eyes, file, {"method": "static"})
    again, identity = read_paths(file, torch.device("cpu"))
    for name in Path.__dataclass_fields__:
        assert torch.equal(getattr(again, name), getattr(path, name)), name
    pd.testing.assert_frame_equal(identity, eyes)
    assert [f.name for f in tmp_path.iterdir()] == ["trajectories.nc"]


def test_paths_are_labelled(tmp_path: FilePath) -> None:
    path, eyes = random_path(6), eyes_of(visits_of(random_series(0)))
    provenance = {"method": "published", "inputs": {"a": "1"}}
    write_paths(path, eyes, tmp_path / "t.nc", provenance)
    with xr.open_dataset(tmp_path / "t.nc", engine="h5netcdf") as dataset:
        assert dataset.attrs == {**VERSIONS, "method": "published", "inputs": '{"a": "1"}'}
        sizes = {"eye": 6, "latent": 2, "location": 5, "part": 3, "other_part": 3}
        assert dict(dataset.sizes) == sizes
        assert set(dataset.coords) == {c.PATIENT, "laterality", "part"}
        assert dataset["part"].to_numpy().tolist() == ["level", "drift", "wander"]
        assert dataset["z_slope"].dims == ("eye", "latent")
        assert dataset["state_cov"].dims == ("eye", "location", "part", "other_part")
        assert dataset["md_cov"].dims == ("eye", "part", "other_part")
        # What follows from the state is there for who reads the file without this package.
        assert dataset["td"].dims == dataset["td_sd"].dims == ("eye", "location")
        assert dataset["md_sd"].dims == ("eye",)
        for name in ("td", "td_sd", "md_sd"):
            np.testing.assert_array_equal(dataset[name], getattr(path, name))
        drift = dataset["state"].sel(part="drift")
        np.testing.assert_array_equal(drift, path.state[..., 1])
