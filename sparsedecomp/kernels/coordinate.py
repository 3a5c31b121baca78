"""Coordinate descent on a shared Gram matrix: one small problem for every row."""

import math

import numba
import numpy as np

# Rows that are worked on at once; a constant, for the compiler.
_LANES = 128


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
        Rows are left when no coefficient moved by more than ``tol`` times the largest
        coefficient of its row in a sweep.

    Returns
    -------
    int
        The largest number of sweeps that was taken.
    """
    n, k = C.shape
    if max_sweeps < 1:
        return 0
    # Rows are worked on together, one behind the other in memory, so that the sum
    # over components runs over all of them at once. A row that has settled leaves its
    # lane to the next one: a few slow rows keep nobody waiting.
    c = np.zeros((k, _LANES))
    f = np.zeros((k, _LANES))
    gradient = np.empty(_LANES)
    moved = np.empty(_LANES)
    largest = np.empty(_LANES)
    row = np.full(_LANES, -1)
    sweeps = np.zeros(_LANES, np.int64)
    fours = k - k % 4
    following = most = 0
    while True:
        busy = 0
        for r in range(_LANES):
            if row[r] >= 0:
                sweeps[r] += 1
                if moved[r] <= tol * largest[r] or sweeps[r] == max_sweeps:
                    most = max(most, sweeps[r])
                    for j in range(k):
                        C[row[r], j] = c[j, r]
                    row[r] = -1
            if row[r] < 0 and following < n:
                row[r] = following
                sweeps[r] = 0
                for j in range(k):
                    c[j, r] = C[following, j]
                    f[j, r] = F[following, j]
                following += 1
            busy += row[r] >= 0
        if busy == 0:
            return most
        moved[:] = 0.0
        largest[:] = 0.0
        for j in range(k):
            if G[j, j] <= 0.0:
                c[j, :] = 0.0
                continue
            for r in range(_LANES):
                gradient[r] = threshold[j] - f[j, r]
            # Four at a time spare three of four passes over the gradient.
            for m in range(0, fours, 4):
                g, g1, g2, g3 = G[j, m], G[j, m + 1], G[j, m + 2], G[j, m + 3]
                for r in range(_LANES):
                    gradient[r] += (g * c[m, r] + g1 * c[m + 1, r]) + (
                        g2 * c[m + 2, r] + g3 * c[m + 3, r]
                    )
            for m in range(fours, k):
                g = G[j, m]
                for r in range(_LANES):
                    gradient[r] += g * c[m, r]
            scale = 1.0 / G[j, j]
            for r in range(_LANES):
                # Compilers turn a choice into vectors, but not `max`.
                new = c[j, r] - gradient[r] * scale
                new = new if new > 0.0 else 0.0
                step = abs(new - c[j, r])
                moved[r] = step if step > moved[r] else moved[r]
                largest[r] = new if new > largest[r] else largest[r]
                c[j, r] = new


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
    r = np.empty(n)
    for _ in range(sweeps):
        for j in range(k):
            if G[j, j] <= 0.0:
                continue
            for e in range(n):
                r[e] = F[j, e]
            for m in range(k):
                if m != j:
                    g = G[j, m]
                    for e in range(n):
                        r[e] -= g * S[m, e]
            total = 0.0
            for e in range(n):
                r[e] = r[e] if r[e] > 0.0 else 0.0
                total += r[e] * r[e]
            # The row is only replaced once it is known to have a positive entry.
            if total <= 0.0:
                continue
            scale = 1.0 / math.sqrt(total)
            for e in range(n):
                S[j, e] = r[e] * scale
