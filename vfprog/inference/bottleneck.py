"""The deep information bottleneck, two views, on patients left out: rate, gain and predictions.

A model with beta minimises KL(q(z | x~) || p(z)) - beta log p(x | z) (Alemi et al. 2017; Wieczorek and Roth 2020). The
KL is its *rate*, an upper bound on I(z; x~). E log p(x | z) plus the entropy of x is a lower bound on I(z; x); that
entropy is not known of real fields, so what is reported is the *gain*: E log p(x | z) less the log probability of the
same records under a marginal model of x. Ridge regression and the mean learn from the same patients.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vfprog import columns as c
from vfprog.config import SplitConfig, TwoViewConfig
from vfprog.data.examples import Examples
from vfprog.data.split import TEST, TRAIN, VALIDATION, patients_of, split_patients
from vfprog.data.two_views import TwoViews, check_views
from vfprog.inference.objective import draw_z
from vfprog.inference.train import Trainer
from vfprog.inference.view_baselines import PROBABILITIES, MarginalNormal, RidgeRegression, mean_quantiles
from vfprog.model.latent_variable import LatentVariableModel

log = logging.getLogger(__name__)

LIKELIHOOD_DRAWS = 16  # of z, for E log p(x | z) of a row
PREDICTIVE_DRAWS = 1000  # of z and x, for the quantiles of a prediction
PAIRS = 200_000  # draws times rows held in memory at a time
BOTTLENECK, RIDGE, RIDGE_SHIFTED, MEAN = "bottleneck", "ridge", "ridge_shifted", "mean"


@dataclass(frozen=True)
class CrossValidated:
    """Rows of two views, each scored by models that never saw its patient.

    Attributes
    ----------
    views : TwoViews
        In the order of the other arrays.
    betas : array (beta,)
        Of the information curve, smallest first.
    rate, log_likelihood : array (beta, row)
        KL(q(z | x~) || p(z)), and the expected log probability of the recorded cells given z, nats.
    marginal, independent : array (row,)
        Log probability of the recorded cells under a normal of x with a full covariance, and location by location.
    quantiles : dict of array (quantile, row, location)
        Predictions of each method at ``PROBABILITIES``, dB; the bottleneck's beta is that of its training section.
    alphas : list of float
        Ridge regression's, one a fold.
    """

    views: TwoViews
    betas: np.ndarray
    rate: np.ndarray
    log_likelihood: np.ndarray
    marginal: np.ndarray
    independent: np.ndarray
    quantiles: dict[str, np.ndarray]
    alphas: list[float]


def cross_validate(
    views: TwoViews, simulated: TwoViews | None, options: TwoViewConfig, seed: int, device: torch.device
) -> CrossValidated:
    """Score every row by models trained without its patient, fold by fold.

    All methods learn from the same rows, ``simulated`` eyes included. The networks stop by a few of the training
    patients, whom ridge regression and the marginal models learn from as well.

    Raises
    ------
    UserError
        If there are fewer patients than folds need, or a view does not vary among those to be learnt from.
    """
    betas = np.unique([*options.betas, options.train.beta])
    parts = [
        _score_fold(fold, simulated, options, betas, seed, device)
        for fold in _folds(views, options.folds, seed)
    ]
    order = np.argsort(np.concatenate([part.at for part in parts]), kind="stable")
    rows = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1)[..., order]
        for name in ("rate", "log_likelihood", "marginal", "independent")
    }
    quantiles = {
        method: np.concatenate([part.quantiles[method] for part in parts], axis=1)[:, order]
        for method in parts[0].quantiles
    }
    return CrossValidated(views, betas, **rows, quantiles=quantiles, alphas=[part.alpha for part in parts])


@dataclass(frozen=True)
class _Fold:
    """Rows to learn from, to stop by, and to score; ``at`` is where the scored ones stand among all rows."""

    number: int
    learned: TwoViews
    stop: TwoViews
    scored: TwoViews
    at: np.ndarray


@dataclass(frozen=True)
class _Scores:
    """What :class:`CrossValidated` gathers, of one fold's rows."""

    at: np.ndarray
    rate: np.ndarray
    log_likelihood: np.ndarray
    marginal: np.ndarray
    independent: np.ndarray
    quantiles: dict[str, np.ndarray]
    alpha: float


def _folds(views: TwoViews, folds: int, seed: int) -> Iterator[_Fold]:
    """The folds of the patients that have rows."""
    split = split_patients(views.rows.assign(**{c.INCLUDED: True}), SplitConfig(folds=folds), seed)
    for number in range(1, folds + 1):
        parts = [
            np.isin(views.patients, patients_of(split, part, number)) for part in (TRAIN, VALIDATION, TEST)
        ]
        learned, stop, scored = (views[part] for part in parts)
        yield _Fold(number, learned, stop, scored, np.flatnonzero(parts[-1]))


def _score_fold(
    fold: _Fold,
    simulated: TwoViews | None,
    options: TwoViewConfig,
    betas: np.ndarray,
    seed: int,
    device: torch.device,
) -> _Scores:
    """Train at every beta, and score the fold's rows."""
    learned = fold.learned if simulated is None else fold.learned.beside(simulated)
    everyone = learned.beside(fold.stop)
    check_views(everyone, options.views)
    lowest = _lowest(everyone)
    generator = torch.Generator(device=device).manual_seed(seed)
    rate, log_likelihood, quantiles = [], [], {}
    for beta in betas:
        network = _trained(learned, fold.stop, options, float(beta), seed, device)
        kl, score = _rate_and_fit(network, fold.scored, generator)
        rate.append(kl)
        log_likelihood.append(score)
        log.info(
            "fold %d  beta %g  rate %.2f  log p(x | z) %.2f nats a row",
            fold.number,
            beta,
            kl.mean(),
            score.mean(),
        )
        if beta == options.train.beta:
            quantiles[BOTTLENECK] = predict(network, fold.scored, generator)
    ridge = RidgeRegression.fit(everyone)
    quantiles[RIDGE_SHIFTED] = ridge.quantiles(fold.scored)
    quantiles[RIDGE] = quantiles[RIDGE_SHIFTED].copy()
    quantiles[RIDGE][1] = ridge.predict(fold.scored)
    quantiles[MEAN] = mean_quantiles(everyone, len(fold.scored))
    return _Scores(
        fold.at,
        np.stack(rate),
        np.stack(log_likelihood),
        MarginalNormal.fit(everyone).log_cells(fold.scored),
        MarginalNormal.fit(everyone, independent=True).log_cells(fold.scored),
        {method: np.maximum(values, lowest) for method, values in quantiles.items()},
        ridge.alpha,
    )


def _lowest(views: TwoViews) -> np.ndarray:
    """The lowest value recorded at each location, dB: below it a prediction cannot be borne out."""
    examples = views.examples
    return _array(torch.where(examples.mask, examples.x, torch.inf).amin(0))


def _trained(
    learned: TwoViews, stop: TwoViews, options: TwoViewConfig, beta: float, seed: int, device: torch.device
) -> LatentVariableModel:
    """The model of one beta, otherwise as the config has it."""
    section = options.model_copy(update={"train": options.train.model_copy(update={"beta": beta})})
    return Trainer(section, learned.examples, None, stop.examples, seed, device).run()


@torch.no_grad()
def _rate_and_fit(
    network: LatentVariableModel, views: TwoViews, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """KL and E log p(x | z) of recorded cells, of each row: two arrays (row,), nats."""
    rate, fit = [], []
    for examples in _chunks(views, LIKELIHOOD_DRAWS, network.device):
        z = _draws(network, examples, LIKELIHOOD_DRAWS, generator)
        rate.append(network.kl(examples))
        fit.append(network.log_cells(examples, z).mean(0))
    return _array(torch.cat(rate)), _array(torch.cat(fit))


@torch.no_grad()
def predict(network: LatentVariableModel, views: TwoViews, generator: torch.Generator) -> np.ndarray:
    """Quantiles at ``PROBABILITIES`` of the explained view given the one seen: (quantile, row, location), dB.

    By draws of z from the guide and of x from the likelihood about f(z).
    """
    parts = []
    for examples in _chunks(views, PREDICTIVE_DRAWS, network.device):
        drawn = network.draw(_draws(network, examples, PREDICTIVE_DRAWS, generator), generator)
        parts.append(torch.quantile(drawn, drawn.new_tensor(PROBABILITIES), dim=0))
    return _array(torch.cat(parts, dim=1))


def _draws(network: LatentVariableModel, examples: Examples, n: int, generator: torch.Generator) -> Tensor:
    """``n`` draws of z from the guide for each row: (draw, row, latent)."""
    return draw_z(network.posterior(examples).expand(torch.Size([n, len(examples)])), generator)


def _chunks(views: TwoViews, draws: int, device: torch.device) -> Iterator[Examples]:
    """The rows' examples, so many at a time that their draws fit into memory."""
    at_once = max(PAIRS // draws, 1)
    for start in range(0, len(views), at_once):
        yield views.examples[slice(start, start + at_once)].to(device)


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
