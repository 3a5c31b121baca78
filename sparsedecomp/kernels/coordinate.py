"""Coordinate descent of every row of a matrix on one Gram matrix."""

import math

import numba
import numpy as np

# Number of rows that are worked on at once, known to the compiler. More rows use the
# vector unit better, but need more of the cache.
_LANES = 128


@numba.njit(cache=True, nogil=True)
def nonnegative_rows(C, F, G, threshold, max_sweeps, tol):
    """Minimise ``1/2 c G c' - f c' + threshold c'`` over ``c >= 0`` for every row.

    With ``G = S S'`` and ``F = X S'`` this is batched non-negative least squares of
    the rows of ``X`` on the rows of ``S`` with an l1 weight for each component; a
    symmetric addition to ``G`` is a quadratic penalty on the components of a row.
    Rows whose minimum is positive are solved at once, the others by sweeps over their
    components.

    Parameters
    ----------
    C : (n, k) array
        Initial coefficients, overwritten with the result.
    F : (n, k) array
        Product of every row with every component.
    G : (k, k) array
        Gram matrix. Components with a zero diagonal are set to zero. Sweeps are
        computed in its precision, whatever those of ``C`` and ``F`` are.
    threshold : (k,) float64 array
        l1 weight of each component.
    max_sweeps : int
        Largest number of sweeps over the components of a row.
    tol : float
        A row has converged when the changes of its coefficients in a sweep sum to no
        more than ``tol`` times the sum of the coefficients.

    Returns
    -------
    int
        Largest number of sweeps of a row, 0 if no row needed any.
    """
    n, k = C.shape
    if max_sweeps < 1:
        return 0
    waiting = _rows_at_the_edge(C, F, G, threshold)
    # A sweep sets c_j = [p_j - P_j c]_+ with the row P_j = G_j / G_jj, its diagonal set
    # to zero. Several terms are added at a time, so that the rows are read less often.
    padded = k + k % 2
    P = np.zeros((k, padded), G.dtype)
    scale = np.zeros(k)
    for j in range(k):
        if G[j, j] > 0.0:
            scale[j] = 1.0 / G[j, j]
            for m in range(k):
                P[j, m] = G[j, m] * scale[j] if m != j else 0.0
    # Rows are adjacent in memory, so that the vector unit updates a component of all of
    # them at once. A row that has converged is replaced by the next one, so that a few
    # slow rows do not delay the others.
    c = np.zeros((padded, _LANES), G.dtype)
    p = np.zeros((k, _LANES), G.dtype)
    new = np.empty(_LANES, G.dtype)
    moved = np.empty(_LANES, G.dtype)
    total = np.empty(_LANES, G.dtype)
    row = np.full(_LANES, -1)
    sweeps = np.zeros(_LANES, np.int64)
    zero = c[0, 0]
    following = most = 0
    while True:
        busy = 0
        for r in range(_LANES):
            if row[r] >= 0:
                sweeps[r] += 1
                if moved[r] <= tol * total[r] or sweeps[r] == max_sweeps:
                    most = max(most, sweeps[r])
                    settled = C[row[r]]
                    for j in range(k):
                        settled[j] = c[j, r]
                    row[r] = -1
            if row[r] < 0 and following < len(waiting):
                i = row[r] = waiting[following]
                sweeps[r] = 0
                for j in range(k):
                    c[j, r] = C[i, j]
                    p[j, r] = (F[i, j] - threshold[j]) * scale[j]
                following += 1
            busy += row[r] >= 0
        if busy == 0:
            return most
        moved[:] = zero
        total[:] = zero
        for j in range(k):
            g0, g1 = P[j, 0], P[j, 1]
            for r in range(_LANES):
                new[r] = p[j, r] - (g0 * c[0, r] + g1 * c[1, r])
            m = 2
            while m + 4 <= padded:
                g0, g1, g2, g3 = P[j, m], P[j, m + 1], P[j, m + 2], P[j, m + 3]
                for r in range(_LANES):
                    new[r] -= (g0 * c[m, r] + g1 * c[m + 1, r]) + (
                        g2 * c[m + 2, r] + g3 * c[m + 3, r]
                    )
                m += 4
            if m < padded:
                g0, g1 = P[j, m], P[j, m + 1]
                for r in range(_LANES):
                    new[r] -= g0 * c[m, r] + g1 * c[m + 1, r]
            for r in range(_LANES):
                # Compilers vectorise this expression, but not `max`.
                clipped = new[r] if new[r] > zero else zero
                moved[r] += abs(clipped - c[j, r])
                total[r] += clipped
                c[j, r] = clipped


@numba.njit(cache=True, nogil=True)
def _rows_at_the_edge(C, F, G, threshold):
    """Solve rows whose unconstrained minimum is non-negative; return the other rows.

    That minimum solves ``G c = f - threshold``: one product with the inverse of ``G``
    gives it, however similar the spectra are. All rows are returned if ``G`` is not
    positive definite to rounding.
    """
    n, k = C.shape
    others = np.arange(n)
    inverse = _inverse(G)
    if len(inverse) == 0:
        return others
    q = np.zeros((k, _LANES), G.dtype)
    c = np.empty((k, _LANES), G.dtype)
    inside = np.empty(_LANES, G.dtype)
    zero = q[0, 0]
    count = 0
    for start in range(0, n, _LANES):
        size = min(_LANES, n - start)
        for r in range(size):
            for j in range(k):
                q[j, r] = F[start + r, j] - threshold[j]
        inside[:] = zero + 1
        for j in range(k):
            free = c[j]
            free[:] = zero
            for m in range(k):
                h = inverse[j, m]
                for r in range(_LANES):
                    free[r] += h * q[m, r]
            for r in range(_LANES):
                inside[r] = inside[r] if free[r] >= zero else zero
        for r in range(size):
            if inside[r] > zero:
                solved = C[start + r]
                for j in range(k):
                    solved[j] = c[j, r]
            else:
                others[count] = start + r
                count += 1
    return others[:count]


@numba.njit(cache=True, nogil=True)
def _inverse(G):
    """Inverse of a positive definite matrix by Gauss-Jordan steps.

    The result is empty if a pivot, the squared norm of a component after projection on
    those before it, is within a hundred roundings of zero.
    """
    k = len(G)
    A = G.astype(np.float64)
    for j in range(k):
        pivot = A[j, j]
        if not pivot > 100 * np.finfo(G.dtype).eps * G[j, j]:
            return np.empty((0, 0), G.dtype)
        A[j, j] = 1.0
        for m in range(k):
            A[j, m] /= pivot
        for i in range(k):
            if i != j:
                factor = A[i, j]
                A[i, j] = 0.0
                for m in range(k):
                    A[i, m] -= factor * A[j, m]
    return A.astype(G.dtype)


@numba.njit(cache=True, nogil=True)
def unit_norm_rows(S, F, G, sweeps):
    """Minimise ``1/2 ||X - C S||^2`` over one non-negative unit-norm row after another.

    On the sphere the squared norm of a row is constant, so each row has the closed
    form ``s_j = [r_j]_+ / ||[r_j]_+||`` with ``r_j = f_j - sum_{m != j} G_jm s_m``.

    Parameters
    ----------
    S : (k, n) array
        Initial rows of unit Euclidean norm, overwritten with the result.
    F : (k, n) array
        Product ``C' X``.
    G : (k, k) float64 array
        Gram matrix ``C' C``. Rows of ``S`` with a zero diagonal here do not change.
    sweeps : int
        Number of sweeps over all rows.
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
            # A row without a positive entry has no closed form: it stays as it is.
            if total <= 0.0:
                continue
            scale = 1.0 / math.sqrt(total)
            for e in range(n):
                S[j, e] = r[e] * scale
