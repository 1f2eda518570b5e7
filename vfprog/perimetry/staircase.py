"""The perimeter's full-threshold test: a 4-2 dB staircase at each location, for any true sensitivities.

The staircase is that of the first Humphrey Field Analyzer as the Open Perimetry Interface runs it (Turpin, Artes &
McKendrick, J Vis 2012;12(11):22, `FT`). How often a stimulus is seen follows a cumulative Gaussian that is wider
where sensitivity is low (Henson et al., IOVS 2000;41:417).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from vfprog.perimetry.grid import Grid

BRIGHTEST, DIMMEST = 0.0, 40.0  # stimuli the perimeter can show, dB
FLOOR = -2.0  # sensitivity recorded for a stimulus not seen at full brightness, dB
STEP, FINE_STEP = 4.0, 2.0  # before and after the first reversal, dB
RETEST = 4.0  # a threshold further than this from where its staircase began is tested again from there, dB
HENSON = (-0.081, 3.27)  # log SD (dB) of the frequency-of-seeing curve is the first times dB plus the second
PRIMARY = 9.0  # degrees from both meridians: the four locations tested first, one a quadrant
SPACING = 6.0  # of the grid, degrees
JITTER = 2  # starts are moved by up to this, so that thresholds do not fall on every other decibel, dB
WIDEST = 6.0  # the fit rests on sensitivities above about 10 dB; below, its SD would grow without limit, dB


def frequency_of_seeing(
    stimulus: np.ndarray, sens: np.ndarray, false_positives: float = 0.0, false_negatives: float = 0.0
) -> np.ndarray:
    """Probability of a press on the button.

    Parameters
    ----------
    stimulus, sens : array
        Stimulus and true sensitivity, dB (a greater stimulus is dimmer).
    false_positives, false_negatives : float
        Probabilities of a press whatever is seen, and of none.

    Returns
    -------
    array
        Of their common shape.
    """
    sd = np.minimum(np.exp(HENSON[0] * sens + HENSON[1]), WIDEST)
    return false_positives + (1 - false_positives - false_negatives) * ndtr((sens - stimulus) / sd)


def full_threshold(
    sens: np.ndarray,
    start: np.ndarray,
    rng: np.random.Generator,
    false_positives: float = 0.0,
    false_negatives: float = 0.0,
) -> np.ndarray:
    """Test every location once.

    A threshold more than ``RETEST`` from its start is doubted: a second staircase begins there and decides.

    Parameters
    ----------
    sens : array
        True sensitivities, dB, of any shape.
    start : array
        First stimulus, dB; broadcasts to that shape. Starts of one parity give thresholds on every other decibel.
    rng : Generator
    false_positives, false_negatives : float
        As in :func:`frequency_of_seeing`.

    Returns
    -------
    array
        Dimmest stimulus of the deciding staircase, in the sense of the last seen, dB; ``FLOOR`` where none was.
    """
    true = np.ravel(sens)
    begun = np.clip(np.broadcast_to(start, sens.shape), BRIGHTEST, DIMMEST).ravel()
    found = _staircase(true, begun, rng, false_positives, false_negatives)
    resumed = found.clip(min=BRIGHTEST)
    doubted = np.abs(resumed - begun) > RETEST
    found[doubted] = _staircase(true[doubted], resumed[doubted], rng, false_positives, false_negatives)
    return found.reshape(sens.shape)


def field_test(
    sens: np.ndarray,
    normal: np.ndarray,
    grid: Grid,
    rng: np.random.Generator,
    false_positives: float = 0.0,
    false_negatives: float = 0.0,
) -> np.ndarray:
    """Test whole fields, quadrant by quadrant from within.

    One location a quadrant is tested from its normal sensitivity; rings of locations around it follow, each from
    its normal sensitivity less the mean defect of its neighbours tested before. So a blind region is not searched
    from bright to dim at every location, which would give each false press a chance to pass for a threshold.

    Parameters
    ----------
    sens, normal : array (..., location)
        True sensitivities, and those normal for the age, dB.
    grid : Grid
        A grid of 6 degrees about the meridians, as 24-2.
    rng : Generator
    false_positives, false_negatives : float
        As in :func:`frequency_of_seeing`.

    Returns
    -------
    array (..., location)
        Thresholds, whole dB; ``FLOOR`` where not seen.
    """
    ring = np.abs(np.abs(grid.xy) - PRIMARY).max(axis=1) // SPACING
    adjacent = np.abs(grid.xy[:, None] - grid.xy).max(axis=2) <= SPACING
    near = adjacent & (np.sign(grid.xy)[:, None] == np.sign(grid.xy)).all(axis=2)  # in its quadrant
    jitter = rng.integers(-JITTER, JITTER, sens.shape)
    found = np.zeros(sens.shape)
    for r in np.unique(ring):  # four rings; each is all fields at once
        at, before = ring == r, near[ring == r] & (ring < r)
        weight = before / np.maximum(before.sum(axis=1, keepdims=True), 1)
        defect = (found.clip(min=BRIGHTEST) - normal) @ weight.T
        start = np.round(normal[..., at] + defect) + jitter[..., at]
        found[..., at] = full_threshold(sens[..., at], start, rng, false_positives, false_negatives)
    return found


def _staircase(
    sens: np.ndarray,
    start: np.ndarray,
    rng: np.random.Generator,
    false_positives: float,
    false_negatives: float,
) -> np.ndarray:
    """Last seen stimulus of one staircase: (location,) -> (location,) dB.

    It ends at the second reversal, or where the brightest stimulus was missed, or the dimmest seen, twice in a row.
    """
    last_seen = np.full(len(sens), FLOOR)
    # The state of those still under test; each turn of the loop presents one stimulus to all of them.
    index, stimulus = np.arange(len(sens)), start.copy()
    before = np.zeros(len(sens), dtype=int)  # the response before: 1 seen, -1 missed, 0 none yet
    fine = np.zeros(len(sens), dtype=bool)  # past the first reversal
    stuck = np.zeros(len(sens), dtype=bool)  # the response before asked for a stimulus beyond the range
    while len(index):
        chance = frequency_of_seeing(stimulus, sens[index], false_positives, false_negatives)
        seen = rng.random(len(index)) < chance
        last_seen[index[seen]] = stimulus[seen]
        response = np.where(seen, 1, -1)
        reversal = response == -before
        following = stimulus + response * np.where(fine | reversal, FINE_STEP, STEP)
        beyond = (following < BRIGHTEST) | (following > DIMMEST)
        at_limit = beyond & ((stimulus == BRIGHTEST) | (stimulus == DIMMEST))
        going = ~((fine & reversal) | (stuck & at_limit))
        index, before = index[going], response[going]
        stimulus = following[going].clip(BRIGHTEST, DIMMEST)
        fine, stuck = (fine | reversal)[going], at_limit[going]
    return last_seen
