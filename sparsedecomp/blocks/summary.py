"""Statistics of a matrix from one pass: sums, squares, zeros, smallest entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.kernels.statistics import row_statistics, sparse_row_statistics

# A pixel with less than this part of the mean count is weighted as if it had that much:
# stray counts in nearly empty pixels (vacuum) would otherwise look like components.
_DARKEST = 0.5
# Rows of a block in which entries that are no whole numbers are compared with multiples
# of the smallest, and how far they may be from them.
_TESTED, _OFF = 8, 0.02


class Summary(NamedTuple):
    """Statistics of the (scaled) entries of a matrix that are not masked.

    Attributes
    ----------
    sum_of_squares : float
        Sum of the squares of all entries, in float64.
    row_sums, row_squares, row_smallest : (n_pixels,) float64 arrays
        Sum, sum of squares and smallest positive entry of each pixel.
    column_sums, column_squares, column_zeros : (n_channels,) float64 arrays
        Sum, sum of squares and number of zeros of each channel.
    minimum : float
        Smallest entry.
    minimum_at : str
        Pixel and channel of the smallest entry, for messages.
    whole_numbers : bool
        Whether all entries are whole numbers.
    quantum : float
        Smallest positive entry if most pixels share it, else 0: the size of one count
        in data that are counts times a constant.
    resampled : bool
        Whether most pixels share their smallest positive entry but others are no
        multiples of it, as is left of counts that were blurred or interpolated.
    """

    sum_of_squares: float
    row_sums: NDArray
    row_squares: NDArray
    row_smallest: NDArray
    column_sums: NDArray
    column_squares: NDArray
    column_zeros: NDArray
    minimum: float
    minimum_at: str
    whole_numbers: bool
    quantum: float
    resampled: bool = False

    @classmethod
    def of(
        cls,
        rows: Sequence[NDArray],
        sums: Sequence[NDArray],
        place: Callable[[int, int], str],
    ) -> Summary:
        """Make a summary of the results of a pass with `row_summary`.

        Parameters
        ----------
        rows, sums : sequences of arrays
            Row results and sums that `BlockMatrix.run` returned.
        place : callable
            Function ``place(row, column)`` that names an entry in words.

        Returns
        -------
        Summary
            Statistics of the matrix.

        Raises
        ------
        ValueError
            If there is a NaN or an infinity; the message names its pixel and channel.
        """
        row_sums, squares, bad, lowest, lowest_at, smallest, fractions, between = rows
        column_sums, column_squares, column_zeros = sums[0]
        refuse_not_finite(bad, place)
        row = int(np.argmin(lowest))
        shared, sharing = _shared_minimum(smallest)
        # Pixels without single counts have a larger smallest entry.
        resampled = bool(np.any(between & sharing))
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
            quantum=0.0 if resampled else shared,
            resampled=resampled and shared > 0,
        )


def refuse_not_finite(bad: NDArray, place: Callable[[int, int], str]) -> None:
    """Raise ValueError for rows with NaN or infinity, naming the first place.

    Parameters
    ----------
    bad : (n,) int array
        First such channel of every row; -1 for none.
    place : callable
        Name of a row and channel.
    """
    if np.any(bad >= 0):
        row = int(np.argmax(bad >= 0))
        raise ValueError(
            f"The data hold {int(np.count_nonzero(bad >= 0))} pixels with NaN or "
            f"infinity, the first at {place(row, int(bad[row]))}. Mask these pixels "
            "or replace the values."
        )


def row_summary(X: Any) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
    """Statistics of some rows; a function for `BlockMatrix.run`."""
    n, m = X.shape
    if scipy.sparse.issparse(X):
        return _sparse_row_summary(X)
    sums, squares, smallest = np.empty((3, n))
    bad, fractions = np.empty(n, np.int64), np.empty(n, bool)
    columns = np.zeros((3, m))
    row_statistics(X, sums, squares, bad, smallest, fractions, columns)
    lowest, lowest_at = X.min(axis=1).astype(float), X.argmin(axis=1)
    between = _no_multiples(lambda row: X[row], smallest, fractions)
    return (
        (sums, squares, bad, lowest, lowest_at, smallest, fractions, between),
        (columns,),
    )


def _sparse_row_summary(X: Any) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
    """The same of a CSR matrix without duplicates, from its entries alone."""
    n, m = X.shape
    entries = X.data.astype(float)
    sums, squares = np.zeros((2, n))
    smallest = np.full(n, np.inf)
    bad, fractions = np.full(n, -1, np.int64), np.zeros(n, bool)
    lowest, lowest_at = np.zeros(n), np.zeros(n, np.int64)
    columns = np.zeros((3, m))
    sparse_row_statistics(
        X.indptr, X.indices, entries, sums, squares, bad, smallest, fractions,
        lowest, lowest_at, columns,
    )  # fmt: skip
    columns[2] += n
    between = _no_multiples(
        lambda row: X.data[X.indptr[row] : X.indptr[row + 1]], smallest, fractions
    )
    return (
        (sums, squares, bad, lowest, lowest_at, smallest, fractions, between),
        (columns,),
    )


def _no_multiples(
    entries_of: Callable[[int], NDArray], smallest: NDArray, fractions: NDArray
) -> NDArray[np.bool_]:
    """Rows, of the few that are looked at, that are no multiples of their smallest.

    Counts that were blurred or interpolated share their smallest entry, too.
    """
    between = np.zeros(len(smallest), bool)
    rows = np.flatnonzero(fractions & np.isfinite(smallest))
    for row in rows[:: max(len(rows) // _TESTED, 1)]:
        entries = entries_of(row)
        multiple = entries / smallest[row]
        rounding = 4 * np.finfo(multiple.dtype).eps * np.abs(multiple)
        off = np.abs(multiple - np.rint(multiple))
        between[row] = np.any(off > _OFF + rounding)
    return between


def poisson_row_scale(row_sums: NDArray, mean: float | None = None) -> NDArray:
    """Root of the sums of pixels over their mean, the darkest ones raised.

    Parameters
    ----------
    row_sums : (n_pixels,) array
        Sums of the pixels.
    mean : float, optional
        Mean sum to compare with, for instance of other pixels. Default: their own.

    Returns
    -------
    (n_pixels,) array
        At least the root of one half: the variance of a nearly empty pixel is taken as
        that of a pixel with half the mean.
    """
    mean = row_sums.mean() if mean is None else mean
    if mean <= 0:
        return np.ones(len(row_sums))
    return np.sqrt(np.maximum(row_sums / mean, _DARKEST))


def poisson_column_scale(column_sums: NDArray) -> NDArray:
    """Root of the sums of channels over their mean, and 1 for empty channels.

    Parameters
    ----------
    column_sums : (n_channels,) array
        Sums of the channels.

    Returns
    -------
    (n_channels,) array
        Scales of the channels.
    """
    mean = column_sums.mean()
    if mean <= 0:
        return np.ones(len(column_sums))
    return np.sqrt(np.where(column_sums > 0, column_sums / mean, 1.0))


def _shared_minimum(smallest: NDArray) -> tuple[float, NDArray[np.bool_]]:
    """Smallest positive entry, 0 unless half of the rows share it, and which do."""
    least = smallest.min()
    shared = np.isclose(smallest, least, rtol=1e-5)
    common = np.isfinite(least) and shared.mean() >= 0.5
    return (float(least) if common else 0.0), shared
