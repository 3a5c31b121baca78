"""Unfoldings of a tensor: singular vectors, products along one mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks.compression import gram_of


def unfolding(T: NDArray, mode: int) -> NDArray:
    """The tensor as a matrix: one mode times all others, in C order."""
    return np.moveaxis(T, mode, 0).reshape(T.shape[mode], -1)


def leading_vectors(scores: NDArray, mode: int, rank: int) -> tuple[NDArray, NDArray]:
    """Leading singular vectors of one unfolding, and all its singular values.

    Parameters
    ----------
    scores : (n_1, ..., n_M, r) array
        The tensor.
    mode : int
        Mode of the unfolding.
    rank : int
        Number of vectors.

    Returns
    -------
    vectors : (n_mode, rank) float64 array
        Left singular vectors.
    singular_values : float64 array
        All singular values in descending order.
    """
    rows = unfolding(scores, mode)
    if rows.shape[0] <= rows.shape[1]:
        values, vectors = np.linalg.eigh(gram_of(rows.T))
        vectors = vectors[:, ::-1][:, :rank]
    else:
        values, right = np.linalg.eigh(gram_of(rows))
        right = right[:, ::-1][:, :rank]
        vectors = np.linalg.qr(rows @ right.astype(rows.dtype))[0].astype(float)
    return vectors, np.sqrt(np.maximum(values[::-1], 0.0))


def compress_modes(
    scores: NDArray, ranks: Sequence[int]
) -> tuple[NDArray, list[NDArray | None]]:
    """Sequentially truncated higher-order singular value decomposition [1]_.

    Parameters
    ----------
    scores : (n_1, ..., n_M, r) array
        Tensor without missing positions.
    ranks : sequence of int
        Ranks of the first M modes. A mode that is hardly larger is not compressed.

    Returns
    -------
    core : float64 array
        The tensor in the bases of its modes.
    bases : list of arrays or None
        Orthonormal basis of each of the M modes; None for one not compressed.

    References
    ----------
    .. [1] N. Vannieuwenhoven, R. Vandebril and K. Meerbergen, SIAM J. Sci. Comput. 34
       (2012) A1027. https://doi.org/10.1137/110836067
    """
    core: NDArray = scores
    bases: list[NDArray | None] = [None] * len(ranks)
    for mode in np.argsort(scores.shape[:-1], kind="stable"):
        if ranks[mode] < 0.75 * core.shape[mode]:
            bases[mode] = leading_vectors(core, mode, ranks[mode])[0]
            core = multiply_mode(core, bases[mode].T, mode)
    return np.asarray(core, float), bases


def multiply_mode(T: NDArray, matrix: NDArray, mode: int) -> NDArray:
    """Multiply a tensor by a matrix along one mode.

    Parameters
    ----------
    T : (..., n_mode, ...) array
        The tensor.
    matrix : (m, n_mode) array
        The matrix.
    mode : int
        Mode that is multiplied.

    Returns
    -------
    (..., m, ...) array
    """
    moved = np.tensordot(matrix.astype(T.dtype), T, axes=(1, mode))
    return np.moveaxis(moved, 0, mode)


def singular_values(scores: NDArray) -> list[NDArray]:
    """Singular values of every unfolding, which show how many directions it needs.

    Parameters
    ----------
    scores : (n_1, ..., n_M) array
        Compressed data.

    Returns
    -------
    list of float64 arrays
    """
    return [leading_vectors(scores, mode, 1)[1] for mode in range(scores.ndim)]


def expanded(core: NDArray, factors: list[NDArray]) -> NDArray:
    """Multiply the core by the factors of all modes."""
    for mode, factor in enumerate(factors):
        core = multiply_mode(core, factor, mode)
    return core
