"""Blur of maps by a point spread, and sharp maps from blurred ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from sparsedecomp.kernels.total_variation import ascend, descend
from sparsedecomp.superresolution.threads import bands, in_threads

_DUAL = 0.25
# Iterations of the power method that bounds the norm of the blur.
_POWER = 8


class PointSpread:
    """Blur of maps that are scaled to white noise.

    Beyond the field maps are free: they are larger by the width of the point spread.

    Parameters
    ----------
    psf : (2 h + 1, 2 w + 1) array
        Point spread with the sum one.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.
    """

    def __init__(self, psf: NDArray, row_scale: NDArray) -> None:
        self.psf = psf[..., None].astype(np.float32)
        self.flipped = self.psf[::-1, ::-1]
        self.margin = tuple(n // 2 for n in psf.shape)
        pads = [(n, n) for n in self.margin]
        scale = row_scale.astype(np.float32)[..., None]
        self.inner, self.outer = scale, np.pad(scale, [*pads, (0, 0)], mode="edge")

    def forward(self, X: NDArray) -> NDArray:
        """Blurred maps of the field, from maps that are larger by the margin."""
        blurred = fftconvolve(X * self.outer, self.psf, mode="valid", axes=(0, 1))
        return blurred / self.inner

    def adjoint(self, Z: NDArray) -> NDArray:
        """Adjoint of `forward`."""
        spread = fftconvolve(Z / self.inner, self.flipped, mode="full", axes=(0, 1))
        return spread * self.outer

    def widened(self, Z: NDArray) -> NDArray:
        """Maps of the field, continued beyond it."""
        pads = [*((n, n) for n in self.margin), (0, 0)]
        return np.pad(Z, pads, mode="edge")

    def cut(self, X: NDArray) -> NDArray:
        """The field of larger maps."""
        (h, w), (rows, columns) = self.margin, self.inner.shape[:2]
        return X[h : h + rows, w : w + columns]


def total_variation(
    Z: NDArray,
    blur: PointSpread,
    weight: float,
    max_iter: int = 400,
    tol: float = 1e-3,
) -> NDArray:
    """Minimise ``1/2 ||A X - Z||^2 + weight * VTV(X)`` with the blur A [1]_.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Blurred maps with white noise of variance one.
    blur : PointSpread
        The blur.
    weight : float
        Weight of the vectorial total variation, in units of the noise.
    max_iter : int, default 400
        Upper bound on the iterations.
    tol : float, default 1e-3
        Root mean square change of an iteration, in units of the noise, at which to
        stop.

    Returns
    -------
    (rows + 2 h, columns + 2 w, n_factors) float32 array
        Maps that are larger than the field by the margin of the blur.

    References
    ----------
    .. [1] L. Condat, J. Optim. Theory Appl. 158 (2013) 460, algorithm 3.1.
    """
    Z = np.asarray(Z, np.float32)
    x = np.ascontiguousarray(blur.widened(Z))
    ahead = x.copy()
    down, right = np.zeros_like(x), np.zeros_like(x)
    v = np.random.default_rng(0).standard_normal((*x.shape[:2], 1)).astype(np.float32)
    square = 1.0
    for _ in range(_POWER):
        v = blur.adjoint(blur.forward(v / np.linalg.norm(v)))
        square = float(np.linalg.norm(v))
    primal, dual = np.float32(1 / (0.6 * square + 8 * _DUAL)), np.float32(_DUAL)
    parts = bands(len(x))
    for _ in range(max_iter):
        gradient = np.ascontiguousarray(blur.adjoint(blur.forward(x) - Z), np.float32)

        def up(band: slice) -> None:
            ascend(ahead, band.start, band.stop, dual, np.float32(weight), down, right)

        def move(band: slice, gradient: NDArray = gradient) -> float:
            return descend(
                x, gradient, down, right, band.start, band.stop, primal, ahead
            )

        in_threads(up, parts)
        if sum(in_threads(move, parts)) < tol**2 * x.size:
            break
    return x


def richardson_lucy(Z: NDArray, blur: PointSpread, n_iter: float) -> NDArray:
    """Positive maps by Richardson and Lucy's iterations.

    Parameters
    ----------
    Z : (rows, columns, 1) array
        Blurred map in units of the noise, not negative.
    blur : PointSpread
        The blur.
    n_iter : float
        Number of iterations, which is rounded.

    Returns
    -------
    (rows + 2 h, columns + 2 w, 1) float32 array
    """
    counts = np.maximum(Z, 0) * blur.inner
    plain = PointSpread(blur.psf[..., 0], np.ones(Z.shape[:2]))
    total = np.maximum(plain.adjoint(np.ones_like(counts)), 1e-3)
    x = np.full_like(total, max(float(counts.mean()), 1e-6))
    for _ in range(max(1, round(n_iter))):
        expected = np.maximum(plain.forward(x), 1e-6)
        x *= np.maximum(plain.adjoint(counts / expected), 0) / total
    return (x / blur.outer).astype(np.float32)
