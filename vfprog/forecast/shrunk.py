"""Shrunk pointwise regression: a line at each location, its level and slope drawn towards a prior.

The strongest forecast that needs no network. At location j, with s_j the SD of one test at its level:

* level m_j ~ N(c, w^2), c the mean of the eye's own locations and w^2 their spread beyond noise;
* slope b_j = b + b_eye + d_j, b_eye ~ N(0, eye_slope^2) shared by the eye's locations and
  d_j ~ N(0, (location_slope s_j)^2);
* the least-squares slope errs by test noise, s_j^2 / Sxx, by effects of whole visits, visit^2 / Sxx, and because the
  eye wanders, which over few years looks like a slope: a random walk of variance q a year strays by 1.2 q / span.

The scalars are fitted to training patients by empirical Bayes (Efron and Morris, JASA 1975;70:311).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from vfprog.data.series import Series
from vfprog.forecast.baselines import VISIT_SD, filled, noise_of_test
from vfprog.model.least_squares import fit_lines
from vfprog.model.trajectory import Forecaster, Prediction

# Weak prior of the scalars: log-normal with this SD around DEFAULT, so that what few eyes do not tell stays put.
LOG_SD = 1.0
SLOPE_SD = 0.1  # of the mean slope around 0, dB/year
MIN_VISITS = 3  # of a training eye
MOST_EYES = 500  # evenly spread over the training eyes; beyond, the scalars are known well enough
PSEUDO_LOCATIONS = 0.5  # that the patients' common spread of levels weighs against an eye's own
SMALLEST_SPREAD = 0.1  # dB^2
WALK = (
    1.2  # variance of the least-squares slope of a random walk, in units of its variance a year over the span
)


@dataclass(frozen=True)
class Shrinkage:
    """What training patients' series say of levels and slopes.

    Attributes
    ----------
    level : float
        SD of levels over an eye's locations, dB.
    slope : float
        Mean slope, dB/year.
    eye_slope : float
        SD of the slope that an eye's locations share, dB/year.
    location_slope : float
        SD of a location's own slope, in SDs of one test a year.
    visit : float
        SD of what shifts a whole visit, dB.
    wander, location_wander : float
        SD by which the field's mean (dB) and a location (in SDs of one test) stray within a year.
    """

    level: float
    slope: float
    eye_slope: float
    location_slope: float
    visit: float
    wander: float
    location_wander: float

    def to_card(self) -> dict[str, float]:
        """JSON content, which ``Shrinkage(**card)`` reads back."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


DEFAULT = Shrinkage(4.0, 0.0, eye_slope=0.15, location_slope=0.05, visit=0.6, wander=0.3, location_wander=0.1)


@dataclass(frozen=True)
class _Lines:
    """Least-squares lines of eyes: tensors (eye, location), but for those of the whole eye, (eye, 1)."""

    mean: Tensor  # of the tests, dB: the line at ``centre``
    centre: Tensor  # years
    count: Tensor
    noise: Tensor  # SD of one test, dB
    slope: Tensor  # dB/year; 0 where there is none
    sxx: Tensor  # years^2; infinite where there is no slope
    eye_sxx: Tensor
    span: Tensor  # years from first to last visit


def fit_shrinkage(series: Series) -> Shrinkage:
    """Fit the scalars to training patients' whole series by maximum marginal likelihood, with a weak prior."""
    enough = torch.nonzero(series.n_visits >= MIN_VISITS)[:, 0].cpu()
    if len(enough) == 0:
        return DEFAULT
    chosen = enough[torch.linspace(0, len(enough) - 1, min(len(enough), MOST_EYES)).round().long()]
    lines = _lines(series[chosen].to("cpu"))
    start = np.array([np.log(v) if name != "slope" else v for name, v in asdict(DEFAULT).items()])

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.tensor(p, dtype=torch.float64, requires_grad=True)
        distance = (free - torch.tensor(start)) / torch.where(_IS_SLOPE, SLOPE_SD, LOG_SD)
        value = _negative_log_likelihood(lines, _unpacked(free)) + 0.5 * (distance**2).sum()
        value.backward()
        assert free.grad is not None
        return value.item(), free.grad.numpy()

    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(v - 4, v + 4) for v in start])
    return Shrinkage(**{k: float(v) for k, v in _unpacked(torch.tensor(best.x)).items()})


_NAMES = [field.name for field in fields(Shrinkage)]
_IS_SLOPE = torch.tensor([name == "slope" for name in _NAMES])


def _unpacked(free: Tensor) -> dict[str, Tensor]:
    """Scalars by name from the free parameters: logs, but for the mean slope."""
    return {name: p if name == "slope" else p.exp() for name, p in zip(_NAMES, free, strict=True)}


def shrunk_regression(prior: Shrinkage) -> Forecaster:
    """The forecasting method with these scalars."""

    def predict(series: Series, years: Tensor) -> Prediction:
        return _predict(_lines(series), series.last_years[:, None], prior, years)

    return predict


def _lines(series: Series) -> _Lines:
    line = fit_lines(series.td.double(), series.mask, series.years.double())
    has = line.sxx > 0
    mean = filled(line.intercept + line.slope * line.centre, line.n > 0)
    return _Lines(
        mean=mean,
        centre=line.centre,
        count=line.n,
        noise=noise_of_test(mean),
        slope=line.slope,
        sxx=torch.where(has, line.sxx, torch.inf),
        eye_sxx=torch.where(has.any(1, keepdim=True), line.sxx.amax(1, keepdim=True), torch.inf),
        span=(series.last_years - series.years[:, 0]).double()[:, None],
    )


def _predict(lines: _Lines, last: Tensor, prior: Shrinkage, years: Tensor) -> Prediction:
    """Tests at ``years`` (eye, time), ``last`` (eye, 1) the time of the last visit."""
    scalars = {name: lines.mean.new_tensor(value) for name, value in asdict(prior).items()}
    level, level_variance = _levels(lines, scalars["level"])
    slope, slope_variance, eye_variance = _slopes(lines, scalars)
    apart = years.double()[..., None] - lines.centre[:, None]
    ahead = (years.double() - last.double())[..., None]
    wandered = scalars["wander"] ** 2 * ahead
    own = (1 + scalars["location_wander"] ** 2 * ahead) * lines.noise[:, None] ** 2
    variance = level_variance[:, None] + slope_variance[:, None] * apart**2 + wandered + own
    # The mean TD keeps its own level: levels drawn to the eye's mean by unequal amounts would shift it.
    locations = lines.mean.shape[1]
    md = (lines.mean[:, None] + slope[:, None] * apart).mean(-1)
    visit = VISIT_SD**2 * (1 + 1 / lines.count.amax(1, keepdim=True).clamp(min=1))
    md_variance = visit + eye_variance * apart.mean(-1) ** 2 + (wandered + own / locations).mean(-1)
    td = level[:, None] + slope[:, None] * apart
    return Prediction(*(t.to(years) for t in (td, variance.sqrt(), md, md_variance.sqrt())))


def _levels(lines: _Lines, common: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and variance of each location's level: two tensors (eye, location)."""
    tested = lines.count > 0
    locations = tested.sum(1, keepdim=True).clamp(min=1)
    error = torch.where(tested, lines.noise**2 / lines.count.clamp(min=1), torch.inf)
    centre = (lines.mean * tested).sum(1, keepdim=True) / locations
    beyond = torch.where(tested, (lines.mean - centre) ** 2 - error, 0.0).sum(1, keepdim=True)
    spread = (PSEUDO_LOCATIONS * common**2 + beyond) / (PSEUDO_LOCATIONS + locations)
    spread = spread.clamp(min=SMALLEST_SPREAD)
    variance = 1 / (1 / spread + 1 / error)
    return centre + variance / error * (lines.mean - centre), variance


def _slopes(lines: _Lines, scalars: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior mean and variance of each location's slope (eye, location), and variance of their mean (eye, 1).

    The least-squares slopes have covariance C = D + c 11', D diagonal, so that Sherman-Morrison inverts it.
    """
    own, own_error, shared, shared_error = _slope_variances(lines, scalars)
    weight = 1 / (own + own_error)  # 0 where there is no slope
    both = shared + shared_error
    total = weight.sum(1, keepdim=True)
    both_weight = torch.where(torch.isfinite(both), both / (1 + both * total), 1 / total.clamp(min=1e-300))
    apart = weight * (lines.slope - scalars["slope"])
    solved = apart - weight * both_weight * apart.sum(1, keepdim=True)  # C^-1 (slope - mean)
    ones = weight * (1 - both_weight * total)  # C^-1 1
    slope = scalars["slope"] + shared * solved.sum(1, keepdim=True) + own * solved
    inverse = weight - both_weight * weight**2  # diagonal of C^-1
    explained = shared**2 * ones.sum(1, keepdim=True) + 2 * shared * own * ones + own**2 * inverse
    # The mean of slopes has covariance a = shared + own / n with each of them.
    a = shared + own / own.shape[1]
    through = (weight * a**2).sum(1, keepdim=True) - both_weight * (weight * a).sum(1, keepdim=True) ** 2
    of_mean = shared + own.mean(1, keepdim=True) / own.shape[1] - through
    return slope, (shared + own - explained).clamp(min=0), of_mean.clamp(min=0)


def _slope_variances(lines: _Lines, scalars: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Variance of a location's own slope, error variance of its estimate, and both of what locations share."""
    strayed = WALK / lines.span.clamp(min=1e-6)
    own = (scalars["location_slope"] * lines.noise) ** 2
    own_error = lines.noise**2 * (1 / lines.sxx + scalars["location_wander"] ** 2 * strayed)
    own_error = torch.where(torch.isfinite(lines.sxx), own_error, torch.inf)
    shared_error = scalars["visit"] ** 2 / lines.eye_sxx + scalars["wander"] ** 2 * strayed
    return own, own_error, scalars["eye_slope"] ** 2, shared_error


def _negative_log_likelihood(lines: _Lines, scalars: dict[str, Tensor]) -> Tensor:
    """Of means and least-squares slopes, nats; the eye's own mean level is taken as known."""
    tested = lines.count > 0
    centre = (lines.mean * tested).sum(1, keepdim=True) / tested.sum(1, keepdim=True).clamp(min=1)
    spread = scalars["level"] ** 2 + lines.noise**2 / lines.count.clamp(min=1)
    of_level = torch.where(tested, (lines.mean - centre) ** 2 / spread + spread.log(), 0.0).sum()

    own, own_error, shared, shared_error = _slope_variances(lines, scalars)
    has = torch.isfinite(own_error)
    variance = torch.where(has, own + own_error, 1.0)
    both = shared + shared_error
    apart = torch.where(has, lines.slope - scalars["slope"], 0.0)
    total = (has / variance).sum(1, keepdim=True)
    along = (apart / variance).sum(1, keepdim=True)
    squares = (apart**2 / variance).sum(1, keepdim=True) - both * along**2 / (1 + both * total)
    of_slope = (squares + variance.log().sum(1, keepdim=True) + torch.log1p(both * total)).sum()
    return 0.5 * (of_level + of_slope)
