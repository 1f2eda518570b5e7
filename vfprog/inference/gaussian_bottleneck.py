"""The information bottleneck of two jointly normal views in closed form, against which trained ones are held.

For normal (x~, x) the code z of x~ that minimises I(z; x~) - beta I(z; x) is a noisy linear projection (Chechik,
Globerson, Tishby and Weiss, JMLR 2005;6:165, theorem 3.1 and section 5). In terms of the canonical correlations rho_i
of the two views (their eigenvalues are lambda_i = 1 - rho_i^2) a direction enters the code once

    beta > 1 / rho_i^2

and from there on contributes, in nats,

    I(z; x~):  1/2 log((beta - 1) rho_i^2 / (1 - rho_i^2))
    I(z; x):   1/2 log((beta - 1) / (beta (1 - rho_i^2))).

The loss of a trained two-view model, KL - beta log p(x | z), bounds the same objective up to beta times the entropy
of x: its KL, to a prior N(0, I) for z, is at least I(z; x~), and its log-likelihood at most I(z; x) less that
entropy. Both are tight at the optimum where the likelihood is a normal with the right residual covariance, for a code
can be scaled until its marginal is the prior. Hence one beta means the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular


@dataclass(frozen=True)
class BottleneckCurve:
    """Points of an information curve.

    Attributes
    ----------
    rate : array (beta,)
        I(z; x~), nats.
    information : array (beta,)
        I(z; x), nats.
    """

    rate: np.ndarray
    information: np.ndarray


def canonical_correlations(covariance: np.ndarray, inputs: int) -> np.ndarray:
    """Canonical correlations of two views, largest first.

    Parameters
    ----------
    covariance : array (input + location, input + location)
        Of the views side by side, x~ first; positive definite.
    inputs : int
        Dimensions of x~.

    Returns
    -------
    array (min(input, location),)
        In [0, 1).
    """
    seen, explained = (
        np.linalg.cholesky(covariance[part, part]) for part in (slice(inputs), slice(inputs, None))
    )
    half = solve_triangular(seen, covariance[:inputs, inputs:], lower=True)
    whitened = solve_triangular(explained, half.T, lower=True)
    return np.linalg.svd(whitened, compute_uv=False)


def critical_betas(correlations: np.ndarray) -> np.ndarray:
    """The beta from which on each canonical direction is worth its rate, smallest first for sorted correlations."""
    shared = correlations**2
    return np.divide(1.0, shared, out=np.full_like(shared, np.inf), where=shared > 0)


def gaussian_bottleneck(correlations: np.ndarray, beta: np.ndarray) -> BottleneckCurve:
    """The information curve of normal views with these canonical correlations, at each of ``beta``."""
    shared = correlations**2
    weight = np.asarray(beta, dtype=float)[:, None]
    open_ = weight * shared > 1
    rate = np.where(open_, (weight - 1) * shared / (1 - shared), 1.0)
    information = np.where(open_, (weight - 1) / (weight * (1 - shared)), 1.0)
    return BottleneckCurve(0.5 * np.log(rate).sum(1), 0.5 * np.log(information).sum(1))


def normal_entropy(covariance: np.ndarray) -> float:
    """Entropy of a normal with this covariance, nats."""
    return float(0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1])
