"""A guided latent space: what its head knows, the nearest fields with a wanted property, ways between two fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure, FigureBase

from vfprog import columns as c
from vfprog.config import PlotsConfig
from vfprog.io import read_table
from vfprog.perimetry.grid import load_grid
from vfprog.plots.fields import field_colorbar, plot_field
from vfprog.plots.style import GRID, INK, MUTED, PALETTE, TD_MAP, UNTESTED

WIDTH = 10.0  # inches
EYES_SHOWN = 4
MAPS_ACROSS = 9  # of a way, both ends counted
PROPERTIES = {"md": "MD (dB)", "psd": "PSD (dB)", "age": "Age (years)"}
COLOURS = {"md": TD_MAP, "psd": "YlOrRd", "age": "viridis"}  # loss is dark
METHODS = {"head": "Head, from the latents", "ridge": "Ridge regression, from the field"}
OF = {"same": "the same field", "next": "the eye's next field"}
WAYS = {"straight": "Straight line", "spherical": "Arc"}
LEAST_R2 = -0.3  # below, a prediction is so much worse than the mean that by how much no longer matters


def draw_properties(folder: Path, options: PlotsConfig) -> Figure:
    """Held-out fields: each property as measured and as the head has it, over the latent plane, and R^2."""
    predictions = read_table(folder / "guided_latents.parquet")
    scores = read_table(folder / "guided_scores.csv")
    names = list(dict.fromkeys(scores["property"]))
    figure = Figure(figsize=(WIDTH, 9.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[2.1, 1], squeeze=False)[:, 0]
    axes = above.subplots(2, len(names), squeeze=False)
    plane = latent_plane(predictions)
    for column, name in zip(axes.T, names, strict=True):
        plot_predicted(predictions, name, column[0])
        points = plot_plane(plane, predictions[name].to_numpy(), COLOURS[name], column[1])
        above.colorbar(points, ax=column[1], label=PROPERTIES[name])
    plot_r_squared(scores, below.subplots())
    return figure


def plot_predicted(predictions: pd.DataFrame, name: str, ax: Axes) -> Axes:
    """What the head reads off a field's latents against the property itself."""
    known = predictions[predictions[name].notna()]
    ax.scatter(known[name], known[f"{name}_head"], s=6, color=PALETTE[0], alpha=0.5, lw=0, rasterized=True)
    ends = [known[name].min(), known[name].max()]
    ax.plot(ends, ends, color=MUTED, lw=0.8)
    ax.set(xlabel=f"{PROPERTIES[name]} of the field", ylabel="Head's reading")
    return ax


def latent_plane(predictions: pd.DataFrame) -> np.ndarray:
    """The latents' first two principal components: (field, 2)."""
    z = predictions.filter(regex=r"^z_\d+$").to_numpy()
    _, _, axes = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    plane = (z - z.mean(axis=0)) @ axes[:2].T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def plot_plane(plane: np.ndarray, values: np.ndarray, colours: str, ax: Axes) -> PathCollection:
    """Fields in the latent plane, coloured by a property; those of which it is unknown are pale."""
    unknown = np.isnan(values)
    first, second = plane.T
    ax.scatter(first[unknown], second[unknown], s=6, color=UNTESTED, lw=0, rasterized=True)
    ax.set(xlabel="Latents' 1st principal component", ylabel="2nd")
    x, y, shade = first[~unknown], second[~unknown], values[~unknown]
    return ax.scatter(x, y, s=6, c=shade, cmap=colours, lw=0, rasterized=True)


def plot_r_squared(scores: pd.DataFrame, ax: Axes) -> Axes:
    """R^2 with 95 % intervals, a row a property and field asked of."""
    asked = list(dict.fromkeys(zip(scores["property"], scores["of"], strict=True)))
    for i, (method, label) in enumerate(METHODS.items()):
        rows = scores[scores["method"] == method].set_index(["property", "of"]).loc[asked]
        at = np.arange(len(asked)) + 0.24 * (i - 0.5)
        value = rows["r2"].to_numpy(float)
        shown = value.clip(min=LEAST_R2)
        upper = rows["upper"].to_numpy(float)
        reach = [shown - rows["lower"].clip(lower=LEAST_R2), (upper - shown).clip(min=0)]
        ax.errorbar(shown, at, xerr=reach, fmt="o", ms=4, lw=1, color=PALETTE[i], label=label)
        for x, y, number in zip(upper, at, value, strict=True):
            text = f"{number:.3f}".replace("-", "\N{MINUS SIGN}")
            ax.annotate(
                text, (x, y), (6, -3), textcoords="offset points", fontsize="x-small", color=PALETTE[i]
            )
    labels = [f"{PROPERTIES[name].split(' (')[0]} of {OF[of]}" for name, of in asked]
    ax.set_yticks(range(len(asked)), labels)
    ax.set_ylim(len(asked) - 0.5, -0.5)
    ax.axvline(0, color=INK, lw=0.8)
    ax.set(xlim=(LEAST_R2, 1.08), xlabel="R² on held-out patients, 95 % interval")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def draw_search(folder: Path, options: PlotsConfig) -> Figure:
    """Example eyes in rows: the present field as decoded, then the nearest plausible ones at wanted values."""
    paths = read_table(folder / "guided_paths.parquet")
    name = paths["property"].iloc[0]
    paths = paths[paths["property"] == name]
    present = paths[paths["target"].isna()].sort_values("value", ascending=False, ignore_index=True)
    # From the mildest on, but not the worst quarter, whose field lies below most of the targets already.
    shown = np.linspace(0, 0.75 * (len(present) - 1), min(EYES_SHOWN, len(present))).round().astype(int)
    rows = present.iloc[shown]
    targets = sorted(paths["target"].dropna().unique(), reverse=name == "md")
    figure = Figure(figsize=(WIDTH, 1.75 * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots(len(rows), 1 + len(targets), squeeze=False)
    for line, (_, eye) in zip(axes, rows.iterrows(), strict=True):
        of_eye = paths[(paths[c.PATIENT] == eye[c.PATIENT]) & (paths[c.EYE] == eye[c.EYE])]
        _draw_field(eye, line[0], options, f"Present: {_plain(eye['value'])}")
        for target, ax in zip(targets, line[1:], strict=True):
            found = of_eye[of_eye["target"] == target].iloc[0]
            worse = target < eye["value"] if name == "md" else target > eye["value"]
            if worse and found["converged"]:
                _draw_field(
                    found, ax, options, f"{_plain(found['value'])}, percentile {found['percentile']:.0f}"
                )
            else:
                ax.axis("off")
    title = f"{PROPERTIES[name]} above each field; percentile: training fields at a lower density"
    figure.suptitle(title, fontsize="medium")
    field_colorbar(axes.ravel().tolist(), "td", options)
    return figure


def draw_interpolation(folder: Path, options: PlotsConfig) -> Figure:
    """The straight line and the arc between two fields, decoded, with properties and plausibility on the way."""
    table = read_table(folder / "guided_interpolation.parquet")
    pairs = list(dict.fromkeys(table["pair"]))
    figure = Figure(figsize=(WIDTH, 5.2 * len(pairs)), layout="constrained")
    parts = figure.subfigures(len(pairs), 1, squeeze=False)[:, 0]
    for part, pair in zip(parts, pairs, strict=True):
        part.suptitle(f"{pair[0].upper()}{pair[1:]}")
        maps, charts = part.subfigures(2, 1, height_ratios=[1.15, 1], squeeze=False)[:, 0]
        _draw_ways(table[table["pair"] == pair], maps, options)
        _chart_ways(table[table["pair"] == pair], charts)
    return figure


def _draw_ways(table: pd.DataFrame, figure: FigureBase, options: PlotsConfig) -> None:
    """Maps on the way, a row a way."""
    steps = np.sort(table["step"].unique())
    shown = steps[np.linspace(0, len(steps) - 1, min(MAPS_ACROSS, len(steps))).round().astype(int)]
    axes = figure.subplots(len(WAYS), len(shown), squeeze=False)
    for line, (way, label) in zip(axes, WAYS.items(), strict=True):
        rows = table[table["way"] == way].set_index("step").loc[shown]
        for ax, (_, row) in zip(line, rows.iterrows(), strict=True):
            _draw_field(row, ax, options, _plain(row["decoded_md"]))
        line[0].text(-0.05, 0.5, label, transform=line[0].transAxes, rotation=90, va="center", ha="right")
    field_colorbar(axes.ravel().tolist(), "td", options)


def _chart_ways(table: pd.DataFrame, figure: FigureBase) -> None:
    """Properties and plausibility on the way."""
    shown = {name: label for name, label in PROPERTIES.items() if name in table}
    shown["percentile"] = "Percentile of density"
    for ax, (name, label) in zip(
        figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
    ):
        for colour, (way, words) in zip(PALETTE, WAYS.items(), strict=False):
            rows = table[table["way"] == way]
            ax.plot(rows["share"], rows[name], "o-", ms=3, color=colour, label=words)
        ax.set(xlabel="Share of the way", ylabel=label)
        ax.grid(color=GRID)
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _draw_field(row: pd.Series, ax: Axes, options: PlotsConfig, title: str) -> None:
    """A decoded field, small, as a right eye's patient sees it."""
    xy = load_grid("24-2").xy
    values = row[c.td(len(xy))].to_numpy(float)
    plot_field(values, xy, ax, options=options, title=title, numbers=False)
    ax.title.set_fontsize("x-small")


def _plain(value: float) -> str:
    return f"{value:.1f}".replace("-", "\N{MINUS SIGN}")
