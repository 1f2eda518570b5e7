"""The sweep's section: a row a point, and the choice in words."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd

from vfprog.config import PlotsConfig
from vfprog.report.sweep import NOTATION, by_point, choice, sweep_section


def table() -> pd.DataFrame:
    points = pd.DataFrame(product([0.5, 1.0], [2, 8], [1, 2]), columns=["beta", "latent_dim", "seed"])
    evidence = -100 + points["latent_dim"] / 10 + points["seed"] * 0.2
    scores = {"rate": 5.0, "distortion": 94.0, "elbo": -99.0, "active_units": 2, "retest_mae": float("nan")}
    chosen = (points["beta"] == 0.5) & (points["latent_dim"] == 2)
    return points.assign(
        kl_weight=1 / points["beta"], evidence=evidence, forecast_mae=2.5, chosen=chosen, **scores
    )


def test_a_row_a_point_with_means_over_seeds(tmp_path: Path) -> None:
    section = sweep_section(table(), tmp_path / "sweep.svg", PlotsConfig())
    (shown,) = section.tables
    assert (tmp_path / "sweep.svg").exists() and section.text[0] == NOTATION
    labels = [header.label for header in shown.headers]
    assert "Retest error (dB)" not in labels  # of no point
    first = dict(zip(labels, [cell.text for cell in shown.rows[0]], strict=True))
    assert (first["Beta"], first["1 / beta"], first["Latents"], first["Choice"]) == (
        "0.5",
        "2",
        "2",
        "chosen",
    )
    assert first["Evidence (nats)"] == "\N{MINUS SIGN}99.50"
    assert first["SE of evidence"] == "0.10"
    assert len(shown.rows) == 4 and shown.caption.startswith("Means over 2 seeds")


def test_the_choice_names_itself_and_the_best() -> None:
    words = choice(by_point(table()))
    assert "chooses beta 0.5 with 2 latents" in words
    assert "nats a row, is at beta 0.5 with 8." in words
