"""Scans of the nerve fibre layer that come with fields: cells that are no thickness, and how many are used."""

from __future__ import annotations

import pandas as pd

from vfprog import columns as c
from vfprog.data.nerve_fibres import THICKNESS_LIMITS

FEWEST_SCANS = 3  # of an eye whose nerve fibre layer has a slope; as many as MIN_VISITS of its score


def with_thickness(fields: pd.DataFrame, sectors: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Fields with the sectors as numbers, micrometres, and a note on cells that are no thickness.

    These are left empty: a scan that failed is no reason to lose the field of the same visit.
    """
    table, wrong = fields.copy(), []
    for name in (sector for sector in sectors if sector in fields):
        number = pd.to_numeric(fields[name], errors="coerce")
        bad = fields[name].notna() & ~number.between(*THICKNESS_LIMITS)
        places = fields.loc[bad, [c.SOURCE, c.ROW]].itertuples(index=False, name=None)
        wrong += [(*at, name, cell) for at, cell in zip(places, fields.loc[bad, name], strict=True)]
        table[name] = number.where(~bad)
    if not wrong:
        return table, []
    source, row, name, cell = min(wrong, key=lambda at: at[:2])
    low, high = THICKNESS_LIMITS
    return table, [
        f"{len(wrong)} cells of the nerve fibre layer are no thickness in micrometres ({low:g} to {high:g}) and were "
        f"left out, their fields kept; the first is {cell} in {source}, row {row}, column {name}. Mend them, leave "
        "them empty, or name the code under `missing_in`."
    ]


def scan_note(table: pd.DataFrame, sectors: list[str]) -> list[str]:
    """How many fields have a scan, how many of these go unused with their field, and how many eyes have too few.

    ``table`` holds fields with ``included``; without sectors there is nothing to say.
    """
    if not sectors or not set(sectors) <= set(table):
        return []
    scanned = table[sectors].notna().any(axis=1)
    idle = int((scanned & ~table[c.INCLUDED]).sum())
    used = (scanned & table[c.INCLUDED]).groupby([table[name] for name in c.EYE_KEY]).sum()
    return [
        f"Fields with a scan of the nerve fibre layer: {int(scanned.sum())}. Of these scans {idle} stand beside fields "
        f"that are not used, and are not used either. Eyes with fewer than {FEWEST_SCANS} scans to use: "
        f"{int((used < FEWEST_SCANS).sum())} of {len(used)}; their rates are of fields alone."
    ]
