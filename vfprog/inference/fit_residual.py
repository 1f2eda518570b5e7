"""Second fitting stage: networks frozen, the residual process's scalars by the score of forecasts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.distributions import StudentT

from vfprog.data.series import Series
from vfprog.inference.origins import Origin, origin
from vfprog.model.field_vae import FieldVAE
from vfprog.model.latent import LatentTrajectory
from vfprog.model.linear import Linear
from vfprog.model.residual import ResidualProcess
from vfprog.model.trajectory import Prediction

log = logging.getLogger(__name__)

FIRST_VISITS = (1, 3, 7)  # origins that the score is taken over
STEPS = 60
DEGREES = 6.0  # of freedom of the score's Student's t
LEARNING_RATE = 0.05
# Weight of a weak normal prior around the starting values: what forecasts do not tell apart stays where it was.
PRIOR_WEIGHT = 1e-3
MD_WEIGHT = (
    5.0  # of a visit's mean TD against a single location: the field's locations are far from independent
)
MOST_EYES = 120  # an origin; beyond, the scalars are known far better than they need to be


@dataclass(frozen=True)
class _Task:
    """What does not change while the scalars are fitted: the tests to forecast, and the decoder made linear."""

    origin: Origin
    linear: Linear


def fit_residual(vae: FieldVAE, series: Series, xy: Tensor, *, network: bool, drift: bool) -> ResidualProcess:
    """Fit the scalars on training patients' series by the log score of forecasts under Student's t of later visits.

    Parameters
    ----------
    vae : FieldVAE
        Trained networks, left as they are.
    series : Series
        Series of training patients; those with one visit say nothing.
    xy : Tensor (location, 2)
        Positions, degrees, right-eye format.
    network, drift : bool
        The method that the scalars serve, see :class:`LatentTrajectory`.

    Returns
    -------
    ResidualProcess, at its starting values where no eye has a later visit.
    """
    residual = ResidualProcess(xy.to(series.td)).to(series.td.device)
    method = LatentTrajectory(vae, residual, network=network, drift=drift)
    tasks = [_task(method, cut) for n in FIRST_VISITS if (cut := origin(series, n)) is not None]
    if not tasks:
        log.warning("no training eye has two visits: the residual process keeps its starting values")
        return residual
    optimiser = torch.optim.Adam(residual.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        score = torch.stack([_score(method, task) for task in tasks]).mean()
        loss = score + PRIOR_WEIGHT * residual.squared_distance_from_start()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"fitting the residual process broke down at step {step}")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 30 == 0 or step == STEPS - 1:
            log.info(
                "residual process, step %d/%d: forecast score %.4f nats a value",
                step + 1,
                STEPS,
                score.item(),
            )
    return residual


def _task(method: LatentTrajectory, cut: Origin) -> _Task:
    if len(cut.rows) > MOST_EYES:
        keep = torch.linspace(0, len(cut.rows) - 1, MOST_EYES).long()
        cut = Origin(
            cut.n_first, cut.rows[keep], cut.past[keep], cut.td[keep], cut.mask[keep], cut.years[keep]
        )
    with torch.no_grad():
        linear = method.encoded(cut.past)
        # Tests at the floor as if measured: few, and their sites would have to be found anew at every step.
        cut = replace(cut, past=replace(cut.past, at_floor=None))
        return _Task(cut, method.refined(cut.past, linear)[0])


def _score(method: LatentTrajectory, task: _Task) -> Tensor:
    past, linear = task.origin.past, task.linear
    path = method.path(past, linear, method.conditioned(past, linear, method.covariance(past, linear.known)))
    residual = method.residual
    predicted = method.forecast(path, task.origin.years, residual.spectrum("noise"), residual.visit_variance)
    return student_score(predicted, task.origin)


def student_score(predicted: Prediction, cut: Origin) -> Tensor:
    """Mean negative log density of later tests, nats a value, mean TD weighted in.

    Student's t of the predicted mean and SD rather than normal, because the noise has long tails; not Laplace, which
    widens the SD where the noise is nearly normal.
    """
    of_td = _student(cut.td, predicted.td, predicted.td_sd)[cut.mask]
    tested = cut.mask.sum(-1)
    mtd = (cut.td * cut.mask).sum(-1) / tested.clamp(min=1)
    of_md = _student(mtd, predicted.md, predicted.md_sd)[cut.visits]
    return of_td.mean() + MD_WEIGHT / cut.td.shape[-1] * of_md.mean()


def _student(value: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    scale = sd * ((DEGREES - 2) / DEGREES) ** 0.5
    return -StudentT(DEGREES, mean, scale, validate_args=False).log_prob(value)
