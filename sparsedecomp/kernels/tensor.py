"""Loops of tensor decompositions: Gram matrices of rows, single entries, counts."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def nonnegative_rows_each(A, F, G, sweeps):
    """Minimise ``1/2 a G_i a' - f a'`` over ``a >= 0`` for every row ``i``.

    Parameters
    ----------
    A : (n, k) float64 array
        Initial coefficients, overwritten with the result.
    F : (n, k) float64 array
        Product of every row with every component.
    G : (n, k, k) float64 array
        Gram matrix of every row. Components with a zero diagonal are set to zero.
    sweeps : int
        Number of sweeps of coordinate descent over the components of a row.
    """
    n, k = A.shape
    for i in range(n):
        for _ in range(sweeps):
            for j in range(k):
                if G[i, j, j] <= 0.0:
                    A[i, j] = 0.0
                    continue
                gradient = -F[i, j]
                for m in range(k):
                    gradient += G[i, j, m] * A[i, m]
                A[i, j] = max(A[i, j] - gradient / G[i, j, j], 0.0)


@numba.njit(cache=True, nogil=True)
def leave_out(at, products, G):
    """Subtract missing entries from the Gram matrices of the rows of a factor.

    Parameters
    ----------
    at : (n,) integer array
        Row of each entry.
    products : (n, k) float64 array
        Product of the other factors at each entry.
    G : (n_rows, k, k) float64 array
        Gram matrices, changed.
    """
    for p in range(at.size):
        for r in range(products.shape[1]):
            for s in range(products.shape[1]):
                G[at[p], r, s] -= products[p, r] * products[p, s]


@numba.njit(cache=True, nogil=True)
def add_entries(at, channels, values, basis, scores):
    """Add single entries to data that are given by their scores in a basis.

    Parameters
    ----------
    at, channels : (n,) integer arrays
        Row and channel of each entry.
    values : (n,) float64 array
        Values that are added to the data.
    basis : (n_channels, r) float64 array
        Orthonormal basis of the channels.
    scores : (n_rows, r) float64 array
        Scores of the data, changed.
    """
    for p in range(at.size):
        for r in range(basis.shape[1]):
            scores[at[p], r] += values[p] * basis[channels[p], r]


@numba.njit(cache=True, nogil=True)
def shared_counts(indptr, channels, counts, L, C, of_rows, of_channels):
    """Attribute every count to the components in proportion to the model (Poisson EM).

    The share of component ``r`` in a count is ``L_ir C_er / (L C')_ie``.

    Parameters
    ----------
    indptr : (n + 1,) int64 array
        First entry of every row.
    channels : (nnz,) integer array
        Channel of every entry.
    counts : (nnz,) array
        Positive counts.
    L : (n, k) float64 array
        Loadings of the rows.
    C : (n_channels, k) float64 array
        Spectra.
    of_rows, of_channels : (n, k) and (n_channels, k) float64 arrays
        Overwritten with the sums of the attributed counts over channels, and over rows.

    Returns
    -------
    float
        Sum of ``counts log(L C')``, in which a model of zero is replaced by 1e-300.
    """
    n, k = L.shape
    total = 0.0
    of_rows[:] = 0.0
    of_channels[:] = 0.0
    for i in range(n):
        for at in range(indptr[i], indptr[i + 1]):
            e = channels[at]
            expected = 1e-300
            for r in range(k):
                expected += L[i, r] * C[e, r]
            count = np.float64(counts[at])
            ratio = count / expected
            total += count * math.log(expected)
            for r in range(k):
                of_rows[i, r] += ratio * C[e, r]
                of_channels[e, r] += ratio * L[i, r]
        for r in range(k):
            of_rows[i, r] *= L[i, r]
    for e in range(C.shape[0]):
        for r in range(k):
            of_channels[e, r] *= C[e, r]
    return total
