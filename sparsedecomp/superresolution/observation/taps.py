"""Weights that sample an image between its pixels, point spread included."""

from __future__ import annotations

import numpy as np

# Half width of each interpolation kernel, in pixels.
SUPPORT = {"linear": 1, "cubic": 2, "lanczos3": 3, "lanczos4": 4}
# Of the Gaussian point spread, in standard deviations.
_REACH = 4.0
_NODES = 33


def kernel_of(name, x):
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


def taps(positions, size, kernel="cubic", psf=0.0):
    """Indices and weights of the pixels that make samples at some positions.

    Parameters
    ----------
    positions : (n,) array
        Along one axis, in pixels of the image; pixel ``i`` is at ``i``.
    size : int
        Pixels of the image along the axis. It goes on beyond its edges with the
        values at its edges.
    kernel : {"cubic", "linear", "lanczos3", "lanczos4"}
        Interpolates the image.
    psf : float, default 0
        Standard deviation of a Gaussian point spread in pixels, which the
        interpolated image is folded with.

    Returns
    -------
    index : (n, n_taps) int32 array
        From 0 to ``size - 1``; a pixel at the edge may come more than once.
    weight : (n, n_taps) float64 array
        Rows add up to one.

    Examples
    --------
    >>> from sparsedecomp.superresolution.observation.taps import taps
    >>> index, weight = taps([2.5], 8)
    >>> index.tolist(), weight.tolist()
    ([[1, 2, 3, 4]], [[-0.0625, 0.5625, 0.5625, -0.0625]])
    """
    positions = np.asarray(positions, float)
    if psf > 0:
        nodes = np.linspace(-_REACH, _REACH, _NODES) * psf
        spread = np.exp(-0.5 * (nodes / psf) ** 2)
    else:
        nodes, spread = np.zeros(1), np.ones(1)
    reach = SUPPORT[kernel] + int(np.ceil(nodes[-1]))
    first = np.floor(positions).astype(int) - reach + 1
    index = first[:, None] + np.arange(2 * reach)
    distance = positions[:, None] - index
    weight = sum(
        share * kernel_of(kernel, distance - node)
        for node, share in zip(nodes, spread, strict=True)
    )
    weight /= weight.sum(axis=1, keepdims=True)
    return np.clip(index, 0, size - 1).astype(np.int32), weight
