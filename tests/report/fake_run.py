"""A small synthetic run folder that follows the tables' contract: what plots and report are tested on.

Everything is drawn from one seed, so two calls write the same files. The numbers are plausible, not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from vfprog import columns as c
from vfprog.config import CohortConfig, PlotsConfig, RatesConfig, ReportConfig, Simulation
from vfprog.io import write_json, write_table
from vfprog.perimetry.grid import load_grid
from vfprog.plots.figures import draw_figures
from vfprog.plots.labels import BASELINES
from vfprog.plots.results import Results, load_results
from vfprog.report.render import write_report

GRID = load_grid("24-2")
LATENTS = 12
HORIZONS = [0.5, 1.0, 2.0, 3.0, 5.0]
VISITS = [16, 9, 7, 5, 3, 1]  # visits of the six eyes, repeated for larger cohorts
RATES = [-1.3, -0.4, 0.02, -0.1, -0.75, -0.2]  # dB/year of mean TD
METHODS = {  # MAE (dB) at 3 first visits
    "last": 2.5,
    "mean": 2.16,
    "median_shifted_mean": 2.12,
    "md_trend": 2.6,
    "plr": 7.7,
    "shrunk_plr": 2.2,
    "published": 6.7,
    "static": 2.09,
    "residual": 2.07,
    "trajectory": 2.14,
}

# An identifier that tries to be HTML.
HOSTILE = '<script>alert(1)</script>"&'
COHORT = CohortConfig(
    role="both",
    format="simulated",
    simulate=Simulation(),
    title="Eyes <of> a clinic",
    attribution="Nobody's data & nobody's licence",
)


@dataclass(frozen=True)
class FakeRun:
    """Paths of a synthetic run with one cohort."""

    cohort: Path
    model: Path
    models: Path
    further: tuple[str, ...]  # the tables that not every cohort has


def write_run(
    folder: Path,
    *,
    eyes: int = 6,
    visits: list[int] = VISITS,
    ids: list[str] | None = None,
    scored: bool = True,
    seed: int = 1,
) -> FakeRun:
    """Write a run of ``eyes`` eyes; ``visits`` are their numbers of visits, in turn;
    ``ids`` replaces the first patients' identifiers.

    ``scored=False`` writes evaluation tables without rows and no retest table, like a cohort of short series.
    """
    rng = np.random.default_rng(seed)
    cohort = folder / "demo"
    further = tuple(c.FURTHER) if scored else ("split",)
    run = FakeRun(cohort, folder / "models" / "vae", folder / "models.csv", further)
    keys = _keys(eyes, visits, ids or [])
    fields = _visits(keys, rng)
    included = fields[fields[c.INCLUDED]]
    write_table(fields, run.cohort / "visits.parquet")
    write_table(_latents(included, rng), run.cohort / "latents.parquet")
    _write_trajectories(keys, included, run.cohort / "trajectories.nc", rng)
    rates = _rates(keys, included)
    write_table(rates, run.cohort / "rates.csv")
    _write_rate_details(run.cohort, rates, scored)
    forecasts = _forecasts(keys, included)
    write_table(forecasts, run.cohort / "forecasts.parquet")
    write_table(_forecasts_md(forecasts), run.cohort / "forecasts_md.csv")
    _write_scores(run.cohort, scored)
    _write_detection(run.cohort, scored)
    if scored:
        _write_trust(run.cohort, keys, rng)
        write_table(_further_loss(keys), run.cohort / "further_loss.parquet")
    _write_qc(run.cohort, fields)
    _write_model(run)
    return run


def load(run: FakeRun) -> Results:
    """The run's tables as figures and report read them."""
    return load_results(run.cohort, run.model, run.further)


def draw(run: FakeRun, options: PlotsConfig, folder: Path | None = None) -> None:
    """Draw the run's figures, into the cohort's own folder unless told otherwise."""
    target = folder or run.cohort / "figures"
    draw_figures(run.cohort, run.model, target, options, run.further)


def write_pages(run: FakeRun, pages: int = 1000) -> Path:
    """Write the run's report and return its folder."""
    write_report(
        "demo",
        COHORT,
        run.cohort,
        run.model,
        run.models,
        run.further,
        report=ReportConfig(eye_pages=pages),
        plots=PlotsConfig(),
        rates=RatesConfig(),
    )
    return run.cohort / "report"


def _further_loss(keys: pd.DataFrame) -> pd.DataFrame:
    """Steps down of every eye; of the second, two lie below all fields learned from."""
    eyes = keys[c.EYE_KEY].drop_duplicates(ignore_index=True)
    steps = {"present": -4.0, "3 dB lower": -7.0, "6 dB lower": -10.0, "MD -12 dB": -12.0}
    tables = [
        eyes.assign(step=step, target=md, value=md, decoded_md=md, percentile=60 + 3 * md, converged=True)
        for step, md in steps.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    fields = np.repeat(table[["value"]].to_numpy(), GRID.n, axis=1)
    table = pd.concat([table, pd.DataFrame(fields, columns=c.td(GRID.n))], axis=1)
    second = (table[c.EYE_KEY] == eyes.iloc[min(1, len(eyes) - 1)]).all(axis=1)
    return table[~(second & (table["value"] < -8))]


def _write_trust(cohort: Path, keys: pd.DataFrame, rng: np.random.Generator) -> None:
    """Checks of the posterior; the second eye disagrees with NUTS and real tests are skewed."""
    share = np.linspace(0.1, 0.9, 9)
    tables = [
        pd.DataFrame({"noise": noise, "group": group, "quantity": f"{group}_{k}", "n_eyes": 50, "share": share,
                      "difference": rng.normal(0, 0.05, 9), "lower": -0.2, "upper": 0.2, "p": 0.4, "inside": True})
        for noise in ("known", "looked_up") for group in ("z_start", "z_slope", "rate") for k in (1, 2)
    ]  # fmt: skip
    write_table(pd.concat(tables), cohort / "sbc.csv")
    agrees = np.arange(len(keys)) != 1
    eyes = keys[c.EYE_KEY].drop_duplicates(ignore_index=True)
    nuts = eyes.assign(n_visits=7, rate_nuts=-0.2, rate_nuts_sd=0.1, rate=-0.21, rate_sd=0.1, ess=1500.0,
                       divergences=0, mean_apart=-0.1, sd_ratio=1.0, agrees=agrees)  # fmt: skip
    write_table(nuts, cohort / "nuts.csv")
    predictive = pd.DataFrame(
        [(s, band, 900, m, 2.0, 1.8, 2.2, 0.5, m == 2.0) for s, band, m in (
            ("residual_sd", "-3 to 0", 2.0), ("residual_sd", "0 to inf", 2.0), ("skewness", "-inf to -20", -1.1),
            ("neighbour_correlation", "all", 2.0), ("visit_sd", "all", 2.0))],
        columns=["statistic", "band", "n", "measured", "replicated", "lower", "upper", "p", "inside"],
    )  # fmt: skip
    write_table(predictive, cohort / "predictive_checks.csv")


def _keys(eyes: int, visits: list[int], ids: list[str]) -> pd.DataFrame:
    """Eyes in pairs: a patient's right eye, then the left."""
    patients = [f"P{i // 2 + 1:03d}" for i in range(eyes)]
    for i, name in enumerate(ids):
        patients = [name if p == f"P{i + 1:03d}" else p for p in patients]
    return pd.DataFrame(
        {
            c.PATIENT: patients,
            c.EYE: [c.RIGHT, c.LEFT] * (eyes // 2) + [c.RIGHT] * (eyes % 2),
            "visits": np.resize(visits, eyes),
            "rate": np.resize(RATES, eyes),
        }
    )


def _visits(keys: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Fields with an arcuate defect that deepens at each eye's rate; one of the first eye's is excluded."""
    arcuate = (GRID.xy[:, 1] > 0) & (np.abs(GRID.xy[:, 1] - 12) < 8)
    blocks = []
    for i, key in enumerate(keys.itertuples(index=False)):
        years = np.round(np.arange(key.visits) * 0.55, 2)
        level = np.where(arcuate, -6.0 * (i % 4 + 1), -1.0)
        drift = np.outer(years, np.where(arcuate, 2.5, 0.3)) * key.rate
        td = np.clip(np.round(level + drift + rng.normal(0, 2, (key.visits, GRID.n))), -36, 8)
        key_and_time = pd.DataFrame(
            {
                c.PATIENT: key.patient_id,
                c.EYE: key.eye,
                c.VISIT: np.arange(1, key.visits + 1),
                c.YEARS: years,
                c.AGE: 62.0 + i % 20 + years,
                c.DATE: pd.Timestamp("2010-03-01") + pd.to_timedelta(np.round(years * 365.25), unit="D"),
            }
        )
        fields = {
            "td": td,
            "sens": np.clip(30 + td, -2, 40),
            "pd": td - np.sort(td)[:, [-7]],
        }
        tables = [
            pd.DataFrame(v, columns=[f"{n}_{j}" for j in range(1, GRID.n + 1)]) for n, v in fields.items()
        ]
        block = pd.concat([key_and_time, *tables], axis=1)
        blocks.append(block)
    visits = pd.concat(blocks, ignore_index=True)
    td = visits[c.td(GRID.n)]
    visits[c.MTD] = td.mean(axis=1)
    visits[c.MD] = visits[c.MTD].round(2) - 0.1
    visits[c.PSD] = td.std(axis=1)
    visits[c.FALSE_POSITIVES] = np.round(rng.uniform(0, 0.1, len(visits)), 2)
    unreliable = (visits.index == 1) & (keys["visits"].iloc[0] > 1)
    visits.loc[unreliable, c.FALSE_POSITIVES] = 0.33
    visits[c.INCLUDED] = ~unreliable
    visits[c.REASON] = np.where(visits[c.INCLUDED], "", "false positives above 0.15")
    return visits


def _latents(included: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    latents = included[[*c.VISIT_KEY, c.YEARS]].reset_index(drop=True)
    scale = np.linspace(1, 0.1, LATENTS)
    z = rng.normal(0, scale, (len(latents), LATENTS))
    z[:, 0] += included[c.MTD].to_numpy() / 5
    names = [f"z_{k}" for k in range(1, LATENTS + 1)]
    means = pd.DataFrame(z, columns=names)
    sds = pd.DataFrame(np.tile(1 - 0.9 * scale, (len(latents), 1)), columns=[f"{n}_sd" for n in names])
    decoded = included[c.td(GRID.n)].to_numpy() * 0.9 - 0.2
    hats = pd.DataFrame(decoded, columns=[f"td_hat_{i}" for i in range(1, GRID.n + 1)])
    return pd.concat([latents, means, sds, hats], axis=1)


def _write_trajectories(
    keys: pd.DataFrame, included: pd.DataFrame, path: Path, rng: np.random.Generator
) -> None:
    last = included.groupby(c.EYE_KEY, sort=False)[c.td(GRID.n)].last().to_numpy()
    shape = (len(keys), LATENTS)
    dataset = xr.Dataset(
        {
            "z_start": (("eye", "latent"), rng.normal(0, 1, shape)),
            "z_start_sd": (("eye", "latent"), np.full(shape, 0.3)),
            "z_slope": (("eye", "latent"), rng.normal(0, 0.1, shape)),
            "z_slope_sd": (("eye", "latent"), np.full(shape, 0.05)),
            "z_correlation": (("eye", "latent"), np.full(shape, -0.4)),
            "td": (("eye", "location"), last * 0.95),
            "td_sd": (("eye", "location"), np.full_like(last, 1.2)),
        },
        coords={
            "patient_id": ("eye", keys[c.PATIENT].to_numpy(dtype=object)),
            "laterality": ("eye", keys[c.EYE].to_numpy(dtype=object)),
        },
        attrs={"method": "static", "model": "vae"},
    )
    dataset.to_netcdf(path, engine="h5netcdf")


def _rates(keys: pd.DataFrame, included: pd.DataFrame) -> pd.DataFrame:
    eyes = included.groupby(c.EYE_KEY, sort=False)
    rates = keys[c.EYE_KEY].copy()
    n = eyes.size().to_numpy()
    rates["n_visits"] = n
    rates["years_followed"] = (eyes[c.YEARS].max() - eyes[c.YEARS].min()).to_numpy()
    rates["baseline_md"] = eyes[c.MTD].first().to_numpy()
    half = 1.2 / np.sqrt(n)
    spread = np.arange(len(keys)) // len(VISITS) * 1e-3  # so that larger cohorts have no tied rates
    rates["rate"] = keys["rate"].to_numpy() + spread
    rates["rate_lower"], rates["rate_upper"] = rates["rate"] - half, rates["rate"] + half
    rates["lasting_rate"] = 0.6 * rates["rate"]
    rates["lasting_lower"], rates["lasting_upper"] = (rates["lasting_rate"] + k * half for k in (-1, 1))
    rates["p_worsening"] = np.clip(0.5 - rates["rate"] / half / 2, 0.001, 0.999)
    rates["p_progressing"] = np.clip(rates["p_worsening"] - 0.15, 0, 1)
    rates["progressing_threshold"] = 0.8
    rates["progressing"] = rates["p_progressing"] > 0.8
    for name, pace in (("0_5", 0.5), ("1", 1.0), ("2", 2.0)):
        rates[f"p_faster_{name}"] = np.clip(-rates["rate"] - pace + 0.5, 0, 1)
    for md in (12, 22):
        rates[f"years_to_{md}_median"] = np.where(rates["rate"] < 0, md / (0.1 - rates["rate"]), np.inf)
        rates[f"years_to_{md}_lower"] = rates[f"years_to_{md}_median"] / 2
        rates[f"years_to_{md}_upper"] = np.inf
        rates[f"p_reaches_{md}_in_5"] = np.clip(-rates["rate"] / md, 0, 1)
        rates[f"p_reaches_{md}_in_10"] = np.clip(-2 * rates["rate"] / md, 0, 1)
    enough = n >= 3
    rates["md_slope"] = np.where(enough, rates["rate"] * 1.2, np.nan)
    rates["md_slope_p"] = np.where(enough, 1 - rates["p_worsening"], np.nan)
    rates["plr_points"] = np.where(enough, np.clip(np.round(-rates["rate"] * 10), 0, 52), np.nan)
    rates["plr_net"] = rates["plr_confirmed"] = rates["plr_points"]
    rates["plr_progressing"] = rates["plr_confirmed"] >= 3
    rates["poplr_p"] = np.where(enough, np.clip(1.1 - rates["p_worsening"], 0.002, 1), np.nan)
    return rates


def _write_rate_details(cohort: Path, rates: pd.DataFrame, scored: bool) -> None:
    """Rates of regions and locations, of three visits under other priors, and against a truth."""
    shown = ["rate", "rate_lower", "rate_upper", "p_worsening", "p_faster_0_5", "p_faster_1", "p_faster_2"]
    names = list(GRID.regions)
    regions = rates.loc[rates.index.repeat(len(names)), [*c.EYE_KEY, *shown]].reset_index(drop=True)
    regions.insert(2, "region", names * len(rates))
    write_table(regions.assign(ls_slope=regions["rate"] * 1.2, n_locations=26), cohort / "rates_regions.csv")
    located = rates.loc[rates.index.repeat(GRID.n), [*c.EYE_KEY, *shown]].reset_index(drop=True)
    located.insert(2, c.LOCATION, np.tile(np.arange(1, GRID.n + 1), len(rates)))
    located[c.X], located[c.Y] = np.tile(GRID.xy.T, len(rates))
    write_table(located, cohort / "rates_locations.parquet")
    enough = rates[rates["n_visits"] >= 3]
    scales = [
        enough[[*c.EYE_KEY, "rate", "rate_lower", "rate_upper", "p_worsening"]].assign(
            n_visits=3, prior_scale=scale, rate=enough["rate"] * scale
        )
        for scale in (0.5, 1.0, 2.0)
    ]
    write_table(pd.concat(scales), cohort / "prior_sensitivity.csv")
    cell = {"rmse_lower": 0.1, "rmse_upper": 0.3, "bias": 0.02, "coverage90": 0.9, "coverage95": 0.95}
    cell |= {"width90": 0.6, "n_eyes": 40, "n_patients": 25}
    truth = [
        {"n_visits": n, "estimator": estimator, "eyes": kind, "rmse": rmse, "difference": difference,
         "difference_lower": difference - 0.03, "difference_upper": difference + 0.03} | cell
        for n in (5, 10)
        for kind in ("all", "fast")
        for least_squares in (0.15 if kind == "fast" else 0.25,)
        for estimator, rmse in (("vfprog", 0.2), ("least_squares", least_squares))
        for difference in (rmse - least_squares,)
    ]  # fmt: skip
    if scored:
        write_table(pd.DataFrame(truth), cohort / "rates_truth.csv")


def _forecasts(keys: pd.DataFrame, included: pd.DataFrame) -> pd.DataFrame:
    last = included.groupby(c.EYE_KEY, sort=False)[c.td(GRID.n)].last().to_numpy()
    eye, ahead, location = np.meshgrid(np.arange(len(keys)), HORIZONS, np.arange(GRID.n), indexing="ij")
    eye, ahead, location = eye.ravel(), ahead.ravel(), location.ravel()
    median = last[eye, location] + keys["rate"].to_numpy()[eye] * ahead
    half = 4 + 0.5 * ahead
    return pd.DataFrame(
        {
            c.PATIENT: keys[c.PATIENT].to_numpy()[eye],
            c.EYE: keys[c.EYE].to_numpy()[eye],
            c.YEARS_AHEAD: ahead,
            c.LOCATION: location + 1,
            c.X: GRID.xy[location, 0],
            c.Y: GRID.xy[location, 1],
            "td_median": median,
            "td_mean": median - 0.2,
            "td_lower": median - half,
            "td_upper": median + half,
        }
    )


def _forecasts_md(forecasts: pd.DataFrame) -> pd.DataFrame:
    by_horizon = forecasts.groupby([*c.EYE_KEY, c.YEARS_AHEAD], sort=False)["td_median"]
    table = by_horizon.mean().rename("md_median").reset_index()
    table["md_lower"] = table["md_median"] - 1.5 - 0.3 * table[c.YEARS_AHEAD]
    table["md_upper"] = table["md_median"] + 1.5 + 0.3 * table[c.YEARS_AHEAD]
    return table


def _write_scores(cohort: Path, scored: bool) -> None:
    counts = {"n_visits": 400, "n_eyes": 40, "n_patients": 25}
    scores, differences = [], []
    for method, mae in METHODS.items():
        for n in (3, 5, 7):
            value = 2 + (mae - 2) * 3 / n
            for horizon, shift in (("all", 0.0), ("<1", -0.2), ("1-3", -0.1), (">=3", 0.1)):
                cell = {"method": method, "n_first": n, "horizon": horizon, "severity": "all"}
                for metric, level in _metrics(value + shift).items():
                    scores.append(cell | {"metric": metric} | _estimate(level, 0.03 * level) | counts)
                for baseline in BASELINES:
                    if baseline == method:
                        continue
                    difference = (mae - METHODS[baseline]) * 3 / n
                    ratio = {"ratio": 0.97, "ratio_lower": 0.95, "ratio_upper": 0.99}
                    row = {"baseline": baseline} | ratio | _estimate(difference, 0.03) | counts
                    differences += [cell | row | {"metric": metric} for metric in ("mae", "crps")]
            for severity, shift in (("mild", -0.3), ("moderate", 1.5), ("severe", 2.5)):
                cell = {"method": method, "n_first": n, "horizon": "all", "severity": severity}
                scores.append(cell | {"metric": "mae"} | _estimate(value + shift, 0.2) | counts)
    published = [
        {"method": m, "visit": visit} | _estimate(v + 0.1 * visit, 0.2) | {"n_eyes": 40, "n_patients": 25}
        for m, v in (("published", 3.0), ("static", 1.8), ("plr", 4.0), ("mean", 1.9))
        for visit in (4, 6, 8)
    ]
    tables = {"evaluation": scores, "differences": differences, "published": published}
    for name, rows in tables.items():
        table = pd.DataFrame(rows)
        write_table(table if scored else table.iloc[:0], cohort / f"{name}.csv")
    if scored:
        retest = [
            {"method": m} | _estimate(v, 0.08) | counts
            for m, v in (("raw", 1.83), ("vae", 1.48), ("static", 1.40))
        ]
        write_table(pd.DataFrame(retest), cohort / "retest.csv")


def _metrics(mae: float) -> dict[str, float]:
    coverage = float(np.clip(0.95 - 0.02 * mae, 0, 1))
    return {
        "mae": mae,
        "crps": 0.74 * mae,
        "coverage90": coverage,
        "interval_score": 6 * mae,
        "md_mae": 0.5 * mae,
    }


def _estimate(value: float, half: float) -> dict[str, float]:
    return {"value": value, "lower": value - half, "upper": value + half}


def _write_detection(cohort: Path, scored: bool) -> None:
    """The detection tables; ``flagged.csv`` has no rows where eyes were not followed long enough."""
    counts = {"n_eyes": 162, "n_progressing": 81, "n_stable": 81, "n_persons": 54}
    aucs = {"md_trend": 0.80, "poplr": 0.79, "zf": 0.81, "p_progressing": 0.86}
    found = [
        {"score": score, "n_visits": n, "auc_shuffled": 0.501, **counts}
        | {"auc": auc + n / 200, "auc_lower": auc + n / 200 - 0.07, "auc_upper": auc + n / 200 + 0.07}
        | {"sensitivity_at_95": auc - 0.3, "sensitivity_lower": auc - 0.4, "sensitivity_upper": auc - 0.2}
        for n in (5, 8)
        for score, auc in aucs.items()
    ]
    # Better than MD trend after 8 visits alone, and a tie with all else.
    apart = [
        {"score": score, "baseline": baseline, "n_visits": n, **counts}
        | {"difference": auc - aucs[baseline], "upper": 0.12}
        | {"lower": 0.01 if (baseline, n, score) == ("md_trend", 8, "p_progressing") else -0.04}
        for n in (5, 8)
        for baseline in ("md_trend", "poplr", "zf")
        for score, auc in aucs.items()
        if score != baseline
    ]
    times = [
        {"score": score, "n_visits": n, "flagged": n / 20, "lower": n / 25, "upper": n / 16, **counts}
        for n in (3, 5, 8)
        for score in aucs
    ]
    flagged = [
        {"score": score, "years": years, "flagged": 0.3, "lower": 0.2, "upper": 0.4, "reversed": 0.06}
        | {
            "difference": 0.0,
            "difference_lower": -0.1,
            "difference_upper": 0.1,
            "n_eyes": 40,
            "n_patients": 30,
        }
        for years in (2.0, 4.0)
        for score in ("md_trend", "p_progressing")
    ]
    if scored:
        write_table(pd.DataFrame(found), cohort / "detection.csv")
        write_table(pd.DataFrame(apart), cohort / "detection_differences.csv")
        write_table(pd.DataFrame(times), cohort / "time_to_detection.csv")
    write_table(pd.DataFrame(flagged)[slice(None) if scored else slice(0)], cohort / "flagged.csv")


def _write_qc(cohort: Path, visits: pd.DataFrame) -> None:
    quarantine = pd.DataFrame(
        {
            "source": ["fields.csv", "fields.csv"],
            "row": [12, 40],
            "column": ["td7", "eye"],
            "value": ["x<y", "OX"],
            "problem": ["not a number", "not an eye code: one of OD, OS"],
        }
    )
    write_table(quarantine, cohort / "quarantine.csv")
    qc = {
        "rows_read": len(visits) + len(quarantine),
        "quarantined": len(quarantine),
        "excluded": {"false positives above 0.15": 1},
        "fields": len(visits),
        "included_fields": len(visits) - 1,
        "eyes": int(visits.groupby(c.EYE_KEY).ngroups),
        "patients": int(visits[c.PATIENT].nunique()),
        "findings": {"duplicates": 0, "same_day": 1, "out_of_order": 2},
        "notes": ["Total deviation as given by the perimeter."],
    }
    write_json(qc, cohort / "qc.json")
    fields = visits.loc[visits[c.INCLUDED], c.VISIT_KEY].reset_index(drop=True)
    # Two flagged, the first further below its threshold.
    evidence = np.where(fields.index == 1, -180.0, np.where(fields.index == 0, -170.0, -120.0))
    typicality = fields.assign(evidence=evidence, threshold=-150.0, flagged=evidence < -150.0)
    write_table(typicality, cohort / "typicality.csv")
    patients = pd.unique(visits[c.PATIENT])
    parts = np.resize(["train", "test", "validation"], len(patients))
    write_table(pd.DataFrame({c.PATIENT: patients, "part": parts}), cohort / "split.csv")


def _write_model(run: FakeRun) -> None:
    epoch = np.arange(1, 21)
    falling = 300 * np.exp(-epoch / 4)
    history = pd.DataFrame(
        {
            "epoch": epoch,
            "step": epoch * 100,
            "learning_rate": 3e-3 * np.sin(np.pi * epoch / 21),
            "kl_weight": np.clip(epoch / 4, 0, 1),
            "loss": 700 + falling,
            "elbo_train": -700 - falling,
            "elbo_validation": -705 - falling,
            "kl": 18 - 8 * np.exp(-epoch / 3),
            "reconstruction": -685 - falling,
            "seconds": epoch * 1.5,
        }
    )
    write_table(history, run.model / "history.csv")
    card = {
        "model": "vae",
        "kind": "vae",
        "latent_dim": LATENTS,
        "beta": 1.0,
        "seed": 1,
        "device": "cpu",
        "calibrated_on": ["demo"],
        "training": {
            "cohorts": ["population"],
            "patients": 2,
            "eyes": 4,
            "fields": 31,
            "population_series": 40000,
            "best_epoch": 18,
            "epochs": 20,
            "seconds": 30.0,
            "elbo_validation": -705.4,
        },
        "residual": {"visit_sd": 0.6, "learning": -0.5},
        "calibration": {"median": 0.1},
        "rate_prior": {"weight_sd_0.05": 0.6, "weight_sd_0.5": 0.4, "tilt": -0.2, "noise_sd": 0.3},
        "data": "Learned from the training patients of demo; test patients of demo were never seen.",
    }
    write_json(card, run.model / "card.json")
    models = {
        "model": ["vae"],
        "kind": ["vae"],
        "latent_dim": [LATENTS],
        "beta": [1.0],
        "seed": [1],
        "elbo": [-118.2],
        "evidence": [-116.9],
        "gap": [1.3],
        "kl": [9.1],
        "distortion": [109.1],
        "active_units": [9],
        "retest_mae": [1.48],
        "c2st_accuracy": [np.nan],
        "seconds": [30.0],
    }
    write_table(pd.DataFrame(models), run.models)
