"""Posterior predictive checks: tests drawn from the fitted model beside those measured, by what may not fit.

For each replicate a path is drawn from each eye's posterior, then tests from the path with a residual of their own.
Statistics are of scatter about least-squares lines, which measured and drawn tests yield in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vfprog.model.least_squares import fit_lines
from vfprog.model.path_model import Eyes, PathGuide, PathModel

MIN_VISITS = 5  # of an eye whose scatter about lines is looked at
BANDS = (-np.inf, -20.0, -12.0, -6.0, -3.0, 0.0, np.inf)  # dB, of a location's level
LEAST_TESTS = 200  # of a band that is looked at
NEIGHBOURS = 6.5  # degrees; locations of the 24-2 lie 6 apart


@dataclass(frozen=True)
class Scatter:
    """Tests about their locations' lines.

    Attributes
    ----------
    residual : Tensor (eye, visit, location)
        Of a test, dB, over sqrt(1 - leverage), so that its SD is the test's; 0 where not tested.
    level : Tensor (eye, location)
        At which the eye's noise is looked up, dB: the same whatever tests are drawn.
    mask : Tensor (eye, visit, location) of bool
    """

    residual: Tensor
    level: Tensor
    mask: Tensor


@torch.no_grad()
def predictive_checks(
    model: PathModel, guide: PathGuide, eyes: Eyes, xy: Tensor, floor: Tensor, replicates: int, seed: int
) -> pd.DataFrame:
    """``predictive_checks.csv``: each statistic measured, and its median and 95 % interval over replicates.

    Parameters
    ----------
    model : PathModel
    guide : PathGuide
    eyes : Eyes
        Of at least ``MIN_VISITS`` visits each.
    xy : Tensor (location, 2)
        Degrees, right-eye format.
    floor : Tensor (eye, location)
        No test is recorded below, dB.
    replicates, seed : int

    Returns
    -------
    DataFrame with ``statistic, band`` (of level, dB; "all" where it does not apply), ``n`` (tests; visits),
    ``measured, replicated, lower, upper, p`` (share of replicates at or above what was measured), ``inside``.
    """
    measured = statistics(eyes, eyes.series.td, xy)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q, drawn = guide.path_dist(eyes), []
        for _ in range(replicates):  # one at a time bounds the memory
            td = model.td_dist(q.sample(), eyes).sample()
            drawn.append(statistics(eyes, torch.maximum(td, floor[:, None]), xy)["value"])
    replicated = pd.concat(drawn, axis=1).reindex(measured.index)
    lower, middle, upper = (replicated.quantile(q, axis=1) for q in (0.025, 0.5, 0.975))
    above = replicated.ge(measured["value"], axis=0).mean(axis=1)
    table = measured.rename(columns={"value": "measured"}).assign(
        replicated=middle, lower=lower, upper=upper, p=above
    )
    inside = table["measured"].between(table["lower"], table["upper"])
    return table.assign(inside=inside).reset_index()


def statistics(eyes: Eyes, td: Tensor, xy: Tensor) -> pd.DataFrame:
    """Statistics of tests ``td`` (eye, visit, location), dB: ``n`` and ``value`` by statistic and band."""
    scatter = scatter_about_lines(td, eyes)
    rows = {}
    for band, residuals in by_level(scatter).items():
        rows["residual_sd", band] = len(residuals), residuals.std().item()
        rows["skewness", band] = len(residuals), skewness(residuals)
    pairs, correlation = neighbour_correlation(scatter, xy)
    rows["neighbour_correlation", "all"] = pairs, correlation
    rows["visit_sd", "all"] = int(eyes.series.n_visits.sum()), visit_sd(td, eyes)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["n", "value"])
    table.index = pd.MultiIndex.from_tuples(rows, names=["statistic", "band"])
    return table


def scatter_about_lines(td: Tensor, eyes: Eyes) -> Scatter:
    """Fit a line to each location's tests and take it off."""
    mask, years = eyes.series.mask, eyes.series.years
    line = fit_lines(td, mask, years)
    degrees = (1 - line.leverage(years)).clamp(min=0.05)
    residual = torch.where(mask, (td - line.at(years)) / degrees.sqrt(), 0.0)
    return Scatter(residual, eyes.known.level, mask)


def by_level(scatter: Scatter) -> dict[str, Tensor]:
    """Residuals of the tests in each band of level with enough of them."""
    level = scatter.level[:, None].expand_as(scatter.residual)
    bands = {}
    for low, high in pairwise(BANDS):
        chosen = scatter.mask & (level >= low) & (level < high)
        if chosen.sum() >= LEAST_TESTS:
            bands[f"{low:g} to {high:g}"] = scatter.residual[chosen]
    return bands


def skewness(values: Tensor) -> float:
    """Third standardised moment."""
    apart = values - values.mean()
    return ((apart**3).mean() / (apart**2).mean() ** 1.5).item()


def neighbour_correlation(scatter: Scatter, xy: Tensor) -> tuple[int, float]:
    """Pairs of neighbours tested in one visit, and the correlation of their residuals, each over its location's SD."""
    n = scatter.mask.sum(1, keepdim=True)
    scale = ((scatter.residual**2).sum(1, keepdim=True) / n.clamp(min=1)).sqrt()
    standard = torch.where(scatter.mask & (scale > 0), scatter.residual / scale, 0.0)
    first, second = torch.nonzero(torch.triu(torch.cdist(xy, xy) < NEIGHBOURS, diagonal=1)).T
    pairs = int((scatter.mask[..., first] & scatter.mask[..., second]).sum())
    return pairs, ((standard[..., first] * standard[..., second]).sum() / pairs).item()


def visit_sd(td: Tensor, eyes: Eyes) -> float:
    """SD of a visit's mean over locations about the eye's line, dB, all eyes together."""
    mask = eyes.series.mask
    mean = (td * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True).clamp(min=1)
    line = fit_lines(mean, eyes.series.visits[..., None], eyes.series.years)
    degrees = (line.n - 2)[:, 0]
    return ((line.residual_sd[:, 0] ** 2 * degrees).sum() / degrees.sum()).sqrt().item()
