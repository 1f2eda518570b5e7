"""Training: the schedule of the KL, stopping, and resuming exactly where a run was cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import random_series

from vfprog.config import TrainConfig, VaeConfig
from vfprog.data.series import Series
from vfprog.errors import UserError
from vfprog.inference import train as module
from vfprog.inference.dataset import series_summary
from vfprog.inference.objective import Objective
from vfprog.inference.train import SMALLEST_KL_WEIGHT, Trained, Trainer, kl_weight, run_training
from vfprog.model.summary import FieldSummary

CPU = torch.device("cpu")


def model(**options: Any) -> VaeConfig:
    defaults = {"steps": 20, "epoch": 4, "batch": 16, "kl_warmup": 10, "learning_rate": 1e-2}
    return VaeConfig(
        latent_dim=2, decoder_hidden=[8], encoder_hidden=[8], train=TrainConfig(**defaults | options)
    )


def summary(seed: int, eyes: int = 20) -> FieldSummary:
    series = random_series(seed, eyes=eyes)
    return series_summary(Series(series.td.float(), series.mask, series.years.float(), series.n_visits))


def trainer(seed: int = 1, device: torch.device = CPU, **options: Any) -> Trainer:
    return Trainer(model(**options), summary(0), summary(1, 40), summary(2), seed, device)


def without_seconds(trained: Trained) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in trained.history]


def assert_same(a: Trained, b: Trained) -> None:
    """Bit for bit."""
    assert without_seconds(a) == without_seconds(b)
    assert a.best_epoch == b.best_epoch
    for name, weight in a.network.state_dict().items():
        assert torch.equal(weight, b.network.state_dict()[name]), name


def cut_off_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training die right after the checkpoint of an epoch is written."""
    save = module.save_checkpoint

    def save_and_die(state: dict[str, Any], path: Path) -> None:
        save(state, path)
        if state["history"][-1]["epoch"] == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_checkpoint", save_and_die)


@pytest.mark.parametrize(
    ("step", "warmup", "expected"),
    [
        (0, 0, 1.0),
        (7, 0, 1.0),
        (0, 1, SMALLEST_KL_WEIGHT),
        (1, 1, 1.0),
        (0, 400, SMALLEST_KL_WEIGHT),
        (1, 4000, SMALLEST_KL_WEIGHT),
        (100, 400, 0.25),
        (399, 400, 399 / 400),
        (400, 400, 1.0),
        (2499, 400, 1.0),
    ],
)
def test_kl_warms_up_from_just_above_zero(step: int, warmup: int, expected: float) -> None:
    assert kl_weight(step, warmup) == expected


def test_training_learns_and_records_every_epoch(tmp_path: Path) -> None:
    options = {"steps": 62, "epoch": 20}
    untrained = trainer(**options)._measure(summary(2)).elbo.mean().item()
    trained = run_training(trainer(**options), tmp_path / "c", "f")
    assert [row["epoch"] for row in trained.history] == [1, 2, 3, 4]
    assert [row["step"] for row in trained.history] == [20, 40, 60, 62]
    assert trained.history[0]["kl_weight"] == 1.0 and not trained.network.training
    for row in trained.history:
        assert row["elbo_validation"] == pytest.approx(row["reconstruction"] - row["kl"], rel=1e-5)
    assert trained.history[-1]["elbo_validation"] > untrained + 1
    assert trained.history[-1]["learning_rate"] < 0.01 * max(row["learning_rate"] for row in trained.history)


@pytest.mark.parametrize("epochs", [1, 3, 5])
def test_a_run_cut_off_goes_on_bit_for_bit(
    epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run_training(trainer(), tmp_path / "whole", "f")
    with monkeypatch.context() as patch:
        cut_off_after(epochs, patch)
        with pytest.raises(KeyboardInterrupt):
            run_training(trainer(), tmp_path / "cut", "f")
    torch.manual_seed(99)  # another process, whose random state is another
    steps = count_epochs(monkeypatch)
    with caplog.at_level("INFO"):
        resumed = run_training(trainer(), tmp_path / "cut", "f")
    assert len(steps) == 5 - epochs
    assert f"resuming after epoch {epochs} of 5" in caplog.text
    assert_same(resumed, whole)


def count_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets an entry for every epoch trained from now on."""
    done: list[int] = []
    train_epoch = Trainer.train_epoch

    def counted(self: Trainer) -> None:
        done.append(self.epoch)
        train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", counted)
    return done


def test_a_checkpoint_of_other_data_is_not_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_training(trainer(), tmp_path / "whole", "f")
    with monkeypatch.context() as patch:
        cut_off_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            run_training(trainer(seed=7), tmp_path / "cut", "of another seed")
    epochs = count_epochs(monkeypatch)
    assert_same(run_training(trainer(), tmp_path / "cut", "f"), whole)
    assert epochs == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None], ids=["empty", "text", "truncated"])
def test_a_damaged_checkpoint_is_named(damage: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    module.save_checkpoint(trainer().state("f"), file)
    file.write_bytes(file.read_bytes()[:2000] if damage is None else damage)
    with pytest.raises(UserError, match=r"checkpoint\.pt: not a readable checkpoint .*; delete it"):
        run_training(trainer(), file, "f")


def test_seed_and_only_the_seed_decides(tmp_path: Path) -> None:
    first, again, other = (
        run_training(trainer(seed=seed), tmp_path / str(i), "f") for i, seed in enumerate((1, 1, 2))
    )
    assert_same(first, again)
    weights, others = first.network.state_dict(), other.network.state_dict()
    learnt = [name for name in weights if name.endswith(("weight", "bias"))]
    assert not any(torch.equal(weights[name], others[name]) for name in learnt)


@pytest.mark.parametrize("options", [{"beta": 3.0}, {"kl_warmup": 0}, {"num_particles": 3}])
def test_options_reach_the_loss(options: dict[str, Any], tmp_path: Path) -> None:
    plain, changed = trainer(), trainer(**options)
    for run in (plain, changed):
        run.train_epoch()
    assert plain.history[0]["loss"] != changed.history[0]["loss"]


def scripted(monkeypatch: pytest.MonkeyPatch, elbo: Callable[[int], float]) -> list[dict[str, torch.Tensor]]:
    """Let the ELBO be a given function of the epoch; the list returned gets the weights of every epoch."""
    weights: list[dict[str, torch.Tensor]] = []

    def measure(self: Trainer, _: FieldSummary) -> Objective:
        if len(weights) == self.epoch:
            weights.append(self._weights())
        return Objective(torch.tensor([elbo(self.epoch + 1)]), torch.zeros(1, 2))

    monkeypatch.setattr(Trainer, "_measure", measure)
    return weights


def test_the_best_epochs_weights_are_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = scripted(monkeypatch, {1: -5.0, 2: -3.0, 3: -4.0, 4: -3.0, 5: -3.5}.__getitem__)
    trained = run_training(trainer(), tmp_path / "c", "f")
    assert trained.best_epoch == 2 and len(trained.history) == 5
    for name, weight in trained.network.state_dict().items():
        assert torch.equal(weight, weights[1][name])
    assert not torch.equal(weights[1]["guide.encoder.mlp.0.weight"], weights[4]["guide.encoder.mlp.0.weight"])


@pytest.mark.parametrize(
    ("best", "patience", "epochs"),
    [(1, 2, 5), (3, 2, 5), (4, 2, 6), (6, 3, 9), (10, 2, 10), (1, 9, 10)],
    ids=["before the rate falls", "at it", "after it", "later", "never worse", "patient"],
)
def test_training_stops_when_the_validation_elbo_has_stopped_rising(
    best: int, patience: int, epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten epochs, of which the first three, before the learning rate falls, never exhaust the patience.
    scripted(monkeypatch, lambda epoch: -abs(epoch - best) / 2)
    trained = run_training(trainer(steps=20, epoch=2, patience=patience), tmp_path / "c", "f")
    assert (len(trained.history), trained.best_epoch) == (epochs, best)


@pytest.mark.filterwarnings("ignore:Encountered NaN")
def test_a_loss_that_is_not_a_number_stops_training(tmp_path: Path) -> None:
    broken = trainer()
    broken.train.mean[:] = float("nan")
    with pytest.raises(FloatingPointError, match="training broke down at step 4"):
        run_training(broken, tmp_path / "checkpoint", "f")
    assert not (tmp_path / "checkpoint").exists()


def test_watching_the_elbo_leaves_training_alone() -> None:
    losses = []
    for looks in (0, 3):
        run = trainer()
        for _ in range(3):
            elbos = [run._measure(summary(2)).elbo for _ in range(looks)]
            assert all(torch.equal(elbo, elbos[0]) for elbo in elbos)
            run.train_epoch()
        losses.append([row["loss"] for row in run.history])
    assert losses[0] == losses[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_training_runs_and_resumes_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    whole = run_training(trainer(device=cuda, steps=8), tmp_path / "whole", "f")
    assert whole.network.device.type == "cuda" and len(whole.history) == 2
    with monkeypatch.context() as patch:
        cut_off_after(1, patch)
        with pytest.raises(KeyboardInterrupt):
            run_training(trainer(device=cuda, steps=8), tmp_path / "cut", "f")
    resumed = run_training(trainer(device=cuda, steps=8), tmp_path / "cut", "f")
    assert len(resumed.history) == 2
    for row, expected in zip(resumed.history, whole.history, strict=True):
        assert row["elbo_validation"] == pytest.approx(expected["elbo_validation"], rel=1e-3)
