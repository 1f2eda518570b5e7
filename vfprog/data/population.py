"""The population that vfprog simulates from: levels of fields, their slopes, and the noise of a test.

A compact table shipped as ``resources/population.json``, made from the published pointwise regressions of the
UWHVF data (Montesano et al., TVST 2022;11(1):2) and the Halifax weekly retests (visualFields) by
``vfprog population``, which makes one of any other cohort too (see :mod:`vfprog.data.deconvolution`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from vfprog.errors import UserError
from vfprog.io import read_json

# Stable to very fast, times a common covariance.
SLOPE_SCALES = np.array([0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7])
RESIDUAL_PROBABILITIES = (np.arange(41) + 0.5) / 41


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
    offset_sd : float
        SD over eyes of what the source's normal values add to all of an eye's levels, dB.
    severity_edges : array (3,)
        Mean TD (dB) between the severity quarters, worst first.
    slope : Gaussians
        Slope at scale 1, one component per severity quarter: dB/year where :func:`~vfprog.perimetry.loss.focal_loss`
        is 1, which multiplies it.
    slope_weight : array (quarter, scale)
        Probability of each of ``SLOPE_SCALES`` in a severity quarter.
    residual_level : array (level,)
        Levels (dB) at which the shape of the noise is tabulated.
    residual_quantile : array (level, 41)
        Quantiles of the noise there in units of its SD, at ``RESIDUAL_PROBABILITIES``.
    sources : str
        What it was made from.
    """

    level: Gaussians
    offset_sd: float
    severity_edges: np.ndarray
    slope: Gaussians
    slope_weight: np.ndarray
    residual_level: np.ndarray
    residual_quantile: np.ndarray
    sources: str

    def to_card(self) -> dict[str, Any]:
        """The table as JSON content, rounded to what it is worth."""
        return {
            "about": "Population of TD fields (24-2, right-eye format, dB) made by `vfprog population`; "
            "see vfprog/data/population.py for the meaning of each entry.",
            "sources": self.sources,
            "level": _rounded(self.level),
            "offset_sd": self.offset_sd,
            "severity_edges": self.severity_edges.round(3).tolist(),
            "slope": _rounded(self.slope, 5),
            "slope_weight": self.slope_weight.round(4).tolist(),
            "residual_level": self.residual_level.tolist(),
            "residual_quantile": self.residual_quantile.round(3).tolist(),
        }

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Population:
        """The inverse of :meth:`to_card`."""
        slope_weight = np.array(card["slope_weight"])
        if slope_weight.shape != (len(card["slope"]["weight"]), len(SLOPE_SCALES)):
            raise ValueError(f"slope_weight: {slope_weight.shape[-1]} scales, not {len(SLOPE_SCALES)}")
        return cls(
            level=Gaussians(**{name: np.array(values) for name, values in card["level"].items()}),
            offset_sd=card["offset_sd"],
            severity_edges=np.array(card["severity_edges"]),
            slope=Gaussians(**{name: np.array(values) for name, values in card["slope"].items()}),
            slope_weight=slope_weight,
            residual_level=np.array(card["residual_level"]),
            residual_quantile=np.array(card["residual_quantile"]),
            sources=card["sources"],
        )


def _rounded(g: Gaussians, digits: int = 3) -> dict[str, list]:
    return {
        name: np.round(getattr(g, name), digits).tolist() for name in ("weight", "mean", "factor", "diagonal")
    }


@cache
def load_population(path: Path | None = None) -> Population:
    """A population table; the one shipped with vfprog unless ``path`` names another.

    Raises
    ------
    UserError
        If the file is no such table.
    """
    try:
        return Population.from_card(
            read_json(path or Path(str(files("vfprog") / "resources" / "population.json")))
        )
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a population table ({error}); make one with `vfprog population`"
        ) from None
