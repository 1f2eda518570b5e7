"""The config refuses what it cannot mean, naming key, value and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from vfprog.config import Config, Download, Simulation, check_sources, json_schema, parse_config, read_config
from vfprog.errors import UserError

TABLE = {"role": "both", "path": "fields.csv", "columns": {"date": "date", "td": "td{}"}}


def config_of(cohort: dict[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    return {"cohorts": {"clinic": TABLE | (cohort or {})}} | sections


def simulation_of(**simulate: Any) -> dict[str, Any]:
    return {"cohorts": {"demo": {"role": "train", "format": "simulated", "simulate": simulate}}}


def truth_of(**columns: Any) -> dict[str, Any]:
    named = {"visit": "visit", "visit_interval": 0.5, "age": "age", "sens": "vf.{}"}
    return {"path": "true.csv", "columns": named | columns}


def columns_of(**columns: Any) -> dict[str, Any]:
    return config_of({"columns": columns})


def test_the_least_config_has_every_default() -> None:
    config = parse_config(config_of())
    assert config.run == "default"
    assert config.training_cohorts == ["clinic"]
    assert config.cohorts["clinic"].paths == ["fields.csv"]
    assert config.forecast.years_ahead == [0.5, 1, 2, 3, 5]


def test_several_paths_and_a_simulated_cohort() -> None:
    cohorts = {
        "a": TABLE | {"role": "apply", "path": ["1.csv", "2.csv"]},
        "demo": {"role": "train", "format": "simulated", "simulate": {"eyes": 300}},
    }
    config = parse_config({"cohorts": cohorts})
    assert config.cohorts["a"].paths == ["1.csv", "2.csv"]
    assert config.cohorts["demo"].paths == []
    assert config.training_cohorts == ["demo"]


def model_of(**section: Any) -> dict[str, Any]:
    return config_of(models={"vae": {}, "x": section})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, r"cohorts: none is given, but models \['vae'\] are of fields"),
        (config_of(sede=3), r"config: sede: Extra inputs are not permitted \(given: 3\)"),
        (config_of(seed=-1), r"config: seed: .*greater than or equal to 0 \(given: -1\)"),
        (config_of(run="a/b"), "config: run: String should match pattern"),
        (config_of({"role": "aply"}), r"cohorts.clinic.role: .*'train', 'apply' or 'both' \(given: 'aply'\)"),
        (config_of({"role": "apply"}), "none has role train or both"),
        (config_of({"path": None}), "give either path or download"),
        (config_of({"columns": None}), "format table needs `columns`"),
        (config_of({"format": "visualfields"}), "the other formats name their columns themselves"),
        (config_of({"simulate": {}}), "`simulate` goes with format: simulated only"),
        (config_of({"format": "simulated"}), "takes `simulate` and neither path nor download"),
        (
            config_of({"path": None, "download": {"url": "x", "git_blob": "123"}}),
            "download.git_blob: String should",
        ),
        (config_of({"join": {"path": "ages.csv", "by": []}}), "join.by: List should have at least 1 item"),
        (columns_of(date="date"), "name the columns of td or sens"),
        (columns_of(date="date", td="td"), "needs one {} where the location number stands"),
        (columns_of(td="td{}"), "name a column for time"),
        (columns_of(td="td{}", visit="visit"), "give visit_interval"),
        (columns_of(td="td{}", age="age", birth_date="born"), "name the date column too"),
        (columns_of(td="td{}", age="age", age_at="first_field"), "name date, years or visit as well"),
        (columns_of(td="td{}", date="d", eye_codes={"1": "right"}), r"eye_codes.1: .*'OD' or 'OS'"),
        (config_of(split={"validation": 0.5, "test": 0.5}), "their sum must be below 1"),
        (
            config_of(trajectory={"model": "gan"}),
            r"trajectory.model: 'gan' is not among the models of kind vae: \['vae'\]",
        ),
        ({"cohorts": {"models": TABLE}}, "the name 'models' is taken"),
        (config_of(models={"vae": {}, "report": {}}), "models: the name 'report' is taken"),
        (config_of({"stable_twin": "quiet"}), "clinic.stable_twin: 'quiet' is not another cohort"),
        (config_of({"stable_twin": "clinic"}), "clinic.stable_twin: 'clinic' is not another cohort"),
        (model_of(kind="gan"), r"config: models\.x: .*'gan'"),
        (
            model_of(kind="field", likelihood="cauchy"),
            r"models\.x\.likelihood: .*'normal'.*given: 'cauchy'",
        ),
        (model_of(kind="field", train={"beta": 0}), r"models\.x\.train\.beta: .*greater than 0"),
        (model_of(kind="field", train={"beta": -1}), r"models\.x\.train\.beta: .*greater than 0"),
        (model_of(kind="field", latent_dim=53), "53 latents for 52 locations; at most 52"),
        (model_of(kind="field", data="digits", latent_dim=65), "65 latents for 64 locations"),
        (model_of(kind="two_view", views="sideways"), r"views: .*'hemifield'.*given: 'sideways'"),
        (model_of(kind="field", seeds=[2, 2]), r"seeds: \[2, 2\] names one twice"),
        (config_of(seed=3, models={"vae": {"seeds": [3]}}), "models.vae.seeds: 3 is the run's own seed"),
        (model_of(kind="archetypes", archetypes=1), "archetypes: .*greater than or equal to 2"),
        (model_of(kind="guided", properties=["iop"]), r"properties\.0: .*'md'"),
        (model_of(kind="guided", properties=["md", "md"]), "properties: .* names one twice"),
        (
            model_of(kind="guided", properties=["psd"]),
            r"search.targets: 'md' is not among properties; give values of \['psd'\]",
        ),
        (
            config_of(report={"further_loss": "vae"}),
            "report.further_loss: 'vae' is not among the models of kind guided",
        ),
        (config_of(sweep={"model": "x"}), r"sweep.model: 'x' is not among the models .*: \['vae'\]"),
        (
            config_of(sweep={"model": "vae", "latent_dim": [60]}),
            "sweep.latent_dim: 60 latents for 52 locations",
        ),
        (config_of(sweep={"model": "vae", "beta": [1, 1]}), "sweep: beta: .* names a value twice"),
        (config_of(sweep={"model": "vae", "beta": [0]}), r"sweep\.beta\.0: .*greater than 0 \(given: 0\)"),
        (config_of(evaluation={"detection_visits": [2]}), "detection_visits.0: .*greater than or equal to 3"),
        (config_of(rates={"progressing_rate": 0.1}), "progressing_rate: .*less than 0"),
    ],
)
def test_mistakes_are_named(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_config(raw)


@pytest.mark.parametrize(
    ("simulate", "said"),
    [
        ({"visits": [4, 2]}, r"\[4, 2\] must be \[fewest, most\]"),
        ({"rate_scale": [1, 0.5]}, r"\[1.0, 0.5\] must be \[least, most\]"),
        ({"test": "zest"}, "'population_noise' or 'staircase'"),
        ({"false_positives": 0.1}, "false_positives: of no effect with test: population_noise"),
        ({"test": "staircase", "noise": 2}, "noise: of no effect with test: staircase"),
        (
            {"test": "staircase", "false_positives": 0.6, "false_negatives": 0.4},
            "false_negatives must be below 1",
        ),
        ({"visit_shift": {"size": 0}}, "visit_shift.size: .*greater than 0"),
        ({"replicates": 5}, "replicates: they are of the eyes of truth"),
        ({"truth": truth_of(), "eyes": 20, "wander": False}, "eyes, wander: of no effect with truth"),
        ({"truth": truth_of(td="td{}")}, "truth: columns: .*name sens"),
        ({"truth": truth_of(age=None)}, "truth: columns: .*name age or birth_date"),
    ],
)
def test_a_simulation_that_cannot_be_is_named(simulate: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=rf"config: cohorts\.demo\.simulate.*{said}"):
        parse_config(simulation_of(**simulate))


def test_a_simulation_survives_its_way_to_the_command() -> None:
    simulate = {"truth": truth_of(), "replicates": 5, "stable": True, "visit_shift": {}, "rnfl": True}
    for options in (simulate, {"test": "staircase", "false_positives": 0.15, "seed": 3}):
        section = Simulation.model_validate(options)
        assert Simulation.model_validate_json(section.model_dump_json()) == section


def test_true_fields_are_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    truth = truth_of() | {"join": {"path": "ages.csv", "by": ["id"]}}
    with pytest.raises(UserError, match=r"demo\.simulate: no file true\.csv(.|\n)*no file ages\.csv"):
        check_sources(parse_config(simulation_of(truth=truth)))
    with pytest.raises(UserError, match=r"demo\.simulate: no file mine\.json"):
        check_sources(parse_config(simulation_of(population="mine.json")))
    retested = {"role": "apply", "format": "simulated", "simulate": {"truth": truth_of()}}
    raw = config_of({"path": "true.csv"})
    raw["cohorts"]["again"] = retested
    with pytest.raises(UserError, match=r"true\.csv is also read by clinic"):
        parse_config(raw)


def test_eyes_drawn_to_learn_from_are_not_drawn_again_to_be_scored() -> None:
    raw = simulation_of(eyes=40)
    raw["cohorts"]["twin"] = {
        "role": "apply",
        "format": "simulated",
        "simulate": {"eyes": 40, "stable": True},
    }
    with pytest.raises(
        UserError, match=r"cohorts\.twin\.simulate: draws the same eyes as demo.*simulate\.seed"
    ):
        parse_config(raw)
    raw["cohorts"]["twin"]["simulate"]["seed"] = 1  # the run's
    with pytest.raises(UserError, match="draws the same eyes"):
        parse_config(raw)
    raw["cohorts"]["twin"]["simulate"]["seed"] = 2
    assert parse_config(raw).training_cohorts == ["demo"]


@pytest.mark.parametrize("share", ["validation", "test"])
def test_no_part_of_the_split_may_be_empty(share: str) -> None:
    with pytest.raises(UserError, match=rf"config: split\.{share}: .*greater than 0"):
        parse_config(config_of(split={share: 0}))


def test_a_file_is_not_both_learned_from_and_unseen() -> None:
    cohorts = {"mine": TABLE, "again": TABLE | {"role": "apply", "path": ["other.csv", "fields.csv"]}}
    with pytest.raises(UserError, match=r"cohorts\.again\.path: fields\.csv is also read by mine"):
        parse_config({"cohorts": cohorts})


TRAINED = {"vae": {"weights": "released"}}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (config_of(models=TRAINED), "cohorts.clinic.role: all models have `weights`"),
        (
            config_of(models={"vae": {"weights": "released", "latent_dim": 4}}),
            "latent_dim: of no effect with weights",
        ),
        (
            config_of(models={"vae": {"train": {"cohorts": ["other"]}}}),
            r"models.vae.train.cohorts: 'other' is no cohort with role train or both; there are \['clinic'\]",
        ),
        (
            config_of(models=TRAINED | {"own": {}}, split={"folds": 3}),
            "trajectory.model: 'vae' is given by `weights`, so no fold of it can be scored",
        ),
    ],
)
def test_models_that_are_given_and_models_that_are_trained(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_config(raw)


def test_with_a_given_model_no_cohort_need_train() -> None:
    config = parse_config(config_of({"role": "apply"}, models=TRAINED))
    assert config.training_cohorts == []
    assert config.models["vae"].folder is not None


def test_the_files_of_a_given_model_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fields.csv").touch()
    config = parse_config(config_of({"role": "apply"}, models={"vae": {"weights": "old"}}))
    with pytest.raises(UserError, match=r"models\.vae\.weights: no file old/weights\.safetensors"):
        check_sources(config)


def test_missing_files_are_all_named_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").touch()
    join = {"path": "ages.csv", "by": ["id"]}
    config = parse_config(config_of({"path": ["there.csv", "gone.csv"], "join": join}))
    with pytest.raises(UserError) as caught:
        check_sources(config)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "cohorts.clinic.path: no file gone.csv" in lines[0]
    assert "cohorts.clinic.join.path: no file ages.csv" in lines[1]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/alldata.json", "alldata.json"),
        ("https://example.org/all%20data.json?raw=1&b=2", "all_data.json"),
        ("file:///fields;rm.csv", "fields_rm.csv"),
    ],
)
def test_a_download_has_a_name_that_is_safe_in_a_shell(url: str, name: str) -> None:
    assert Download(url=url, git_blob="0" * 40).file_name == name


@pytest.mark.parametrize(
    "url", ["example.org/fields.csv", "ftp://example.org/f.csv", "https://example.org/folder/"]
)
def test_an_address_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        Download(url=url, git_blob="0" * 40)


def test_every_mistake_is_listed_at_once() -> None:
    with pytest.raises(UserError) as error:
        parse_config(config_of({"role": "x", "floor": "low"}, seed="one"))
    assert len(str(error.value).splitlines()) == 3


def test_sections_cannot_be_changed() -> None:
    config = parse_config(config_of())
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 2  # type: ignore[misc]


def test_reads_yaml(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(
        "cohorts:\n  clinic: {role: both, path: f.csv, columns: {date: d, sens: 's{}'}, missing: [-9]}\n"
    )
    assert read_config(path).cohorts["clinic"].missing == [-9]
    path.write_text("")
    with pytest.raises(UserError, match=r"cohorts: none is given, but models .'vae'. are of fields"):
        read_config(path)


def test_models_of_images_need_no_cohort() -> None:
    section = {"kind": "field", "data": "digits", "latent_dim": 2}
    assert not parse_config({"models": {"digits": section}}).cohorts
    with pytest.raises(UserError, match=r"trajectory\.model: 'vae' is not among the models of kind vae"):
        parse_config(config_of(models={"digits": section}))


TWO_VIEWS = {"kind": "two_view", "views": "hemifield"}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"views": "structure_function"}, r"views: structure_function: cohort 'clinic' has no `structure`"),
        ({"views": "upside_down"}, r"models.other.views: .*'hemifield'.*\(given: 'upside_down'\)"),
        (
            {"latent_dim": 27},
            "latent_dim: 27 latents for 26 locations; at most 26",
        ),  # half a field is explained
        ({"betas": [1.0, 0.0]}, r"betas.1: .*greater than 0 \(given: 0.0\)"),
        ({"folds": 1}, r"folds: .*greater than or equal to 2 \(given: 1\)"),
    ],
)
def test_two_views_that_cannot_be_learnt_are_refused(section: dict[str, object], words: str) -> None:
    models = {"vae": {}, "other": TWO_VIEWS | section}
    with pytest.raises(UserError, match=words):
        parse_config(config_of({"role": "train"}, models=models))


def test_schema_describes_every_section() -> None:
    schema = json.loads(json_schema())
    assert set(schema["properties"]) == set(Config.model_fields)
    described = schema["$defs"]["ColumnMap"]["properties"]
    assert all("description" in entry for entry in described.values())
