"""The whole workflow on a tiny config: what it writes, what a change reruns, how it fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.workflow.conftest import CONFIG, PATIENT_ID, Run

pytestmark = pytest.mark.workflow
EYE = ["patient_id", "eye"]


def results(run: Run, cohort: str):
    return run.folder / "results" / "tiny" / cohort


def test_tables_hold_the_contract(run):
    for cohort in CONFIG["cohorts"]:
        folder = results(run, cohort)
        visits = pd.read_parquet(folder / "visits.parquet")
        latents = pd.read_parquet(folder / "latents.parquet")
        rates = pd.read_csv(folder / "rates.csv", dtype={"patient_id": str})
        forecasts = pd.read_parquet(folder / "forecasts.parquet")
        included = visits[visits["included"]]
        assert len(latents) == len(included)
        eyes = set(map(tuple, included[EYE].to_numpy()))
        assert set(map(tuple, rates[EYE].to_numpy())) == eyes
        assert set(map(tuple, forecasts[EYE].to_numpy())) == eyes
        assert len(forecasts) == len(eyes) * 3 * 52
        assert sorted(forecasts["years_ahead"].unique()) == [0, 1, 2.5]
        assert (forecasts["td_lower"] <= forecasts["td_median"]).all()
        assert (forecasts["td_median"] <= forecasts["td_upper"]).all()
        assert (
            rates[["p_worsening", "p_progressing", "p_faster_1"]]
            .apply(lambda p: p.between(0, 1))
            .all(axis=None)
        )
        assert (folder / "report" / "index.html").stat().st_size > 10_000
        assert len(list((folder / "report" / "eyes").glob("*.html"))) == len(eyes)


def test_a_cohort_s_nerve_fibre_layer_is_fitted_with_its_fields(run):
    rates = pd.read_csv(results(run, "demo") / "rates.csv")
    scanned = rates["n_visits"] >= 3
    assert rates["rnfl_slope"].notna().equals(scanned)
    assert (rates["rate"] != rates["fields_alone_rate"])[scanned].all()
    truth = pd.read_csv(results(run, "demo") / "rates_truth.csv")
    assert set(truth["estimator"]) == {"vfprog", "fields_alone", "least_squares"}
    for cohort, shown in (("demo", True), ("clinic", False)):
        page = (results(run, cohort) / "report" / "eyes" / "eye-0001.html").read_text()
        assert ("nerve fibre layer" in page) == shown
    assert "rnfl_slope" not in pd.read_csv(results(run, "clinic") / "rates.csv")


def test_the_posterior_is_checked_where_the_config_asks_for_it(run):
    for table in ("sbc.csv", "nuts.csv", "predictive_checks.csv"):
        assert len(pd.read_csv(results(run, "demo") / table)) > 0
        assert not (results(run, "clinic") / table).exists()
    for cohort, shown in (("demo", True), ("clinic", False)):
        assert ('id="trust"' in (results(run, cohort) / "report" / "index.html").read_text()) == shown


def test_the_clinics_bad_rows_are_quarantined_and_the_good_ones_kept(run):
    folder = results(run, "clinic")
    qc = json.loads((folder / "qc.json").read_text())
    quarantine = pd.read_csv(folder / "quarantine.csv")
    assert qc["quarantined"] == 2 == len(quarantine)
    assert set(quarantine["column"]) == {"Eye", "td7"}
    assert qc["rows_read"] == 2 + len(pd.read_parquet(folder / "visits.parquet"))
    assert sum(qc["excluded"].values()) == 2  # the duplicate and the unreliable field
    assert qc["patients"] == 6 and qc["eyes"] == 12


def test_patient_identifiers_stay_out_of_logs_and_file_names(run):
    folder = run.folder / "results" / "tiny"
    for file in folder.rglob("*"):
        assert "Müller" not in file.name and "007</b>" not in file.name
    for log in (folder / "logs").glob("*.log"):
        assert "ller" not in log.read_text(), log.name


def test_text_from_data_is_escaped_in_the_report(run):
    page = (results(run, "clinic") / "report" / "index.html").read_text()
    assert PATIENT_ID not in page
    assert "Müller &lt;b&gt;007&lt;/b&gt;" in page


def test_models_table(run):
    models = pd.read_csv(run.folder / "results" / "tiny" / "models.csv")
    row = models.iloc[0]
    assert (row["model"], row["kind"], row["latent_dim"], row["seed"]) == ("vae", "vae", 3, 7)
    assert row["evidence"] >= row["elbo"]
    assert row["kl"] + row["distortion"] == pytest.approx(-row["elbo"], rel=1e-5)
    assert row["retest_mae"] > 0


def test_evaluation_sees_test_patients_only(run):
    folder = results(run, "demo")
    split = pd.read_csv(folder / "split.csv", dtype=str)
    scores = pd.read_csv(folder / "evaluation.csv")
    assert scores["n_patients"].max() <= (split["part"] == "test").sum()
    clinic = pd.read_csv(results(run, "clinic") / "evaluation.csv")
    assert clinic["n_patients"].max() > 2  # a cohort that nothing was learnt from is scored whole


def test_contract_checker_finds_no_fault(run, shared):
    checker = [sys.executable, str(shared / "check_contract.py"), str(run.folder / "results" / "tiny")]
    checked = subprocess.run(checker, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_a_second_run_has_nothing_to_do(run):
    assert run.planned() == set()


def test_a_plot_option_reruns_figures_and_report_only(run):
    run.edit_config(plots={"font_size": 10})
    try:
        assert run.planned() == {"figures", "report", "model_figures", "models_report"}
    finally:
        run.edit_config(**CONFIG, plots={})


def test_a_horizon_reruns_forecasts_but_not_training(run):
    run.edit_config(forecast={"years_ahead": [4]})
    try:
        assert run.planned() == {"forecast", "figures", "report"}
    finally:
        run.edit_config(**CONFIG)


@pytest.mark.parametrize(
    ("module", "reruns", "spares"),
    [
        ("vfprog/forecast/score.py", {"evaluate"}, {"train", "preprocess", "fit", "rates"}),
        ("vfprog/model/nets.py", {"train", "fit", "forecast"}, {"preprocess", "simulate"}),
        ("vfprog/plots/style.py", {"figures"}, {"train", "fit", "forecast", "evaluate"}),
        ("vfprog/report/templates/index.html.j2", {"report"}, {"train", "figures"}),
    ],
)
def test_a_changed_line_of_code_reruns_what_depends_on_it(run, module, reruns, spares):
    file = run.folder / module
    before = file.read_text()
    file.write_text(before + "\n# changed\n")
    try:
        planned = run.planned()
        assert reruns <= planned
        assert not spares & planned
    finally:
        file.write_text(before)


def test_cross_validation_trains_a_model_a_fold_and_scores_with_those(run):
    run.edit_config(split={"folds": 2})
    try:
        shown = run.snakemake("--dry-run", "--printshellcmds")
        assert shown.returncode == 0, shown.stderr
    finally:
        run.edit_config(**CONFIG, split={})
    lines = (shown.stdout + shown.stderr).splitlines()
    commands = [line.split("Shell command:")[-1].strip() for line in lines]
    trained = [line for line in commands if line.startswith("vfprog train ")]
    assert sorted(re.search(r"/models/(\S+)/weights", line)[1] for line in trained) == [
        "vae",
        "vae/fold-1",
        "vae/fold-2",
    ]
    folds = "--model results/tiny/models/vae/fold-1 --model results/tiny/models/vae/fold-2 "
    for cohort, scorers in (("demo", folds), ("clinic", "--model results/tiny/models/vae ")):
        (command,) = [line for line in commands if line.startswith(f"vfprog evaluate results/tiny/{cohort}/")]
        assert scorers in command and command.count("--model") == scorers.count("--model")
    (assessed,) = [line for line in commands if line.startswith("vfprog models ")]
    assert re.findall(r"models/vae/(\S+)/assessment.json", assessed) == ["fold-1", "fold-2"]


def test_same_seed_same_tables(run, tmp_path):
    """A second run elsewhere, from nothing, gives the same tables to the byte."""
    for name in ("workflow", "config", "vfprog", "Snakefile", "clinic.csv", "tiny.yaml"):
        source = run.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    again = Run(tmp_path, tmp_path / "tiny.yaml")
    done = again.snakemake("results/tiny/clinic/rates.csv", "results/tiny/clinic/latents.parquet")
    assert done.returncode == 0, done.stderr[-4000:]
    weights = "results/tiny/models/vae/weights.safetensors"
    assert (tmp_path / weights).read_bytes() == (run.folder / weights).read_bytes()
    for name in ("results/tiny/clinic/rates.csv", "results/tiny/clinic/latents.parquet"):
        assert (tmp_path / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_wrong_config_stops_before_any_job(run):
    run.edit_config(models={"vae": {"latent_dims": 3}})
    try:
        result = run.snakemake("--dry-run")
        assert result.returncode != 0
        assert "models.vae.latent_dims" in result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr
    finally:
        run.edit_config(**CONFIG)


def test_a_missing_file_is_named(run):
    cohorts = {**CONFIG["cohorts"], "clinic": {**CONFIG["cohorts"]["clinic"], "path": "nowhere.csv"}}
    run.edit_config(cohorts=cohorts)
    try:
        result = run.snakemake("--dry-run")
        assert result.returncode != 0
        assert "nowhere.csv" in result.stdout + result.stderr
    finally:
        run.edit_config(**CONFIG)


def test_snakemake_report(run):
    result = run.snakemake("--report", "workflow.html")
    assert result.returncode == 0, result.stderr[-3000:]
    assert (run.folder / "workflow.html").stat().st_size > 100_000


def test_known_truth_lies_within_the_rates_intervals(run):
    rates = pd.read_csv(results(run, "demo") / "rates.csv", dtype={"patient_id": str})
    truth = pd.read_parquet(results(run, "demo") / "source" / "truth.parquet")
    both = rates.merge(truth[[*EYE, "rate"]], on=EYE, suffixes=("", "_true"))
    assert len(both) == len(rates)
    inside = both["rate_true"].between(both["lasting_lower"], both["lasting_upper"])
    assert inside.mean() > 0.8
    assert np.corrcoef(both["rate"], both["rate_true"])[0, 1] > 0
