"""The checks of the trajectories' posterior, in tables and in words."""

from __future__ import annotations

import pandas as pd

from vfprog import columns as c
from vfprog.plots.results import TrustResults
from vfprog.plots.trust import GROUPS, NOISE, STATISTICS, band_label
from vfprog.report.blocks import Cell, Table, headers, number_cell, row
from vfprog.report.format import number, percent, quantity

LEAST_ESS = 1000.0  # effective draws below which NUTS says too little of an eye


def trust_content(checks: TrustResults) -> tuple[list[str], list[Table], list[Table]]:
    """Text, tables and folded tables of the section."""
    text = [_ranks_words(checks.sbc), _nuts_words(checks.nuts), _predictive_words(checks.predictive)]
    disagreeing = checks.nuts[~checks.nuts["agrees"]]
    folded = [_nuts_table(disagreeing)] if len(disagreeing) else []
    return text, [_ranks_table(checks.sbc), _predictive_table(checks.predictive)], folded


def _ranks_words(sbc: pd.DataFrame) -> str:
    return (
        "Paths were drawn from the prior and tests from the paths, at the visits of "
        f"{quantity(int(sbc['n_eyes'].iloc[0]), 'eye')}; each true value was ranked among draws of its posterior, "
        "before the calibration of quantiles. Ranks are uniform where the posterior is right: their ECDF then stays in "
        "its 95 % band, drawn over all quantities of a panel. With the noise of tests known, what strays is due to the "
        "decoder taken as linear and to what the noise itself, which goes with the level, says of the start: the fit "
        "does not use that. Looked up from the tests, as in use, it is also due to the look-up."
    )


def _ranks_table(sbc: pd.DataFrame) -> Table:
    """Quantities inside their band, by group and by how the noise is known."""
    by_quantity = sbc.drop_duplicates(["noise", "quantity"])
    rows = []
    for group, name in GROUPS.items():
        cells = [Cell(name)]
        for noise in NOISE:
            found = by_quantity[(by_quantity["group"] == group) & (by_quantity["noise"] == noise)]
            text = f"{int(found['inside'].sum())} of {len(found)} (least p {number(found['p'].min(), 4)})"
            cells.append(Cell(text, css="n"))
        rows.append(cells)
    caption = "Simulation-based calibration: quantities whose rank ECDF stays inside the band"
    return Table(caption, headers("Quantity", *(words.capitalize() for words in NOISE.values())), rows)


def _nuts_words(nuts: pd.DataFrame) -> str:
    agree, few = int(nuts["agrees"].sum()), int((nuts["ess"] < LEAST_ESS).sum())
    short = f" ({quantity(few, 'eye')} with fewer than {LEAST_ESS:.0f} effective draws)" if few else ""
    return (
        f"The rates of {quantity(len(nuts), 'eye')} were found by NUTS as well, on the same model with the scales of "
        f"drift summed out: {quantity(int(nuts['divergences'].iloc[0]), 'divergence')}, "
        f"{number(nuts['ess'].min(), 0)} or more effective draws{short}. The batched posterior's mean is within 0.1 SD "
        f"and its SD within 10 % in {agree} of {len(nuts)} eyes ({percent(agree / len(nuts))}); NUTS's own error is a "
        "few hundredths of that."
    )


def _nuts_table(eyes: pd.DataFrame) -> Table:
    names = (
        "Patient",
        "Eye",
        "Visits",
        "Rate by NUTS",
        "SD",
        "Batched rate",
        "SD",
        "Means apart (SDs)",
        "SD ratio",
    )
    values = ("rate_nuts", "rate_nuts_sd", "rate", "rate_sd", "mean_apart", "sd_ratio")
    rows = [
        [
            *row(eye[c.PATIENT], eye[c.EYE]),
            number_cell(str(eye["n_visits"]), eye["n_visits"]),
            *(number_cell(number(eye[name], 3), eye[name]) for name in values),
        ]
        for eye in eyes.to_dict("records")
    ]
    return Table("Eyes where the two disagree (dB/year)", headers(*names), rows)


def _predictive_words(predictive: pd.DataFrame) -> str:
    outside = predictive[~predictive["inside"]]
    return (
        f"Tests were drawn anew from each eye's posterior, and their scatter about lines compared with that of the "
        f"measured ones: {len(predictive) - len(outside)} of {quantity(len(predictive), 'statistic')} "
        "lie inside the 95 % interval of the drawn ones. The model takes noise as normal: the skew of real tests "
        "enters forecasts through their calibrated quantiles."
    )


def _predictive_table(predictive: pd.DataFrame) -> Table:
    names = ("Statistic", "Level (dB)", "Values", "Measured", "Drawn", "95 % interval", "Inside")
    rows = [
        [
            Cell(STATISTICS[found["statistic"]]),
            Cell(band_label(found["band"])),
            number_cell(str(found["n"]), found["n"]),
            number_cell(number(found["measured"]), found["measured"]),
            number_cell(number(found["replicated"]), found["replicated"]),
            Cell(f"{number(found['lower'])} to {number(found['upper'])}", css="n"),
            Cell("yes" if found["inside"] else "no"),
        ]
        for found in predictive.to_dict("records")
    ]
    return Table("Posterior predictive checks", headers(*names), rows)
