"""The tables of docs/evaluation.md, from the results of config/examples/evaluation.yaml.

Run: python tests/benchmarks/evaluation_tables.py [results/evaluation]. Prints them as Markdown; nothing is computed but
what stands in the run's own tables.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

COHORTS = {
    "rotterdam": "Rotterdam, cross-validated",
    "population": "simulated, cross-validated",
    "halifax": "Halifax",
    "reliable": "LEI-SFD reliable",
    "noisy": "LEI-SFD noisy",
}
DETECTED = {
    "reliable": "LEI-SFD reliable",
    "noisy": "LEI-SFD noisy",
    "replicates": "LEI-SFD's truth, 50 tests of each",
    "noisy_replicates": "the same, noisy",
    "simulated": "simulated, untreated",
}
METHODS = {
    "plr": "PLR",
    "shrunk_plr": "shrunk PLR",
    "published": "published",
    "mean": "mean of visits",
    "residual": "residual process",
    "trajectory": "trajectory",
}
SCORES = {
    "md_trend": "MD trend",
    "poplr": "PoPLR",
    "zf": "weighted slope",
    "p_progressing_function": "p_progressing, fields alone",
    "zf_zs": "weighted slopes of both views",
    "p_progressing": "p_progressing, both views",
}
FIRST = (3, 5, 7)
VISITS = (5, 8, 10)


def main(run: Path) -> None:
    """Print every table."""
    for title, table in (
        ("Forecasts", forecasts(run)),
        ("Rates", rates(run)),
        ("Detection, AUC at 5 / 8 / 10 visits", detection(run)),
        ("Detection, p_progressing less another score", detection_differences(run)),
        ("Stable eyes flagged", flagged(run)),
        ("Trust", trust(run)),
    ):
        print(f"\n### {title}\n")
        for row in [table.columns, ["---"] * table.shape[1], *table.astype(str).to_numpy()]:
            print(f"| {' | '.join(map(str, row))} |")


def forecasts(run: Path) -> pd.DataFrame:
    """MAE by method; differences, CRPS ratio and coverage of the trajectory."""
    rows = []
    for cohort, name in COHORTS.items():
        scores, differences = (
            _all(pd.read_csv(run / cohort / f"{t}.csv")) for t in ("evaluation", "differences")
        )
        for n in FIRST:
            mae = scores[(scores["n_first"] == n) & (scores["metric"] == "mae")].set_index("method")["value"]
            cover = scores[(scores["n_first"] == n) & (scores["metric"] == "coverage90")].set_index("method")
            own = differences[(differences["n_first"] == n) & (differences["method"] == "trajectory")]
            own = own.set_index(["baseline", "metric"])
            ratio = own.loc[("median_shifted_mean", "crps")]
            size = cover.loc["trajectory", ["n_visits", "n_eyes", "n_patients"]].astype(int)
            rows.append(
                {
                    "cohort": name,
                    "first visits": n,
                    **{name: f"{mae[m]:.2f}" for m, name in METHODS.items()},
                    "- mean": _signed(own.loc[("mean", "mae")]),
                    "- calibrated mean": _signed(own.loc[("median_shifted_mean", "mae")]),
                    "CRPS ratio": _interval(ratio["ratio"], ratio["ratio_lower"], ratio["ratio_upper"]),
                    "90 % coverage": f"{cover.loc['trajectory', 'value']:.3f}",
                    "visits / eyes / patients": " / ".join(map(str, size)),
                }
            )
    return pd.DataFrame(rows)


def rates(run: Path) -> pd.DataFrame:
    """RMSE of the rate against least squares, all eyes and fast ones."""
    rows = []
    for cohort in ("reliable", "noisy", "population"):
        table = pd.read_csv(run / cohort / "rates_truth.csv")
        for (n, eyes), part in table[table["eyes"].isin(["all", "fast"])].groupby(["n_visits", "eyes"]):
            by_estimator = part.set_index("estimator")
            own, other = (by_estimator.loc[e] for e in ("vfprog", "least_squares"))
            alone = by_estimator.loc["fields_alone"] if "fields_alone" in by_estimator.index else None
            rows.append(
                {
                    "cohort": COHORTS[cohort],
                    "visits": n,
                    "eyes": f"{eyes} ({int(own['n_eyes'])})",
                    "rate": _interval(own["rmse"], own["rmse_lower"], own["rmse_upper"]),
                    "fields alone": "" if alone is None else f"{alone['rmse']:.3f}",
                    "least squares": f"{other['rmse']:.3f}",
                    "difference": _interval(
                        own["difference"], own["difference_lower"], own["difference_upper"]
                    ),
                    "bias": f"{own['bias']:+.3f}",
                    "90 % interval covers": f"{own['coverage90']:.2f}",
                }
            )
    return pd.DataFrame(rows)


def detection(run: Path) -> pd.DataFrame:
    """AUC of every score, and the farthest that any is from 0.5 on shuffled visits."""
    rows = []
    for cohort, name in DETECTED.items():
        table = pd.read_csv(run / cohort / "detection.csv")
        auc = table.pivot_table(index="score", columns="n_visits", values="auc")
        shuffled = table[table["n_visits"].isin(VISITS)]["auc_shuffled"]
        found = {s: " / ".join(f"{auc.loc[s, n]:.3f}" for n in VISITS) for s in SCORES if s in auc.index}
        if "p_progressing_function" not in found:  # no structure: fields alone
            found["p_progressing_function"] = found.pop("p_progressing")
        rows.append({"cohort": name, **found, "shuffled": f"{shuffled.min():.3f} to {shuffled.max():.3f}"})
    return pd.DataFrame(rows)[["cohort", *SCORES, "shuffled"]].fillna("").rename(columns=SCORES)


def detection_differences(run: Path) -> pd.DataFrame:
    """AUC of p_progressing, from fields alone and with structure, less that of the classical scores."""
    rows = []
    for cohort, name in DETECTED.items():
        table = pd.read_csv(run / cohort / "detection_differences.csv")
        alone = (
            "p_progressing_function"
            if (table["score"] == "p_progressing_function").any()
            else "p_progressing"
        )
        views = {"fields alone": alone} | (
            {"both views": "p_progressing"} if alone != "p_progressing" else {}
        )
        for view, score in views.items():
            for baseline in ("md_trend", "poplr", *(["zf_zs"] if view == "both views" else [])):
                cells = table[(table["score"] == score) & (table["baseline"] == baseline)].set_index(
                    "n_visits"
                )
                found = {n: _signed(cells.loc[n].rename({"difference": "value"})) for n in VISITS}
                rows.append({"cohort": name, "p_progressing": view, "less": SCORES[baseline], **found})
    return pd.DataFrame(rows)


def flagged(run: Path) -> pd.DataFrame:
    """Share of eyes above the recommended threshold."""
    rows = []
    for cohort in ("stable", "noisy_stable", "halifax", "rotterdam", "reliable", "noisy"):
        rates = pd.read_csv(run / cohort / "rates.csv")
        rows.append({"cohort": cohort, "flagged": int(rates["progressing"].sum()), "eyes": len(rates)})
    return pd.DataFrame(rows)


def trust(run: Path) -> pd.DataFrame:
    """The checks of the posterior, counted."""
    rows = []
    for file in sorted(run.glob("*/nuts.csv")):
        nuts, sbc, checks = (
            pd.read_csv(file.parent / f"{t}.csv") for t in ("nuts", "sbc", "predictive_checks")
        )
        apart = nuts.loc[~nuts["agrees"], "mean_apart"].abs().round(2).tolist()
        rows.append(
            (file.parent.name, "NUTS agrees", f"{nuts['agrees'].sum()} of {len(nuts)}; others {apart}")
        )
        rows.append((file.parent.name, "divergences", str(nuts["divergences"].max())))
        rows.append((file.parent.name, "least effective draws", f"{nuts['ess'].min():.0f}"))
        for noise, part in sbc.drop_duplicates(["noise", "quantity"]).groupby("noise"):
            rate = part[part["group"] == "rate"].iloc[0]
            said = f"{part['inside'].sum()} of {len(part)} inside; rate p = {rate['p']:.3f}"
            rows.append((file.parent.name, f"simulation, noise {noise}", said))
        rows.append(
            (file.parent.name, "predictive checks", f"{checks['inside'].sum()} of {len(checks)} inside")
        )
    return pd.DataFrame(rows, columns=["cohort", "check", "found"])


def _all(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["horizon"] == "all") & (table["severity"] == "all")]


def _signed(row: pd.Series) -> str:
    return f"{row['value']:+.3f} [{row['lower']:+.3f}, {row['upper']:+.3f}]"


def _interval(value: float, lower: float, upper: float) -> str:
    return f"{value:.3f} [{lower:.3f}, {upper:.3f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "results/evaluation"))
