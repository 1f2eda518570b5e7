"""Folders of trained models that follow the tables' contract: what model figures and pages are tested on.

Everything is drawn from one seed. The numbers are plausible, not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vfprog.config import FieldConfig
from vfprog.inference.pictures import QUANTILES
from vfprog.io import write_json, write_table
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
LATENTS = 4
DRAWS = (0, 1, 10, 100, 1000)
BOUNDS = (-98.0, -98.1, -97.4, -97.1, -97.0)
ORIGINS = {"held_out": 16, "prior_draw": 16, "prior_mean": 16, "measured": 8, "reconstruction": 8}
HOSTILE = "<script>alert(1)</script> & Co"  # a text that tries to be HTML


def write_models(root: Path) -> Path:
    """A run with two models of fields and one of digits, one of which has collapsed: its folder ``models``."""
    models = root / "models"
    write_model(models / "plain", likelihood="normal", warnings=[HOSTILE])
    write_model(models / "heteroscedastic")
    write_model(models / "digits", data="digits")
    table = pd.DataFrame(
        {"model": ["plain", "heteroscedastic", "digits"], "kind": "field", "latent_dim": LATENTS}
    )
    scores = {
        "beta": 1.0,
        "seed": 1,
        "elbo": [-120.0, -98.0, -150.0],
        "evidence": [-118.5, -97.0, -148.0],
        "gap": [1.5, 1.0, 2.0],
        "kl": [0.1, 4.0, 9.0],
        "distortion": [119.9, 94.0, 141.0],
        "active_units": [0, 3, 3],
        "retest_mae": [1.9, 1.5, np.nan],
        "c2st_accuracy": [0.91, 0.7, 0.6],
        "c2st_lower": [0.88, 0.66, 0.5],
        "c2st_upper": [0.94, 0.74, 0.7],
        "seconds": [10.0, 12.0, 5.0],
    }
    write_table(table.assign(**scores), root / "models.csv")
    return models


def write_model(
    folder: Path, *, data: str = "fields", likelihood: str = "heteroscedastic", warnings: Sequence[str] = ()
) -> Path:
    """The folder of one model: architecture, history, assessment and the tables that figures are drawn from."""
    rng = np.random.default_rng(0)
    locations = GRID.n if data == "fields" else 64
    options = FieldConfig(kind="field", data=data, latent_dim=LATENTS, likelihood=likelihood).model_dump()
    training = {
        "cohorts": [] if data == "digits" else [HOSTILE],
        "patients": 20,
        "eyes": 38,
        "fields": 200,
        "images": 1200 if data == "digits" else 0,
        "population_series": 4000,
        "fold": 0,
        "best_epoch": 11,
        "epochs": 12,
        "seconds": 10.0,
        "seed": 1,
        "device": "cpu",
    }
    write_json({"sizes": {}, "options": options, "training": training}, folder / "architecture.json")
    write_json({"warnings": list(warnings)}, folder / "assessment.json")
    write_table(history(), folder / "history.csv")
    write_table(evidence(), folder / "evidence.csv")
    write_table(health(), folder / "health.csv")
    write_table(pit(data == "fields"), folder / "pit.csv")
    write_table(samples(), folder / "samples.csv")
    write_table(gallery(locations, rng), folder / "gallery.parquet")
    write_table(manifold(locations), folder / "manifold.parquet")
    write_json(canvas(data), folder / "canvas.json")
    return folder


def history() -> pd.DataFrame:
    """Twelve epochs of training."""
    epoch = np.arange(1, 13)
    falling = 40 * np.exp(-epoch / 3)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "step": epoch * 100,
            "learning_rate": 3e-3 * np.sin(np.pi * epoch / 13),
            "kl_weight": np.clip(epoch / 4, 0, 1),
            "loss": 100 + falling,
            "elbo_train": -100 - falling,
            "elbo_validation": -102 - falling,
            "kl": 6 - 3 * np.exp(-epoch / 3),
            "reconstruction": -95 - falling,
            "seconds": epoch * 0.5,
        }
    )


def evidence() -> pd.DataFrame:
    """The bounds, each with an interval."""
    mean = np.array(BOUNDS)
    ess = [np.nan, 1.0, 5.0, 30.0, 200.0]
    table = pd.DataFrame({"draws": DRAWS, "mean": mean, "lower": mean - 4, "upper": mean + 4, "ess": ess})
    gain = mean - mean[0]
    table = table.assign(gain=gain, gain_lower=gain - 0.2, gain_upper=gain + 0.2)
    return table.assign(n_fields=300, n_patients=40)


def health() -> pd.DataFrame:
    """Three latents in use, one not."""
    kl = np.array([0.4, 2.5, 0.01, 1.2])
    latent = np.arange(1, LATENTS + 1)
    return pd.DataFrame({"latent": latent, "kl": kl, "mean_variance": kl / 3, "active": kl > 0.05})


def pit(by_level: bool) -> pd.DataFrame:
    """A histogram with a hump, for all values and by level."""
    lower = np.linspace(0, 0.95, 20)
    share = 1 + 0.2 * np.sin(np.pi * lower)
    bands = ["all", *(["below -15", "above -5"] if by_level else [])]
    return pd.concat(
        [
            pd.DataFrame({"band": band, "lower": lower, "upper": lower + 0.05, "count": 100, "share": share})
            for band in bands
        ],
        ignore_index=True,
    ).assign(ks=0.03, n=2000)


def samples() -> pd.DataFrame:
    """Quantiles of indices and correlations by distance, held out and drawn."""
    at = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
    parts = [
        pd.DataFrame(
            {"statistic": name, "at": at, "held_out": at * scale, "drawn": at * scale + 0.3, "ks": 0.12}
        )
        for name, scale in (("md", -20.0), ("psd", 10.0))
    ]
    distance = np.arange(1, 6)
    both = {"held_out": 0.8 - distance / 20, "drawn": 0.75 - distance / 20}
    parts.append(pd.DataFrame({"statistic": "correlation", "at": distance, **both, "ks": np.nan}))
    return pd.concat(parts, ignore_index=True)


def gallery(locations: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of every origin, one value missing."""
    parts = []
    for origin, n in ORIGINS.items():
        values = pd.DataFrame(rng.normal(-4, 3, (n, locations)), columns=names(locations))
        parts.append(values.assign(number=np.arange(1, n + 1), origin=origin))
    table = pd.concat(parts, ignore_index=True)
    table.loc[0, "x_3"] = np.nan
    return table


def manifold(locations: int) -> pd.DataFrame:
    """Rows whose first value is the first quantile, whose second is the second."""
    first, second = (axis.ravel() for axis in np.meshgrid(QUANTILES, QUANTILES))
    values = np.zeros((len(first), locations))
    values[:, 0], values[:, 1] = first, second
    where = {"first": 2, "second": 4, "p_first": first, "p_second": second}
    return pd.DataFrame(values, columns=names(locations)).assign(**where)


def canvas(data: str) -> dict[str, object]:
    """What the columns x_1.. are."""
    if data == "fields":
        return {"xy": GRID.xy.tolist()}
    return {"shape": [8, 8], "limits": [0.0, 16.0], "colours": "gray_r", "label": "Ink"}


def names(locations: int) -> list[str]:
    """Columns of a row's values."""
    return [f"x_{j}" for j in range(1, locations + 1)]
