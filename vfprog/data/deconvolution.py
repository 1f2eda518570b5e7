"""How a population table is made: levels and slopes of many eyes, freed from the noise of their measurement.

What regression reports of a short series is mostly noise, so levels and slopes are deconvolved: Gaussian mixtures
fitted by EM with each eye's known error variance (extreme deconvolution, Bovy, Hogg & Roweis, Ann Appl Stat
2011;5:1657).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from sklearn.cluster import KMeans

from vfprog.data.eye_summaries import EyeSummaries
from vfprog.data.population import RESIDUAL_PROBABILITIES, SLOPE_SCALES, Gaussians, Population
from vfprog.errors import UserError
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.loss import focal_loss
from vfprog.perimetry.noise import growth

RANK = 8  # of the stored covariances: the rest goes to the diagonal
CLUSTERS = 8  # of levels
MIN_EYES = 100  # fewer say too little of eight clusters of fields and four quarters of slopes


def deconvolve(
    x: np.ndarray,
    error_variance: np.ndarray,
    mean: np.ndarray,
    covariance: np.ndarray,
    scales: np.ndarray,
    *,
    shared: bool,
    iterations: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a Gaussian mixture to noisy values by EM, the error variance of each value known.

    Component k: x = s_k v + e with v ~ N(mean_k, covariance_k), e ~ N(0, diag(error_variance)).

    Parameters
    ----------
    x, error_variance : array (eye, location)
    mean : array (component, location)
        Starting means.
    covariance : array (component, location, location)
        Starting covariances.
    scales : array (component,)
        s_k, fixed.
    shared : bool
        Whether all components share one mean and covariance (a scale mixture).
    iterations : int
        EM steps.

    Returns
    -------
    weight (component,), mean, covariance
    """
    k, d = mean.shape
    weight = np.full(k, 1 / k)
    for _ in range(iterations):
        log_r = np.empty((len(x), k))
        posterior = []
        for j in range(k):
            marginal = scales[j] ** 2 * covariance[j] + error_variance[:, :, None] * np.eye(d)
            chol = np.linalg.cholesky(marginal)
            residual = x - scales[j] * mean[j]
            solved = np.linalg.solve(
                marginal,
                np.concatenate(
                    [residual[:, :, None], np.broadcast_to(scales[j] * covariance[j], marginal.shape)], axis=2
                ),
            )
            log_det = 2 * np.log(np.diagonal(chol, axis1=1, axis2=2)).sum(1)
            log_r[:, j] = np.log(weight[j]) - 0.5 * (
                log_det + np.einsum("ni,ni->n", residual, solved[:, :, 0])
            )
            v = mean[j] + solved[:, :, 0] @ (scales[j] * covariance[j])
            posterior.append((v, solved[:, :, 1:]))
        r = np.exp(log_r - log_r.max(1, keepdims=True))
        r /= r.sum(1, keepdims=True)
        weight = np.maximum(r.mean(0), 1e-6)
        weight /= weight.sum()
        groups = [list(range(k))] if shared else [[j] for j in range(k)]
        for group in groups:
            total = r[:, group].sum()
            new_mean = sum(r[:, j] @ posterior[j][0] for j in group) / total
            # Posterior covariance of v: C - s C (s^2 C + E)^-1 s C, averaged with the responsibilities.
            second = np.zeros((d, d))
            for j in group:
                v, gain = posterior[j]
                centred = v - new_mean
                shrunk = covariance[j] - scales[j] * covariance[j] @ np.tensordot(
                    r[:, j], gain, axes=1
                ) / max(r[:, j].sum(), 1e-300)
                second += (r[:, j, None] * centred).T @ centred + r[:, j].sum() * shrunk
            for j in group:
                mean[j], covariance[j] = new_mean, second / total + 1e-4 * np.eye(d)
    return weight, mean, covariance


def compress(weight: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> Gaussians:
    """Keep the leading ``RANK`` directions of each covariance and put the rest on the diagonal."""
    values, vectors = np.linalg.eigh(covariance)
    factor = vectors[..., -RANK:] * np.sqrt(np.maximum(values[..., None, -RANK:], 0))
    rest = np.diagonal(covariance, axis1=-2, axis2=-1) - (factor**2).sum(-1)
    return Gaussians(weight, mean, factor, np.maximum(rest, 1e-6))


def residual_shape(td: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape of the noise by level from retests: (eye, visit, location) dB -> levels, standardised quantiles.

    A value is compared with the mean of that eye's other visits at the location, after the visit's shift of the
    whole field is taken out, relative to how noisy its place is; each band of level is scaled to mean 0 and SD 1, its
    SD being ``noise_sd``'s matter.
    """
    n = td.shape[1]
    others = (td.sum(1, keepdims=True) - td) / (n - 1)
    residual = td - others
    residual -= np.median(residual, axis=2, keepdims=True)
    residual /= growth(others, load_grid("24-2").xy)
    edges = np.array([-40, -22, -12, -7, -4, -2, 0, 20.0])
    levels, quantiles = [], []
    for low, high in pairwise(edges):
        inside = (others >= low) & (others < high)
        values = residual[inside]
        values = (values - values.mean()) / values.std()
        levels.append(float(others[inside].mean().round(2)))
        quantiles.append(np.quantile(values, RESIDUAL_PROBABILITIES))
    return np.array(levels), np.array(quantiles)


def build_population(
    eyes: EyeSummaries, retest_td: np.ndarray, retests: str, seed: int = 1, iterations: int = 40
) -> Population:
    """Make a population table.

    Parameters
    ----------
    eyes : EyeSummaries
        Levels and slopes with their errors.
    retest_td : array (eye, visit, location)
        Total deviation of eyes tested again and again, dB.
    retests : str
        What those are, for the record.
    seed : int
        Of the clusters' starting points.
    iterations : int
        EM steps.

    Raises
    ------
    UserError
        If there are fewer than ``MIN_EYES`` eyes.
    """
    if len(eyes.level) < MIN_EYES:
        raise UserError(
            f"{eyes.source}: {len(eyes.level)} eyes with a level and slope, of at least {MIN_EYES} that a population "
            "needs; give a cohort of more eyes with several visits over years"
        )
    start = KMeans(CLUSTERS, n_init=4, random_state=seed).fit(eyes.level).cluster_centers_
    spread = np.repeat(np.cov(eyes.level.T)[None] / 4, CLUSTERS, axis=0)
    weight, mean, covariance = deconvolve(
        eyes.level, eyes.level_variance, start, spread, np.ones(CLUSTERS), shared=False, iterations=iterations
    )
    edges = np.quantile(eyes.level.mean(1), [0.25, 0.5, 0.75])
    quarter = np.searchsorted(edges, eyes.level.mean(1))
    # Slopes relative to what locations of their level lose: a mixture of normals then says the rest.
    relative = focal_loss(eyes.level + eyes.offset)
    slope, variance = eyes.slope / relative, eyes.slope_variance / relative**2
    scales = len(SLOPE_SCALES)
    weights, parts = [], []
    for q in range(4):
        x, v = slope[quarter == q], variance[quarter == q]
        common = np.repeat(np.eye(x.shape[1])[None] * 0.25 + 0.1, scales, axis=0)
        zero = np.zeros((scales, x.shape[1]))
        w, m, cov = deconvolve(x, v, zero, common, SLOPE_SCALES, shared=True, iterations=iterations)
        weights.append(w)
        parts.append((m[0], cov[0]))
    found = compress(np.full(4, 0.25), np.array([m for m, _ in parts]), np.array([s for _, s in parts]))
    return Population(
        compress(weight, mean + eyes.offset, covariance),
        eyes.offset_sd,
        edges + eyes.offset,
        found,
        np.array(weights),
        *residual_shape(retest_td),
        sources=f"{eyes.source}; retests of {retests}",
    )
