"""Maps that are as smooth as the data say, the rest of the model being known."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from sparsedecomp.decomposition.poisson.counts import grid_neighbours
from sparsedecomp.kernels.tensor import nonnegative_rows_each

# Strengths that are tried one after the other, relative to the weight of the data.
_LADDER = 10.0 ** np.arange(-3.0, 2.51, 0.5)
_MAX_ITER = 500
_STILL = 1e-5
_SWEEPS = 4


def smooth_rows(F, G, start, shape, generator):
    """Minimise a quadratic cost of maps plus that of their curvature.

    ``sum_i (1/2 a_i G_i a_i' - f_i a_i') + s/2 ||D A||^2`` over ``A >= 0``, where ``D``
    is the difference of a pixel and its neighbours on the grid, and ``f_i`` has noise
    of the covariance ``G_i``, as normal equations of data of unit variance have. The
    strength ``s`` is found without looking at anything else: with more noise ``z`` of
    that covariance, ``f + z`` and ``f - z`` are independent [1]_, as two measurements
    of half the dose; the best is the one whose maps of one predict the other.

    Parameters
    ----------
    F : (n, k) float64 array
    G : (n, k, k) float64 array
        Zero where nothing was measured.
    start : (n, k) float64 array
        Maps without smoothing.
    shape : tuple of int
        Of the grid.
    generator : numpy.random.Generator

    Returns
    -------
    maps : (n, k) float64 array
        `start` itself where smoothing does not help to predict.
    strength : float
        Relative to the mean diagonal of ``G``; 0 for none.

    References
    ----------
    .. [1] A. Neufeld, A. Dharamshi, L. L. Gao and D. Witten, J. Mach. Learn. Res. 25
       (2024) 57.
    """
    n, k = F.shape
    neighbours = grid_neighbours(np.arange(n), shape)
    D = scipy.sparse.diags_array(neighbours.sum(axis=1)) - neighbours
    curvature = (D @ D).tocsr()
    unit = np.einsum("ikk->", G) / G[:, 0, 0].size / k
    values, vectors = np.linalg.eigh(G)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None]
    noise = np.einsum("ikl,il->ik", roots, generator.standard_normal((n, k)))
    halves = [(F + noise, F - noise), (F - noise, F + noise)]

    best, strength = np.inf, 0.0
    found = [start, start]
    for s in (0.0, *_LADDER):
        score = 0.0
        for side, (seen, hidden) in enumerate(halves):
            found[side] = _descend(seen / 2, G / 2, found[side], curvature, s * unit)
            score += 0.5 * np.einsum("ik,ikl,il->", found[side], G, found[side])
            score -= np.vdot(hidden, found[side])
        if score > best:
            break
        best, strength = score, s
    if strength == 0.0:
        return start, strength
    return _descend(F, G, start, curvature, strength * unit), strength


def _descend(F, G, start, curvature, s):
    """Accelerated majorisation: pixels are coupled by their last state alone."""
    k = F.shape[1]
    Q = s * abs(curvature).sum(axis=1)
    H = G + Q[:, None, None] * np.eye(k)
    A = ahead = start
    momentum = 1.0
    for _ in range(_MAX_ITER):
        new = ahead.copy()
        right = F - s * (curvature @ ahead) + Q[:, None] * ahead
        nonnegative_rows_each(new, right, H, _SWEEPS)
        if np.abs(new - A).sum() <= _STILL * np.abs(A).sum():
            return new
        if np.vdot(ahead - new, new - A) > 0:
            momentum = 1.0
        longer = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = np.maximum(new + (momentum - 1) / longer * (new - A), 0.0)
        A, momentum = new, longer
    return A
