"""Names of classical defects."""

import numpy as np
import pytest

from vfprog.perimetry.defects import DIFFUSE, NORMAL, TOTAL, defect_templates, nearest_defects
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
TEMPLATES = defect_templates(GRID)


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_a_field_lost_where_a_defect_is_has_its_name(name: str) -> None:
    field = np.where(TEMPLATES[name], -18.0, 1.0)
    noise = np.random.default_rng(1).normal(0, 1.5, GRID.n)
    [found] = nearest_defects((field + noise)[None], GRID)
    assert found.name == name
    assert found.correlation > 0.9
    assert found.depth == pytest.approx(-18, abs=1.5)


@pytest.mark.parametrize(
    ("level", "name"), [(1.0, NORMAL), (-4.0, DIFFUSE), (-12.0, DIFFUSE), (-31.0, TOTAL)]
)
def test_a_field_without_pattern_is_called_by_its_depth(level: float, name: str) -> None:
    [flat] = nearest_defects(np.full((1, GRID.n), level), GRID)
    assert (flat.name, flat.depth) == (name, level)
    assert np.isnan(flat.correlation)


def test_loss_of_the_whole_field_is_no_local_defect() -> None:
    island = np.where(TEMPLATES["central"], -10.0, -30.0)
    assert nearest_defects(island[None], GRID)[0].name == TOTAL


def test_defects_of_the_two_hemifields_mirror_each_other() -> None:
    for kind in ("altitudinal", "arcuate", "nasal step", "rim"):
        above = {tuple(p) for p in GRID.xy[TEMPLATES[f"superior {kind}"]]}
        below = {(x, -y) for x, y in GRID.xy[TEMPLATES[f"inferior {kind}"]]}
        assert above == below
        assert len(above) >= 3
