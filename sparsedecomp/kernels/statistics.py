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
