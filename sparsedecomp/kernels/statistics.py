"""What one look at a block tells: sums, squares, zeros, the first bad number."""

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
        Overwritten: sum and sum of squares of every row.
    bad : (n,) int64 array
        Overwritten: column of the first NaN or infinity of every row, -1 for none.
    smallest : (n,) float64 array
        Overwritten: the smallest positive entry, infinity for none.
    fractions : (n,) bool array
        Overwritten: whether an entry of the row is not a whole number.
    columns : (3, m) float64 array
        Added to: sum, sum of squares and number of zeros of every column.
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

        # In most data that are not counts the first entry tells.
        fractions[i] = False
        for e in range(m):
            if X[i, e] != np.floor(X[i, e]):
                fractions[i] = True
                break
