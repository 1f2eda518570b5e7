"""The quality of a cohort's data: what was read, what could not be used, and which fields look like no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from vfprog import columns as c
from vfprog.plots.results import Results
from vfprog.report.blocks import Cell, Fact, Section, Table, headers, number_cell, row
from vfprog.report.format import count, number, percent, plain, quantity

QUARANTINE_SHOWN = 20
UNTYPICAL_SHOWN = 10


def quality_section(results: Results) -> Section:
    """Counts, exclusions, findings, rows that could not be used, and untypical fields."""
    qc, untypical = results.qc, results.typicality[results.typicality["flagged"]]
    facts = [
        Fact("Rows read", count(qc["rows_read"])),
        Fact("Rows that could not be used", count(qc["quarantined"])),
        Fact("Fields", count(qc["fields"])),
        Fact("Fields used", count(qc["included_fields"])),
        Fact("Untypical fields", count(len(untypical))),
    ]
    tables = [
        _counts("Fields excluded, by reason", "Reason", qc["excluded"]),
        _counts("Findings", "What was found", qc["findings"]),
        _quarantine_table(results.quarantine),
        _untypical_table(untypical, results.visits),
    ]
    text = [*qc["notes"], _untypical_words(len(untypical), len(results.typicality))]
    return Section("quality", "Data quality", text, facts, [t for t in tables if t.rows])


def _untypical_words(flagged: int, fields: int) -> str:
    return (
        f"The model finds {quantity(flagged, 'field')} of {count(fields)} ({percent(flagged / fields, 1)}) less "
        "probable than all but one in a thousand of the fields it learned from, as far as these are made of such "
        "values. Look at them for a mistaken eye, a field mirrored or out of order, or an unreliable test; all were "
        "used. Most mirrored fields pass unnoticed: nasal and temporal half differ too little."
    )


def _untypical_table(untypical: pd.DataFrame, visits: pd.DataFrame) -> Table:
    """The fields furthest below their threshold."""
    short = (untypical["threshold"] - untypical["evidence"]).sort_values(ascending=False)
    worst = (
        untypical.loc[short.index].head(UNTYPICAL_SHOWN).merge(visits[[*c.VISIT_KEY, c.MTD]], on=c.VISIT_KEY)
    )
    rows = [
        [
            *row(field[c.PATIENT], field[c.EYE]),
            number_cell(count(field[c.VISIT]), field[c.VISIT]),
            *(number_cell(number(field[name], 1), field[name]) for name in (c.MTD, "evidence", "threshold")),
        ]
        for field in worst.to_dict("records")
    ]
    caption = f"Least typical fields: {len(rows)} of {count(len(untypical))} flagged, all in typicality.csv"
    names = ("Patient", "Eye", "Visit", "Mean TD (dB)", "Log evidence (nats)", "Threshold (nats)")
    return Table(caption, headers(*names), rows)


def _quarantine_table(quarantine: pd.DataFrame) -> Table:
    shown = quarantine.head(QUARANTINE_SHOWN)
    caption = f"Rows that could not be used: {len(shown)} of {count(len(quarantine))}, all in quarantine.csv"
    names = [c.SOURCE, c.ROW, "column", "value", "problem"]
    rows = [row(*map(plain, values)) for values in blank_where_missing(shown[names])]
    return Table(caption, headers("File", "Row", "Column", "Value", "Problem"), rows)


def blank_where_missing(table: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    """Rows with empty text for missing values, also in columns that hold nothing but numbers or nothing at all."""
    return table.astype(object).fillna("").itertuples(index=False, name=None)


def _counts(caption: str, what: str, counts: dict[str, int]) -> Table:
    rows = [
        [Cell(name.replace("_", " ")), number_cell(count(n), n)]
        for name, n in sorted(counts.items(), key=lambda item: -item[1])
    ]
    return Table(caption, headers(what, "Number"), rows)
