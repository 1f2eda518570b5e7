"""Tables of searches and ways in a guided latent space, and of what further loss of an eye would look like.

Models come in double precision: a search has come to rest when its steps are far smaller than what it minimises.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog import columns as c
from vfprog.config import SearchConfig
from vfprog.data.examples import one_view
from vfprog.data.field_examples import field_examples
from vfprog.inference.guided import GuidedSpace, decoded_fields, decoded_md, present_of, search
from vfprog.inference.latent_search import Found, Present, spherical, straight
from vfprog.model.guided import GuidedModel
from vfprog.perimetry.grid import Grid

MILD, SEVERE = 0.9, 0.05  # quantiles of MD between which one way is shown
LOWER = (3.0, 6.0)  # dB below an eye's present MD, of further loss
LEVELS = (-12.0, -22.0)  # dB, MD: moderate and severe loss, shown to eyes that stand well above
APART = 1.0  # dB beyond the steps down from where on a level is worth a map of its own
PRESENT = "present"


def last_fields(visits: pd.DataFrame) -> pd.DataFrame:
    """Each eye's last field, of a table sorted by eye and visit."""
    return visits.groupby(c.EYE_KEY, sort=False).tail(1).reset_index(drop=True)


def guided_paths(
    model: GuidedModel, space: GuidedSpace, visits: pd.DataFrame, grid: Grid, options: SearchConfig
) -> pd.DataFrame:
    """``guided_paths.parquet``: from each eye's last field to the nearest plausible ones with wanted properties.

    Returns
    -------
    DataFrame
        One row for each eye and target and, with neither property nor target, for the eye's present: ``patient_id, eye,
        visit, property, target, value`` (the head's reading), ``decoded_md`` (of the decoded field, dB), ``distance``
        (posterior SDs from the present), ``percentile`` (of training fields that lie at a lower density),
        ``converged`` (the target was reached, by the shortest way), ``td_1..td_N`` (decoded, dB).

    Raises
    ------
    UserError
        If the training fields cover a target not at all.
    """
    space.refuse_uncovered(options.targets)
    rows = last_fields(visits)
    present = present_of(model, field_examples(rows, grid).to(model.device).double())
    age, keys = rows[c.AGE].to_numpy(float), rows[c.VISIT_KEY]
    tables = []
    for name, values in options.targets.items():
        index = space.names.index(name)
        tables.append(_at_present(model, space, present, keys, age, index).assign(property=name))
        for value in values:
            wanted = present.z.new_full((len(rows),), value)
            found = search(model, space, present, name, wanted, options.plausibility)
            tables.append(_found(model, found, keys, age).assign(property=name, target=value))
    return pd.concat(tables, ignore_index=True)


def further_loss(
    model: GuidedModel,
    space: GuidedSpace,
    eyes: pd.DataFrame,
    td: np.ndarray,
    age: np.ndarray,
    plausibility: float,
) -> pd.DataFrame:
    """``further_loss.parquet``: what an eye's field would look like at lower MDs, if it went the nearest plausible way.

    Parameters
    ----------
    eyes : DataFrame
        ``patient_id, eye``.
    td : array (eye, location)
        Present underlying fields, dB.
    age : array (eye,)
        At the last visit, years; NaN where unknown.

    Returns
    -------
    DataFrame
        As :func:`guided_paths`, one row for each eye and ``step``: ``present``, ``3 dB lower``, ``6 dB lower``, and
        ``MD -12 dB``, ``MD -22 dB`` where these lie beyond. Steps that the training fields do not cover, and
        those that no search reached, are left out.
    """
    field = torch.tensor(td, dtype=torch.float64, device=model.device)
    present = present_of(model, one_view(field))
    index, keys = space.names.index("md"), eyes[c.EYE_KEY].reset_index(drop=True)
    now = _at_present(model, space, present, keys, age, index).assign(step=PRESENT)
    md = now["value"].to_numpy()
    steps = {f"{below:g} dB lower": (md - below, np.ones_like(md, dtype=bool)) for below in LOWER}
    for level in LEVELS:
        steps[f"MD {level:g} dB"] = (np.full_like(md, level), level < md - max(LOWER) - APART)
    tables = [now]
    for step, (target, beyond) in steps.items():
        chosen = np.flatnonzero(beyond & space.covers("md", target))
        wanted = torch.as_tensor(target[chosen], dtype=field.dtype, device=model.device)
        found = search(model, space, present[torch.as_tensor(chosen)], "md", wanted, plausibility)
        rows = _found(model, found, keys.iloc[chosen].reset_index(drop=True), age[chosen])
        tables.append(rows.assign(step=step, target=target[chosen])[rows["converged"]])
    return pd.concat(tables, ignore_index=True)


@torch.no_grad()
def guided_interpolation(
    model: GuidedModel, space: GuidedSpace, visits: pd.DataFrame, grid: Grid, steps: int
) -> pd.DataFrame:
    """``guided_interpolation.parquet``: the straight way and the arc between two of the eyes' last fields.

    One pair goes from mild to severe loss, the other from the field whose superior half is worst against its
    inferior half to the one where it is the other way round.

    Returns
    -------
    DataFrame
        One row for each step of a way: ``pair, way`` (straight, spherical), ``step, share`` (0 to 1), the properties
        as the head reads them, ``decoded_md``, ``radius`` (distance from the prior's centre, prior SDs),
        ``percentile``, ``td_1..td_N``.
    """
    rows = last_fields(visits)
    examples = field_examples(rows, grid).to(model.device).double()
    z, age = model.posterior(examples).mean, rows[c.AGE].to_numpy(float)
    pairs = _pairs(rows[c.td(grid.n)].to_numpy(float), grid)
    start, end = (z[[pair[i] for pair in pairs.values()]] for i in (0, 1))
    ages = np.array(
        [
            (1 - share) * age[a] + share * age[b]
            for share in np.linspace(0, 1, steps)
            for a, b in pairs.values()
        ]
    )
    names = np.array(list(pairs))
    tables = []
    for way, path in (("straight", straight(start, end, steps)), ("spherical", spherical(start, end, steps))):
        at = path.flatten(0, 1)
        step = np.repeat(np.arange(steps), len(names))
        read = dict(zip(space.names, model.properties(at).cpu().numpy().T, strict=True))
        along = {"pair": np.tile(names, steps), "way": way, "step": step, "share": step / (steps - 1), **read}
        tables.append(pd.concat([pd.DataFrame(along), _decoded(model, space, at, ages)], axis=1))
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values(["pair", "way", "step"], ignore_index=True)


def _pairs(td: np.ndarray, grid: Grid) -> dict[str, tuple[int, int]]:
    """Fields to go between, by what changes on the way."""
    mean = np.nanmean(td, axis=1)
    mild, severe = (int(np.abs(mean - np.quantile(mean, q)).argmin()) for q in (MILD, SEVERE))
    superior = grid.xy[:, 1] > 0
    above = np.nanmean(td[:, superior], axis=1) - np.nanmean(td[:, ~superior], axis=1)
    return {
        "from mild to severe loss": (mild, severe),
        "from superior to inferior loss": (int(above.argmin()), int(above.argmax())),
    }


@torch.no_grad()
def _at_present(
    model: GuidedModel, space: GuidedSpace, present: Present, keys: pd.DataFrame, age: np.ndarray, index: int
) -> pd.DataFrame:
    """The present fields as rows of a table of searches."""
    value = model.properties(present.z)[:, index]
    here = Found(
        present.z,
        value,
        torch.zeros_like(value),
        space.density.percentile(present.z),
        torch.ones_like(value, dtype=torch.bool),
        0,
    )
    return _found(model, here, keys, age).assign(target=np.nan)


def _found(model: GuidedModel, found: Found, keys: pd.DataFrame, age: np.ndarray) -> pd.DataFrame:
    """Where searches ended, as a table beside the keys of their eyes."""
    fields = decoded_fields(model, found.z, age)
    columns = {
        "value": found.value,
        "distance": found.distance,
        "percentile": found.percentile,
        "converged": found.converged,
    }
    numbers = pd.DataFrame({name: value.cpu().numpy() for name, value in columns.items()})
    numbers["decoded_md"] = decoded_md(fields)
    return pd.concat([keys, numbers, pd.DataFrame(fields, columns=c.td(fields.shape[1]))], axis=1)


def _decoded(model: GuidedModel, space: GuidedSpace, z: Tensor, age: np.ndarray) -> pd.DataFrame:
    """Latents decoded, and how plausible they are."""
    fields = decoded_fields(model, z, age)
    numbers = {
        "decoded_md": decoded_md(fields),
        "radius": z.norm(dim=1).cpu().numpy(),
        "percentile": space.density.percentile(z).cpu().numpy(),
    }
    return pd.DataFrame(numbers | dict(zip(c.td(fields.shape[1]), fields.T, strict=True)))
