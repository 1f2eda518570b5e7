"""Single fields as examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vfprog import columns as c
from vfprog.data.field_examples import field_examples, refuse_constant_fields, simulated_visits
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")


def test_fields_keep_their_order_and_their_floor() -> None:
    visits = simulated_visits(20, 2, GRID, 1)
    visits.loc[3, "td_7"] = np.nan
    visits.loc[4, ["td_8", "sens_8"]] = [-31.0, 0.0]
    found = field_examples(visits, GRID, ["age"])
    assert found.x.shape == (40, GRID.n) and not found.mask[3, 6] and found.mask.sum() == 40 * GRID.n - 1
    assert found.at_floor[4, 7] and found.x[4, 7] == -31
    torch.testing.assert_close(
        found.properties[:, 0], torch.as_tensor(visits[c.AGE].to_numpy(copy=True), dtype=torch.float32)
    )
    assert not field_examples(visits.drop(columns=c.sens(GRID.n)), GRID).at_floor.any()


def test_a_single_field_is_an_example_but_nothing_to_learn_from() -> None:
    visits = simulated_visits(1, 1, GRID, 1)
    assert len(field_examples(visits, GRID)) == 1
    with pytest.raises(UserError, match=r"td_1, td_2, .*the same in all 1 fields"):
        refuse_constant_fields(visits, GRID)


def test_constant_columns_are_nothing_to_learn_from() -> None:
    visits = simulated_visits(10, 1, GRID, 1)
    refuse_constant_fields(visits, GRID, ["md", "age"])
    with pytest.raises(UserError, match=r"^td_9: the same in all 10 fields"):
        refuse_constant_fields(visits.assign(td_9=-1.0), GRID)
    with pytest.raises(UserError, match="td_9"):
        refuse_constant_fields(visits.assign(td_9=np.nan), GRID)
    with pytest.raises(UserError, match="'age' is 60 years in every training field"):
        refuse_constant_fields(visits.assign(age=60.0), GRID, ["age"])
