"""Posteriors as files: each visit's latents as a table, the eyes' trajectories as netCDF."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path as FilePath
from typing import Any

import pandas as pd
import torch
import xarray as xr

from vfprog import columns as c
from vfprog.data.series import Series
from vfprog.io import VERSIONS, atomic
from vfprog.model.field_vae import FieldVAE
from vfprog.model.summary import visit_summary
from vfprog.model.trajectory import Path

DIMENSIONS = {
    "last_years": ("eye",),
    "n_visits": ("eye",),
    "noise": ("eye", "location"),
    "floor": ("eye", "location"),
    "state": ("eye", "location", "part"),
    "state_cov": ("eye", "location", "part", "other_part"),
    "md_cov": ("eye", "part", "other_part"),
}
LATENT = ("eye", "latent")


@torch.no_grad()
def latent_table(visits: pd.DataFrame, series: Series, vae: FieldVAE) -> pd.DataFrame:
    """``latents.parquet``: posterior mean and SD of each latent of each visit alone, and the decoded field.

    ``visits`` are the rows of ``series``, sorted by eye and visit.
    """
    z_loc, z_scale = vae.guide.encoder(visit_summary(series))
    kept = series.visits.reshape(-1)
    z_loc, z_scale = z_loc[kept], z_scale[kept]
    field = vae.model.decoder(z_loc)
    latents = range(1, vae.latent_dim + 1)
    parts = {
        **{f"z_{k}": z_loc[:, k - 1] for k in latents},
        **{f"z_{k}_sd": z_scale[:, k - 1] for k in latents},
        **{f"td_hat_{j}": field[:, j - 1] for j in range(1, field.shape[1] + 1)},
    }
    values = pd.DataFrame({name: value.cpu().numpy() for name, value in parts.items()})
    return pd.concat([visits[[*c.VISIT_KEY, c.YEARS]].reset_index(drop=True), values], axis=1)


def write_paths(path: Path, eyes: pd.DataFrame, target: FilePath, provenance: dict[str, Any]) -> None:
    """Write ``trajectories.nc``: every entry of :class:`Path` by eye, the eyes' identity, and what made it."""
    content = {
        f.name: (DIMENSIONS.get(f.name, LATENT), getattr(path, f.name).cpu().numpy()) for f in fields(Path)
    }
    content |= {
        name: (dims, value.cpu().numpy())
        for name, dims, value in (
            ("td", ("eye", "location"), path.td),
            ("td_sd", ("eye", "location"), path.td_sd),
            ("md_sd", ("eye",), path.md_sd),
        )
    }
    identity = {
        c.PATIENT: ("eye", eyes[c.PATIENT].to_numpy(str)),
        "laterality": ("eye", eyes[c.EYE].to_numpy(str)),
        "part": ["level", "drift", "wander"],
    }
    record = {**VERSIONS, **provenance}
    attributes = {name: v if isinstance(v, str | int) else json.dumps(v) for name, v in record.items()}
    dataset = xr.Dataset(content, coords=identity, attrs=attributes)
    with atomic(target) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def read_paths(source: FilePath, device: torch.device) -> tuple[Path, pd.DataFrame]:
    """Read what :func:`write_paths` wrote: paths and their eyes (``patient_id, eye``)."""
    with xr.open_dataset(source, engine="h5netcdf") as dataset:
        dataset.load()
    path = Path(*(torch.tensor(dataset[f.name].to_numpy(), device=device) for f in fields(Path)))
    eyes = pd.DataFrame({c.PATIENT: dataset[c.PATIENT].to_numpy(), c.EYE: dataset["laterality"].to_numpy()})
    return path, eyes.astype(str)
