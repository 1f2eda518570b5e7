"""The joint normal of an eye's path, residual process and tests, written out in full, and its conditioning.

Everything that :mod:`vfprog.model.latent` knows of an eye whose decoder is linear, with nothing clever in it: one
matrix over all unknowns, one over all tests, plain linear algebra in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.stats import multivariate_normal
from tiny import tiny_vae

from vfprog.data.series import Series
from vfprog.model.field_vae import FieldVAE
from vfprog.model.latent import LatentTrajectory
from vfprog.model.linear import Linear
from vfprog.model.residual import SCALES, START, ResidualProcess
from vfprog.perimetry.loss import LOSS, LOSS_LEVEL

XY = torch.tensor([[-9, 3], [-3, 3], [3, 9], [3, -3], [-15, -3]], dtype=torch.float64)
METHODS = {
    "static": {"network": True, "drift": False},
    "residual": {"network": False, "drift": True},
    "trajectory": {"network": True, "drift": True},
}


def straight_vae(seed: int, latent_dim: int = 2, locations: int = 5) -> FieldVAE:
    """A model whose decoder is linear, f(z) = 5 W z - 3, with the measured noise."""
    vae = tiny_vae(latent_dim, locations, seed)
    with torch.no_grad():
        vae.model.decoder.mlp[-1].weight.zero_()
        vae.model.decoder.mlp[-1].bias.zero_()
    return vae


def random_process(seed: int, spread: float = 0.4) -> ResidualProcess:
    """Scalars about their starting values; the drift of the latents large enough to matter."""
    rng = np.random.default_rng(seed)
    start = START | {"latent_drift": -1.5, "drift_local": -3.5, "drift_common": -4.0}
    return ResidualProcess(XY, {name: v + rng.normal(0, spread) for name, v in start.items()}).double()


def random_method(seed: int, name: str) -> LatentTrajectory:
    return LatentTrajectory(straight_vae(seed), random_process(seed), **METHODS[name])


@dataclass(frozen=True)
class Dense:
    """The tests of one eye, and what is linear in the unknowns x ~ N(0, prior): tests = shift + rows x + noise."""

    priors: list[np.ndarray]  # of x, one for each component of drift
    log_weights: np.ndarray
    rows: np.ndarray
    noise: np.ndarray  # covariance of the tests beyond x
    data: np.ndarray  # tests less their shift
    field_rows: dict[str, np.ndarray]  # level, drift, wander at the last visit by x
    field_shift: np.ndarray  # of the level
    latent: int

    def conditioned(self) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        """Weights of the components given the tests, means and covariances of x in each."""
        log_weight, means, covariances = [], [], []
        for prior, own in zip(self.priors, self.log_weights, strict=True):
            joint = self.rows @ prior @ self.rows.T + self.noise
            gain = np.linalg.solve(joint, self.rows @ prior).T
            nothing = np.zeros(len(joint))
            density = multivariate_normal.logpdf(self.data, nothing, joint) if len(joint) else 0.0
            log_weight.append(own + density)
            means.append(gain @ self.data)
            covariances.append(prior - gain @ self.rows @ prior)
        weight = np.exp(np.array(log_weight) - max(log_weight))
        return weight / weight.sum(), means, covariances

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of x over the whole mixture."""
        weight, means, covariances = self.conditioned()
        mean = sum(w * m for w, m in zip(weight, means, strict=True))
        parts = zip(weight, means, covariances, strict=True)
        return mean, sum(w * (c + np.outer(m - mean, m - mean)) for w, m, c in parts)


def dense(
    method: LatentTrajectory, series: Series, linear: Linear, eye: int, later: tuple[float, ...] = ()
) -> Dense:
    """One eye written out; ``later`` are times after its last visit whose wander is among the unknowns."""
    p = {name: value.item() for name, value in method.residual.scalars.items()}
    n = int(series.n_visits[eye])
    td, mask = series.td[eye, :n].numpy(), series.mask[eye, :n].numpy()
    years = series.years[eye, :n].numpy()
    s, level = linear.known.noise[eye].detach().numpy(), linear.known.level[eye].detach().numpy()
    locations = len(s)
    decoder = 5 * method.vae.model.decoder.linear.weight.detach().numpy()
    if not method.network:
        decoder = decoder[:, :0]
    latent = decoder.shape[1]
    basis = method.residual.vectors.numpy()
    standing, drift, wander = (
        basis @ np.diag(method.residual.spectrum(part).detach().numpy()) @ basis.T
        for part in ("standing", "drift", "wander")
    )
    size = np.exp((1 - p["drift_by_loss"]) * np.log(s)) * np.exp(
        p["drift_by_loss"] * (np.interp(level, LOSS_LEVEL, np.log(LOSS)) - np.log(0.2))
    )

    # x: latents, their slopes, residual drift, standing residual, wander at every time.
    times = np.concatenate([years, later])
    k, v = latent, locations
    starts = np.cumsum([0, k, k, v, v, v * len(times)])
    place = [slice(a, b) for a, b in pairwise(starts)]
    eye_matrix = np.eye(v)

    def rows_of(t: float, at: int | None) -> dict[str, np.ndarray]:
        parts = {name: np.zeros((v, starts[-1])) for name in ("level", "drift", "wander")}
        parts["level"][:, place[0]] = decoder
        parts["level"][:, place[3]] = np.diag(s)
        if method.drift:
            parts["level"][:, place[1]], parts["level"][:, place[2]] = decoder * t, np.diag(size) * t
            parts["drift"][:, place[1]], parts["drift"][:, place[2]] = decoder, np.diag(size)
        if at is not None:
            parts["wander"][:, starts[4] + at * v : starts[4] + (at + 1) * v] = np.diag(s) @ eye_matrix
        return parts

    apart = np.abs(times[:, None] - times)
    left, unrest = np.exp(-apart / np.exp(p["tau"])), linear.known.unrest[eye].item()
    correlated = unrest * left
    # What an eye has wandered more than usual it need not wander from now on.
    after = np.arange(len(years), len(times))
    correlated[after, after] += (1 - unrest) * (1 - left[len(years) - 1, after] ** 2)
    scales = SCALES if method.drift else (1.0,)
    priors = []
    for scale in scales:
        prior = np.zeros((starts[-1], starts[-1]))
        prior[place[0], place[0]] = np.eye(k)
        prior[place[1], place[1]] = np.eye(k) * (scale * np.exp(p["latent_drift"])) ** 2
        prior[place[2], place[2]] = drift * scale**2
        prior[place[3], place[3]] = standing
        prior[place[4], place[4]] = np.kron(correlated, wander)
        priors.append(prior)

    tested = np.nonzero(mask)
    each = [sum(rows_of(t, i).values()) - rows_of(t, i)["drift"] for i, t in enumerate(years)]
    rows = np.stack(each)[tested] if mask.any() else np.zeros((0, starts[-1]))
    base = linear.known.apart[eye].detach().numpy() - 3 if method.network else np.full(v, own_mean(td, mask))
    shift = base + p["offset"] + p["learning"] * (tested[0] == 0)[:, None] * np.ones(v)
    same_visit = tested[0][:, None] == tested[0]
    basis = method.residual.vectors.numpy()
    of_noise = basis @ np.diag(method.residual.spectrum("noise").detach()) @ basis.T
    of_tests = (s[:, None] * of_noise * s)[np.ix_(tested[1], tested[1])]
    noise = (unrest * np.exp(p["visit_variance"]) + of_tests) * same_visit
    step = (level.mean() + 5) / 5
    logits = np.array(
        [
            p["stable_logit"] + p["stable_by_level"] * step,
            0,
            p["fast_logit"] + p["fast_by_level"] * step,
        ]
    )
    log_weights = logits - np.log(np.exp(logits).sum()) if method.drift else np.zeros(1)
    data = td[tested] - shift[np.arange(len(tested[0])), tested[1]]
    return Dense(
        priors, log_weights, rows, noise, data,
        rows_of(years[-1], n - 1), base + p["offset"], latent,
    )  # fmt: skip


def own_mean(td: np.ndarray, mask: np.ndarray) -> float:
    """Mean over tested locations of their mean tests."""
    each = [td[mask[:, j], j].mean() for j in range(td.shape[1]) if mask[:, j].any()]
    return float(np.mean(each)) if each else 0.0


def later_rows(
    method: LatentTrajectory, path: Dense, s: np.ndarray, last: float, times: tuple[float, ...]
) -> np.ndarray:
    """The underlying field at ``times`` by x, whose last wanders are at these times: (time, location, x)."""
    v, x = len(s), path.rows.shape[1]
    rows = []
    for i, t in enumerate(times):
        row = path.field_rows["level"] + path.field_rows["drift"] * (t - last)
        at = x - v * (len(times) - i)
        row[:, at : at + v] += np.diag(s)
        rows.append(row)
    return np.stack(rows)
