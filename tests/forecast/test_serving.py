"""Models as a run's files: adopted whole, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from vfprog.config import MODEL_FILES, read_config
from vfprog.data.series import Series
from vfprog.errors import UserError
from vfprog.forecast.adopt import adopt_model
from vfprog.forecast.card import SHIPPED
from vfprog.forecast.serving import load_model
from vfprog.model import floor_sites
from vfprog.model.latent import LatentTrajectory
from vfprog.perimetry.grid import load_grid
from vfprog.provenance import PACKAGE

GRID = load_grid("24-2")
CONFIG = Path(__file__).parents[2] / "config" / "examples" / "clinic.yaml"


@pytest.fixture
def released() -> Path:
    folder = read_config(CONFIG).models["vae"].folder
    assert folder is not None
    return folder


def test_the_released_model_is_small_and_says_what_touched_it(released: Path) -> None:
    assert (released / "weights.safetensors").stat().st_size < 2_000_000
    card = json.loads((released / "card.json").read_text())
    assert card["training"]["cohorts"] == ["population"]  # no real patient trained the networks
    assert card["calibrated_on"] == ["population", "rotterdam"]
    assert "LEI" not in card["data"]
    assert card["data"].endswith(SHIPPED)


def test_an_adopted_model_is_the_same_under_its_new_name(released: Path, tmp_path: Path) -> None:
    adopt_model(released, tmp_path / "mine", "mine", GRID)
    assert sorted(f.name for f in (tmp_path / "mine").iterdir()) == sorted(MODEL_FILES)
    before, after = (load_model(f, GRID, torch.device("cpu")) for f in (released, tmp_path / "mine"))
    for name, weight in before.vae.state_dict().items():
        assert torch.equal(after.vae.state_dict()[name], weight)
    assert json.loads((tmp_path / "mine" / "card.json").read_text())["model"] == "mine"


def test_what_learned_from_a_benchmark_is_never_shipped(released: Path, tmp_path: Path) -> None:
    source, package = tmp_path / "source", PACKAGE / "resources" / "models" / "none"
    shutil.copytree(released, source)
    card = json.loads((source / "architecture.json").read_text())
    card["training"]["benchmarks"] = ["lei"]
    (source / "architecture.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"learned from lei, a benchmark \(cohorts.lei.benchmark\)"):
        adopt_model(source, package, "released", GRID)
    assert not package.exists()


@pytest.mark.parametrize(
    "part, within", [("residual", None), ("visits_0.01", "rate_prior"), ("structure", "detector")]
)
def test_a_damaged_model_is_refused_and_nothing_is_left(
    part: str, within: str | None, released: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    adopt_model(released, source, "vae", GRID)
    card = json.loads((source / "card.json").read_text())
    del (card if within is None else card[within])[part]
    (source / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=rf"not a model that this version of vfprog can use .*{part}"):
        adopt_model(source, tmp_path / "target", "vae", GRID)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("seen", [0, 2])
def test_an_eye_all_but_blind_is_as_sure_after_one_more_sweep_and_surer_with_more_visits(
    released: Path, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole steps of expectation propagation swing to and fro here: after every other one the tests say nothing."""
    model = load_model(released, GRID, torch.device("cpu"))
    method = LatentTrajectory(model.vae, model.residuals["trajectory"], network=True, drift=True)
    sd = {}
    for visits in (3, 12):
        td = torch.full((1, visits, GRID.n), -31.0)
        td[..., :seen] = -20.0
        everywhere = torch.ones(td.shape, dtype=torch.bool)
        at_floor = everywhere.clone()
        at_floor[..., :seen] = False
        years = torch.arange(visits, dtype=td.dtype)[None] / 2
        eye = Series(td, everywhere, years, torch.tensor([visits]), at_floor=at_floor)
        for sweeps in (floor_sites.SWEEPS, floor_sites.SWEEPS + 1):
            with monkeypatch.context() as patch:
                patch.setattr(floor_sites, "SWEEPS", sweeps)
                path = method.fit(eye)
            sd[visits, sweeps] = path.md_cov[0, 0, 0].sqrt().item()
            field = path.state[0, seen:, 0] + path.state[0, seen:, 2]
            assert field.mean() < -30
    (few, few_more), (many, many_more) = list(sd.values())[:2], list(sd.values())[2:]
    assert few_more == pytest.approx(few, rel=0.1) and many_more == pytest.approx(many, rel=0.1)
    assert many < few
