from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vfprog.perimetry.classical import classical_rates


def cohort(visits: list[int], seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise around eyes without change: td, mask (eye, visit, location) and years (eye, visit), padded."""
    rng = np.random.default_rng(seed)
    longest = max(visits)
    td = rng.normal(-3, 1, size=(len(visits), longest, 52))
    years = rng.uniform(0.3, 0.8, size=(len(visits), longest)).cumsum(axis=1)
    present = np.arange(longest) < np.array(visits)[:, np.newaxis]
    return td, np.repeat(present[:, :, np.newaxis], 52, axis=2), years


def test_short_series_give_what_they_can():
    rates = classical_rates(*cohort([1, 2, 3]), permutations=99, seed=1)
    assert rates["md_slope"].isna().tolist() == [True, False, False]
    assert rates["md_slope_p"].isna().tolist() == [True, True, False]
    assert rates["poplr_p"].isna().tolist() == [True, True, False]
    assert rates["plr_points"].tolist()[:2] == [0, 0]


def test_columns_are_those_of_the_rates_table():
    rates = classical_rates(*cohort([4]), permutations=99, seed=1)
    assert list(rates) == [
        "md_slope",
        "md_slope_p",
        "plr_points",
        "plr_net",
        "plr_confirmed",
        "plr_progressing",
        "poplr_p",
    ]


def test_the_slope_is_of_the_plain_mean():
    td, mask, years = cohort([9])
    rates = classical_rates(td, mask, years, permutations=99, seed=1)
    assert rates["md_slope"].item() == pytest.approx(np.polyfit(years[0], td[0].mean(axis=1), 1)[0])


def test_progressing_locations_are_counted():
    td, mask, years = cohort([10])
    td = td / 10
    td[0, :, :6] -= 1.5 * years[0, :, np.newaxis]  # fast enough
    td[0, :, 6:10] -= 0.5 * years[0, :, np.newaxis]  # significant, yet slow
    rates = classical_rates(td, mask, years, permutations=99, seed=1)
    assert rates["plr_points"].item() == 6
    assert rates["poplr_p"].item() == 1 / 100


def test_a_steep_slope_within_noise_does_not_count():
    td, mask, years = cohort([4])
    td *= 20
    slopes = [np.polyfit(years[0], location, 1)[0] for location in td[0].T]
    assert sum(slope <= -1 for slope in slopes) > 10
    assert classical_rates(td, mask, years, permutations=99, seed=1)["plr_points"].item() < 5


def test_masked_values_never_matter():
    td, mask, years = cohort([9, 4, 12])
    mask[0, 3, 10:20] = False
    filled = classical_rates(np.where(mask, td, 1e3), mask, years, permutations=99, seed=1)
    gaps = classical_rates(np.where(mask, td, np.nan), mask, years, permutations=99, seed=1)
    pd.testing.assert_frame_equal(filled, gaps)


def test_an_eye_does_not_depend_on_the_others():
    td, mask, years = cohort([9, 12, 10])
    together = classical_rates(td, mask, years, permutations=99, seed=1)
    reverse = classical_rates(td[::-1], mask[::-1], years[::-1], permutations=99, seed=1)
    alone = classical_rates(td[:1, :9], mask[:1, :9], years[:1, :9], permutations=99, seed=1)
    pd.testing.assert_frame_equal(together, reverse[::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(together[:1], alone)


def test_a_cohort_taken_in_parts_is_the_same_cohort(monkeypatch):
    series = cohort([9, 3, 12, 1, 9])
    whole = classical_rates(*series, permutations=99, seed=1)
    monkeypatch.setattr("vfprog.perimetry.classical.EYES_AT_ONCE", 2)
    pd.testing.assert_frame_equal(classical_rates(*series, permutations=99, seed=1), whole)


def test_no_eyes_is_no_rows():
    td, mask, years = cohort([4])
    rates = classical_rates(td[:0], mask[:0], years[:0], permutations=99, seed=1)
    assert (len(rates), rates["md_slope"].dtype) == (0, float)


def test_the_seed_decides_the_permutations():
    series = cohort([9])
    p = [classical_rates(*series, permutations=99, seed=seed)["poplr_p"].item() for seed in (1, 1, 2, 3, 4)]
    assert p[0] == p[1]
    assert len(set(p)) > 1
