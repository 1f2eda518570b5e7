"""What further loss of an eye would look like, for its page: maps, and words that say what they are not."""

from __future__ import annotations

import pandas as pd

from vfprog import columns as c
from vfprog.report.blocks import Map
from vfprog.report.format import number
from vfprog.report.svg import FieldMaps

ILLUSTRATION = (
    "An illustration, not a forecast: it does not say that this eye will lose more, nor when, nor where. Each map is "
    "the field of that MD nearest to the present one, measured against the noise of tests, among fields like those "
    "that the model learned from; the disease may take another way."
)
READING = (
    "The first map is the present field as this model decodes it, smoother than a test. MD is what a test would show "
    "on average; where much lies at the floor a map's own mean is up to some 1 dB lower. Percentile: the share of the "
    "fields learned from that are less usual than the one shown; a low one is a rare field."
)
LEFT_OUT = "Steps below the lowest fields that the model learned from are left out: nothing is known of them."


def further_notes(rows: pd.DataFrame | None) -> list[str]:
    """What the maps are; ``rows`` of ``further_loss.parquet`` of one eye, or None where they were not asked for."""
    if rows is None:
        return []
    lowest = {"3 dB lower", "6 dB lower"} - set(rows["step"])
    return [ILLUSTRATION, READING, *([LEFT_OUT] if lowest else [])]


def further_loss_maps(rows: pd.DataFrame | None, eye: str, locations: int, drawer: FieldMaps) -> list[Map]:
    """The present field and those with further loss, in the order of their MD."""
    if rows is None:
        return []
    maps = []
    for _, row in rows.sort_values("value", ascending=False).iterrows():
        reached = f"MD {number(row['value'], 1)} dB, percentile {number(row['percentile'], 0)}"
        step = row["step"]
        words = reached if step.startswith("MD") else f"{step.capitalize().replace('db', 'dB')}: {reached}"
        maps.append(Map(drawer.draw(row[c.td(locations)].to_numpy(float), eye, words, "td"), words))
    return maps
