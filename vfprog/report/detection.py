"""Detection of progression in tables and in words: every score beside the classical ones, ties called ties."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from vfprog.plots.detection import scores_in_order
from vfprog.plots.labels import score_label
from vfprog.plots.results import MIN_PATIENTS, DetectionResults, Results
from vfprog.report.blocks import Cell, Table, headers
from vfprog.report.format import estimate, number, percent, quantity

OWN = "p_progressing"
SHOWN_BASELINES = {
    "md_trend": "the trend of MD",
    "poplr": "PoPLR",
    "zf": "the weighted slope",
    "zf_zs": "the weighted slopes of fields and nerve fibre layer",
}


def detection_content(results: Results) -> tuple[list[str], list[Table], list[Table]]:
    """Text, tables and folded tables of the section; no tables where there is nothing to say."""
    flagged = results.flagged
    text = [_flagged_words(flagged)] if len(flagged) else []
    tables = [_flagged_table(flagged)] if len(flagged) else []
    if results.detection is None or results.detection.scores.empty:
        return text, tables, []
    scored = results.detection
    found, shuffled = scored.scores, scored.scores["auc_shuffled"]
    words = [
        f"The truth is known here: {_eyes(found)}. Every score is judged on the same eyes, with 95 % bootstrap "
        f"intervals over persons. On the same visits in random order, where nothing progresses, AUCs are "
        f"{number(shuffled.min(), 3)} to {number(shuffled.max(), 3)}: at 0.5 a score does not see the level.",
        *_standings(scored.differences),
    ]
    return [*words, *text], [_auc_table(found), *tables], _folded(scored)


def _records(table: pd.DataFrame) -> Iterable[Any]:
    """Rows whose columns are attributes."""
    return table.itertuples(index=False)


def _eyes(found: pd.DataFrame) -> str:
    most = max(_records(found), key=lambda r: r.n_eyes)
    return (
        f"{quantity(most.n_progressing, 'progressing eye')} against {quantity(most.n_stable, 'stable eye')} of "
        f"{quantity(most.n_persons, 'person')}"
    )


def _standings(differences: pd.DataFrame) -> list[str]:
    """A sentence for each baseline: where p_progressing tells the groups apart better, worse, or ties."""
    sentences = []
    for baseline, name in SHOWN_BASELINES.items():
        rows = differences[(differences["score"] == OWN) & (differences["baseline"] == baseline)]
        parts = [f"{_verdict(r)} after {r.n_visits} visits ({_difference(r)})" for r in _records(rows)]
        if parts:
            sentences.append(f"Against {name}, {score_label(OWN)} {', '.join(parts)}.")
    return sentences


def _verdict(row: Any) -> str:
    if math.isnan(row.lower):
        return f"cannot be judged with fewer than {MIN_PATIENTS} persons"
    return "is better" if row.lower > 0 else "is worse" if row.upper < 0 else "ties"


def _difference(row: Any) -> str:
    return f"AUC {'+' if row.difference > 0 else ''}{estimate(row.difference, row.lower, row.upper, 3)}"


def _auc_table(found: pd.DataFrame) -> Table:
    """Scores in rows, AUC and sensitivity by number of visits in columns."""
    visits = sorted(pd.unique(found["n_visits"]))
    cells = {(r.score, r.n_visits): r for r in _records(found)}
    rows = []
    for score in scores_in_order(set(found["score"])):
        at = [cells[score, n] for n in visits]
        texts = [f"{estimate(r.auc, r.auc_lower, r.auc_upper)} ({number(r.sensitivity_at_95)})" for r in at]
        rows.append([Cell(score_label(score)), *(Cell(text, css="n") for text in texts)])
    caption = "AUC with 95 % interval, and in brackets the sensitivity at 95 % specificity, by number of first visits"
    return Table(caption, headers("Score", *(f"{n} visits" for n in visits)), rows)


def _flagged_words(flagged: pd.DataFrame) -> str:
    own = flagged[flagged["score"] == OWN]
    parts = [
        f"after {r.years:g} years {percent(r.flagged)} of {quantity(r.n_eyes, 'eye')} ({_points(r)} points against "
        "MD trend)"
        for r in _records(own)
    ]
    return (
        f"At 95 % specificity, set on the cohort's own visits in random order, {score_label(OWN)} flags "
        f"{'; '.join(parts)}. Random orders also break up what wanders over years without progressing: the share "
        "flagged with time running backwards shows how much of it is flagged."
    )


def _points(row: Any) -> str:
    return estimate(100 * row.difference, 100 * row.difference_lower, 100 * row.difference_upper, 0)


def _flagged_table(flagged: pd.DataFrame) -> Table:
    rows = [
        [
            Cell(score_label(r.score)),
            Cell(f"{r.years:g}", css="n"),
            Cell(estimate(r.flagged, r.lower, r.upper), css="n"),
            Cell(number(r.reversed), css="n"),
            Cell(str(r.n_eyes), css="n"),
        ]
        for r in _records(flagged)
    ]
    labels = ("Score", "Years", "Share of eyes flagged", "Reversed in time", "Eyes")
    return Table("Eyes flagged at 95 % specificity", headers(*labels), rows)


def _folded(scored: DetectionResults) -> list[Table]:
    """Differences of AUC, the control, and time to detection."""
    order = scores_in_order(set(scored.scores["score"]))
    visits = sorted(pd.unique(scored.scores["n_visits"]))
    apart = {(r.score, r.baseline, r.n_visits): r for r in _records(scored.differences)}
    tables = []
    labels = headers("Score", *(f"{n} visits" for n in visits))
    for baseline in (b for b in SHOWN_BASELINES if b in set(scored.differences["baseline"])):
        rows = [
            [Cell(score_label(s)), *(Cell(_difference(apart[s, baseline, n]), css="n") for n in visits)]
            for s in order
            if s != baseline
        ]
        tables.append(Table(f"Difference from {SHOWN_BASELINES[baseline]}", labels, rows))
    control = scored.scores.set_index(["score", "n_visits"])["auc_shuffled"]
    times = scored.times.set_index(["score", "n_visits"])["flagged"]
    captions = (
        (control, 3, "AUC on the same visits in random order"),
        (times, 2, "Share of progressing eyes flagged at 95 % specificity, by number of visits"),
    )
    for table, digits, caption in captions:
        columns = sorted(set(table.index.get_level_values("n_visits")))
        body = [
            [Cell(score_label(s)), *(Cell(number(table[s, n], digits), css="n") for n in columns)]
            for s in order
        ]
        tables.append(Table(caption, headers("Score", *(f"{n} visits" for n in columns)), body))
    return tables
