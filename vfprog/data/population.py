"""The population that vfprog simulates from: levels of fields, their slopes, and the noise of a test.

A compact table shipped as ``resources/population.json``, made from the published pointwise regressions of the
UWHVF data (Montesano et al., TVST 2022;11(1):2) and the Halifax weekly retests (visualFields) by
``vfprog population``. What regression reports of a short series is mostly noise, so levels and slopes are
deconvolved: Gaussian mixtures fitted by EM with each eye's known error variance (extreme deconvolution,
Bovy, Hogg & Roweis, Ann Appl Stat 2011;5:1657).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from vfprog.errors import UserError
from vfprog.io import read_json
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_sd

RANK = 8  # of the stored covariances: the rest goes to the diagonal
CLUSTERS = 8  # of levels
SLOPE_SCALES = np.array([0.05, 0.3, 0.7, 1.4, 2.5])  # stable to very fast, times a common covariance
RESIDUAL_PROBABILITIES = (np.arange(41) + 0.5) / 41

# UWHVF's total deviation rests on other normal values than the perimeter's: mean and SD over eyes, dB.
NORMATIVE_OFFSET, NORMATIVE_OFFSET_SD = 2.2, 1.8


@dataclass(frozen=True)
class Gaussians:
    """Gaussian components with covariances ``factor factor' + diag(diagonal)``.

    Attributes
    ----------
    weight : array (component,)
    mean : array (component, location)
    factor : array (component, location, rank)
    diagonal : array (component, location)
    """

    weight: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    diagonal: np.ndarray

    def draw(self, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One draw from the given component of each eye: (eye,) -> (eye, location)."""
        common = rng.standard_normal((len(component), self.factor.shape[-1], 1))
        own = rng.standard_normal((len(component), self.mean.shape[-1])) * np.sqrt(self.diagonal[component])
        return self.mean[component] + (self.factor[component] @ common)[..., 0] + own


@dataclass(frozen=True)
class Population:
    """Levels, slopes and test noise of glaucoma patients on the 24-2 grid.

    Attributes
    ----------
    level : Gaussians
        Total deviation at mid-follow-up, dB, as a mixture of clusters.
    severity_edges : array (3,)
        Mean TD (dB) between the severity quarters, worst first.
    slope : Gaussians
        Slope at scale 1, dB/year, one component per severity quarter.
    slope_weight : array (quarter, scale)
        Probability of each of ``SLOPE_SCALES`` in a severity quarter.
    residual_level : array (level,)
        Levels (dB) at which the shape of the noise is tabulated.
    residual_quantile : array (level, 41)
        Quantiles of the noise there in units of its SD, at ``RESIDUAL_PROBABILITIES``.
    """

    level: Gaussians
    severity_edges: np.ndarray
    slope: Gaussians
    slope_weight: np.ndarray
    residual_level: np.ndarray
    residual_quantile: np.ndarray

    def to_card(self) -> dict[str, Any]:
        """The table as JSON content, rounded to what it is worth."""
        return {
            "about": "Population of TD fields (24-2, right-eye format, dB) made by `vfprog population`; "
            "see vfprog/data/population.py for the meaning of each entry.",
            "sources": "UWHVF pointwise summaries (Montesano et al., TVST 2022;11(1):2, BSD 3-clause); "
            "Halifax weekly retests (R package visualFields, Apache-2.0)",
            "level": _rounded(self.level),
            "severity_edges": self.severity_edges.round(3).tolist(),
            "slope": _rounded(self.slope, 5),
            "slope_weight": self.slope_weight.round(4).tolist(),
            "residual_level": self.residual_level.tolist(),
            "residual_quantile": self.residual_quantile.round(3).tolist(),
        }

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Population:
        """The inverse of :meth:`to_card`."""
        return cls(
            level=Gaussians(**{name: np.array(values) for name, values in card["level"].items()}),
            severity_edges=np.array(card["severity_edges"]),
            slope=Gaussians(**{name: np.array(values) for name, values in card["slope"].items()}),
            slope_weight=np.array(card["slope_weight"]),
            residual_level=np.array(card["residual_level"]),
            residual_quantile=np.array(card["residual_quantile"]),
        )


def _rounded(g: Gaussians, digits: int = 3) -> dict[str, list]:
    return {
        name: np.round(getattr(g, name), digits).tolist() for name in ("weight", "mean", "factor", "diagonal")
    }


@cache
def load_population() -> Population:
    """The population shipped with vfprog."""
    return Population.from_card(read_json(Path(str(files("vfprog") / "resources" / "population.json"))))


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


def read_uwhvf_summaries(folder: Path) -> dict[str, np.ndarray]:
    """Level at mid-follow-up and slope of each UWHVF eye, with their error variances.

    Eyes with baseline mean TD of +4 dB or more, follow-up under 1.5 years or any slope of 8 dB/year or more are
    left out, as implausible.

    Returns
    -------
    dict of arrays (eye, 52): ``level`` (dB), ``level_variance``, ``slope`` (dB/year), ``slope_variance``

    Raises
    ------
    UserError
        If a file of the published summaries is not in the folder.
    """
    tables = {}
    for name in ("Location_Intercept_TD", "Location_Slope_TD", "Series_Summary"):
        found = sorted(folder.glob(f"{name}.csv*"))
        if not found:
            raise UserError(f"{folder}: has no {name}.csv; give the folder of UWHVF's published summaries")
        tables[name] = pd.read_csv(found[0])
    summary = tables["Series_Summary"]
    summary.index = pd.Index(summary["PatID"].astype(str) + "_" + summary["Eye"])
    intercept, slope = (
        tables[n].set_index("PatID_Eye") for n in ("Location_Intercept_TD", "Location_Slope_TD")
    )
    summary = summary.loc[slope.index]
    tested = ~load_grid("24-2").blind_spot
    slope_values = slope.to_numpy()[:, tested]
    years, n = summary["Follow_up_length"].to_numpy(), summary["N_fields"].to_numpy()
    level = intercept.loc[slope.index].to_numpy()[:, tested] + slope_values * years[:, None] / 2
    # Regression reports only the ends of a series, so visits are taken as evenly spread: Sxx = T^2 n(n+1)/(12(n-1)).
    sxx = years**2 * n * (n + 1) / (12 * np.maximum(n - 1, 1))
    variance = noise_sd(level) ** 2
    keep = (
        (summary["Baseline_MTD"].to_numpy() < 4)
        & (years >= 1.5)
        & (np.abs(slope_values) < 8).all(1)
        & np.isfinite(level).all(1)
    )
    return {
        "level": level[keep],
        "level_variance": (variance / n[:, None])[keep],
        "slope": slope_values[keep],
        "slope_variance": (variance / sxx[:, None])[keep],
    }


def residual_shape(td: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape of the noise by level from retests: (eye, visit, location) dB -> levels, standardised quantiles.

    A value is compared with the mean of that eye's other visits at the location, after the visit's shift of the
    whole field is taken out; each band of level is scaled to mean 0 and SD 1, its SD being ``noise_sd``'s matter.
    """
    n = td.shape[1]
    others = (td.sum(1, keepdims=True) - td) / (n - 1)
    residual = td - others
    residual -= np.median(residual, axis=2, keepdims=True)
    edges = np.array([-40, -22, -12, -7, -4, -2, 0, 20.0])
    levels, quantiles = [], []
    for low, high in pairwise(edges):
        inside = (others >= low) & (others < high)
        values = residual[inside]
        values = (values - values.mean()) / values.std()
        levels.append(float(others[inside].mean().round(2)))
        quantiles.append(np.quantile(values, RESIDUAL_PROBABILITIES))
    return np.array(levels), np.array(quantiles)


def build_population(folder: Path, retest_td: np.ndarray, seed: int = 1, iterations: int = 40) -> Population:
    """Make the population table from UWHVF's summaries and a retest cohort's TD (eye, visit, location), dB."""
    data = read_uwhvf_summaries(folder)
    level, variance = data["level"], data["level_variance"]
    start = KMeans(CLUSTERS, n_init=4, random_state=seed).fit(level).cluster_centers_
    spread = np.repeat(np.cov(level.T)[None] / 4, CLUSTERS, axis=0)
    fitted = deconvolve(
        level, variance, start, spread, np.ones(CLUSTERS), shared=False, iterations=iterations
    )
    edges = np.quantile(level.mean(1), [0.25, 0.5, 0.75])
    quarter = np.searchsorted(edges, level.mean(1))
    scales = len(SLOPE_SCALES)
    weights, parts = [], []
    for q in range(4):
        x, v = data["slope"][quarter == q], data["slope_variance"][quarter == q]
        common = np.repeat(np.eye(x.shape[1])[None] * 0.25 + 0.1, scales, axis=0)
        mean = np.zeros((scales, x.shape[1]))
        w, m, cov = deconvolve(x, v, mean, common, SLOPE_SCALES, shared=True, iterations=iterations)
        weights.append(w)
        parts.append((m[0], cov[0]))
    slope = compress(np.full(4, 0.25), np.array([m for m, _ in parts]), np.array([s for _, s in parts]))
    levels = compress(fitted[0], fitted[1] + NORMATIVE_OFFSET, fitted[2])
    return Population(levels, edges + NORMATIVE_OFFSET, slope, np.array(weights), *residual_shape(retest_td))
