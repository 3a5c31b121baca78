"""Coordinate descent on a shared Gram matrix: one small problem for every row."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def nonnegative_rows(C, F, G, threshold, max_sweeps, tol):
    """Minimise ``1/2 c G c' - f c' + threshold c'`` over ``c >= 0`` for every row.

    With ``G = S S'`` and ``F = X S'`` this is batched non-negative least squares of
    the rows of ``X`` on the rows of ``S`` with an l1 weight for each component; a
    symmetric addition to ``G`` is a quadratic penalty on the components of a row.

    Parameters
    ----------
    C : (n, k) array
        Start, overwritten with the result.
    F : (n, k) array
        Correlation of every row with every component.
    G : (k, k) float64 array
        Gram matrix. Components with a zero diagonal are set to zero.
    threshold : (k,) float64 array
        l1 weight of each component.
    max_sweeps : int
        Sweeps over the components of a row.
    tol : float
        A row is left when no coefficient moved by more than ``tol`` times the
        largest coefficient of the row in a sweep. 0 does every sweep.

    Returns
    -------
    int
        The largest number of sweeps that a row took.
    """
    n, k = C.shape
    most = 0
    c = np.empty(k)
    for i in range(n):
        for j in range(k):
            c[j] = C[i, j]
        sweep = 0
        while sweep < max_sweeps:
            sweep += 1
            moved = 0.0
            largest = 0.0
            for j in range(k):
                if G[j, j] <= 0.0:
                    c[j] = 0.0
                    continue
                gradient = threshold[j] - F[i, j]
                for m in range(k):
                    gradient += G[j, m] * c[m]
                new = max(c[j] - gradient / G[j, j], 0.0)
                moved = max(moved, abs(new - c[j]))
                largest = max(largest, new)
                c[j] = new
            if moved <= tol * largest:
                break
        most = max(most, sweep)
        for j in range(k):
            C[i, j] = c[j]
    return most


@numba.njit(cache=True, nogil=True)
def unit_norm_rows(S, F, G, sweeps):
    """Minimise ``1/2 ||X - C S||^2`` over one non-negative unit-norm row after another.

    On the sphere the squared norm of a row is constant, so each row has the closed
    form ``s_j = [r_j]_+ / ||[r_j]_+||`` with ``r_j = f_j - sum_{m != j} G_jm s_m``.

    Parameters
    ----------
    S : (k, n) array
        Start, overwritten. Rows of unit Euclidean norm.
    F : (k, n) array
        ``C' X``.
    G : (k, k) float64 array
        ``C' C``. Rows of ``S`` with a zero diagonal here are left as they are.
    sweeps : int
        Sweeps over all rows.
    """
    k, n = S.shape
    for _ in range(sweeps):
        for j in range(k):
            if G[j, j] <= 0.0:
                continue
            # The row is only replaced once it is known to have a positive entry.
            total = 0.0
            for e in range(n):
                r = F[j, e] + G[j, j] * S[j, e]
                for m in range(k):
                    r -= G[j, m] * S[m, e]
                if r > 0.0:
                    total += r * r
            if total <= 0.0:
                continue
            scale = 1.0 / math.sqrt(total)
            for e in range(n):
                r = F[j, e] + G[j, j] * S[j, e]
                for m in range(k):
                    r -= G[j, m] * S[m, e]
                S[j, e] = max(r, 0.0) * scale
