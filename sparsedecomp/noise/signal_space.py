"""Low-rank compression whose weak directions are as exact as the strong ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.compression import power_pass, project, random_basis


def signal_space(
    blocks: BlockMatrix,
    rank: int,
    random_state: int | np.random.Generator | None,
    n_power: int = 3,
    basis: NDArray | None = None,
) -> LowRank:
    """Compress data with exact weak directions, by block Krylov iteration.

    A component that is hardly above the noise decides where the corners of a simplex
    are as much as a strong one, and power iteration alone finds it last. Here the
    picture is the best in all the directions that the passes went through [1]_.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    rank : int
        Directions to keep, cut to what the data have.
    random_state : int or Generator
        Seed of the first directions.
    n_power : int, default 3
        Passes before the last one; more make weak directions more exact.
    basis : (n_channels, rank) array, optional
        Directions that the first of these passes has found already.

    Returns
    -------
    LowRank

    References
    ----------
    .. [1] C. Musco and C. Musco, Adv. Neural Inf. Process. Syst. 28 (2015) 1396,
       algorithm 2. https://arxiv.org/abs/1504.05477
    """
    rank = min(rank, *blocks.shape)
    directions = [] if basis is None else [basis]
    if basis is None:
        basis = random_basis(blocks.shape[1], rank, random_state)
    for _ in range(n_power - len(directions)):
        basis, summary = power_pass(blocks, basis)
        directions.append(basis)
    together = np.linalg.svd(np.hstack(directions), full_matrices=False)
    basis = together[0][:, together[1] > 1e-6 * together[1][0]]
    low = project(blocks, basis[:, : min(blocks.shape)], summary)
    return LowRank(
        np.ascontiguousarray(low.scores[:, :rank]),
        low.basis[:, :rank],
        low.singular_values[:rank],
        summary,
    )


def leading_directions(X: NDArray, k: int) -> tuple[NDArray, NDArray]:
    """Squares of the largest singular values of a small matrix, and their directions.

    Parameters
    ----------
    X : (n, m) array
        Matrix in memory.
    k : int
        Number of singular values, cut to what there are.

    Returns
    -------
    squares : (k,) array
        Squares of the singular values, the largest first.
    directions : (m, k) array
        Right singular vectors.
    """
    wide = X.shape[1] > len(X)
    gram = X @ X.T if wide else X.T @ X
    size = len(gram)
    kept = max(size - k, 0), size - 1
    squares, vectors = eigh(gram, subset_by_index=kept, overwrite_a=True)
    squares, vectors = np.maximum(squares[::-1], 0), vectors[:, ::-1]
    return squares, np.linalg.qr(X.T @ vectors)[0] if wide else vectors
