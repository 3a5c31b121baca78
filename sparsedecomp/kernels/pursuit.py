"""Sparse codes of many signals on one dictionary, and the update of its atoms."""

import math

import numba
import numpy as np

# Signals are finite: sums may be reordered, and the search of a maximum vectorised.
_FAST = {"reassoc", "contract", "nnan", "nsz"}


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def batch_omp(F, G, squares, tolerances, max_atoms, ends, columns, weights):
    """Orthogonal matching pursuit of every row on the Gram matrix of the atoms.

    The atom that has the largest product with the residual is added until the sum of
    squares of the residual is at most the tolerance. The Cholesky factor of the atoms
    chosen grows by a row at a time, and with it ``Q = L^-1 G_chosen``, so that the
    residual itself is never formed.

    Parameters
    ----------
    F : (n, p) array
        Products of each row's signal with the atoms, float32 or float64.
    G : (p, p) array
        Gram matrix of the atoms, whose norms are one.
    squares : (n,) array
        Sum of squares of each signal.
    tolerances : (n,) array
        Largest sum of squares of each residual.
    max_atoms : int
        Largest number of atoms of a signal.
    ends : (n,) int array
        Overwritten with the end of the codes of each row, the begin of the next.
    columns : (n * max_atoms,) int array
        Overwritten with the atoms, in the order in which they were chosen.
    weights : (n * max_atoms,) array
        Overwritten with their weights.
    """
    n, p = F.shape
    a = np.empty(p, F.dtype)
    Q = np.empty((max_atoms, p), F.dtype)
    L = np.empty((max_atoms, max_atoms))
    z = np.empty(max_atoms)
    total = 0
    for i in range(n):
        left = squares[i]
        count = 0
        a[:] = F[i]
        while count < max_atoms and left > tolerances[i]:
            largest = F.dtype.type(0)
            for j in range(p):
                largest = max(largest, abs(a[j]))
            choice = 0
            while abs(a[choice]) < largest:
                choice += 1
            square = G[choice, choice]
            for k in range(count):
                L[count, k] = Q[k, choice]
                square -= Q[k, choice] * Q[k, choice]
            # Squared norm of this atom after projection: below, it is rounding only.
            if square < 1e-5:
                break
            norm = math.sqrt(square)
            L[count, count] = norm
            z[count] = a[choice] / norm
            q = Q[count]
            q[:] = G[choice]
            for k in range(count):
                product = Q[k, choice]
                other = Q[k]
                for j in range(p):
                    q[j] -= product * other[j]
            scale = F.dtype.type(1.0 / norm)
            step = F.dtype.type(z[count])
            for j in range(p):
                q[j] *= scale
                a[j] -= step * q[j]
            left -= z[count] * z[count]
            columns[total + count] = choice
            count += 1
        for k in range(count - 1, -1, -1):
            weight = z[k]
            for m in range(k + 1, count):
                weight -= L[m, k] * weights[total + m]
            weights[total + k] = weight / L[k, k]
        total += count
        ends[i] = total


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def update_atoms(E, D, starts, rows, weights, n_power):
    """Fit each atom and its weights to the residual without this atom (K-SVD).

    For an atom ``d`` with weights ``g`` the fit is the first singular pair of
    ``E_used + g d'``, computed by the power method from the present atom. Atoms are
    updated one after another; each update changes the residual.

    Parameters
    ----------
    E : (n, m) array
        Residual of the signals, updated.
    D : (p, m) array
        Atoms of norm one, updated.
    starts : (p + 1,) int array
        First entry of each atom in ``rows`` and ``weights``.
    rows : (n_entries,) int array
        Signals that use each atom.
    weights : (n_entries,) array
        Weights of the atoms in these signals, updated.
    n_power : int
        Steps of the power method: one for the approximate update, more for the exact.
    """
    m = D.shape[1]
    new = np.empty(m)
    atom = np.empty(m, D.dtype)
    for j in range(D.shape[0]):
        d = D[j]
        for _ in range(n_power):
            new[:] = 0.0
            power = 0.0
            for e in range(starts[j], starts[j + 1]):
                g = weights[e]
                power += g * g
                row = E[rows[e]]
                for c in range(m):
                    new[c] += g * row[c]
            square = 0.0
            for c in range(m):
                new[c] += power * d[c]
                square += new[c] * new[c]
            if square == 0.0:
                break
            norm = math.sqrt(square)
            overlap = 0.0
            for c in range(m):
                atom[c] = new[c] / norm
                overlap += atom[c] * d[c]
            for e in range(starts[j], starts[j + 1]):
                g = weights[e]
                row = E[rows[e]]
                weight = E.dtype.type(g * overlap)
                for c in range(m):
                    weight += atom[c] * row[c]
                for c in range(m):
                    row[c] += g * d[c] - weight * atom[c]
                weights[e] = weight
            d[:] = atom


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _sweep(G, g, w, penalty):
    """Minimise over one weight after the other; return largest step and weight."""
    moved = 0.0
    largest = 0.0
    for j in range(w.size):
        diagonal = G[j, j]
        if diagonal <= 0.0:
            continue
        slope = g[j] + diagonal * w[j]
        size = abs(slope) - penalty
        new = w.dtype.type(0)
        if size > 0.0:
            new = w.dtype.type(math.copysign(size / diagonal, slope))
        step = new - w[j]
        if step != 0.0:
            w[j] = new
            row = G[j]
            for m in range(w.size):
                g[m] -= step * row[m]
        moved = max(moved, abs(step))
        largest = max(largest, abs(new))
    return moved, largest


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def lasso_rows(F, G, penalties, max_sweeps, tol, W):
    """Lasso of every row on the Gram matrix of the atoms, by coordinate descent.

    Minimises ``1/2 w G w' - f w' + penalty * sum_j |w_j|`` from initial weights. After
    each sweep over all atoms, only the atoms in use are swept until they converge.

    Parameters
    ----------
    F : (n, p) array
        Products of each row's signal with the atoms, float32 or float64.
    G : (p, p) array
        Gram matrix of the atoms.
    penalties : (n,) array
        Weight of the penalty in each row.
    max_sweeps : int
        Largest number of sweeps over all atoms, and of sweeps over the atoms in use
        between two of these.
    tol : float
        A row has converged when no weight changes by more than this fraction of the
        largest in a sweep over all atoms.
    W : (n, p) array
        Initial weights, overwritten with the result.

    Returns
    -------
    int
        Number of rows that did not converge.
    """
    n, p = F.shape
    g = np.empty(p, F.dtype)
    used = np.empty(p, dtype=np.int64)
    small_G = np.empty((p, p), F.dtype)
    small_g = np.empty(p, F.dtype)
    small_w = np.empty(p, F.dtype)
    late = 0
    for i in range(n):
        w = W[i]
        g[:] = F[i]
        for j in range(p):
            if w[j] != 0.0:
                g -= w[j] * G[j]
        settled = False
        for _ in range(max_sweeps):
            moved, largest = _sweep(G, g, w, penalties[i])
            if moved <= tol * largest:
                settled = True
                break
            k = 0
            for j in range(p):
                if w[j] != 0.0:
                    used[k] = j
                    k += 1
            for a in range(k):
                small_w[a] = w[used[a]]
                small_g[a] = g[used[a]]
                for b in range(k):
                    small_G[a, b] = G[used[a], used[b]]
            for _ in range(max_sweeps):
                moved, largest = _sweep(small_G, small_g, small_w[:k], penalties[i])
                if moved <= tol * largest:
                    break
            for a in range(k):
                j = used[a]
                step = small_w[a] - w[j]
                if step != 0.0:
                    w[j] = small_w[a]
                    g -= step * G[j]
        if not settled:
            late += 1
    return late
