"""Denoising of an image by sparse codes of its patches over learnt atoms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.superresolution.dictionaries.learning import (
    cosine_dictionary,
    learn_dictionary,
    sparse_codes,
)

# Gain of the noise in the bound of the residual, and weight of the noisy image, 30 /
# noise on a scale of 255: Elad and Aharon (2006).
_GAIN = 1.15
_WEIGHT = 30 / 255
# Patches that a dictionary is learnt from at most: more take longer. Patches that are
# coded at once: more take more memory.
_MOST = 2**18
_AT_ONCE = 2**16


class Denoised(NamedTuple):
    """A denoised image, by `ksvd_denoise`.

    Attributes
    ----------
    image : (rows, columns) array
        Image without its noise.
    noise : float
        Standard deviation of the noise, given or estimated.
    dictionary : (n_atoms, size**2) array
        Atoms learnt from the image.
    n_nonzero : float
        Mean number of atoms of a patch.
    """

    image: NDArray
    noise: float
    dictionary: NDArray
    n_nonzero: float


def ksvd_denoise(
    image: ArrayLike,
    noise: float | None = None,
    *,
    size: int = 8,
    n_atoms: int = 256,
    n_iter: int = 10,
    random_state: int = 0,
    callback: Callable[[int, float], object] | None = None,
) -> Denoised:
    """Remove white noise from an image by a dictionary learnt from its patches [1]_.

    Every patch, less its mean, is coded by the fewest atoms whose residual is that of
    the noise, ``||x - D a||^2 <= 1.15^2 size^2 noise^2``. The dictionary starts with
    overcomplete cosines and is learnt by K-SVD from the noisy patches. Patches overlap
    and are averaged, with the noisy image at a weight of ``30 / noise`` on a scale of
    255.

    The noise must have one variance everywhere; transform counts before (``2 sqrt(n +
    3/8)``). The method keeps what repeats in the image, and what rises above the noise
    of a patch; finer detail is lost.

    Parameters
    ----------
    image : (rows, columns) array
        Image on any scale. float64 stays; all other types become float32.
    noise : float, optional
        Standard deviation of the noise in units of the image; default:
        `estimate_noise`. Larger values smooth more.
    size : int, default 8
        Rows and columns of a patch.
    n_atoms : int, default 256
        Number of atoms, a square number of at least ``size**2``.
    n_iter : int, default 10
        Number of iterations of K-SVD.
    random_state : int, default 0
        Seed of the choice of patches to learn from where there are more than 262144.
    callback : callable, optional
        Called in every iteration with its number and the residual; returning True
        stops.

    Returns
    -------
    Denoised
        Image, noise and dictionary.

    Raises
    ------
    ValueError
        For an image that is not two-dimensional, is masked, holds NaN or is smaller
        than a patch, and a noise that is negative.

    References
    ----------
    .. [1] M. Elad and M. Aharon, IEEE Trans. Image Process. 15 (2006) 3736.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import ksvd_denoise
    >>> clean = 100 * (np.indices((40, 40)).sum(axis=0) % 20 > 9)
    >>> noisy = clean + 20 * np.random.default_rng(0).normal(size=clean.shape)
    >>> found = ksvd_denoise(noisy, 20.0)
    >>> bool(np.std(found.image - clean) < 10)
    True
    """
    pixels = check_image(image, size)
    if noise is None:
        noise = estimate_noise(pixels, size)
    if not (np.isfinite(noise) and noise >= 0):
        raise ValueError(
            f"noise={noise!r} was given, expected its standard deviation in units of "
            "the image, 0 or more."
        )
    D = cosine_dictionary(size, n_atoms, pixels.dtype)
    if noise == 0:
        return Denoised(pixels.copy(), 0.0, D, float("nan"))
    # In units of the noise, so that squares neither underflow nor overflow.
    level = float(np.median(pixels))
    y = (pixels - level) / pixels.dtype.type(noise)
    tolerance = (_GAIN * size) ** 2
    windows = sliding_window_view(y, (size, size))
    rng = np.random.default_rng(random_state)
    X, _ = _patches(windows, _sample(windows, rng))
    D = learn_dictionary(X, D, n_iter=n_iter, callback=callback, tolerance=tolerance)
    total, n_codes = np.zeros(y.shape), 0
    step = max(1, _AT_ONCE // windows.shape[1])
    for first in range(0, len(windows), step):
        band = windows[first : first + step]
        X, means = _patches(band, slice(None))
        codes = sparse_codes(X, D, tolerance=tolerance)
        _add(total[first:], (codes @ D + means).reshape(band.shape))
        n_codes += codes.nnz
    low, high = np.quantile(y, [0.001, 0.999])
    weight = _WEIGHT * (high - low)
    count = np.multiply.outer(*(_covered(n, size) for n in y.shape))
    x = noise * (weight * y + total) / (weight + count) + level
    n_patches = windows.shape[0] * windows.shape[1]
    return Denoised(x.astype(pixels.dtype), float(noise), D, n_codes / n_patches)


def estimate_noise(image: ArrayLike, size: int = 8) -> float:
    """Standard deviation of white noise, from the eigenvalues of patches [1]_.

    Noise gives all principal components of patches one variance, the image gives some
    of them more. The largest are left out until mean and median agree.

    Parameters
    ----------
    image : (rows, columns) array
        Image on any scale.
    size : int, default 8
        Rows and columns of a patch. Larger patches separate image and noise better and
        need a larger image.

    Returns
    -------
    float
        Standard deviation in units of the image. Structure that varies from pixel to
        pixel like noise counts as noise.

    References
    ----------
    .. [1] G. Chen, F. Zhu and P. A. Heng, ICCV (2015) 477, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import estimate_noise
    >>> y, x = np.mgrid[:99, :99]
    >>> noise = np.random.default_rng(0).normal(size=y.shape)
    >>> round(estimate_noise(100 * np.sin(y / 9) * np.cos(x / 5) + 3 * noise), 1)
    3.0
    """
    pixels = check_image(image, size).astype(float)
    scale = pixels.std()
    if scale == 0:
        return 0.0
    windows = sliding_window_view((pixels - pixels.mean()) / scale, (size, size))
    gram, total = np.zeros((size**2,) * 2), np.zeros(size**2)
    for band in windows:
        X = band.reshape(len(band), -1)
        gram += X.T @ X
        total += X.sum(axis=0)
    n = windows.shape[0] * windows.shape[1]
    variances = np.linalg.eigvalsh(gram / n - np.outer(total, total) / n**2)
    kept = len(variances)
    while np.median(variances[:kept]) < variances[:kept].mean():
        kept -= 1
    return float(scale * np.sqrt(max(variances[:kept].mean(), 0.0)))


def check_image(image: ArrayLike, size: int) -> NDArray:
    """The image as a float array; refuses anything but one image of real numbers.

    Parameters
    ----------
    image : (rows, columns) array
        Image on any scale.
    size : int
        Rows and columns of a patch, which the image has at least.

    Returns
    -------
    (rows, columns) array
        In float64 if it was given so, else in float32.

    Raises
    ------
    ValueError
        For masked pixels, other shapes and types, and NaN or infinite pixels.
    """
    if np.ma.is_masked(image):
        raise ValueError(
            f"{np.ma.count_masked(image)} pixels are masked, expected all of them: "
            "fill them, or crop the image."
        )
    pixels = np.asarray(image)
    if pixels.ndim != 2 or pixels.dtype.kind not in "fiub":
        raise ValueError(
            f"An array of shape {pixels.shape} and dtype {pixels.dtype} was given, "
            "expected one image of real numbers: rows and columns."
        )
    if min(pixels.shape) < size:
        raise ValueError(
            f"The image has {pixels.shape[0]} x {pixels.shape[1]} pixels, expected at "
            f"least {size} x {size}, the size of a patch."
        )
    pixels = pixels.astype(np.float64 if pixels.dtype == np.float64 else np.float32)
    if not np.isfinite(pixels).all():
        i, j = np.argwhere(~np.isfinite(pixels))[0]
        raise ValueError(
            f"The image is NaN or infinite at row {i}, column {j}: mend it before."
        )
    return pixels


def _sample(windows: NDArray, rng: np.random.Generator) -> Any:
    """Index of the patches to learn from: all of them where they are not too many."""
    shape = windows.shape[:2]
    n = shape[0] * shape[1]
    if n <= _MOST:
        return slice(None)
    return np.unravel_index(np.sort(rng.choice(n, _MOST, replace=False)), shape)


def _patches(windows: NDArray, places: Any) -> tuple[NDArray, NDArray]:
    """Patches as rows, without their means, and the means."""
    X = windows[places].reshape(-1, windows.shape[2] * windows.shape[3])
    means = X.mean(axis=1, keepdims=True)
    return X - means, means


def _add(total: NDArray, patches: NDArray) -> None:
    """Add overlapping patches (rows, columns, size, size) where they belong."""
    rows, columns, size, _ = patches.shape
    for i in range(size):
        for j in range(size):
            total[i : i + rows, j : j + columns] += patches[:, :, i, j]


def _covered(n: int, size: int) -> NDArray:
    """How many patches cover each of ``n`` pixels of a line."""
    i = np.arange(n)
    return np.minimum(np.minimum(i + 1, n - i), min(size, n - size + 1))
