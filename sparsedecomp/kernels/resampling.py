"""Separable interpolation of an image between its pixels, and the transpose.

A frame is ``Y = R X C'`` with a few weights ("taps") in every row of ``R`` and ``C``.
Images of several factors have the shape (rows, columns * factors), so that the inner
loops run over contiguous memory.
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def sample(X, row_index, row_weight, column_index, column_weight, n_factors, Y):
    """Sample an image: ``Y[i, j] = sum_st row[i, s] column[j, t] X[s, t]``.

    Parameters
    ----------
    X : (H, W * n_factors) array
        Image, with the factors of a pixel next to each other.
    row_index, row_weight : (h, n_taps) int and float arrays
        Rows of the image that contribute to each row of samples, and their weights.
    column_index, column_weight : (w, n_taps) int and float arrays
        Columns of the image that contribute to each column, and their weights.
    n_factors : int
        Number of factors.
    Y : (h, w * n_factors) array
        Overwritten with the samples.
    """
    line = np.empty(X.shape[1], X.dtype)
    for i in range(row_index.shape[0]):
        line[:] = 0.0
        for s in range(row_index.shape[1]):
            weight = row_weight[i, s]
            row = X[row_index[i, s]]
            for x in range(line.size):
                line[x] += weight * row[x]
        Y[i] = 0.0
        for j in range(column_index.shape[0]):
            at = j * n_factors
            for t in range(column_index.shape[1]):
                weight = column_weight[j, t]
                source = column_index[j, t] * n_factors
                for c in range(n_factors):
                    Y[i, at + c] += weight * line[source + c]


@numba.njit(cache=True, nogil=True)
def spread(
    Y, row_index, row_weight, column_index, column_weight, n_factors, first_row, X
):
    """Add the transpose of `sample` to some rows of an image.

    Adds ``sum_ij row[i, s] column[j, t] Y[i, j]`` to ``X[s, t]`` for rows ``s`` of the
    band ``first_row + [0, len(X))``; rows of samples that do not reach it are skipped.

    Parameters
    ----------
    Y : (h, w * n_factors) array
        Samples.
    row_index, row_weight, column_index, column_weight, n_factors
        As in `sample`.
    first_row : int
        Row of the whole image that is the first row of ``X``.
    X : (rows, W * n_factors) array
        Band of the image to which the result is added.
    """
    line = np.empty(X.shape[1], X.dtype)
    for i in range(row_index.shape[0]):
        touched = False
        for s in range(row_index.shape[1]):
            if 0 <= row_index[i, s] - first_row < X.shape[0]:
                touched = True
        if not touched:
            continue
        line[:] = 0.0
        for j in range(column_index.shape[0]):
            at = j * n_factors
            for t in range(column_index.shape[1]):
                weight = column_weight[j, t]
                target = column_index[j, t] * n_factors
                for c in range(n_factors):
                    line[target + c] += weight * Y[i, at + c]
        for s in range(row_index.shape[1]):
            place = row_index[i, s] - first_row
            if 0 <= place < X.shape[0]:
                weight = row_weight[i, s]
                row = X[place]
                for x in range(line.size):
                    row[x] += weight * line[x]
