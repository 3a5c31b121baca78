"""Spatial priors: maps with white noise of variance one, and what they hide.

Every function takes maps (rows, columns, factors) whose noise has the variance one and
is white, and returns maps of the same shape. What it does depends on all factors
together and not on how they are rotated against each other, except for wavelets and
dictionaries.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.ndimage import gaussian_filter

from sparsedecomp.kernels.nonlocal_means import average_similar
from sparsedecomp.kernels.total_variation import ascend, descend
from sparsedecomp.superresolution.dictionaries.learning import (
    learn_dictionary,
    sparse_codes,
)
from sparsedecomp.superresolution.threads import bands, in_threads

# Steps of the primal-dual method: their product times 8 is at most one.
_DUAL, _PRIMAL = 0.25, 0.5
# Gain of the noise in the bound of the residual: Elad and Aharon (2006).
_GAIN = 1.15
# Patches that a dictionary is learnt from at most, and that are coded at once: more
# take more time and memory.
_MOST, _AT_ONCE = 20000, 16384


def none(Z: NDArray) -> NDArray:
    """No spatial prior: what principal components alone give."""
    return Z.copy()


def gaussian(Z: NDArray, sigma: float) -> NDArray:
    """Gaussian blur; ``sigma`` is its standard deviation in pixels."""
    along = [sigma if size > 1 else 0 for size in Z.shape[:2]]
    return gaussian_filter(Z, (*along, 0), mode="reflect")


def total_variation(
    Z: NDArray, weight: float, max_iter: int = 300, tol: float = 2e-4
) -> NDArray:
    """Minimise ``1/2 ||X - Z||^2 + weight * VTV(X)`` [1]_.

    Parameters
    ----------
    Z : (rows, columns, n_factors) float32 array
        Maps.
    weight : float
        Weight of the vectorial total variation, in units of the noise; larger values
        give larger flat regions.
    max_iter : int, default 300
        Upper bound on the iterations.
    tol : float, default 2e-4
        Root mean square change of an iteration, in units of the noise, at which to
        stop.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] A. Chambolle and T. Pock, J. Math. Imaging Vis. 40 (2011) 120, algorithm 1.
    """
    Z = np.ascontiguousarray(Z, np.float32)
    x, ahead = Z.copy(), Z.copy()
    down, right = np.zeros_like(Z), np.zeros_like(Z)
    gradient = np.empty_like(Z)
    parts = bands(len(Z))
    number = np.float32
    dual, primal = number(_DUAL), number(_PRIMAL / (1 + _PRIMAL))

    def up(band: slice) -> None:
        np.subtract(x[band], Z[band], out=gradient[band])
        ascend(ahead, band.start, band.stop, dual, number(weight), down, right)

    def move(band: slice) -> float:
        return descend(x, gradient, down, right, band.start, band.stop, primal, ahead)

    for _ in range(max_iter):
        in_threads(up, parts)
        if sum(in_threads(move, parts)) < tol**2 * Z.size:
            break
    return x


def contrast_total_variation(Z: NDArray, weight: float) -> NDArray:
    """Total variation that keeps the contrast of small structures: two Bregman steps.

    Total variation lowers the contrast of a region by its weight times perimeter over
    area, which is a bias of intensities. What the first step took away is added to the
    maps before the second one [1]_.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    weight : float
        Weight of a step, in units of the noise, about twice that of `total_variation`.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] S. Osher, M. Burger, D. Goldfarb, J. Xu and W. Yin, Multiscale Model. Simul.
       4 (2005) 460, equation 3.7.
    """
    Z = np.asarray(Z, np.float32)
    return total_variation(2 * Z - total_variation(Z, weight), weight)


def nonlocal_means(
    Z: NDArray,
    bandwidth: float,
    patch: int = 2,
    search: int = 9,
    guide: NDArray | None = None,
    guide_variance: float = 1.0,
) -> NDArray:
    """Average pixels whose patches look alike in all factors together [1]_.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    bandwidth : float
        Difference of patches that counts as alike, in units of the noise; larger
        values smooth more.
    patch : int, default 2
        Rows and columns of a patch on each side of its centre.
    search : int, default 9
        Largest distance of pixels that are averaged.
    guide : (rows, columns, n_factors) array, optional
        Maps with less noise in which patches are compared; default: `Z`.
    guide_variance : float, default 1
        Variance of the noise of the guide.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] A. Buades, B. Coll and J. M. Morel, Multiscale Model. Simul. 4 (2005) 490.
    """
    Z = np.ascontiguousarray(Z, np.float32)
    guide = Z if guide is None else np.ascontiguousarray(guide, np.float32)
    out = np.empty_like(Z)
    n = Z.shape[2]

    def work(band: slice) -> None:
        average_similar(
            Z,
            guide,
            band.start,
            band.stop,
            patch,
            search,
            2.0 * guide_variance * n,
            bandwidth**2 * n,
            out,
        )

    in_threads(work, bands(len(Z)))
    return out


def wavelets(Z: NDArray, weight: float, wavelet: str = "sym4") -> NDArray:
    """Shrink wavelet coefficients of all factors together, over shifted copies [1]_.

    The vector of the factors of a coefficient is shrunk by ``max(1 - t^2 / |d|^2, 0)``
    with ``t^2 = weight^2 n_factors``, and the result is averaged over shifts.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    weight : float
        Threshold in units of the noise; larger values keep fewer coefficients.
    wavelet : str, default "sym4"
        Name in PyWavelets.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] R. R. Coifman and D. L. Donoho, in Wavelets and Statistics, Springer (1995)
       125 (cycle spinning); T. T. Cai and B. W. Silverman, Sankhya B 63 (2001) 127.
    """
    import pywt

    H, W, n = Z.shape
    axes = [axis for axis in (0, 1) if Z.shape[axis] > 3]
    if not axes:
        return Z.copy()
    length = pywt.Wavelet(wavelet).dec_len
    size = min(Z.shape[axis] for axis in axes)
    level = max(1, min(4, pywt.dwt_max_level(size, length)))
    pad = [
        (2**level, 2**level + (-Z.shape[a]) % 2**level) if a in axes else (0, 0)
        for a in (0, 1)
    ]
    padded = np.pad(Z, (*pad, (0, 0)), mode="symmetric")
    # The undecimated transform holds every shift; its inverse averages over them.
    total = _undecimated(padded, wavelet, level, axes, weight**2 * n)
    return total[pad[0][0] : pad[0][0] + H, pad[1][0] : pad[1][0] + W]


def _undecimated(
    Z: NDArray, wavelet: str, level: int, axes: list[int], limit: float
) -> NDArray:
    import pywt

    coefficients = pywt.swtn(Z, wavelet, level, axes=axes, norm=True)
    # With norm=True white noise of variance one has the variance 4^-j (2^-j) at
    # level j, so that the energy is kept.
    for j, details in enumerate(coefficients):
        depth = level - j
        variance = 2.0 ** (-depth * len(axes))
        for key, d in details.items():
            if set(key) == {"a"}:
                continue
            squares = np.square(d).sum(axis=2, keepdims=True) / variance
            d *= np.maximum(1 - limit / np.maximum(squares, 1e-12), 0)
    return pywt.iswtn(coefficients, wavelet, axes=axes, norm=True).astype(np.float32)


def dictionary(
    Z: NDArray, gain: float = _GAIN, size: int = 6, n_iter: int = 8, seed: int = 0
) -> NDArray:
    """Code overlapping patches of all factors by few atoms learnt from them [1]_.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    gain : float, default 1.15
        Residual of a patch over that of the noise; larger values smooth more.
    size : int, default 6
        Rows and columns of a patch, cut to those of the maps.
    n_iter : int, default 8
        Number of iterations of K-SVD.
    seed : int, default 0
        Seed of the choice of patches to learn from.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] M. Elad and M. Aharon, IEEE Trans. Image Process. 15 (2006) 3736.
    """
    H, W, n = Z.shape
    rows = min(size, H)
    # Patches of a line are as long as those of images have pixels.
    columns = min(size if H > 1 else size * size // 2, W)
    windows = sliding_window_view(Z.astype(np.float32), (rows, columns), axis=(0, 1))
    cosines = [dct(np.eye(length), norm="ortho").T for length in (rows, columns)]
    D = np.kron(np.eye(n), np.kron(*cosines)).astype(np.float32)
    # Means of patches are atoms of their own, so nothing is subtracted.
    tolerance = gain**2 * D.shape[1]
    places = windows.shape[:2]
    chosen = np.arange(places[0] * places[1])
    if len(chosen) > _MOST:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(chosen, _MOST, replace=False))
    X = windows[np.unravel_index(chosen, places)].reshape(len(chosen), -1)
    D = learn_dictionary(X, D, n_iter=n_iter, tolerance=tolerance)
    total = np.zeros((H, W, n), np.float32)
    count = np.zeros((H, W, 1), np.float32)
    step = max(1, _AT_ONCE // places[1])
    for first in range(0, places[0], step):
        band = windows[first : first + step]
        codes = sparse_codes(band.reshape(-1, D.shape[1]), D, tolerance=tolerance)
        patches = (codes @ D).reshape(band.shape)
        for i in range(rows):
            for j in range(columns):
                here = slice(first + i, first + i + len(band)), slice(j, j + places[1])
                total[here] += patches[..., i, j]
                count[here] += 1
    return total / count
