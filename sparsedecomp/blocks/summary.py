"""What one pass tells about a matrix: sums, squares, zeros, the smallest entries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from sparsedecomp.kernels.statistics import row_statistics


class Summary(NamedTuple):
    """What `BlockMatrix.describe` finds.

    Attributes
    ----------
    sum_of_squares : float
        Of the (scaled) entries that are not masked, in float64.
    row_sums, row_squares, row_smallest : (n_pixels,) float64 arrays
        The last is the smallest positive entry.
    column_sums, column_squares, column_zeros : (n_channels,) float64 arrays
        The last counts the entries that are exactly zero.
    minimum : float
        The smallest entry.
    minimum_at : str
        Where it is, in words.
    whole_numbers : bool
        No entry has a fraction.
    quantum : float
        The smallest positive entry if most pixels share it, else 0: the size of one
        count in data that are counts times a constant.
    """

    sum_of_squares: float
    row_sums: np.ndarray
    row_squares: np.ndarray
    row_smallest: np.ndarray
    column_sums: np.ndarray
    column_squares: np.ndarray
    column_zeros: np.ndarray
    minimum: float
    minimum_at: str
    whole_numbers: bool
    quantum: float

    @classmethod
    def of(cls, rows, sums, place):
        """Make a summary of what a pass with `row_summary` returned.

        Parameters
        ----------
        rows, sums : tuples of arrays
            From `BlockMatrix.run`.
        place : callable
            ``place(row, column)`` names an entry in words.

        Returns
        -------
        Summary

        Raises
        ------
        ValueError
            If there is a NaN or an infinity: names the first pixel and channel.
        """
        row_sums, squares, bad, lowest, lowest_at, smallest, fractions = rows
        column_sums, column_squares, column_zeros = sums[0]
        if np.any(bad >= 0):
            row = int(np.argmax(bad >= 0))
            raise ValueError(
                f"The data hold {int(np.count_nonzero(bad >= 0))} pixels with NaN or "
                f"infinity, the first at {place(row, int(bad[row]))}. Mask "
                "these pixels or replace the values."
            )
        row = int(np.argmin(lowest))
        return cls(
            sum_of_squares=float(squares.sum()),
            row_sums=row_sums,
            row_squares=squares,
            row_smallest=smallest,
            column_sums=column_sums,
            column_squares=column_squares,
            column_zeros=column_zeros,
            minimum=float(lowest[row]),
            minimum_at=place(row, int(lowest_at[row])),
            whole_numbers=not np.any(fractions),
            quantum=_shared_minimum(smallest),
        )


def row_summary(X):
    """The statistics of some rows; a function for `BlockMatrix.run`."""
    n, m = X.shape
    if scipy.sparse.issparse(X):
        X = X.toarray()
    sums, squares, smallest = np.empty((3, n))
    bad, fractions = np.empty(n, np.int64), np.empty(n, bool)
    columns = np.zeros((3, m))
    row_statistics(X, sums, squares, bad, smallest, fractions, columns)
    lowest = X.min(axis=1).astype(float)
    return (sums, squares, bad, lowest, X.argmin(axis=1), smallest, fractions), (
        columns,
    )


def root_of_sums(sums, mean=None):
    """Square root of sums over their mean, and 1 where there is nothing."""
    mean = sums.mean() if mean is None else mean
    if mean <= 0:
        return np.ones(len(sums))
    return np.sqrt(np.where(sums > 0, sums / mean, 1.0))


def _shared_minimum(smallest):
    """The smallest positive number if at least half of the rows have it, else 0."""
    least = smallest.min()
    shared = np.isclose(smallest, least, rtol=1e-5).mean() >= 0.5
    return float(least) if np.isfinite(least) and shared else 0.0
