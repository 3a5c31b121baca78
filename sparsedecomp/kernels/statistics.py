"""Statistics of a block: sums, squares, zeros, fractions, the first NaN or infinity."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def row_statistics(X, sums, squares, bad, smallest, fractions, columns):
    """Accumulate the statistics of a block in float64.

    Parameters
    ----------
    X : (n, m) array
        The block.
    sums, squares : (n,) float64 arrays
        Overwritten with sum and sum of squares of every row.
    bad : (n,) int64 array
        Overwritten with the column of the first NaN or infinity of every row, -1 if
        there is none.
    smallest : (n,) float64 array
        Overwritten with the smallest positive entry of every row, infinity if there is
        none.
    fractions : (n,) bool array
        Overwritten; True if an entry of the row is not a whole number.
    columns : (3, m) float64 array
        Sum, sum of squares and number of zeros of every column are added to it.
    """
    n, m = X.shape
    for i in range(n):
        total = 0.0
        square = 0.0
        for e in range(m):
            x = np.float64(X[i, e])
            total += x
            square += x * x
            columns[0, e] += x
            columns[1, e] += x * x
            columns[2, e] += X[i, e] == 0
        sums[i] = total
        squares[i] = square

        bad[i] = -1
        if not math.isfinite(square):
            for e in range(m):
                if not math.isfinite(X[i, e]):
                    bad[i] = e
                    break

        least = math.inf
        for e in range(m):
            x = np.float64(X[i, e])
            if 0.0 < x < least:
                least = x
        smallest[i] = least

        # In most data that are not counts the loop ends at the first entry.
        fractions[i] = False
        for e in range(m):
            if X[i, e] != np.floor(X[i, e]):
                fractions[i] = True
                break


@numba.njit(cache=True, nogil=True)
def sparse_row_statistics(
    indptr,
    indices,
    data,
    sums,
    squares,
    bad,
    smallest,
    fractions,
    lowest,
    lowest_at,
    columns,
):
    """Accumulate the statistics of a CSR matrix with sorted rows in float64.

    Parameters
    ----------
    indptr, indices, data : arrays
        The matrix; ``data`` is float64.
    sums, squares, smallest : (n,) float64 arrays
        As in `row_statistics`; zero, zero and infinity at first.
    bad : (n,) int64 array
        As in `row_statistics`; -1 at first.
    fractions : (n,) bool array
        As in `row_statistics`; False at first.
    lowest : (n,) float64 array
        Overwritten with the smallest entry of every row, zeros included.
    lowest_at : (n,) int64 array
        Overwritten with the first column that has it.
    columns : (3, m) float64 array
        Sum, sum of squares and minus the number of entries that are not zero.
    """
    m = columns.shape[1]
    for i in range(indptr.size - 1):
        least, least_at = math.inf, 0
        # The first column without an entry.
        empty = 0
        for j in range(indptr[i], indptr[i + 1]):
            x, e = data[j], indices[j]
            sums[i] += x
            squares[i] += x * x
            columns[0, e] += x
            columns[1, e] += x * x
            columns[2, e] -= x != 0
            if bad[i] < 0 and not math.isfinite(x):
                bad[i] = e
            if 0.0 < x < smallest[i]:
                smallest[i] = x
            if x != np.floor(x):
                fractions[i] = True
            if x < least or math.isnan(x):
                if not math.isnan(least):
                    least, least_at = x, e
            if e == empty:
                empty += 1
        if empty < m and 0.0 < least:
            least, least_at = 0.0, empty
        lowest[i], lowest_at[i] = least, least_at
