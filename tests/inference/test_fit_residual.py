"""The second stage: the residual process's scalars by the score of forecasts."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import laplace
from tiny import random_series, tiny_vae

from vfprog.data.series import Series
from vfprog.inference import fit_residual as module
from vfprog.inference.fit_residual import MD_WEIGHT, fit_residual, laplace_score
from vfprog.inference.origins import Origin, origin
from vfprog.model.residual import START, StaticField
from vfprog.model.trajectory import Prediction

XY = torch.tensor([[-9, 3], [-3, 3], [3, 9], [3, -3], [-15, -3]], dtype=torch.float64)


def first_origin(series: Series) -> Origin:
    cut = origin(series, 1)
    assert cut is not None
    return cut


def prediction_for(cut: Origin) -> Prediction:
    torch.manual_seed(0)
    td, sd = torch.randn_like(cut.td), 1 + torch.rand_like(cut.td)
    return Prediction(td, sd, td.mean(-1), sd.mean(-1))


def test_score_is_scipys_laplace_of_the_same_sd() -> None:
    cut = first_origin(random_series(0))
    predicted = prediction_for(cut)
    of_td, of_md = [], []
    for eye, time in torch.nonzero(cut.visits).tolist():
        tested = cut.mask[eye, time]
        y = cut.td[eye, time, tested]
        scale = predicted.td_sd[eye, time, tested] / 2**0.5
        of_td += list(-laplace.logpdf(y, predicted.td[eye, time, tested], scale))
        of_md.append(-laplace.logpdf(y.mean(), predicted.md[eye, time], predicted.md_sd[eye, time] / 2**0.5))
    expected = sum(of_td) / len(of_td) + MD_WEIGHT / 5 * sum(of_md) / len(of_md)
    assert laplace_score(predicted, cut).item() == pytest.approx(expected, rel=1e-9)


def test_untested_values_do_not_enter_the_score() -> None:
    cut = first_origin(random_series(1, tested=0.5))
    spoilt = Origin(cut.n_first, cut.rows, cut.past, torch.where(cut.mask, cut.td, 1e6), cut.mask, cut.years)
    predicted = prediction_for(cut)
    assert torch.equal(laplace_score(predicted, cut), laplace_score(predicted, spoilt))


def test_fitting_improves_forecasts_and_leaves_the_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 30)
    vae, series = tiny_vae(), random_series(3, eyes=60)
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    fitted, again = (fit_residual(vae, series, XY, seed=1) for _ in range(2))
    for name, weight in vae.state_dict().items():
        assert torch.equal(weight, before[name])
    assert all(torch.equal(fitted.scalars[name], again.scalars[name]) for name in START)

    cut = first_origin(series)

    def score(process: torch.nn.Module) -> float:
        static = StaticField(vae, process, draws=16, seed=1)
        return laplace_score(static.predict(static.fit(cut.past), cut.years), cut).item()

    monkeypatch.setattr(module, "STEPS", 0)
    assert score(fitted) < score(fit_residual(vae, series, XY, seed=1)) - 0.05


def test_large_cohorts_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    series, sizes = random_series(3, eyes=60), []

    def remember(predicted: Prediction, cut: Origin) -> torch.Tensor:
        sizes.append(len(cut.rows))
        return laplace_score(predicted, cut)

    monkeypatch.setattr(module, "STEPS", 1)
    monkeypatch.setattr(module, "MOST_EYES", 20)
    monkeypatch.setattr(module, "laplace_score", remember)
    fit_residual(tiny_vae(), series, XY, seed=1)
    assert max(sizes) == 20


def test_without_later_visits_the_starting_values_stay(caplog: pytest.LogCaptureFixture) -> None:
    fitted = fit_residual(tiny_vae(), random_series(0, most=1), XY, seed=1)
    assert fitted.squared_distance_from_start().item() == pytest.approx(0, abs=1e-10)
    assert "no training eye has two visits" in caplog.text
