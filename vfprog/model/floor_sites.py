"""Tests at the perimeter's floor: known to be at or below a value, not measured. Expectation propagation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vfprog.data.series import Series
from vfprog.model.covariance import SeriesCovariance, Solved
from vfprog.model.path_posterior import PathPosterior, PathPrior

LOWEST_TD = -38.0  # dB; no perimeter records less
SWEEPS = 8
# Of a pseudo-test, in units of 1 / s^2: one below says nothing, one above would be surer than any test.
LEAST_PRECISION, MOST_PRECISION = 1e-4, 1e2
FARTHEST = -8.0  # SDs; a bound still farther below what all else says has no more effect on the variance


def at_or_below(
    covariance: SeriesCovariance, solved: Solved, prior: PathPrior, censored: Tensor, bound: Tensor
) -> tuple[SeriesCovariance, Solved, PathPosterior]:
    """Condition on some tests being at or below a bound: each becomes a pseudo-test of its own value and precision.

    Parameters
    ----------
    covariance : SeriesCovariance
        With these tests among the single tests, of precision 0.
    solved : Solved
        Of the tests' values (first column), here the bounds, and the design of the path's coordinates.
    prior : PathPrior
        Of these.
    censored : Tensor (eye, test) of bool
        Which of the single tests.
    bound : Tensor (eye, test)
        In units of s.

    Returns
    -------
    covariance, solved, posterior
        With the pseudo-tests, and the path's posterior given them.
    """
    site, precision = bound, covariance.single.precision
    posterior = prior.posterior(solved.gram())
    for sweep in range(SWEEPS):
        away, variance = covariance.tests(solved)
        mean = site + away[..., 0] - (away[..., 1:] @ posterior.centre()[..., None])[..., 0]
        variance = variance + posterior.variance(away[..., 1:])
        new_site, new_precision = update_sites(mean, variance, site, precision, bound)
        if sweep > 0:
            new_site, new_precision = _half_way(site, precision, new_site, new_precision)
        change = torch.where(censored, new_site - site, 0.0)
        site = site + change
        precision = torch.where(censored, new_precision, precision)
        covariance = covariance.with_precision(precision)
        solved = covariance.solve_again(solved, change)
        posterior = prior.posterior(solved.gram())
    return covariance, solved, posterior


def update_sites(
    mean: Tensor, variance: Tensor, site: Tensor, site_precision: Tensor, bound: Tensor
) -> tuple[Tensor, Tensor]:
    """One parallel sweep of expectation propagation (Minka, UAI 2001) over tests known to be at or below a bound.

    Parameters
    ----------
    mean, variance : Tensor (eye, test)
        Posterior of what the test would have shown, its present site included; in units of s and s^2.
    site, site_precision : Tensor (eye, test)
        The present sites: normal pseudo-tests of that mean and 1 / variance.
    bound : Tensor (eye, test)
        In units of s.

    Returns
    -------
    site, site_precision : Tensor (eye, test)
        The new sites, which give the posterior the first two moments of the truncated normal.
    """
    precision = (1 / variance - site_precision).clamp(min=LEAST_PRECISION)
    cavity = (mean / variance - site * site_precision) / precision
    sd = precision.rsqrt()
    reach = (bound - cavity) / sd
    near = reach.clamp(min=FARTHEST)
    hazard = torch.exp(-0.5 * near**2 - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(near))
    step = sd * (reach - near - hazard)  # to the mean of the truncated normal
    shrunk = (1 - hazard * (near + hazard)).clamp(min=1e-3)  # its variance over the cavity's
    new_precision = (precision * (1 / shrunk - 1)).clamp(min=LEAST_PRECISION)
    return cavity + step * (1 + precision / new_precision), new_precision.clamp(max=MOST_PRECISION)


def _half_way(
    site: Tensor, precision: Tensor, new_site: Tensor, new_precision: Tensor
) -> tuple[Tensor, Tensor]:
    """Half a step: whole ones swing to and fro for ever in eyes whose tests are nearly all at the floor."""
    return (site + new_site) / 2, (precision * new_precision).sqrt()


def lowest_recorded(series: Series) -> Tensor:
    """TD that a location's next test can fall to: where one was at the floor, the lowest such; (eye, location), dB."""
    lowest = series.td.new_full(series.td.shape[::2], LOWEST_TD)
    if series.at_floor is None:
        return lowest
    floor = torch.where(series.at_floor, series.td, torch.inf).amin(1)
    return torch.where(floor.isfinite(), floor.clamp(min=LOWEST_TD), lowest)
