"""Cross-validation: what a model is fitted to holds nothing of the patients it is scored on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from vfprog import columns as c
from vfprog.cli.assessment import assess, models
from vfprog.cli.models import calibrate, train
from vfprog.cli.scores import evaluate
from vfprog.config import (
    EvaluationConfig,
    RatesConfig,
    SplitConfig,
    TrainConfig,
    TrajectoryConfig,
    VaeConfig,
)
from vfprog.data.schema import write_visits
from vfprog.data.split import TEST, TRAIN, patients_of, split_patients
from vfprog.io import read_json, read_table, write_table
from vfprog.perimetry.grid import load_grid

GRID = load_grid("24-2")
MODEL = VaeConfig(latent_dim=2, decoder_hidden=[8], encoder_hidden=[8],
                    train=TrainConfig(population_series=0, steps=6, epoch=3, batch=8))  # fmt: skip
OPTIONS = json.dumps(
    {"trajectory": TrajectoryConfig(draws=4).model_dump(), "rates": RatesConfig().model_dump()}
)
FOLD = 2


def _visits(seed: int = 0, patients: int = 9, visits: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    keys = [(f"{i:03d}", c.RIGHT, visit) for i in range(patients) for visit in range(1, visits + 1)]
    table = pd.DataFrame(keys, columns=c.VISIT_KEY)
    td = rng.normal(-4, 3, (patients, 1, 52)) + rng.normal(0, 1.5, (patients, visits, 52))
    table = table.assign(**{c.YEARS: (table[c.VISIT] - 1) / 2, c.AGE: 60.0, c.INCLUDED: True, c.REASON: ""})
    table = table.join(pd.DataFrame(td.reshape(-1, 52).clip(-30, 5), columns=c.td(52)))
    return table.assign(**dict.fromkeys((c.MD, c.MTD), table[c.td(52)].mean(axis=1)), **{c.PSD: 2.0})


def _fit(folder: Path, visits: pd.DataFrame, split: pd.DataFrame, fold: int) -> Path:
    """Train and calibrate the model of a fold, as the workflow does."""
    cohort, model = folder / "clinic", folder / f"models/vae/fold-{fold}"
    write_visits(visits, GRID, cohort / "visits.parquet")
    write_table(split, cohort / "split.csv")
    files = {"visits": [cohort / "visits.parquet"], "splits": [cohort / "split.csv"]}
    outputs = [model / name for name in ("weights.safetensors", "architecture.json", "history.csv")]
    checkpoint = folder / "checkpoint.pt"
    train(*outputs, **files, checkpoint=checkpoint, options=MODEL.model_dump_json(), fold=fold)
    calibrate(model / "card.json", **files, options=OPTIONS, name="vae")
    return model


@pytest.fixture(scope="module", autouse=True)
def short_fits() -> Iterator[None]:
    """How long is fitted makes no difference to what is fitted to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vfprog.inference.fit_residual.STEPS", 3)
        patch.setattr("vfprog.forecast.detection.SIMULATED_EYES", 400)
        yield


@pytest.fixture(scope="module")
def split() -> pd.DataFrame:
    return split_patients(_visits(), SplitConfig(folds=3, validation=0.3), seed=1)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, split: pd.DataFrame) -> Path:
    return _fit(tmp_path_factory.mktemp("run"), _visits(), split, FOLD)


def _content(model: Path) -> tuple[dict[str, np.ndarray], dict[str, object], pd.DataFrame]:
    """Weights, card and training curves, without what names the input files or times the work."""
    card = read_json(model / "card.json")
    del card["training"]["inputs"], card["training"]["seconds"]
    return (
        load_file(model / "weights.safetensors"),
        card,
        read_table(model / "history.csv").drop(columns="seconds"),
    )


def test_fields_of_the_scored_patients_change_nothing_of_their_model(
    fitted: Path, split: pd.DataFrame, tmp_path: Path
) -> None:
    visits = _visits()
    tested = visits[c.PATIENT].isin(patients_of(split, TEST, FOLD))
    other = visits.copy()
    other.loc[tested, [*c.td(52), c.MD, c.MTD]] -= 5.0
    again = _fit(tmp_path, other, split, FOLD)
    weights, card, history = _content(fitted)
    other_weights, other_card, other_history = _content(again)
    assert card == other_card and card["fold"] == FOLD
    assert "The 3 test patients of fold 2 touched nothing of this." in str(card["data"])
    pd.testing.assert_frame_equal(history, other_history)
    for name, value in weights.items():
        np.testing.assert_array_equal(value, other_weights[name], err_msg=name)


def test_fields_of_a_training_patient_do_change_the_model(
    fitted: Path, split: pd.DataFrame, tmp_path: Path
) -> None:
    """So that the test above can fail."""
    other = _visits()
    learned = other[c.PATIENT] == patients_of(split, TRAIN, FOLD).iloc[0]
    other.loc[learned, c.td(52)] -= 5.0
    weights, card, _ = _content(_fit(tmp_path, other, split, FOLD))
    before, card_before, _ = _content(fitted)
    assert any((weights[name] != before[name]).any() for name in weights)
    for part in ("residual", "calibration", "shrunk_plr"):
        assert card[part] != card_before[part], part


def test_each_fold_s_model_scores_its_own_patients_and_all_are_pooled(
    fitted: Path, split: pd.DataFrame, tmp_path: Path
) -> None:
    folder = fitted.parents[2]
    files = folder / "clinic/visits.parquet", folder / "clinic/split.csv"
    folds = [_fit(folder, _visits(), split, fold) if fold != FOLD else fitted for fold in (1, 2, 3)]
    options = EvaluationConfig(first_visits=[2], bootstrap=100, min_values=50)
    sections = json.dumps(
        {"trajectory": TrajectoryConfig(draws=4).model_dump(), "evaluation": options.model_dump()}
    )

    def scores(chosen: list[Path]) -> pd.DataFrame:
        outputs = [tmp_path / f"{name}.csv" for name in ("evaluation", "differences", "published")]
        evaluate(*outputs, visits=files[0], model=chosen, options=sections, split=files[1])
        table = read_table(outputs[0])
        return table[(table["horizon"] == "all") & (table["severity"] == "all")].set_index(
            ["method", "metric"]
        )

    pooled, alone = scores(folds), [scores([model]) for model in folds]
    assert (pooled["n_patients"] == 9).all() and all((part["n_patients"] == 3).all() for part in alone)
    weighted = sum(part["value"] * part["n_visits"] for part in alone) / sum(
        part["n_visits"] for part in alone
    )
    np.testing.assert_allclose(pooled["value"], weighted.loc[pooled.index], rtol=1e-6)

    for folder in folds:
        tables = [folder / f"{name}.csv" for name in ("evidence", "health", "pit", "samples")]
        outputs = [folder / "assessment.json", *tables, folder / "samples.parquet"]
        assess(*outputs, model=folder, name="vae", visits=[files[0]], splits=[files[1]])
    models(tmp_path / "models.csv", [folder / "assessment.json" for folder in folds])
    (row,) = read_table(tmp_path / "models.csv").to_dict("records")
    assert row["model"] == "vae" and np.isfinite(row["elbo"]) and row["n_patients"] == 9
