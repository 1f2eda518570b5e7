"""The nerve fibre layer on the pages: its slope beside the rate, its thickness over the years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup

from vfprog import columns as c
from vfprog.data.nerve_fibres import MEAN_AGEING
from vfprog.plots.series import rate_line, scan_means
from vfprog.report.format import MISSING, interval, number, percent, quantity
from vfprog.report.svg import thickness_chart

SLOPE = "rnfl_slope"
RATES = ("rate", "fields_alone")


def has_structure(rates: pd.DataFrame | pd.Series) -> bool:
    """Whether ``rates.csv``, or a row of it, knows of a nerve fibre layer."""
    return SLOPE in rates


def structure_rows(rate: pd.Series) -> list[tuple[str, str, str]]:
    """Rows of an eye's table: what the nerve fibre layer does, and the rate without it."""
    if not has_structure(rate):
        return []
    if np.isnan(rate[SLOPE]):
        return [
            (
                "Slope of the nerve fibre layer",
                MISSING,
                "fewer than three scans beside fields that are used: the rate is of fields alone",
            )
        ]
    alone = interval(rate["fields_alone_lower"], rate["fields_alone_upper"])
    slope = interval(rate["rnfl_lower"], rate["rnfl_upper"])
    return [
        (
            "Rate from the fields alone",
            f"{number(rate['fields_alone_rate'])} dB/year",
            f"95 % credible interval {alone}; the rate above is of fields and nerve fibre layer together",
        ),
        (
            "Slope of the nerve fibre layer",
            f"{number(rate[SLOPE])} \N{MICRO SIGN}m/year",
            f"95 % interval {slope}; mean of sectors, least squares; ageing takes about {number(MEAN_AGEING, 1)}",
        ),
    ]


def eye_thickness_chart(used: pd.DataFrame, rate: pd.Series, sectors: Sequence[str], until: float) -> Markup:
    """Mean thickness over an eye's visits, with its slope where there is one; empty without a scan.

    ``until`` (years) is where the chart of mean TD above it ends: both have one axis of time.
    """
    if not sectors:
        return Markup()
    mean = scan_means(used, sectors)
    scanned = mean.notna().to_numpy()
    if not scanned.any():
        return Markup()
    years, micrometres = used[c.YEARS].to_numpy()[scanned], mean.to_numpy()[scanned]
    known = np.isfinite(rate[SLOPE])
    line = (
        rate_line(years, micrometres, (rate[SLOPE], rate["rnfl_lower"], rate["rnfl_upper"]))
        if known
        else None
    )
    said = f"; slope {number(rate[SLOPE])} micrometres/year" if known else ""
    label = f"Mean thickness of the nerve fibre layer over {quantity(len(years), 'scan')}{said}"
    return thickness_chart(years, micrometres, line, until, label)


def structure_words(rates: pd.DataFrame) -> list[str]:
    """What the nerve fibre layer does to the rates of a cohort; nothing where there is none."""
    if not has_structure(rates):
        return []
    scanned = rates[rates[SLOPE].notna()]
    if scanned.empty:
        return ["No eye has three scans of the nerve fibre layer: rates are of fields alone."]
    width, alone = ((scanned[f"{name}_upper"] - scanned[f"{name}_lower"]).mean() for name in RATES)
    moved = (scanned["rate"] - scanned["fields_alone_rate"]).abs().mean()
    thinning = (scanned["rnfl_upper"] < 0).mean()
    return [
        f"Rates are of fields and nerve fibre layer together in the {quantity(len(scanned), 'eye')} of three scans or "
        f"more. The second view moves a rate by {number(moved)} dB/year on average, and the 95 % interval is "
        f"{number(width)} dB/year wide, {number(alone)} from fields alone. Of these eyes {percent(thinning)} thin: the "
        f"whole 95 % interval lies below 0; ageing alone takes about {number(MEAN_AGEING, 1)} \N{MICRO SIGN}m/year."
    ]
