"""Detection tables: controls, labels, paired differences, and the share flagged without truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vfprog import columns as c
from vfprog.config import EvaluationConfig, RatesConfig
from vfprog.data.views import Views
from vfprog.forecast import detection_table
from vfprog.forecast.detection import INTERVALS, VISITS, Detector, ScoreModel
from vfprog.forecast.detection_scores import all_scores, shuffled_scores
from vfprog.forecast.detection_table import (
    Group,
    Labelled,
    against_truth,
    against_twin,
    detection_tables,
    worsening,
)
from vfprog.forecast.flagged import flagged_table
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_sd

GRID = load_grid("24-2")
MODEL, HALVES = ScoreModel(noise=1.0, wander=2.0, gain=2.0), ((0.5,) * len(INTERVALS),) * len(VISITS)
DETECTOR = Detector(0.3, MODEL, MODEL, HALVES, HALVES)
RATES = RatesConfig(poplr_permutations=99)
OPTIONS = EvaluationConfig(bootstrap=200, detection_visits=[5], detection_shuffles=60)


def eyes(n: int, slope: float, level: float, seed: int, visits: int = 5, structure: bool = True) -> Views:
    """Eyes whose fields lose ``slope`` dB a year in their lower half, and two sectors that thin with them."""
    rng = np.random.default_rng(seed)
    years = np.tile(np.arange(visits) / 2, (n, 1))
    change = slope * (np.arange(52) >= 26) * years[..., None]
    td = level + change + noise_sd(np.array(level)) * rng.standard_normal((n, visits, 52))
    views = Views(td, np.ones(td.shape, bool), years, np.full(n, visits))
    if not structure:
        return views
    thickness = 80 + 2 * slope * years[..., None] + 5 * rng.standard_normal((n, visits, 2))
    return replace(views, thickness=thickness, measured=np.ones(thickness.shape, bool))


def labelled(slope: float = -1.0, level: float = -3.0, n: int = 40, **more: int | bool) -> Labelled:
    """Progressing and stable eyes, two of each a person, the progressing at another level."""
    person = np.arange(n) // 2
    groups = (eyes(n, slope, level, 1, **more), eyes(n, 0.0, -8.0, 2, **more))
    return Labelled(*(Group(views, person) for views in groups), n // 2)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, ...]:
    return detection_tables(labelled(), DETECTOR, RATES, OPTIONS, seed=1)


def test_shuffled_visits_tell_nothing_though_the_groups_differ_in_level(tables):
    """The groups lie 5 dB apart: a score that saw the level would tell shuffled ones apart."""
    assert tables[0]["auc_shuffled"].between(0.47, 0.53).all()
    assert tables[0]["auc"].gt(0.6).all()


def test_rows_hold_every_score_and_who_was_scored(tables):
    found = tables[0]
    assert set(found["score"]) == {
        "md_trend", "plr", "poplr", "zf", "p_progressing", "p_progressing_function", "rnfl_md_sum", "zf_zs"
    }  # fmt: skip
    assert (found["auc_lower"] <= found["auc"]).all() and (found["auc"] <= found["auc_upper"]).all()
    assert found[
        ["n_visits", "n_eyes", "n_progressing", "n_persons"]
    ].drop_duplicates().to_numpy().tolist() == [[5, 80, 40, 20]]


def test_differences_are_those_of_the_auc_on_the_same_replicates(tables):
    found, apart, _ = tables
    auc = found.set_index("score")["auc"]
    for row in apart.itertuples():
        assert row.difference == pytest.approx(auc[row.score] - auc[row.baseline])
    assert not (apart["score"] == apart["baseline"]).any()
    assert set(apart["baseline"]) == {"md_trend", "poplr", "zf", "zf_zs"}
    # zf and the detector's score are kin: their difference is surer than the less sure of the two.
    kin = apart[(apart["score"] == "p_progressing_function") & (apart["baseline"] == "zf")].iloc[0]
    whole = found.set_index("score").loc[["zf", "p_progressing_function"]]
    assert kin["upper"] - kin["lower"] < 0.8 * (whole["auc_upper"] - whole["auc_lower"]).max()


def test_time_to_detection_grows_with_visits(tables):
    times = tables[2]
    assert sorted(times["n_visits"].unique()) == [3, 4, 5]
    own = times[times["score"] == "p_progressing"].sort_values("n_visits")["flagged"]
    assert own.iloc[-1] > own.iloc[0]


def test_fields_alone_have_no_structural_scores():
    found, _, _ = detection_tables(labelled(structure=False), DETECTOR, RATES, OPTIONS, seed=1)
    assert set(found["score"]) == {"md_trend", "plr", "poplr", "zf", "p_progressing"}


def test_groups_too_small_or_short_have_no_rows():
    for few in (labelled(n=8), labelled(visits=2)):
        assert all(
            table.empty and len(table.columns) for table in detection_tables(few, DETECTOR, RATES, OPTIONS, 1)
        )


def test_large_groups_are_shuffled_in_part(monkeypatch):
    monkeypatch.setattr(detection_table, "SHUFFLED_EYES", 10)
    monkeypatch.setattr(detection_table, "TOGETHER", 90)  # several chunks of shuffles
    found, _, _ = detection_tables(labelled(structure=False), DETECTOR, RATES, OPTIONS, seed=1)
    assert found["auc_shuffled"].between(0.44, 0.56).all()


def test_scores_rise_as_eyes_worsen():
    worse, still = (all_scores(eyes(30, slope, -5.0, 3), DETECTOR, RATES, 1) for slope in (-2.0, 0.0))
    assert all(worse[name].mean() > still[name].mean() for name in worse)
    undefined = all_scores(eyes(3, 0.0, -5.0, 3, visits=2), DETECTOR, RATES, 1)
    assert all(np.isfinite(values).all() for values in undefined.values())


def test_shuffled_scores_are_those_of_every_eye_under_every_shuffle():
    views = eyes(6, -1.0, -5.0, 4)
    found = shuffled_scores(views, DETECTOR, RATES, 7, np.random.default_rng(0))
    assert {values.shape for values in found.values()} == {(7, 6)}
    assert set(found) == set(all_scores(views, DETECTOR, RATES, 1))


def visits_of(people: list[str], n: int = 3) -> pd.DataFrame:
    rows = [(p, "OD", v + 1, v / 2) for p in people for v in range(n)]
    table = pd.DataFrame(rows, columns=[*c.VISIT_KEY, c.YEARS])
    return pd.concat([table, pd.DataFrame(-3.0, index=table.index, columns=c.td(GRID.n))], axis=1)


def test_a_twin_s_persons_are_the_cohort_s():
    found = against_twin(visits_of(["a", "b"]), visits_of(["b", "a", "c"]), GRID, [])
    assert found.persons == 3
    assert found.progressing.person.tolist() == [0, 1] and found.stable.person.tolist() == [1, 0, 2]


def test_drawn_eyes_that_do_not_worsen_are_left_out_with_their_twins():
    visits, twin = visits_of(["a", "b", "c"]), visits_of(["a", "b", "c"])
    truth = pd.DataFrame({c.PATIENT: ["a", "b", "c"], c.EYE: "OD", "rate": [-0.5, 0.2, -0.31]})
    left, twins = worsening(visits, twin, truth, RATES)
    assert left[c.PATIENT].unique().tolist() == twins[c.PATIENT].unique().tolist() == ["a", "c"]
    assert len(left) == len(twins) == 6
    found = against_twin(left, twins, GRID, [])
    assert found.progressing.person.tolist() == found.stable.person.tolist() == [0, 1]


def test_true_rates_make_the_groups_and_replicates_share_a_person():
    visits = visits_of(["a-r1", "a-r2", "b", "c"])
    visits[c.PERSON] = visits[c.PATIENT].str[0]
    truth = pd.DataFrame(
        {c.PATIENT: ["a-r1", "a-r2", "b", "c"], c.EYE: "OD", "rate": [-0.5, 0.0, -0.1, -0.31]}
    )
    found = against_truth(visits, truth, RATES, GRID, [])
    assert found.progressing.person.tolist() == [0, 2] and found.stable.person.tolist() == [0]


def test_the_share_flagged_needs_no_truth():
    keys = pd.DataFrame({c.PATIENT: [f"P{i // 2}" for i in range(60)], c.EYE: ["OD", "OS"] * 30})
    options = EvaluationConfig(bootstrap=200, detection_shuffles=30)
    still, worse = (
        flagged_table(keys, eyes(60, slope, -5.0, 6, visits=10), DETECTOR, RATES, options, 1)
        for slope in (0.0, -1.5)
    )
    assert (
        still["years"].tolist() == [2, 2, 4, 4]
        and still["score"].tolist() == ["md_trend", "p_progressing"] * 2
    )
    assert (still["flagged"] < 0.15).all() and (still["reversed"] < 0.15).all()
    late = worse[worse["years"] == 4]
    assert (late["flagged"] > 0.5).all() and (late["reversed"] == 0).all()
    assert worse.loc[0, "difference"] == 0
    own, md = worse.loc[1, "flagged"], worse.loc[0, "flagged"]
    assert worse.loc[1, "difference"] == pytest.approx(own - md)
    assert (worse["n_eyes"] == 60).all() and (worse["n_patients"] == 30).all()


def test_eyes_followed_for_a_year_are_in_no_share():
    keys = pd.DataFrame({c.PATIENT: ["a", "b"], c.EYE: "OD"})
    short = flagged_table(keys, eyes(2, 0.0, -5.0, 6, visits=3), DETECTOR, RATES, OPTIONS, 1)
    assert short.empty and "flagged" in short
