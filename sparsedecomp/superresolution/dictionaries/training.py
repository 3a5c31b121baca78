"""Dictionaries learnt from images: photographs of scikit-image, or others."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sparsedecomp.cache import cached
from sparsedecomp.superresolution.dictionaries.learning import (
    learn_dictionary,
    sparse_codes,
)

_logger = logging.getLogger(__name__)

# Photographs and textures that come with the wheel of scikit-image.
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
# Luminance of red, green and blue: ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def training_images() -> list[NDArray]:
    """Luminance of the photographs that come with scikit-image, 0 to 255.

    Only files of the installed package are read, never the network.

    Returns
    -------
    list of (rows, columns) float32 array
        The images.

    Raises
    ------
    ImportError
        Where scikit-image is not installed.
    """
    found = find_spec("skimage")
    if found is None:
        raise ImportError(
            "The default dictionary is learnt from the photographs of scikit-image, "
            "which is not installed: pip install 'sparsedecomp[images]', or learn one "
            "from your own images with sparsedecomp.superresolution.image_dictionary."
        )
    from PIL import Image

    folder = Path(found.origin).parent / "data"
    images = [np.asarray(Image.open(folder / name), np.float32) for name in PHOTOGRAPHS]
    return [i[..., :3] @ _LUMA if i.ndim == 3 else i for i in images]


def image_dictionary(
    size: int,
    n_atoms: int = 512,
    images: Sequence[NDArray] | None = None,
    *,
    n_nonzero: int = 5,
    n_patches: int = 40_000,
    n_iter: int = 10,
    random_state: int = 0,
) -> NDArray:
    """Learn the atoms that patches of images are sparse in.

    K-SVD on patches less their mean; the half of the patches of every image with the
    lower contrast is left out. The norm of an atom is the root mean square of its
    weights over the patches, and one for the median atom, so that a penalty on the
    weights is smaller for common atoms. Dictionaries are kept on disk, in the folder
    ``SPARSEDECOMP_CACHE_DIR``, by default that of the user's caches.

    Parameters
    ----------
    size : int
        Rows and columns of a patch.
    n_atoms : int, default 512
        Number of atoms.
    images : sequence of (rows, columns) arrays, optional
        Images to learn from, for instance a map of the same kind of specimen at the
        fine step; default: `training_images`.
    n_nonzero : int, default 5
        Most atoms of a patch.
    n_patches : int, default 40000
        Number of patches to learn from, of all images together.
    n_iter : int, default 10
        Number of iterations of K-SVD.
    random_state : int, default 0
        Seed of the choice of patches and first atoms.

    Returns
    -------
    (n_atoms, size**2) float32 array
        The atoms.

    Raises
    ------
    ValueError
        For images smaller than a patch, and images that hold fewer patches than atoms.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import image_dictionary
    >>> y, x = np.mgrid[:40, :40]
    >>> D = image_dictionary(4, 32, [np.sin(x * y / 50)], n_patches=800, n_iter=2)
    >>> D.shape, float(np.median(np.linalg.norm(D, axis=1)).round(3))
    ((32, 16), 1.0)
    """
    options = [size, n_atoms, n_nonzero, n_patches, n_iter, random_state]

    def learn(images: Sequence[NDArray]) -> dict[str, NDArray]:
        rng = np.random.default_rng(random_state)
        X = sample_patches(images, size, n_patches, rng)
        start = atoms_to_start(X, n_atoms, rng)
        D = learn_dictionary(X, start, n_nonzero=n_nonzero, n_iter=n_iter)
        codes = sparse_codes(X, D, n_nonzero=n_nonzero)
        sizes = np.sqrt(np.asarray(codes.power(2).mean(axis=0)).ravel())
        return {"atoms": D * (sizes / np.median(sizes))[:, None]}

    return learnt_once(learn, f"patches_{size}", options, images)["atoms"]


def learnt_once(
    learn: Callable[[Sequence[NDArray]], dict[str, NDArray]],
    name: str,
    options: list[Any],
    images: Sequence[NDArray] | None = None,
) -> dict[str, NDArray]:
    """Arrays learnt from images, read from the cache on disk if they are there.

    Parameters
    ----------
    learn : callable
        Computes a dict of arrays from the images.
    name : str
        Name of the file in the cache.
    options : list
        All that the result depends on beside the images.
    images : sequence of (rows, columns) arrays, optional
        Images to learn from; default: `training_images`.

    Returns
    -------
    dict of str to array
    """
    digests: Sequence[Any] = PHOTOGRAPHS
    if images is not None:
        images = [np.ascontiguousarray(image, np.float32) for image in images]
        digests = [[i.shape, hashlib.sha256(i.tobytes()).hexdigest()] for i in images]

    def compute() -> dict[str, NDArray]:
        _logger.info("learning %s", name)
        return learn(training_images() if images is None else images)

    return cached("dictionaries", name, [options, digests], compute, dict)


def atoms_to_start(X: NDArray, n_atoms: int, rng: np.random.Generator) -> NDArray:
    """Some of the signals as atoms of norm one.

    Parameters
    ----------
    X : (n, n_pixels) array
        Signals.
    n_atoms : int
        Number of atoms.
    rng : numpy.random.Generator
        Generator for the choice of signals.

    Returns
    -------
    (n_atoms, n_pixels) array

    Raises
    ------
    ValueError
        Where too few signals differ from zero.
    """
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    usable = np.flatnonzero(norms)
    if len(usable) < n_atoms:
        raise ValueError(
            f"The images give {len(usable)} patches for {n_atoms} atoms, expected as "
            "many at least: give larger images, or ask for fewer atoms."
        )
    chosen = rng.choice(usable, n_atoms, replace=False)
    return X[chosen] / norms[chosen]


def sample_patches(
    images: Sequence[NDArray], size: int, n_patches: int, rng: np.random.Generator
) -> NDArray:
    """Patches of large contrast less their means, equally many of every image.

    Parameters
    ----------
    images : sequence of (rows, columns) arrays
        Images to take patches from.
    size : int
        Rows and columns of a patch.
    n_patches : int
        Largest number of patches; none is taken twice.
    rng : numpy.random.Generator
        Generator for the choice of patches.

    Returns
    -------
    (n, size**2) float32 array
    """
    parts = []
    for number, image in enumerate(images):
        if image.ndim != 2 or min(image.shape) < size or not np.isfinite(image).all():
            raise ValueError(
                f"Image {number} of shape {image.shape} was given, expected rows and "
                f"columns, {size} at least, without NaN."
            )
        windows = sliding_window_view(image, (size, size))
        shape = windows.shape[:2]
        n = min(2 * (n_patches // len(images)), shape[0] * shape[1])
        places = rng.choice(shape[0] * shape[1], n, replace=False)
        X = windows[np.unravel_index(places, shape)].reshape(n, -1)
        X = X - X.mean(axis=1, keepdims=True)
        contrast = X.std(axis=1)
        parts.append(X[(contrast >= np.median(contrast)) & (contrast > 0)])
    return np.concatenate(parts).astype(np.float32)
