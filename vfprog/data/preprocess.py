"""From fields as read to ``visits.parquet``: deviations, order in time, and which fields to use.

No field is dropped in silence. One that cannot be used at all goes to the quarantine with its row; any other
stays in the table, and where it is not used ``included`` is False and ``reason`` says why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from vfprog import columns as c
from vfprog.config import CohortConfig, Reliability
from vfprog.data.floor import floored_values, implied_sensitivity
from vfprog.data.readers.base import Problem, Reading
from vfprog.data.scans import scan_note, with_thickness
from vfprog.errors import UserError
from vfprog.perimetry.deviation import (
    load_norms,
    mean_deviation,
    pattern_deviation,
    pattern_standard_deviation,
    total_deviation,
    weighted_mean,
)
from vfprog.perimetry.floor import BRIGHTEST, estimate_floor
from vfprog.perimetry.grid import Grid, load_grid

DAYS_PER_YEAR = 365.25
SAME_DAY = 0.5 / DAYS_PER_YEAR  # years, where no calendar date is given
# An age in completed years is up to a year below the exact one, so honest ages imply birth dates up to a year
# apart; beyond this one of age, date and patient is wrong.
BIRTH_TOLERANCE = 1.6  # years

DUPLICATE = "exact duplicate of another field"
CONTRADICTION = "age contradicts the time of the test"
UNTESTED = "too few locations tested"
UNRELIABLE = {name: f"{name.replace('_', ' ')} above the limit" for name in c.RELIABILITY}
SAME_DAY_REASON = "another test of the same day is used"
TOO_SHORT = "eye has too few included fields"


def preprocess(reading: Reading, cohort: CohortConfig) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Prepare a cohort's visits.

    Parameters
    ----------
    reading : Reading
    cohort : CohortConfig

    Returns
    -------
    visits : DataFrame
        One row per field, sorted by eye and time, that passes :func:`vfprog.data.schema.visits_schema`.
    qc : dict
        Counts, findings and notes for ``qc.json``.
    quarantine : DataFrame
        Rows that could not be used: source, row, column, value, problem.

    Raises
    ------
    UserError
        If no field can be used; it says why, with counts.
    """
    grid = load_grid(cohort.grid)
    usable, ageless = _with_normals(reading.fields)
    usable, thickness_note = with_thickness(usable, cohort.structure)
    problems = [*reading.problems, *ageless]
    table = _with_deviations(_in_order(usable, cohort), grid, cohort)
    table = _with_floor(table, grid, cohort)
    table = _with_reasons(table, grid, cohort)
    if not table[c.INCLUDED].any():
        raise UserError(_nothing_left(reading.rows_read, problems, table))
    quarantine = pd.DataFrame([asdict(p) for p in problems], columns=[f.name for f in fields(Problem)])
    quarantine = quarantine.sort_values([c.SOURCE, c.ROW], kind="stable", ignore_index=True)
    quality = _quality(reading, table, problems, cohort)
    quality["notes"] += [*thickness_note, *scan_note(table[table[c.REASON] != DUPLICATE], cohort.structure)]
    return _arranged(table, grid), quality, quarantine


def _lacks_td(table: pd.DataFrame) -> bool:
    return c.td(1)[0] not in table


def _with_normals(fields: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """Fields whose total deviation is given or can be computed; the others, without age, as problems."""
    ageless = fields[c.AGE].isna() & _lacks_td(fields)
    remedy = "no age, which total deviation needs; fill it in, or give total deviations"
    rows = fields.loc[ageless, [c.SOURCE, c.ROW]].itertuples(index=False)
    return fields[~ageless], [Problem(source, row, c.AGE, "", remedy) for source, row in rows]


def _in_order(fields: pd.DataFrame, cohort: CohortConfig) -> pd.DataFrame:
    """Fields by eye and time, with ``years`` since the eye's first, and ages at each test."""
    table = fields.copy()
    if c.DATE in table:
        table[c.TIME_YEARS] = _years_of(table[c.DATE])
    table = table.sort_values([*c.EYE_KEY, c.TIME_YEARS, c.SOURCE, c.ROW], kind="stable", ignore_index=True)
    time = table.groupby(c.EYE_KEY)[c.TIME_YEARS]
    table[c.YEARS] = (table[c.TIME_YEARS] - time.transform("first")).astype(float)
    if cohort.columns is not None and cohort.columns.age_at == "first_field":
        table[c.AGE] += table[c.YEARS]
    return table


def _years_of(date: pd.Series) -> pd.Series:
    return (date - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=DAYS_PER_YEAR)


def _with_deviations(table: pd.DataFrame, grid: Grid, cohort: CohortConfig) -> pd.DataFrame:
    """Add TD where only sensitivities are given, MD where it is not, PD, PSD and the plain mean of TD."""
    norms = load_norms(cohort.grid)
    if _lacks_td(table):
        sens = table[c.sens(grid.n)].to_numpy(float)
        td = total_deviation(sens, table[c.AGE].to_numpy(), norms)
        table = table.join(pd.DataFrame(td, columns=c.td(grid.n)))
    td = table[c.td(grid.n)].to_numpy(float)
    pattern = pattern_deviation(td)
    computed = pd.DataFrame(pattern, columns=c.pd(grid.n))
    computed[c.MTD] = weighted_mean(td, np.ones(grid.n))
    computed[c.PSD] = pattern_standard_deviation(pattern, norms)
    table = table.join(computed)
    md = pd.Series(mean_deviation(td, norms))
    return table.assign(**{c.MD: table[c.MD].fillna(md) if c.MD in table else md})


def _with_floor(table: pd.DataFrame, grid: Grid, cohort: CohortConfig) -> pd.DataFrame:
    """Add where the floor is, if total deviation alone is given and the config or the values tell."""
    floor = cohort.td_floor
    if set(c.sens(grid.n)) <= set(table) or floor is None:
        return table
    if floor == "estimated":
        floor = estimate_floor(implied_sensitivity(table, grid))
    return table if floor is None else table.assign(**{c.SENS_FLOOR: floor})


def _with_reasons(table: pd.DataFrame, grid: Grid, cohort: CohortConfig) -> pd.DataFrame:
    """Add ``included`` and ``reason``: the first that applies.

    Of several tests on one day, one is chosen among those that nothing else excludes: a test repeated because
    the first went wrong counts in its stead.
    """
    reason = np.full(len(table), "", dtype=object)

    def exclude(where: np.ndarray | pd.Series, why: str) -> None:
        reason[np.asarray(where, bool) & (reason == "")] = why

    exclude(_duplicates(table, grid), DUPLICATE)
    exclude(_contradictions(table), CONTRADICTION)
    tested = table[c.td(grid.n)].notna().mean(axis=1)
    exclude(tested < cohort.min_locations, UNTESTED)
    for name, limit in _limits(cohort.reliability).items():
        if name in table:
            exclude(table[name] > limit, UNRELIABLE[name])
    exclude(_same_day(table, reason == "", cohort.same_day), SAME_DAY_REASON)
    eye_of = [table[name] for name in c.EYE_KEY]
    n_included = pd.Series(reason == "").groupby(eye_of).transform("sum")
    exclude(n_included < cohort.min_visits, TOO_SHORT)
    return table.assign(**{c.INCLUDED: reason == "", c.REASON: reason.astype(str)})


def _limits(reliability: Reliability) -> dict[str, float]:
    limits = {name: getattr(reliability, name) for name in c.RELIABILITY}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _duplicates(table: pd.DataFrame, grid: Grid) -> pd.Series:
    """Fields whose eye, time and measurements all equal those of an earlier row."""
    measured = [c.AGE, c.MD, *c.RELIABILITY, *c.td(grid.n), *c.sens(grid.n)]
    return table.duplicated([*c.EYE_KEY, c.TIME_YEARS, *(name for name in measured if name in table)])


def _contradictions(table: pd.DataFrame) -> pd.Series:
    """Fields whose age and time imply another birth than most of the patient's.

    Where times have no calendar, their origin is each eye's own, so eyes are judged apart.
    """
    person = [c.PATIENT] if c.DATE in table else c.EYE_KEY
    birth = table[c.TIME_YEARS] - table[c.AGE]
    typical = birth.groupby([table[name] for name in person]).transform("median")
    return (birth - typical).abs() > BIRTH_TOLERANCE


def _day_groups(table: pd.DataFrame) -> pd.Series:
    """Number of the day of each field, growing along the table, which is in order of eye and time."""
    eye = table.groupby(c.EYE_KEY)
    if c.DATE in table:
        day = table[c.DATE].dt.normalize()
        new = day != day.groupby([table[name] for name in c.EYE_KEY]).shift()
    else:
        new = ~(eye[c.TIME_YEARS].diff() <= SAME_DAY)
    return new.cumsum()


def _same_day(table: pd.DataFrame, usable: np.ndarray, which: str) -> np.ndarray:
    """Usable fields that give way to another of the same eye and day."""
    beaten = np.zeros(len(table), bool)
    if which != "all":
        beaten[usable] = _day_groups(table)[usable].duplicated(keep="last" if which == "last" else "first")
    return beaten


def _arranged(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The columns in the order of the contract, carried ones last."""
    table = table.assign(**{c.VISIT: table.groupby(c.EYE_KEY).cumcount() + 1})
    leading = [*c.VISIT_KEY, c.YEARS, c.AGE, c.DATE, c.MD, c.MTD, c.PSD, *c.RELIABILITY, c.INCLUDED, c.REASON]
    leading += [*c.td(grid.n), *c.pd(grid.n), *c.sens(grid.n), c.SENS_FLOOR, c.SOURCE, c.ROW]
    leading = [name for name in leading if name in table]
    carried = sorted(set(map(str, table)) - {*leading, c.TIME_YEARS})
    return table[[*leading, *carried]]


def _quality(
    reading: Reading, table: pd.DataFrame, problems: list[Problem], cohort: CohortConfig
) -> dict[str, Any]:
    """What ``qc.json`` holds."""
    included = table[table[c.INCLUDED]]
    excluded = table.loc[~table[c.INCLUDED], c.REASON].value_counts()
    findings = {
        "duplicates": int((table[c.REASON] == DUPLICATE).sum()),
        "same_day": int(_day_groups(table).duplicated().sum()),
        "out_of_order": _out_of_order(table),
        "age_backwards": int((table.groupby(c.EYE_KEY)[c.AGE].diff() < 0).sum()),
        "age_contradicts": int((table[c.REASON] == CONTRADICTION).sum()),
        "age_missing": int(table[c.AGE].isna().sum()),
    }
    floor = _floor(included, load_grid(cohort.grid), cohort)
    return {
        "rows_read": reading.rows_read,
        "quarantined": len(problems),
        "excluded": {str(reason): int(n) for reason, n in excluded.items()},
        "fields": len(table),
        "included_fields": len(included),
        "eyes": table.groupby(c.EYE_KEY).ngroups,
        "included_eyes": included.groupby(c.EYE_KEY).ngroups,
        "patients": table[c.PATIENT].nunique(),
        "included_patients": included[c.PATIENT].nunique(),
        "findings": findings,
        "floor": floor,
        "notes": [*_notes(table, findings, cohort), _floor_note(floor, len(included))],
    }


def _floor(included: pd.DataFrame, grid: Grid, cohort: CohortConfig) -> dict[str, Any]:
    """How the floor is known, where it is (dB of sensitivity), and how many included values are at it."""
    if set(c.sens(grid.n)) <= set(included):
        known, at = "measured", BRIGHTEST
    elif c.SENS_FLOOR in included:
        known = "estimated" if cohort.td_floor == "estimated" else "configured"
        at = float(included[c.SENS_FLOOR].iloc[0])
    else:
        return {"known": "unknown", "sensitivity": None, "values": 0}
    return {"known": known, "sensitivity": at, "values": int(floored_values(included, grid).sum())}


def _floor_note(floor: dict[str, Any], fields: int) -> str:
    """The same as a sentence."""
    if floor["known"] == "unknown":
        return (
            "Total deviation alone is given and no floor shows in it: every value counts as measured. Set td_floor, "
            "the sensitivity in dB, if the perimeter's floor is known."
        )
    values = f"{floor['values']} values of {fields} fields"
    if floor["known"] == "measured":
        return f"{values} are at the perimeter's floor: known to be at or below it, not measured."
    return (
        f"Total deviation alone is given. {values} are taken to be at the perimeter's floor: by the shipped norms "
        f"their sensitivity is at or below {floor['sensitivity']:g} dB, which is {floor['known']} (td_floor)."
    )


def _out_of_order(table: pd.DataFrame) -> int:
    """Number of rows that come after a later test of their eye in the source."""
    rows = table.sort_values([c.SOURCE, c.ROW], kind="stable")
    time = rows[c.TIME_YEARS]
    latest = time.groupby([rows[c.SOURCE], *(rows[name] for name in c.EYE_KEY)]).cummax()
    return int((time < latest).sum())


def _notes(table: pd.DataFrame, findings: dict[str, int], cohort: CohortConfig) -> list[str]:
    """Sentences for the report about what a reader of the results should know."""
    notes = []
    if findings["out_of_order"]:
        notes.append(
            f"{findings['out_of_order']} rows stood after a later test of their eye and were put in order."
        )
    absent = [name for name in _limits(cohort.reliability) if name not in table or table[name].isna().all()]
    if absent:
        rates = " and ".join(name.replace("_", " ") for name in absent)
        notes.append(f"The source gives no rate of {rates}: that limit excludes nothing.")
    whole_ages = (
        c.DATE not in table and (table[c.TIME_YEARS] == table[c.AGE]).all() and (table[c.AGE] % 1 == 0).all()
    )
    if whole_ages and findings["same_day"]:
        notes.append(
            f"Time comes from ages in whole years: {findings['same_day']} tests at the age of an earlier one "
            "count as tests of one day. Give a date, years or visit column."
        )
    return notes


def _nothing_left(rows_read: int, problems: list[Problem], table: pd.DataFrame) -> str:
    """Why no field is included."""
    reasons = Counter(f"column {p.column}: {p.problem}" for p in problems)
    reasons.update(table.loc[~table[c.INCLUDED], c.REASON])
    said = "; ".join(f"{n} rows: {reason}" for reason, n in reasons.most_common(5))
    return f"none of {rows_read} rows gives a field to use: {said or 'the source holds no rows'}"
