"""Spatial priors that fill gaps: maps of which some pixels are not measured.

Every function takes maps (rows, columns, factors) whose noise is white with the
variance one, and a map of the pixels that are measured; it returns maps without gaps.
What the maps hold in gaps is not used.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dctn, idctn, irfftn, next_fast_len, rfftn

from sparsedecomp.kernels.masked_pursuit import code_masked
from sparsedecomp.kernels.similar_patches import fill_similar
from sparsedecomp.kernels.total_variation import ascend, descend
from sparsedecomp.restoration.field import Field
from sparsedecomp.superresolution.threads import bands, in_threads

# Steps of the primal-dual method: 1 / primal - 8 dual is at least one half.
_DUAL, _PRIMAL = 0.25, 0.4
# Iterations with falling thresholds, and the last of them, over which shifts of the
# blocks are averaged.
_FALLING, _AVERAGED = 140, 30
# Distance of the patches of reference, pixels that are searched, and patches in a
# group: more cost time and gained less than 0.2 dB on photographs.
_STEP, _SEARCH, _GROUP = 4, 10, 30
# Pixels added to the covariance of similar patches in each step, over the last value.
_RIDGES = (2.0, 1.5, 1.0, 1.0)
# Steps of conjugate gradients, and the residual at which they stop.
_MOST_STEPS, _CONVERGED = 100, 1e-3


def none(Z: NDArray, measured: NDArray) -> NDArray:
    """No spatial prior: the pixels as they are, which must all be measured."""
    if not measured.all():
        raise ValueError(
            f"{np.sum(~measured)} pixels have no data at all, which method='low_rank' "
            "cannot fill: choose another one, which looks at the neighbours."
        )
    return Z.copy()


def smooth(Z: NDArray, measured: NDArray) -> NDArray:
    """Fill gaps with weighted means of the nearest measured pixels."""
    return Field(measured).filled(np.asarray(Z, np.float32))


def total_variation(
    Z: NDArray,
    measured: NDArray,
    weight: float,
    max_iter: int = 400,
    tol: float = 2e-4,
) -> NDArray:
    """Minimise ``1/2 ||X - Z||^2 + weight * VTV(X)`` with the sum over measured pixels.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    measured : (rows, columns) bool array
        Pixels that are measured.
    weight : float
        Weight of the vectorial total variation, in units of the noise; larger values
        give larger flat regions.
    max_iter : int, default 400
        Upper bound on the iterations.
    tol : float, default 2e-4
        Root mean square change of an iteration, in units of the noise, at which to
        stop.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] L. Condat, J. Optim. Theory Appl. 158 (2013) 460, algorithm 3.1.
    """
    Z = np.ascontiguousarray(Z, np.float32)
    x = np.ascontiguousarray(smooth(Z, measured))
    ahead = x.copy()
    down, right, gradient = (np.zeros_like(Z) for _ in range(3))
    seen = measured[..., None].astype(np.float32)
    parts = bands(len(Z))
    dual, primal = np.float32(_DUAL), np.float32(_PRIMAL)

    def up(band: slice) -> None:
        np.subtract(x[band], Z[band], out=gradient[band])
        gradient[band] *= seen[band]
        ascend(ahead, band.start, band.stop, dual, np.float32(weight), down, right)

    def move(band: slice) -> float:
        return descend(x, gradient, down, right, band.start, band.stop, primal, ahead)

    for _ in range(max_iter):
        in_threads(up, parts)
        if sum(in_threads(move, parts)) < tol**2 * Z.size:
            break
    return x


def cosines(
    Z: NDArray,
    measured: NDArray,
    threshold: float,
    block: int = 32,
    seed: int = 0,
) -> NDArray:
    """Keep the large discrete cosines of blocks that are shifted at random [1]_.

    The maps with gaps filled are transformed in blocks, the coefficients of all factors
    together below a threshold are set to zero, and the gaps are filled with the result,
    while the threshold falls.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    measured : (rows, columns) bool array
        Pixels that are measured.
    threshold : float
        Last threshold, in units of the noise; larger values smooth more.
    block : int, default 32
        Rows and columns of a block; 0 for one block of all the field.
    seed : int, default 0
        Seed of the shifts.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] O. G. Guleryuz, IEEE Trans. Image Process. 15 (2006) 539.
    """
    Z = np.asarray(Z, np.float32)
    H, W, n = Z.shape
    sides = [min(block or length, length) for length in (H, W)]
    X = smooth(Z, measured)
    rng = np.random.default_rng(seed)
    mean = X.mean(axis=(0, 1))
    X = X - mean
    known = (Z - mean)[measured]
    spread = float(np.sqrt(np.square(X).mean() * sides[0] * sides[1]))
    highest = max(spread / 3, 2 * threshold)
    total = np.zeros_like(X)
    for k in range(_FALLING):
        fall = min(k / (_FALLING - _AVERAGED), 1.0)
        level = highest * (threshold / highest) ** fall
        X[measured] = known
        places = [
            _blocks(length, side, rng)
            for length, side in zip((H, W), sides, strict=True)
        ]
        rows, columns = (place for place, _ in places)
        tiles = X[rows][:, columns].reshape(-1, sides[0], len(columns), n)
        tiles = tiles.reshape(len(tiles), sides[0], -1, sides[1], n)
        c = dctn(tiles, axes=(1, 3), norm="ortho", overwrite_x=True)
        squares = np.square(c)
        if n > 1:
            squares = squares.sum(axis=4, keepdims=True)
        c *= squares > level**2 * n
        tiles = idctn(c, axes=(1, 3), norm="ortho", overwrite_x=True)
        (_, top), (_, left) = places
        X = tiles.reshape(len(rows), len(columns), n)[top : top + H, left : left + W]
        if k >= _FALLING - _AVERAGED:
            total += X
    return total / np.float32(_AVERAGED) + mean


def _blocks(length: int, side: int, rng: np.random.Generator) -> tuple[NDArray, int]:
    """Pixels of an axis, mirrored to whole blocks from a random shift on."""
    shift = int(rng.integers(side)) if side < length else 0
    n = -(-(length + shift) // side) * side
    place = (np.arange(n) - shift) % (2 * length)
    return np.minimum(place, 2 * length - 1 - place), shift


def similar_patches(
    Z: NDArray,
    measured: NDArray,
    threshold: float,
    block: int = 32,
    ridge: float = 0.2,
    size: int = 6,
) -> NDArray:
    """Fill patches with what those that look alike tell: non-local Bayes [1]_.

    Patches that look alike in all factors, in what `cosines` make of the maps, are
    drawn from one normal distribution, whose mean and covariance they tell. The
    expectation of each, given its measured pixels, is the next estimate.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    measured : (rows, columns) bool array
        Pixels that are measured.
    threshold : float
        Last threshold of `cosines`.
    block : int, default 32
        Rows and columns of the blocks of `cosines`.
    ridge : float, default 0.2
        Standard deviation of pixels from what the patches tell, over the threshold.
        Larger values smooth less.
    size : int, default 6
        Rows and columns of a patch.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] M. Lebrun, A. Buades and J. M. Morel, SIAM J. Imaging Sci. 6 (2013) 1665;
       G. Yu, G. Sapiro and S. Mallat, IEEE Trans. Image Process. 21 (2012) 2481.
    """
    Z = np.ascontiguousarray(Z, np.float32)
    X = cosines(Z, measured, threshold, block)
    H = len(Z)
    n_references = -(-(H - min(size, H)) // _STEP) + 1
    parts = bands(n_references, 4)
    measured = np.ascontiguousarray(measured)

    for factor in _RIDGES:
        variance = (ridge * threshold * factor) ** 2

        def work(
            band: slice, X: NDArray = X, variance: float = variance
        ) -> tuple[NDArray, NDArray]:
            total, count = np.zeros_like(X), np.zeros(X.shape[:2], np.float32)
            rows = band.start * _STEP, band.stop * _STEP
            fill_similar(
                X,
                Z,
                measured,
                1.0,
                variance,
                *rows,
                _STEP,
                size,
                _SEARCH,
                _GROUP,
                total,
                count,
            )
            return total, count

        found = in_threads(work, parts)
        total, count = (np.sum(each, axis=0) for each in zip(*found, strict=True))
        X = total / np.maximum(count, 1)[..., None]
    return X


def dictionary(
    Z: NDArray, measured: NDArray, gain: float, size: int = 8, step: int = 2
) -> NDArray:
    """Code overlapping patches by few cosines, from their measured pixels alone [1]_.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    measured : (rows, columns) bool array
        Pixels that are measured.
    gain : float
        Residual of a patch over that of the noise; larger values smooth more.
    size : int, default 8
        Rows and columns of a patch, cut to those of the maps.
    step : int, default 2
        Distance of patches; larger values are faster and leave borders of patches.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] J. Mairal, M. Elad and G. Sapiro, IEEE Trans. Image Process. 17 (2008) 53,
       with cosines of twice as many frequencies as pixels for a dictionary.
    """
    Z = np.asarray(Z, np.float32)
    H, W, n = Z.shape
    # Patches of a line are as long as those of images have pixels.
    p, q = min(size, H), min(size if H > 1 else size * size // 2, W)
    D = np.kron(_frequencies(p), _frequencies(q)).astype(np.float32)
    # Patches are coded as differences from the mean of their surroundings.
    around = Field(measured).blurred(Z, size / 2)
    windows = sliding_window_view(Z - around, (p, q), axis=(0, 1))
    seen = sliding_window_view(measured, (p, q))
    tops, lefts = (
        np.unique(np.append(np.arange(0, length - side, step), length - side))
        for length, side in ((H, p), (W, q))
    )
    total, count = np.zeros_like(Z), np.zeros((H, W, 1), np.float32)

    def code(top: int) -> NDArray:
        Y = windows[top, lefts].reshape(len(lefts), n, p * q).swapaxes(1, 2)
        Y = np.ascontiguousarray(Y)
        known = seen[top, lefts].reshape(len(lefts), p * q)
        patches = np.empty_like(Y)
        code_masked(Y, known, D, gain**2, p * q // 4, patches)
        return patches

    for top, patches in zip(tops, in_threads(code, tops), strict=True):
        for left, patch in zip(lefts, patches, strict=True):
            here = slice(top, top + p), slice(left, left + q)
            total[here] += patch.reshape(p, q, n)
            count[here] += 1
    return around + total / count


def _frequencies(length: int) -> NDArray:
    """Cosines of one axis, of norm one, twice as many as pixels."""
    n = 2 * length if length > 1 else 1
    C = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(length) + 0.5))
    return C / np.linalg.norm(C, axis=1, keepdims=True)


def gaussian_process(Z: NDArray, measured: NDArray, length: float) -> NDArray:
    """Expectation of a Gaussian process, given the measured pixels: kriging [1]_.

    The covariance is that of Matern of order 3/2 with the variance of each map. The
    equations of the measured pixels are solved by conjugate gradients, with products by
    Fourier transforms.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    measured : (rows, columns) bool array
        Pixels that are measured.
    length : float
        Length in pixels over which maps vary; larger values smooth more.

    Returns
    -------
    (rows, columns, n_factors) float32 array

    References
    ----------
    .. [1] C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine
       Learning, MIT Press (2006), equations 2.23 and 4.17.
    """
    Z = np.asarray(Z, np.float32)
    shape = Z.shape[:2]
    reach = int(np.ceil(6 * length))
    padded = [1 if n == 1 else next_fast_len(n + min(reach, n), True) for n in shape]
    distance = np.hypot(*np.meshgrid(*(_distances(n) for n in padded), indexing="ij"))
    scaled = np.sqrt(3) * distance / length
    spectrum = np.maximum(rfftn((1 + scaled) * np.exp(-scaled)).real, 0)
    seen = measured[..., None].astype(np.float32)
    known = Z[measured]
    variance = np.maximum(known.var(axis=0) - 1, 1e-2)
    mean = Field(measured).filled(Z).mean(axis=(0, 1))

    def covariance(values: NDArray) -> NDArray:
        transformed = rfftn(values, padded, axes=(0, 1)) * spectrum[..., None]
        whole = irfftn(transformed, padded, axes=(0, 1))
        return variance * whole[: shape[0], : shape[1]]

    right = (Z - mean) * seen
    solution, residual = np.zeros_like(right), right.copy()
    direction = residual.copy()
    square = first = np.square(residual).sum(axis=(0, 1))
    for _ in range(_MOST_STEPS):
        product = seen * (covariance(direction) + direction)
        step = square / np.maximum((direction * product).sum(axis=(0, 1)), 1e-30)
        solution += step * direction
        residual -= step * product
        new = np.square(residual).sum(axis=(0, 1))
        if (new <= _CONVERGED**2 * first).all():
            break
        direction = residual + new / np.maximum(square, 1e-30) * direction
        square = new
    return (covariance(solution) + mean).astype(np.float32)


def _distances(n: int) -> NDArray:
    """Distance of each pixel of a ring from the first one."""
    place = np.arange(n)
    return np.minimum(place, n - place)
