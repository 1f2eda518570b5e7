"""Training of any kind of model: one-cycle schedule, KL warm-up, early stopping, checkpoints, exact resume."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from vfprog.config import NetworkConfig
from vfprog.inference.batches import Batch, concatenate_batches, sizes_of
from vfprog.inference.checkpoint import load_checkpoint, save_checkpoint
from vfprog.inference.device import seed_everything
from vfprog.inference.networks import build_network
from vfprog.inference.objective import WeightedLoss, evaluate_objective

log = logging.getLogger(__name__)

SMALLEST_KL_WEIGHT = 1e-3  # poutine.scale refuses 0
VALIDATION_DRAWS = 8
GRADIENT_NORM = 20.0  # of a batch mean; a rare odd field must not throw the networks off


@dataclass(frozen=True)
class Trained:
    """A trained model, its history (one row per epoch) and its best epoch."""

    network: Any
    history: list[dict[str, float]]
    best_epoch: int


def kl_weight(step: int, warmup: int) -> float:
    """Weight of the KL at a step (0, 1, ..): rises linearly to 1 over ``warmup`` steps."""
    return 1.0 if step >= warmup else max(step / warmup, SMALLEST_KL_WEIGHT)


class Trainer:
    """The state of a training run: everything that a checkpoint must hold to go on exactly."""

    def __init__(
        self,
        options: NetworkConfig,
        patients: Batch,
        simulated: Batch | None,
        validation: Batch,
        seed: int,
        device: torch.device,
    ) -> None:
        seed_everything(seed)
        self.options = options
        self.device = device
        self.seed = seed
        self.train = (patients if simulated is None else concatenate_batches([patients, simulated])).to(
            device
        )
        self.validation = validation.to(device)
        # The ELBO on training patients is watched on as many series as validation has, evenly spread.
        self.watched = (
            torch.linspace(0, len(patients) - 1, min(len(patients), len(validation))).long().to(device)
        )
        self.network = build_network(options, sizes_of(patients)).to(device)
        self.network.standardise(self.train)
        self.loss = WeightedLoss(self.network, options.train.num_particles)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=options.train.learning_rate, weight_decay=1e-4
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, max_lr=options.train.learning_rate, total_steps=options.train.steps
        )
        # Batches come from a generator of their own on the CPU: the same batches on every device.
        self.batches = torch.Generator().manual_seed(seed)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {"epoch": 0, "score": float("-inf"), "weights": self._weights()}

    @property
    def epochs(self) -> int:
        """Number of epochs of a full run."""
        return -(-self.options.train.steps // self.options.train.epoch)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether all steps are done or the validation patients' loss has stopped falling."""
        # Before the learning rate has begun to fall the ELBO is not yet a verdict, so patience counts from there.
        waited = self.epoch - max(int(self.best["epoch"]), round(0.3 * self.epochs))
        return self.epoch >= self.epochs or waited >= self.options.train.patience

    def train_epoch(self) -> None:
        """One epoch of steps, then the validation ELBO.

        Raises
        ------
        FloatingPointError
            When the loss or the validation ELBO is not finite.
        """
        started = time.monotonic()
        options = self.options.train
        losses = torch.zeros((), device=self.device)
        steps = min(options.epoch, options.steps - self.step)
        for _ in range(steps):
            rows = torch.randint(len(self.train), (options.batch,), generator=self.batches).to(self.device)
            loss = self.loss(self.train[rows], options.beta, kl_weight(self.step, options.kl_warmup))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
            self.optimiser.step()
            self.schedule.step()
            losses += loss.detach()
            self.step += 1
        self._record(float(losses) / steps, time.monotonic() - started)

    def run(self) -> Any:
        """Train to the end without checkpoints; the network of the best epoch."""
        while not self.finished:
            self.train_epoch()
        self.network.load_state_dict(self.best["weights"])
        return self.network.eval()

    def _record(self, loss: float, seconds: float) -> None:
        validation = self._measure(self.validation)
        sample = self._measure(self.train[self.watched])
        row = {
            "epoch": self.epoch + 1,
            "step": self.step,
            "learning_rate": float(self.schedule.get_last_lr()[0]),
            "kl_weight": kl_weight(self.step, self.options.train.kl_warmup),
            "loss": loss,
            "elbo_train": float(sample.elbo.mean()),
            "elbo_validation": float(validation.elbo.mean()),
            "kl": float(validation.kl.mean()),
            "reconstruction": float(validation.reconstruction.mean()),
            "seconds": round(seconds, 2),
        }
        if not all(torch.isfinite(torch.tensor(v)) for v in row.values()):
            raise FloatingPointError(f"training broke down at step {self.step}: {row}; lower learning_rate")
        self.history.append(row)
        # By what training descends: the ELBO where beta is 1.
        score = self.options.train.beta * row["reconstruction"] - row["kl"]
        if score > self.best["score"]:
            self.best = {"epoch": self.epoch, "score": score, "weights": self._weights()}

    @torch.no_grad()
    def _measure(self, batch: Batch) -> Any:
        # The same draws at every epoch, so that epochs compare; training's own random numbers are untouched.
        generator = torch.Generator(device=self.device).manual_seed(self.seed)
        return evaluate_objective(self.network, batch, VALIDATION_DRAWS, generator)

    def _weights(self) -> dict[str, Tensor]:
        return {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def state(self, fingerprint: str) -> dict[str, Any]:
        """Everything needed to go on: weights, optimiser, schedule, random states, history, best weights."""
        return {
            "fingerprint": fingerprint,
            "weights": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "batches": self.batches.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "step": self.step,
            "history": self.history,
            "best": self.best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state written by :meth:`state`."""
        self.network.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.batches.set_state(state["batches"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        self.step, self.history, self.best = state["step"], state["history"], state["best"]


def run_training(trainer: Trainer, checkpoint: Path, fingerprint: str) -> Trained:
    """Train to the end, going on from ``checkpoint`` where one of the same fingerprint exists.

    The result is the same whether or not the run was interrupted.
    """
    state = load_checkpoint(checkpoint, fingerprint)
    if state is not None:
        trainer.restore(state)
        log.info("resuming after epoch %d of %d", trainer.epoch, trainer.epochs)
    for _ in _progress(trainer):
        trainer.train_epoch()
        row = trainer.history[-1]
        log.info(
            "epoch %d/%d  loss %.2f  ELBO train %.2f  validation %.2f  KL %.2f nats a row",
            *(
                row["epoch"],
                trainer.epochs,
                row["loss"],
                row["elbo_train"],
                row["elbo_validation"],
                row["kl"],
            ),
        )
        save_checkpoint(trainer.state(fingerprint), checkpoint)
    trainer.network.load_state_dict(trainer.best["weights"])
    return Trained(trainer.network.eval(), trainer.history, int(trainer.best["epoch"]))


def _progress(trainer: Trainer) -> Iterable[int]:
    """Epochs until the trainer has finished, with a bar on a terminal."""

    def epochs() -> Iterator[int]:
        while not trainer.finished:
            yield trainer.epoch

    screen = Console(stderr=True)
    return track(
        epochs(),
        "training",
        total=trainer.epochs,
        completed=trainer.epoch,
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
