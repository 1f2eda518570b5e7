"""The sweep over beta and latent size, as a section of the models' page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vfprog.config import PlotsConfig
from vfprog.plots.style import save_figure, style
from vfprog.plots.sweep import draw_sweep
from vfprog.report.blocks import Cell, Section, Table, embedded, headers, number_cell
from vfprog.report.format import number, quantity

SHOWN = {
    "rate": ("Rate (nats)", 2),
    "distortion": ("Distortion (nats)", 2),
    "evidence": ("Evidence (nats)", 2),
    "active_units": ("Latents in use", 1),
    "retest_mae": ("Retest error (dB)", 3),
    "forecast_mae": ("Forecast error (dB)", 3),
}
NOTATION = (
    "Beta multiplies the log-likelihood here, loss = KL \N{MINUS SIGN} beta \N{MULTIPLICATION SIGN} log-likelihood; "
    "most of the literature weighs the KL instead. Divided by beta the loss is the same, so the weight of the KL there "
    "is 1 / beta: a small beta here is a large one there, and leaves the latents with little."
)
RULE = (
    "Rule, set beforehand: of the combinations whose mean evidence on held-out rows lies within one standard error "
    "over seeds of the best's, those of the fewest latents, and of these the one of most evidence."
)


def sweep_section(table: pd.DataFrame, picture: Path, plots: PlotsConfig) -> Section:
    """``models/sweep.csv`` in words, numbers and a figure, which is written to ``picture`` (.svg)."""
    with style(plots):
        save_figure(draw_sweep(table), picture)
    points = by_point(table)
    alt = "Distortion over rate by latent size; evidence, latents in use and errors over beta"
    return Section(
        "sweep",
        "Sweep over beta and latent size",
        [NOTATION, choice(points)],
        tables=[_table(points, table["seed"].nunique())],
        pictures=[embedded(picture, alt)],
    )


def by_point(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of each beta and latent size, and ``error``, the standard error of their evidence."""
    groups = table.groupby(["beta", "kl_weight", "latent_dim", "chosen"])
    means = groups[list(SHOWN)].mean().assign(error=groups["evidence"].sem())
    return means.reset_index().sort_values(["beta", "latent_dim"], ignore_index=True)


def _table(points: pd.DataFrame, seeds: int) -> Table:
    shown = {name: spec for name, spec in SHOWN.items() if points[name].notna().any()}
    shown["error"] = ("SE of evidence", 2)
    rows = [
        [
            Cell("chosen" if point["chosen"] else ""),
            *(Cell(f"{point[name]:.3g}", css="n") for name in ("beta", "kl_weight", "latent_dim")),
            *(number_cell(number(point[name], digits), point[name]) for name, (_, digits) in shown.items()),
        ]
        for point in points.to_dict("records")
    ]
    heads = headers("Choice", "Beta", "1 / beta", "Latents", *(label for label, _ in shown.values()))
    return Table(f"Means over {quantity(seeds, 'seed')}; SE: standard error over them", heads, rows)


def choice(points: pd.DataFrame) -> str:
    """The choice and its rule, in words."""
    records = points.to_dict("records")
    chosen = next(point for point in records if point["chosen"])
    best = max(records, key=lambda point: float(point["evidence"]))
    return (
        f"{RULE} It chooses beta {chosen['beta']:g} with {chosen['latent_dim']:g} latents; the most evidence, "
        f"{number(best['evidence'], 2)} nats a row, is at beta {best['beta']:g} with {best['latent_dim']:g}."
    )
