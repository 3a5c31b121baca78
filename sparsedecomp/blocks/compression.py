"""Low-rank compression of a matrix in a few passes over its blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks.conversion import MatrixLike, as_blocks
from sparsedecomp.blocks.matrix import BlockMatrix
from sparsedecomp.blocks.summary import Summary, row_summary

# Number of rows that are cast or multiplied at once; more rows take more memory.
_ROWS = 8192


@dataclass(frozen=True)
class LowRank:
    """Low-rank approximation ``X ~ scores @ basis.T`` of a matrix.

    Attributes
    ----------
    scores : ndarray of shape (n_pixels, rank)
        Product ``X @ basis``.
    basis : (n_channels, rank) float64 array
        Orthonormal basis of the spectra.
    singular_values : (rank,) float64 array
        Singular values of ``X @ basis``, falling.
    summary : Summary
        Statistics of the whole of ``X``; its sum of squares makes residuals exact.
    """

    scores: NDArray
    basis: NDArray
    singular_values: NDArray
    summary: Summary

    @property
    def noise_variance(self) -> float:
        """Mean square of the residual per degree of freedom."""
        (n, rank), m = self.scores.shape, len(self.basis)
        residual = self.summary.sum_of_squares - np.square(self.singular_values).sum()
        return max(residual, 0.0) / max((n - rank) * (m - rank), 1)

    def spread(self, n_pixels: int) -> LowRank:
        """Restrict the approximation to evenly spaced pixels.

        Parameters
        ----------
        n_pixels : int
            Number of pixels; all are taken when there are no more.

        Returns
        -------
        LowRank
            The same basis with the scores, singular values and sums of these pixels.
        """
        n = len(self.scores)
        if n <= n_pixels:
            return self
        chosen = np.linspace(0, n - 1, n_pixels).round().astype(int)
        scores = self.scores[chosen]
        values = np.linalg.eigvalsh(gram_of(scores))[::-1]
        rows = {
            name: getattr(self.summary, name)[chosen]
            for name in ("row_sums", "row_squares", "row_smallest")
        }
        return LowRank(
            scores=scores,
            basis=self.basis,
            singular_values=np.sqrt(np.maximum(values, 0.0)),
            summary=self.summary._replace(
                sum_of_squares=float(rows["row_squares"].sum()), **rows
            ),
        )


def random_basis(
    n_channels: int, rank: int, random_state: int | np.random.Generator | None
) -> NDArray:
    """Orthonormal random directions from which the range finder begins."""
    generator = np.random.default_rng(random_state)
    return np.linalg.qr(generator.standard_normal((n_channels, rank)))[0]


def power_pass(blocks: BlockMatrix, basis: NDArray) -> tuple[NDArray, Summary]:
    """Do a power iteration and describe the data in the same pass.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
        Matrix X.
    basis : (n_channels, rank) array
        Directions before the iteration.

    Returns
    -------
    basis : (n_channels, rank) float64 array
        Orthonormal basis of ``X' (X basis)``.
    summary : Summary
        Statistics of the data.
    """
    product, summary = sketch(blocks, basis.astype(blocks.dtype))
    return np.linalg.qr(product)[0], summary


def sketch(blocks: BlockMatrix, V: NDArray) -> tuple[NDArray, Summary]:
    """Product ``X' (X V)`` and statistics of the data, in one pass."""
    rows, (columns, product) = blocks.run(_sketch_rows, shared=(V,))
    return product, Summary.of(rows, (columns,), blocks.place)


def _sketch_rows(X, V):
    rows, (columns,) = row_summary(X)
    return rows, (columns, X.T @ (X @ V))


def project(blocks: BlockMatrix, basis: NDArray, summary: Summary) -> LowRank:
    """Project on a basis, in one pass, and rotate it to the singular vectors."""
    (scores,), (gram,) = blocks.run(_scores, shared=(basis,))
    values, rotation = np.linalg.eigh(gram)
    values, rotation = values[::-1], rotation[:, ::-1]
    rotate_in_place(scores, rotation)
    return LowRank(
        scores=scores,
        basis=basis @ rotation,
        singular_values=np.sqrt(np.maximum(values, 0.0)),
        summary=summary,
    )


def _scores(X, V):
    # The noise is the small difference of the squares of the data and of the scores,
    # in clean data a billionth of them: single precision would lose it.
    Y = X.astype(np.float64) @ V
    return (Y.astype(X.dtype),), (Y.T @ Y,)


def rotate_in_place(A: NDArray, rotation: NDArray) -> None:
    """Replace ``A`` by ``A @ rotation``, some rows at a time."""
    rotation = rotation.astype(A.dtype)
    for start in range(0, len(A), _ROWS):
        A[start : start + _ROWS] = A[start : start + _ROWS] @ rotation


def gram_of(A: NDArray) -> NDArray:
    """Gram matrix ``A' A`` in float64, without a float64 copy of ``A``."""
    gram = np.zeros((A.shape[1], A.shape[1]))
    for start in range(0, len(A), _ROWS):
        part = A[start : start + _ROWS].astype(np.float64)
        gram += part.T @ part
    return gram


def compress(
    data: MatrixLike,
    rank: int,
    *,
    n_power: int = 2,
    basis: NDArray | None = None,
    signal_dimension: int = 1,
    random_state: int | np.random.Generator | None = None,
) -> LowRank:
    """Find the leading right singular vectors by a streamed randomised range finder.

    Every power iteration is one pass that forms ``X' (X V)``; one more pass gives the
    scores [1]_. The first pass describes the data too, so that NaN and infinities are
    found at once.

    Parameters
    ----------
    data : array or BlockMatrix of shape (n_pixels, n_channels)
        Anything that `as_blocks` takes.
    rank : int
        Number of directions; at most ``min(shape)``. Ask for some ten more than you
        need: the last ones are less exact.
    n_power : int, default 2
        Number of power iterations, at least 1; more of them make the directions more
        exact.
    basis : (n_channels, rank) array, optional
        Initial directions; random ones by default.
    signal_dimension : int, default 1
        Number of signal axes of an array with more than two axes.
    random_state : int or Generator, optional
        Seed of the random directions, or generator that draws them.

    Returns
    -------
    LowRank
        Approximation in the basis of the leading right singular vectors.

    References
    ----------
    .. [1] N. Halko, P.-G. Martinsson and J. A. Tropp, SIAM Rev. 53 (2011) 217,
       algorithm 4.4. https://doi.org/10.1137/090771806

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import compress
    >>> X = np.outer(np.arange(6.0), np.ones(4))
    >>> low = compress(X, 1, random_state=0)
    >>> bool(np.allclose(low.scores @ low.basis.T, X))
    True
    """
    blocks = as_blocks(data, signal_dimension)
    rank = min(rank, *blocks.shape)
    if basis is None:
        basis = random_basis(blocks.shape[1], rank, random_state)
    for _ in range(n_power):
        basis, summary = power_pass(blocks, basis)
    return project(blocks, basis, summary)
