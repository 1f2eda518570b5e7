"""Small pictures that stand in for fields: what shows that the models are not tied to one test grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vfprog.data.split import TEST, TRAIN, VALIDATION
from vfprog.errors import UserError

VALIDATION_SHARE, TEST_SHARE = 0.15, 0.15
FACES = 100  # the first pictures of scikit-image's set; those after them show no face
GRAY_LEVELS = 255  # of a photograph, so its recording's resolution is one of these steps


@dataclass(frozen=True)
class Images:
    """Pictures of one size, each on one side of a seeded split.

    Attributes
    ----------
    name : str
        "digits" or "faces".
    values : array (image, pixel)
        Brightness in the pictures' own units, pixels row by row.
    shape : (rows, columns)
        Of a picture.
    cell : float
        Resolution of the recording, in the values' units.
    part : array (image,) of str
        train, validation or test.
    attribution : str
        Where the pictures come from.
    """

    name: str
    values: np.ndarray
    shape: tuple[int, int]
    cell: float
    part: np.ndarray
    attribution: str

    def of(self, part: str) -> np.ndarray:
        """The pictures of one part: (image, pixel)."""
        return self.values[self.part == part]


def load_images(name: str, seed: int = 1) -> Images:
    """A set of pictures that comes with an installed package; nothing is downloaded.

    Parameters
    ----------
    name : str
        "digits": 1,797 handwritten digits of 8 x 8 pixels, 0 to 16, of scikit-learn. "faces": 100 faces of 25 x 25
        pixels, 0 to 1, of scikit-image; each training face counts once more in the mirror.
    seed : int
        Of the split.

    Raises
    ------
    UserError
        If there is no such set.
    """
    if name not in LOADERS:
        raise UserError(f"data: '{name}' is no set of images; there are {', '.join(LOADERS)}")
    return LOADERS[name](seed)


def _load_digits(seed: int) -> Images:
    from sklearn.datasets import load_digits

    return Images(
        name="digits",
        values=load_digits().data,
        shape=(8, 8),
        cell=1.0,
        part=_split(1797, seed),
        attribution="Handwritten digits (Alpaydin and Kaynak, UCI 1998), shipped by scikit-learn",
    )


def _load_faces(seed: int) -> Images:
    from skimage.data import lfw_subset

    faces = lfw_subset()[:FACES]
    # Each face beside its mirror image, so that halves of the rows hold different faces.
    pairs = np.stack([faces, faces[..., ::-1]], axis=1)
    part = _split(len(faces), seed)
    counted = np.stack([np.full(len(faces), True), part == TRAIN], axis=1)
    return Images(
        name="faces",
        values=pairs[counted].reshape(-1, faces[0].size),
        shape=(faces.shape[1], faces.shape[2]),
        cell=1 / GRAY_LEVELS,
        part=np.stack([part, part], axis=1)[counted],
        attribution="Labeled Faces in the Wild (Huang et al., NIPS 2012), a subset shipped by scikit-image",
    )


def _split(n: int, seed: int) -> np.ndarray:
    """A part for each of ``n`` pictures, in random order: (image,) of str."""
    validation, test = round(n * VALIDATION_SHARE), round(n * TEST_SHARE)
    sizes = {VALIDATION: validation, TEST: test, TRAIN: n - validation - test}
    return np.random.default_rng(seed).permutation(np.repeat(list(sizes), list(sizes.values())))


LOADERS: dict[str, Callable[[int], Images]] = {"digits": _load_digits, "faces": _load_faces}
