"""Two-view models on patients left out: what they are scored by, and the methods beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from vfprog import columns as c
from vfprog.config import TwoViewConfig
from vfprog.data.examples import one_view
from vfprog.data.two_views import TwoViews
from vfprog.errors import UserError
from vfprog.inference.bottleneck import BOTTLENECK, MEAN, RIDGE, RIDGE_SHIFTED, cross_validate
from vfprog.inference.view_baselines import MarginalNormal, RidgeRegression, mean_quantiles

LOCATIONS, INPUTS = 4, 3
OPTIONS = TwoViewConfig.model_validate(
    {
        "kind": "two_view",
        "views": "hemifield",
        "latent_dim": 2,
        "decoder_hidden": [],
        "encoder_hidden": [],
        "likelihood": "normal",
        "betas": [0.01, 3.0],
        "folds": 2,
        "train": {"beta": 3.0, "steps": 120, "epoch": 40, "kl_warmup": 10, "learning_rate": 0.05},
    }
)


def linear_views(patients: int, seed: int, noise: float = 2.0) -> TwoViews:
    """Views that share two factors, two rows a patient, recorded in whole dB."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(2 * patients, 2))
    seen = factors @ rng.normal(size=(2, INPUTS)) * 3 + rng.normal(size=(2 * patients, INPUTS))
    x = np.round(
        factors @ [[6, 6, 0, 3], [0, 3, 6, 6]] - 8 + rng.normal(size=(2 * patients, LOCATIONS)) * noise
    )
    return two_views_of(x, seen, np.repeat([f"p{i}" for i in range(patients)], 2))


def two_views_of(
    x: np.ndarray, seen: np.ndarray, patient: np.ndarray, at_floor: np.ndarray | None = None
) -> TwoViews:
    floor = None if at_floor is None else torch.as_tensor(at_floor)
    examples = one_view(
        torch.as_tensor(np.nan_to_num(x), dtype=torch.float32), torch.as_tensor(np.isfinite(x)), floor
    )
    given = torch.as_tensor(seen, dtype=torch.float32)
    examples = replace(examples, seen=given.nan_to_num(0.0), seen_mask=given.isfinite())
    rows = pd.DataFrame({c.PATIENT: patient, c.EYE: c.RIGHT, c.VISIT: np.arange(len(x)) + 1})
    inputs = tuple(f"td_{i + 1}" for i in range(INPUTS))
    return TwoViews(examples, rows, inputs, np.arange(LOCATIONS) + INPUTS + 1, {})


def test_narrow_cells_of_the_marginal_are_its_density():
    views = linear_views(200, 1)
    marginal = MarginalNormal.fit(views)
    covariance = marginal.factor @ marginal.factor.T
    expected = multivariate_normal(marginal.centre, covariance).logpdf(views.examples.x.numpy())
    # A cell of 1 dB is narrow beside SDs of 2 dB and more.
    np.testing.assert_allclose(marginal.log_cells(views).mean(), expected.mean(), atol=0.1)
    assert (
        marginal.log_cells(views).mean()
        > MarginalNormal.fit(views, independent=True).log_cells(views).mean() + 1
    )


def test_cells_of_independent_normals_by_hand():
    views = linear_views(50, 2)
    at_floor = np.zeros((len(views), LOCATIONS), dtype=bool)
    at_floor[0, 1] = True
    x = views.examples.x.numpy().astype(float)
    x[1, 2] = np.nan
    views = two_views_of(x, views.examples.seen.numpy(), views.patients, at_floor)
    marginal = MarginalNormal.fit(views, independent=True)
    each = norm(marginal.centre, np.diag(marginal.factor))
    cells = each.cdf(x + 0.5) - each.cdf(x - 0.5)
    cells[0, 1] = each.cdf(x + 0.5)[0, 1]
    np.testing.assert_allclose(marginal.log_cells(views), np.nansum(np.log(cells), axis=1), rtol=1e-6)


def test_cells_far_out_keep_their_probability():
    views = linear_views(50, 2)
    far = views.examples.x.numpy().astype(float)
    far[0] = [-500, 500, 500, -500]
    marginal = MarginalNormal.fit(views, independent=True)
    score = marginal.log_cells(two_views_of(far, views.examples.seen.numpy(), views.patients))
    assert np.isfinite(score).all()
    assert score[0] < -1000


def test_ridge_finds_what_is_linear_and_its_interval_holds_patients_left_out():
    views, others = linear_views(300, 3), linear_views(300, 3)
    apart = others[np.arange(len(others)) % 4 < 2]
    ridge = RidgeRegression.fit(views[np.arange(len(views)) % 4 >= 2])
    x = apart.examples.x.numpy()
    lower, _, upper = ridge.quantiles(apart)
    residual = x - ridge.predict(apart)
    assert residual.std() < 0.6 * x.std()
    assert ((x >= lower) & (x <= upper)).mean() == pytest.approx(0.9, abs=0.04)


def test_the_mean_and_its_interval_do_not_look_at_the_row():
    views = linear_views(100, 4)
    lower, point, upper = mean_quantiles(views, 3)
    x = views.examples.x.double().numpy()
    np.testing.assert_allclose(point, np.tile(x.mean(0), (3, 1)))
    np.testing.assert_allclose(((x >= lower[0]) & (x <= upper[0])).mean(), 0.9, atol=0.06)


@pytest.fixture(scope="module")
def scored():
    return cross_validate(linear_views(80, 5), None, OPTIONS, 1, torch.device("cpu"))


def test_rate_and_fit_rise_with_beta(scored):
    np.testing.assert_array_equal(scored.betas, [0.01, 3.0])
    rate, fit = scored.rate.mean(1), scored.log_likelihood.mean(1)
    assert rate[0] < 0.2 < 1 < rate[1]
    assert fit[1] > fit[0] + 1
    # Factors that both views share say more of x than x's own covariance does.
    assert (scored.log_likelihood[1] - scored.independent).mean() > 1


def test_the_bottleneck_comes_near_ridge_on_linear_views_and_beats_the_mean(scored):
    x = scored.views.examples.x.numpy()
    error = {method: np.abs(q[1] - x).mean() for method, q in scored.quantiles.items()}
    assert set(error) == {BOTTLENECK, RIDGE, RIDGE_SHIFTED, MEAN}
    assert error[BOTTLENECK] < 1.1 * error[RIDGE]
    assert error[BOTTLENECK] < 0.8 * error[MEAN]
    lower, _, upper = scored.quantiles[BOTTLENECK]
    assert 0.8 < ((x >= lower) & (x <= upper)).mean() < 0.98


def test_no_prediction_lies_below_what_was_ever_recorded(scored):
    lowest = scored.views.examples.x.amin(0).numpy()
    for quantiles in scored.quantiles.values():
        assert (quantiles >= lowest).all()


def test_a_row_is_scored_without_its_patient():
    """A patient whose values give the view away does not help to predict that very patient."""
    views = linear_views(40, 6)
    x = views.examples.x.numpy().astype(float)
    odd = views.patients == "p7"
    x[odd] += 60
    changed = two_views_of(x, views.examples.seen.numpy(), views.patients)
    train = OPTIONS.train.model_copy(update={"steps": 1})
    untrained = OPTIONS.model_copy(update={"betas": [3.0], "train": train})
    before, after = (
        cross_validate(v, None, untrained, 1, torch.device("cpu")).quantiles[MEAN][1]
        for v in (views, changed)
    )
    np.testing.assert_allclose(before[odd], after[odd])
    assert (np.abs(after - before)[~odd].max(1) > 0.5).any()


def test_too_few_patients_are_refused():
    with pytest.raises(UserError, match="3 patients are too few"):
        cross_validate(linear_views(3, 7), None, OPTIONS, 1, torch.device("cpu"))
