"""Pictures that stand in for fields."""

import numpy as np
import pytest

from vfprog.data.images import load_images
from vfprog.data.split import TEST, TRAIN, VALIDATION
from vfprog.errors import UserError


def test_digits_are_whole_values_on_an_8_by_8_grid() -> None:
    digits = load_images("digits")
    assert digits.values.shape == (1797, 64)
    assert np.array_equal(digits.values, digits.values.round())
    assert (digits.values.min(), digits.values.max()) == (0, 16)


def test_every_face_stands_on_one_side_of_the_split() -> None:
    faces = load_images("faces")
    parts = [faces.of(part).reshape(-1, *faces.shape) for part in (TRAIN, VALIDATION, TEST)]
    train, held_out = parts[0], np.concatenate(parts[1:])
    assert len(train) == 2 * 70
    assert len(held_out) == 30
    for seen in (train, train[:, :, ::-1]):
        distance = np.abs(seen[:, None] - held_out[None]).max((2, 3))
        assert distance.min() > 0.05


def test_training_faces_come_with_their_mirror_images() -> None:
    faces = load_images("faces")
    train = faces.of(TRAIN).reshape(-1, 2, *faces.shape)
    assert np.array_equal(train[:, 1], train[:, 0, :, ::-1])


@pytest.mark.parametrize("name", ["digits", "faces"])
def test_the_split_follows_the_seed(name: str) -> None:
    first, again, other = load_images(name, 1), load_images(name, 1), load_images(name, 2)
    assert np.array_equal(first.part, again.part)
    assert not np.array_equal(first.part, other.part)
    assert len(other.values) == len(first.values)


def test_an_unknown_set_is_refused_with_what_there_is() -> None:
    with pytest.raises(UserError, match="'cats' is no set of images; there are digits, faces"):
        load_images("cats")
