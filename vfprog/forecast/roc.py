"""ROC statistics of two groups under many weightings at once: the bootstrap over persons costs no loop."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

SPECIFICITY = 0.95
CHUNK = 2**22  # weights in memory at once


def auc(progressing: np.ndarray, stable: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, ties counting half: (..., eye), (..., eye) -> (...)."""
    both = np.concatenate([progressing, stable], axis=-1)
    ranks = rankdata(both, axis=-1)[..., : progressing.shape[-1]]
    n, m = progressing.shape[-1], stable.shape[-1]
    return np.asarray((ranks.sum(-1) - n * (n + 1) / 2) / (n * m))


def weighted_auc(
    progressing: np.ndarray, stable: np.ndarray, weight_p: np.ndarray, weight_s: np.ndarray
) -> np.ndarray:
    """AUC when eyes count with weights.

    Parameters
    ----------
    progressing, stable : array (eye,)
        Scores of the two groups.
    weight_p, weight_s : array (replicate, eye)
        Weights of their eyes.

    Returns
    -------
    array (replicate,)
        NaN where a group has no weight.
    """
    order = np.argsort(stable)
    below = np.searchsorted(stable[order], progressing, side="left")
    up_to = np.searchsorted(stable[order], progressing, side="right")
    total = np.full(len(weight_p), np.nan)
    for rows in _chunks(weight_s):
        reached = _cumulative(weight_s[rows][:, order])
        won = (weight_p[rows] * (reached[:, below] + reached[:, up_to]) / 2).sum(1)
        total[rows] = _share(won, weight_p[rows].sum(1) * reached[:, -1])
    return total


def weighted_sensitivity(
    progressing: np.ndarray, stable: np.ndarray, weight_p: np.ndarray, weight_s: np.ndarray
) -> np.ndarray:
    """Share of progressing eyes above a threshold that at most 5 % of the stable eyes exceed: (replicate,).

    Parameters as for :func:`weighted_auc`. Ties at the threshold are not above it.
    """
    order = np.argsort(stable)
    found = np.full(len(weight_p), np.nan)
    for rows in _chunks(weight_s):
        reached = _cumulative(weight_s[rows][:, order])
        first = (reached[:, 1:] >= SPECIFICITY * reached[:, -1:] - 1e-9).argmax(1)
        above = progressing > stable[order][first][:, None]
        found[rows] = _share((weight_p[rows] * above).sum(1), weight_p[rows].sum(1) * (reached[:, -1] > 0))
    return found


def sensitivity(progressing: np.ndarray, stable: np.ndarray) -> float:
    """:func:`weighted_sensitivity` with every eye counting once."""
    ones = np.ones((1, len(progressing))), np.ones((1, len(stable)))
    return float(weighted_sensitivity(progressing, stable, *ones)[0])


def _chunks(weight: np.ndarray) -> list[slice]:
    rows = max(CHUNK // max(weight.shape[1], 1), 1)
    return [slice(at, at + rows) for at in range(0, len(weight), rows)]


def _cumulative(weight: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ... weights: (replicate, eye + 1)."""
    return np.concatenate([np.zeros((len(weight), 1)), weight.cumsum(1)], axis=1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
