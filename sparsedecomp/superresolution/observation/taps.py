"""Weights that sample an image between its pixels, point spread included."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Half width of each interpolation kernel, in pixels.
SUPPORT = {"linear": 1, "cubic": 2, "lanczos3": 3, "lanczos4": 4}
# Half width of the Gaussian point spread in standard deviations, beyond which 6e-5 of
# it lies, and the number of points that it is sampled at, a quarter of a standard
# deviation apart. More of both are more exact and take longer to set up.
_REACH = 4.0
_NODES = 33


def kernel_of(name: str, x: NDArray) -> NDArray:
    """Interpolation kernel at the distances ``x`` in pixels."""
    x = np.abs(x)
    if name == "linear":
        return np.maximum(1 - x, 0)
    if name == "cubic":
        # Keys (1981) with a = -1/2: exact for parabolas.
        near = (1.5 * x - 2.5) * x**2 + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))
    a = SUPPORT[name]
    return np.where(x < a, np.sinc(x) * np.sinc(x / a), 0.0)


def taps(
    positions: ArrayLike, size: int, kernel: str = "cubic", psf: float = 0.0
) -> tuple[NDArray, NDArray]:
    """Indices and weights of the pixels that make samples at some positions.

    Parameters
    ----------
    positions : (n,) array
        Positions along one axis, in pixels of the image; pixel ``i`` is at ``i``.
    size : int
        Number of pixels of the image along the axis. Beyond its edges the image
        continues with the values at its edges.
    kernel : {"cubic", "linear", "lanczos3", "lanczos4"}
        Kernel that interpolates the image.
    psf : float, default 0
        Standard deviation of a Gaussian point spread in pixels, which the
        interpolated image is folded with.

    Returns
    -------
    index : (n, n_taps) int32 array
        Pixels, from 0 to ``size - 1``; one at the edge may come more than once.
    weight : (n, n_taps) float64 array
        Weights of the pixels; rows add up to one.

    Examples
    --------
    >>> from sparsedecomp.superresolution.observation.taps import taps
    >>> index, weight = taps([2.5], 8)
    >>> index.tolist(), weight.tolist()
    ([[1, 2, 3, 4]], [[-0.0625, 0.5625, 0.5625, -0.0625]])
    """
    places = np.asarray(positions, float)
    if psf > 0:
        nodes = np.linspace(-_REACH, _REACH, _NODES) * psf
        spread = np.exp(-0.5 * (nodes / psf) ** 2)
    else:
        nodes, spread = np.zeros(1), np.ones(1)
    reach = SUPPORT[kernel] + int(np.ceil(nodes[-1]))
    first = np.floor(places).astype(int) - reach + 1
    index = first[:, None] + np.arange(2 * reach)
    distance = places[:, None] - index
    weight = sum(
        share * kernel_of(kernel, distance - node)
        for node, share in zip(nodes, spread, strict=True)
    )
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, size - 1).astype(np.int32), weight
