"""The perimeter's staircase: it finds thresholds about as scattered as real ones, and no more than it can."""

from __future__ import annotations

import numpy as np
import pytest

from vfprog.perimetry.deviation import load_norms
from vfprog.perimetry.grid import load_grid
from vfprog.perimetry.noise import noise_sd
from vfprog.perimetry.staircase import DIMMEST, FLOOR, field_test, frequency_of_seeing, full_threshold

GRID = load_grid("24-2")
NORMAL = load_norms("24-2").normal_sensitivity(np.array([60.0]))[0]


def errors_at(td: float, fields: int = 400, **errors: float) -> np.ndarray:
    """Error of thresholds where the whole field is at one true deviation, dB: (field, location)."""
    sens = np.tile(NORMAL + td, (fields, 1))
    return field_test(sens, np.tile(NORMAL, (fields, 1)), GRID, np.random.default_rng(0), **errors) - sens


def test_half_of_the_stimuli_at_threshold_are_seen() -> None:
    sens = np.linspace(0, 36, 10)
    np.testing.assert_allclose(frequency_of_seeing(sens, sens), 0.5)
    np.testing.assert_allclose(frequency_of_seeing(sens, sens, 0.2, 0.1), 0.2 + 0.7 / 2)
    # Henson's curve at 30 dB has an SD of exp(3.27 - 2.43) = 2.32 dB; at 5 dB the cap of 6 dB holds.
    assert frequency_of_seeing(np.array(30 - 2.32), np.array(30.0)) == pytest.approx(0.8413, abs=1e-3)
    assert frequency_of_seeing(np.array(-1.0), np.array(5.0)) == pytest.approx(0.8413, abs=1e-3)


def test_a_sure_observer_is_found_within_the_last_step() -> None:
    """At 200 dB below every stimulus or above, answers are certain; in between only the end of the range matters."""
    rng = np.random.default_rng(0)
    start = np.arange(0.0, 41.0)
    assert (full_threshold(np.full(41, -200.0), start, rng) == FLOOR).all()
    assert (full_threshold(np.full(41, 200.0), start, rng) == DIMMEST).all()


def test_thresholds_are_whole_decibels_of_either_parity() -> None:
    found = errors_at(-6) + NORMAL - 6
    assert (found == found.round()).all()
    assert 0.4 < (found % 2).mean() < 0.6
    assert found.min() >= FLOOR and found.max() <= DIMMEST


@pytest.mark.parametrize("td", [0, -4, -10, -20])
def test_careful_observers_are_measured_nearly_unbiased(td: float) -> None:
    error = errors_at(td)
    # The last seen stimulus lies about half a step below the threshold.
    assert -1.8 < error.mean() < 0.2


def test_scatter_grows_with_loss_as_real_tests_do_but_less() -> None:
    """Real eyes vary between tests for reasons a staircase knows nothing of, above all where loss is deep."""
    spread = {
        td: errors_at(td, false_positives=0.03, false_negatives=0.01).std() for td in (0, -4, -8.5, -15)
    }
    assert list(spread.values()) == sorted(spread.values())
    for td, sd in spread.items():
        assert 0.4 * noise_sd(np.array(td)) < sd < 1.3 * noise_sd(np.array(td)), td


def test_false_presses_raise_thresholds_and_missed_ones_lower_them() -> None:
    for td in (-2, -25):
        raised = [errors_at(td, false_positives=rate).mean() for rate in (0, 0.1, 0.2)]
        lowered = [errors_at(td, false_negatives=rate).mean() for rate in (0, 0.1, 0.2)]
        assert raised == sorted(raised) and raised[2] - raised[0] > 0.4, td
        assert lowered == sorted(lowered, reverse=True) and lowered[0] - lowered[2] > 0.4, td


def test_a_blind_field_stays_at_the_floor() -> None:
    """No location is searched from bright to dim, so most false presses find nothing to be taken for."""
    blind = errors_at(-45, false_positives=0.03) + NORMAL - 45
    assert (blind == FLOOR).mean() > 0.75
    assert blind.mean() < FLOOR + 2
    sure = errors_at(-200) + NORMAL - 200
    assert (sure == FLOOR).all()


def test_the_generator_alone_decides() -> None:
    np.testing.assert_array_equal(errors_at(-5), errors_at(-5))
    sens = np.full((3, 2, 52), 25.0)
    found = field_test(sens, np.broadcast_to(NORMAL, sens.shape), GRID, np.random.default_rng(1))
    assert found.shape == sens.shape and len(np.unique(found.reshape(6, 52), axis=0)) == 6
