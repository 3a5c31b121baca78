"""A low-rank picture of a matrix, found in a few passes: compress once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsedecomp.blocks.matrix import as_blocks
from sparsedecomp.blocks.summary import Summary, row_summary

# Rows that are worked on at once where a copy of all of them would be large.
_ROWS = 8192


@dataclass(frozen=True)
class LowRank:
    """``X ~ scores @ basis.T`` with an orthonormal basis of the channels.

    Attributes
    ----------
    scores : ndarray of shape (n_pixels, rank)
        ``X @ basis``.
    basis : (n_channels, rank) float64 array
    singular_values : (rank,) float64 array
        Those of ``X @ basis``, falling.
    summary : Summary
        Of the whole of ``X``; its sum of squares makes residuals exact.
    """

    scores: np.ndarray
    basis: np.ndarray
    singular_values: np.ndarray
    summary: Summary

    @property
    def noise_variance(self):
        """Mean square of what the basis leaves out, per degree of freedom left."""
        (n, rank), m = self.scores.shape, len(self.basis)
        left = self.summary.sum_of_squares - np.square(self.singular_values).sum()
        return max(left, 0.0) / max((n - rank) * (m - rank), 1)

    def spread(self, n_pixels):
        """The picture of evenly spread pixels, or of all when there are no more.

        Parameters
        ----------
        n_pixels : int

        Returns
        -------
        LowRank
            In the same basis; its singular values and sums are those of its pixels.
        """
        n = len(self.scores)
        if n <= n_pixels:
            return self
        seen = np.linspace(0, n - 1, n_pixels).round().astype(int)
        scores = self.scores[seen]
        values = np.linalg.eigvalsh(gram_of(scores))[::-1]
        rows = {
            name: getattr(self.summary, name)[seen]
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


def random_basis(n_channels, rank, random_state):
    """Orthonormal random directions, the start of the range finder."""
    generator = np.random.default_rng(random_state)
    return np.linalg.qr(generator.standard_normal((n_channels, rank)))[0]


def power_pass(blocks, basis):
    """One pass: the basis after a power iteration, and the summary of the data.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
    basis : (n_channels, rank) array

    Returns
    -------
    basis : (n_channels, rank) float64 array
        Orthonormal basis of ``X' (X basis)``.
    summary : Summary
    """
    rows, (columns, product) = blocks.run(_power, shared=(basis.astype(blocks.dtype),))
    summary = Summary.of(rows, (columns,), blocks.place)
    return np.linalg.qr(product)[0], summary


def _power(X, V):
    rows, (columns,) = row_summary(X)
    return rows, (columns, X.T @ (X @ V))


def project(blocks, basis, summary):
    """One pass: the low-rank picture in a given basis, turned to singular vectors."""
    (scores,), (gram,) = blocks.run(_scores, shared=(basis,))
    values, turn = np.linalg.eigh(gram)
    values, turn = values[::-1], turn[:, ::-1]
    _turn_rows(scores, turn)
    return LowRank(
        scores=scores,
        basis=basis @ turn,
        singular_values=np.sqrt(np.maximum(values, 0.0)),
        summary=summary,
    )


def _scores(X, V):
    # The noise is what the squares of the scores leave of the squares of the data, in
    # clean data a billionth of them: single precision would lose it.
    Y = X.astype(np.float64) @ V
    return (Y.astype(X.dtype),), (Y.T @ Y,)


def _turn_rows(A, turn):
    """``A @ turn`` in the place of ``A``."""
    turn = turn.astype(A.dtype)
    for start in range(0, len(A), _ROWS):
        A[start : start + _ROWS] = A[start : start + _ROWS] @ turn


def gram_of(A):
    """``A' A`` in float64, without a float64 copy of ``A``."""
    gram = np.zeros((A.shape[1], A.shape[1]))
    for start in range(0, len(A), _ROWS):
        part = A[start : start + _ROWS].astype(np.float64)
        gram += part.T @ part
    return gram


def compress(
    data, rank, *, n_power=2, basis=None, signal_dimension=1, random_state=None
):
    """Find the leading right singular vectors by a streamed randomised range finder.

    Every power iteration is one pass that forms ``X' (X V)``; one more pass gives the
    scores. The first pass takes the summary too, so bad numbers are found at once.

    Parameters
    ----------
    data : array or BlockMatrix of shape (n_pixels, n_channels)
        Anything that `as_blocks` takes.
    rank : int
        Number of directions; at most ``min(shape)``. Ask for some ten more than you
        need: the last ones are less exact.
    n_power : int, default 2
        Passes spent on the directions, at least 1.
    basis : (n_channels, rank) array, optional
        Where to start instead of random directions.
    signal_dimension : int, default 1
        Number of signal axes of an array with more than two axes.
    random_state : int or Generator, optional

    Returns
    -------
    LowRank

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
