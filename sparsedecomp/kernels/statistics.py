"""What one look at a block tells: sums, squares, zeros, the first bad number."""

import math

import numba


@numba.njit(cache=True, nogil=True)
def row_statistics(X, sums, squares, lowest, bad, smallest, fractions, columns):
    """Accumulate the statistics of a block in float64.

    Parameters
    ----------
    X : (n, m) array
        The block.
    sums, squares : (n,) float64 arrays
        Overwritten: sum and sum of squares of every row.
    lowest : (n,) int64 array
        Overwritten: column of the smallest entry of every row.
    bad : (n,) int64 array
        Overwritten: column of the first NaN or infinity of every row, -1 for none.
    fractions : (n,) int64 array
        Overwritten: number of entries that are not whole numbers.
    smallest : (n,) float64 array
        Overwritten: the smallest positive entry, infinity for none.
    columns : (3, m) float64 array
        Added to: sum, sum of squares and number of zeros of every column.
    """
    n, m = X.shape
    for i in range(n):
        total = 0.0
        square = 0.0
        where = 0
        broken = 0
        least = math.inf
        for e in range(m):
            x = float(X[i, e])
            total += x
            square += x * x
            columns[0, e] += x
            columns[1, e] += x * x
            if x == 0.0:
                columns[2, e] += 1.0
            elif 0.0 < x < least:
                least = x
            if x != math.floor(x):
                broken += 1
            if X[i, e] < X[i, where]:
                where = e
        sums[i] = total
        squares[i] = square
        lowest[i] = where
        smallest[i] = least
        fractions[i] = broken
        bad[i] = -1
        if not math.isfinite(square):
            for e in range(m):
                if not math.isfinite(X[i, e]):
                    bad[i] = e
                    break
