"""Dictionaries learnt from images: those of scikit-image, or the user's own."""

from __future__ import annotations

import hashlib
import json
import logging
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sparsedecomp.cache import cache_folder
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
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def training_images():
    """Luminance of the photographs that come with scikit-image, 0 to 255.

    Only files of the installed package are read, never the network.

    Returns
    -------
    list of (rows, columns) float32 arrays

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
    size,
    n_atoms=512,
    images=None,
    *,
    n_nonzero=5,
    n_patches=40_000,
    n_iter=10,
    random_state=0,
):
    """Atoms that patches of images are sparse in, as long as their weights are large.

    K-SVD on patches less their mean; of every image the half with the lower contrast
    is left out. An atom's norm is the root mean square of its weights over the patches,
    of the median atom one: a penalty on weights then asks less of what is common. What
    was learnt once is kept on disk, in the folder ``SPARSEDECOMP_CACHE_DIR``, by
    default that of the user's caches.

    Parameters
    ----------
    size : int
        Rows and columns of a patch.
    n_atoms : int, default 512
    images : sequence of (rows, columns) arrays, optional
        For instance a map of the same kind of specimen at the fine step; default:
        `training_images`.
    n_nonzero : int, default 5
        Atoms of a patch.
    n_patches : int, default 40000
    n_iter : int, default 10
    random_state : int, default 0

    Returns
    -------
    (n_atoms, size**2) float32 array

    Raises
    ------
    ValueError
        For images smaller than a patch, and such as hold fewer patches than atoms.

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

    def learn(images):
        rng = np.random.default_rng(random_state)
        X = sample_patches(images, size, n_patches, rng)
        start = atoms_to_start(X, n_atoms, rng)
        D = learn_dictionary(X, start, n_nonzero=n_nonzero, n_iter=n_iter)
        codes = sparse_codes(X, D, n_nonzero=n_nonzero)
        sizes = np.sqrt(np.asarray(codes.power(2).mean(axis=0)).ravel())
        return {"atoms": D * (sizes / np.median(sizes))[:, None]}

    return learnt_once(learn, f"patches_{size}", options, images)["atoms"]


def learnt_once(learn, name, options, images=None):
    """What is learnt from images, from the cache on disk where it is there.

    Parameters
    ----------
    learn : callable
        Makes a dict of arrays of the images.
    name : str
        Of the file in the cache.
    options : list
        All that the result depends on beside the images.
    images : sequence of (rows, columns) arrays, optional
        Default: `training_images`.

    Returns
    -------
    dict of arrays
    """
    if images is None:
        digests = PHOTOGRAPHS
    else:
        images = [np.ascontiguousarray(image, np.float32) for image in images]
        digests = [[i.shape, hashlib.sha256(i).hexdigest()] for i in images]
    key = hashlib.sha256(json.dumps([options, digests]).encode()).hexdigest()[:16]
    file = cache_folder("dictionaries") / f"{name}_{key}.npz"
    if file.is_file():
        with np.load(file) as stored:
            return dict(stored)
    _logger.info("learning %s", file.name)
    found = learn(training_images() if images is None else images)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **found)
    except OSError as error:
        _logger.warning("the dictionary was not kept in the cache: %s", error)
    return found


def atoms_to_start(X, n_atoms, rng):
    """Some of the signals as atoms of norm one.

    Parameters
    ----------
    X : (n, n_pixels) array
    n_atoms : int
    rng : numpy.random.Generator

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


def sample_patches(images, size, n_patches, rng):
    """As many patches of every image, less their means, of the larger contrasts.

    Parameters
    ----------
    images : sequence of (rows, columns) arrays
    size : int
        Rows and columns of a patch.
    n_patches : int
        At most; none is taken twice.
    rng : numpy.random.Generator

    Returns
    -------
    (n, size**2) float32 array
    """
    found = []
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
        found.append(X[(contrast >= np.median(contrast)) & (contrast > 0)])
    return np.concatenate(found).astype(np.float32)
