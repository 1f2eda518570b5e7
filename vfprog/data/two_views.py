"""Pairs of views of one eye or patient: what is seen (x~), and what is to be explained by it (x).

A two-view model's guide reads only the view seen, its decoder explains the other. Rows carry their patient, so that
splits and cross-validation are by patient whatever the views are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from vfprog import columns as c
from vfprog.data.examples import Examples, concatenate_examples
from vfprog.data.field_examples import field_examples, simulated_visits
from vfprog.data.views import thickness
from vfprog.errors import UserError
from vfprog.perimetry.grid import Grid

log = logging.getLogger(__name__)

FIRST_VISITS = 3  # of an eye, whose mean field early_later sees
FELLOW_WINDOW = 0.5  # years; most time between a test of one eye and the fellow's that it is explained by
DAYS_A_YEAR = 365.25
SIMULATED_VISITS = {"hemifield": 1, "early_later": FIRST_VISITS + 1}  # of a simulated eye, by its views
NAMED = 5  # most columns or counts spelt out in a message


@dataclass(frozen=True)
class TwoViews:
    """Two views side by side, one row an example.

    Attributes
    ----------
    examples : Examples
        ``seen`` (row, input) in units of its own; ``x`` (row, location), total deviation in dB.
    rows : DataFrame
        ``patient_id, eye, visit`` of the field explained.
    inputs : tuple of str
        Names of the seen columns.
    locations : array (location,) of int
        Of the grid, 1.., that x holds.
    left_out : dict of str to int
        What could not be paired, in words, and how much of it.
    """

    examples: Examples
    rows: pd.DataFrame
    inputs: tuple[str, ...]
    locations: np.ndarray
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: np.ndarray) -> TwoViews:
        """The rows of an index or a mask."""
        rows = np.arange(len(self))[chosen]
        examples = self.examples[torch.as_tensor(rows)]
        return replace(self, examples=examples, rows=self.rows.iloc[rows].reset_index(drop=True))

    def beside(self, other: TwoViews) -> TwoViews:
        """The rows of both."""
        examples = concatenate_examples([self.examples, other.examples])
        return replace(self, examples=examples, rows=pd.concat([self.rows, other.rows], ignore_index=True))

    @property
    def patients(self) -> np.ndarray:
        """The patient of each row: (row,) of text."""
        return self.rows[c.PATIENT].to_numpy()


@dataclass(frozen=True)
class _Fields:
    """A table of visits, sorted by eye and visit, its fields as examples, and total deviation with NaN for missing."""

    table: pd.DataFrame
    fields: Examples
    td: np.ndarray
    grid: Grid
    sectors: list[str]

    def pair(
        self,
        seen: np.ndarray,
        inputs: list[str],
        explained: np.ndarray,
        left_out: dict[str, int],
        locations: np.ndarray | None = None,
    ) -> TwoViews:
        """Views with ``seen`` (row, input; NaN = missing) beside the fields of the table's rows ``explained``."""
        kept = np.arange(self.grid.n) if locations is None else np.flatnonzero(locations)
        fields, columns = self.fields[torch.as_tensor(explained)], torch.as_tensor(kept)
        given = torch.as_tensor(seen, dtype=torch.float32)
        examples = replace(
            fields,
            **{name: getattr(fields, name)[:, columns] for name in ("x", "mask", "at_floor")},
            seen=given.nan_to_num(0.0),
            seen_mask=given.isfinite(),
        )
        rows = self.table.iloc[explained][c.VISIT_KEY].reset_index(drop=True)
        return TwoViews(
            examples, rows, tuple(inputs), kept + 1, {what: n for what, n in left_out.items() if n}
        )


def two_views(visits: pd.DataFrame, views: str, grid: Grid, sectors: list[str]) -> TwoViews:
    """Pair the views of a table of visits.

    Parameters
    ----------
    visits : DataFrame
        Included visits, sorted by eye and visit.
    views : {"structure_function", "fellow_eye", "hemifield", "early_later"}
        - structure_function: thickness of the nerve fibre layer in ``sectors``, micrometres, to the same visit's field;
        - fellow_eye: one eye's field to the other's, both ways, from the test nearest in time, at most
          ``FELLOW_WINDOW`` years away by date (by age where there are no dates);
        - hemifield: the superior half of a field to its inferior half;
        - early_later: mean of an eye's first ``FIRST_VISITS`` fields, and the years from the last of them, to each
          later field.
    grid : Grid
    sectors : list of str
        Columns of the nerve fibre layer, for structure_function.

    Returns
    -------
    TwoViews
        What could not be paired is logged too.

    Raises
    ------
    UserError
        If no row has both views, or a column of either is constant: neither can be learnt from.
    """
    fields = field_examples(visits, grid)
    td = torch.where(fields.mask, fields.x, torch.nan).numpy()
    source = _Fields(visits, fields, td, grid, sectors)
    paired = VIEWS[views](source)
    for what, n in paired.left_out.items():
        log.info("views %s: left out %d %s", views, n, what)
    check_views(paired, views)
    return paired


def simulated_views(eyes: int, views: str, grid: Grid, seed: int) -> TwoViews | None:
    """Views of simulated eyes; None for views that these lack: they come one a patient, without a nerve fibre layer."""
    if views not in SIMULATED_VISITS or eyes == 0:
        return None
    return two_views(simulated_visits(eyes, SIMULATED_VISITS[views], grid, seed), views, grid, [])


def _structure_function(source: _Fields) -> TwoViews:
    """Sectors of the nerve fibre layer beside the field of the same visit."""
    if not source.sectors:
        raise UserError(
            "config: models: views: structure_function: the cohorts have no `structure`, the columns of the nerve "
            "fibre layer; name them for each, or choose other views: hemifield, fellow_eye, early_later"
        )
    seen = thickness(source.table, source.sectors)
    measured = np.isfinite(seen).any(axis=1)
    left_out = {"fields without any sector measured": int((~measured).sum())}
    return source.pair(seen[measured], source.sectors, np.flatnonzero(measured), left_out)


def _fellow_eye(source: _Fields) -> TwoViews:
    """The fellow eye's field nearest in time beside each field; in right-eye format both have the nose at one side."""
    table = source.table
    days = pd.to_timedelta(_years_of(table) * DAYS_A_YEAR, unit="D")
    key = pd.DataFrame(
        {
            c.PATIENT: table[c.PATIENT].to_numpy(),
            c.EYE: table[c.EYE].to_numpy(),
            "time": days,
            "row": np.arange(len(table)),
        }
    ).dropna(subset="time")
    key = key.sort_values(["time", "row"], ignore_index=True)
    other = key.assign(**{c.EYE: np.where(key[c.EYE] == c.RIGHT, c.LEFT, c.RIGHT)})
    matched = pd.merge_asof(
        key,
        other,
        "time",
        by=c.EYE_KEY,
        direction="nearest",
        tolerance=pd.Timedelta(days=FELLOW_WINDOW * DAYS_A_YEAR),
        suffixes=("", "_fellow"),
    ).dropna(subset="row_fellow")
    matched = matched.sort_values("row")
    explained, seen = (matched[name].to_numpy(int, copy=True) for name in ("row", "row_fellow"))
    names = [f"fellow_{name}" for name in c.td(source.grid.n)]
    left_out = {
        f"fields without one of the fellow eye within {FELLOW_WINDOW:g} years": len(table) - len(explained)
    }
    return source.pair(source.td[seen], names, explained, left_out)


def _hemifield(source: _Fields) -> TwoViews:
    """The superior half beside the inferior half of the same field."""
    superior = source.grid.xy[:, 1] > 0
    names = np.array(c.td(source.grid.n))[superior].tolist()
    every = np.arange(len(source.table))
    return source.pair(source.td[:, superior], names, every, {}, ~superior)


def _early_later(source: _Fields) -> TwoViews:
    """The mean of the first fields, and the time ahead, beside each later field of the same eye."""
    table = source.table
    eye = table.groupby(c.EYE_KEY, sort=False).ngroup().to_numpy()
    n_visits = np.bincount(eye)
    start = np.concatenate([[0], np.cumsum(n_visits)[:-1]]).astype(int)
    nth = np.arange(len(table)) - start[eye]
    followed = n_visits > FIRST_VISITS
    later = np.flatnonzero(followed[eye] & (nth >= FIRST_VISITS))
    first = start[eye[later], None] + np.arange(FIRST_VISITS)
    years = table[c.YEARS].to_numpy(float)
    tested = np.isfinite(source.td)[first]
    total = np.where(tested, source.td[first], 0.0).sum(1)
    mean = np.where(tested.any(1), total / np.maximum(tested.sum(1), 1), np.nan)
    ahead = years[later] - years[first[:, -1]]
    names = [f"mean_{name}" for name in c.td(source.grid.n)] + [c.YEARS_AHEAD]
    left_out = {
        "eyes with one visit": int((n_visits == 1).sum()),
        f"eyes with 2 to {FIRST_VISITS} visits": int(((n_visits > 1) & ~followed).sum()),
    }
    return source.pair(np.column_stack([mean, ahead]), names, later, left_out)


VIEWS: dict[str, Callable[[_Fields], TwoViews]] = {
    "structure_function": _structure_function,
    "fellow_eye": _fellow_eye,
    "hemifield": _hemifield,
    "early_later": _early_later,
}


def _years_of(table: pd.DataFrame) -> np.ndarray:
    """Time of each field on an axis that a patient's eyes share, years: its date, else the age. NaN where neither."""
    age = table[c.AGE].to_numpy(float)
    if c.DATE not in table:
        return age
    days = (pd.to_datetime(table[c.DATE]) - pd.Timestamp("1900-01-01")) / pd.Timedelta(days=1)
    return np.where(days.notna(), days.to_numpy(float) / DAYS_A_YEAR, age)


def check_views(paired: TwoViews, views: str) -> None:
    """Refuse views that nothing can be learnt from: no rows, or a column with one value in all of them.

    Raises
    ------
    UserError
    """
    if len(paired) == 0:
        found = ", ".join(f"{n} {what}" for what, n in paired.left_out.items()) or "no fields"
        raise UserError(
            f"config: models: views: {views}: no row of the cohorts has both views (left out: {found}); choose other "
            "views, or cohorts that have them"
        )
    if len(paired) == 1:
        return  # of a part of the patients: nothing varies in one row
    examples, explained = paired.examples, [f"td_{number}" for number in paired.locations]
    for names, values, mask in (
        (paired.inputs, examples.seen, examples.seen_mask),
        (explained, examples.x, examples.mask),
    ):
        low = torch.where(mask, values, torch.inf).amin(0)
        high = torch.where(mask, values, -torch.inf).amax(0)
        constant = [name for name, flat in zip(names, (low >= high).tolist(), strict=True) if flat]
        if constant:
            shown = ", ".join(constant[:NAMED]) + (" ..." if len(constant) > NAMED else "")
            raise UserError(
                f"config: models: views: {views}: {shown}: one value in all {len(paired)} rows (or none), so "
                "nothing can be learnt from it; a view needs columns that vary: mend the cohort, or choose other views"
            )
