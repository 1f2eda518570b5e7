"""The second stage: the residual process's scalars by the score of forecasts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from dense import METHODS, XY
from scipy.stats import t as student
from tiny import random_series, tiny_vae

from vfprog.data.series import Series
from vfprog.inference import fit_residual as module
from vfprog.inference.fit_residual import DEGREES, MD_WEIGHT, fit_residual, student_score
from vfprog.inference.origins import Origin, origin
from vfprog.model.latent import LatentTrajectory
from vfprog.model.residual import START, ResidualProcess
from vfprog.model.trajectory import Prediction


def first_origin(series: Series) -> Origin:
    cut = origin(series, 1)
    assert cut is not None
    return cut


def prediction_for(cut: Origin) -> Prediction:
    torch.manual_seed(0)
    td, sd = torch.randn_like(cut.td), 1 + torch.rand_like(cut.td)
    return Prediction(td, sd, td.mean(-1), sd.mean(-1))


def test_score_is_scipys_student_of_the_same_sd() -> None:
    cut = first_origin(random_series(0))
    predicted = prediction_for(cut)
    of_td, of_md = [], []
    for eye, time in torch.nonzero(cut.visits).tolist():
        tested = cut.mask[eye, time]
        y = cut.td[eye, time, tested]
        scale = (1 - 2 / DEGREES) ** 0.5  # of a t of SD 1
        of_td += list(
            -student.logpdf(
                y, DEGREES, predicted.td[eye, time, tested], predicted.td_sd[eye, time, tested] * scale
            )
        )
        mean, sd = predicted.md[eye, time], predicted.md_sd[eye, time]
        of_md.append(-student.logpdf(y.mean(), DEGREES, mean, sd * scale))
    expected = sum(of_td) / len(of_td) + MD_WEIGHT / 5 * sum(of_md) / len(of_md)
    assert student_score(predicted, cut).item() == pytest.approx(expected, rel=1e-9)


def test_untested_values_do_not_enter_the_score() -> None:
    cut = first_origin(random_series(1, tested=0.5))
    spoilt = Origin(cut.n_first, cut.rows, cut.past, torch.where(cut.mask, cut.td, 1e6), cut.mask, cut.years)
    predicted = prediction_for(cut)
    assert torch.equal(student_score(predicted, cut), student_score(predicted, spoilt))


def wandering_series(seed: int, eyes: int = 60) -> Series:
    """Series whose fields wander little and lie 4 dB above where the untrained decoder and the learning put them."""
    series = random_series(seed, eyes=eyes, tested=0.9)
    return replace(series, td=torch.where(series.mask, 1 + 0.1 * series.td, 0.0))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_fitting_improves_forecasts_and_leaves_the_networks_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEPS", 12)
    vae, series = tiny_vae(), wandering_series(3)
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    fitted, again = (fit_residual(vae, series, XY, **METHODS[method]) for _ in range(2))
    for name, weight in vae.state_dict().items():
        assert torch.equal(weight, before[name])
    assert all(torch.equal(fitted.scalars[name], again.scalars[name]) for name in START)

    cut = first_origin(series)

    def score(process: ResidualProcess) -> float:
        trajectory = LatentTrajectory(vae, process, **METHODS[method])
        return student_score(trajectory.predict(trajectory.fit(cut.past), cut.years), cut).item()

    monkeypatch.setattr(module, "STEPS", 0)
    assert score(fitted) < score(fit_residual(vae, series, XY, **METHODS[method])) - 0.05


def test_every_scalar_that_a_method_uses_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 1)
    for method, parts in METHODS.items():
        fitted = fit_residual(tiny_vae(), wandering_series(3, eyes=12), XY, **parts)
        still = {name for name, start in START.items() if abs(fitted.scalars[name].item() - start) < 1e-6}
        of_drift = {n for n in START if "drift" in n or n.endswith("_logit") or n.endswith("_by_level")}
        expected = {"static": of_drift, "residual": {"latent_drift"}, "trajectory": set()}
        assert still == expected[method]


def test_tests_at_the_floor_are_fitted_as_if_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 2)
    series = random_series(3, eyes=12)
    floored = replace(series, at_floor=series.mask & (series.td < -6))
    floored.at_floor[:, ::2] = False  # every location is seen again
    assert floored.at_floor.any()
    plain, found = (fit_residual(tiny_vae(), s, XY, **METHODS["trajectory"]) for s in (series, floored))
    assert found.to_card() == plain.to_card() != ResidualProcess(XY).to_card()


def test_large_cohorts_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    series, sizes = random_series(3, eyes=60), []

    def remember(predicted: Prediction, cut: Origin) -> torch.Tensor:
        sizes.append(len(cut.rows))
        return student_score(predicted, cut)

    monkeypatch.setattr(module, "STEPS", 1)
    monkeypatch.setattr(module, "MOST_EYES", 20)
    monkeypatch.setattr(module, "student_score", remember)
    fit_residual(tiny_vae(), series, XY, **METHODS["residual"])
    assert max(sizes) == 20


def test_without_later_visits_the_starting_values_stay(caplog: pytest.LogCaptureFixture) -> None:
    fitted = fit_residual(tiny_vae(), random_series(0, most=1), XY, **METHODS["trajectory"])
    assert fitted.squared_distance_from_start().item() == pytest.approx(0, abs=1e-10)
    assert "no training eye has two visits" in caplog.text
