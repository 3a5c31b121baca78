"""Path of the non-negative Lasso of many spectra on one Gram matrix."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def lasso_path_rows(F, G, penalty, lambdas, max_sweeps, tol, first, W):
    """Non-negative Lasso of every row for falling weights of the penalty.

    Minimises ``1/2 w G w' - f w' + lambda * sum_j penalty_j w_j`` over ``w >= 0`` by
    coordinate descent. Each lambda starts from the result of the one before. Between
    sweeps over all columns only those in use are swept, and a column that does not
    move costs nothing.

    Parameters
    ----------
    F : (n, p) float64 array
        Products of the columns with each row's data.
    G : (p, p) float64 array
        Gram matrix.
    penalty : (p,) float64 array
        Weight of each column in the penalty.
    lambdas : (n, m) float64 array
        Weights of the penalty, falling along each row.
    max_sweeps : int
        Largest number of sweeps for each lambda.
    tol : float
        A lambda has converged when a sweep decreases the objective by no more than
        ``tol`` times ``f w'``.
    first : int
        Index of the first lambda whose result is stored.
    W : (m - first, n, p) array
        Overwritten with the weights.

    Returns
    -------
    int
        Number of lambdas, over all rows, that did not converge.
    """
    n, p = F.shape
    m = lambdas.shape[1]
    w = np.empty(p)
    g = np.empty(p)
    used = np.empty(p, dtype=np.int64)
    late = 0
    for i in range(n):
        w[:] = 0.0
        for j in range(p):
            g[j] = F[i, j]
        for level in range(m):
            weight = lambdas[i, level]
            everything = True
            settled = False
            n_used = 0
            for _ in range(max_sweeps):
                gained = 0.0
                count = p if everything else n_used
                for h in range(count):
                    j = h if everything else used[h]
                    diagonal = G[j, j]
                    if diagonal <= 0.0:
                        continue
                    new = w[j] + (g[j] - weight * penalty[j]) / diagonal
                    new = new if new > 0.0 else 0.0
                    step = new - w[j]
                    if step != 0.0:
                        gained += 0.5 * step * step * diagonal
                        w[j] = new
                        row = G[j]
                        for h2 in range(p):
                            g[h2] -= step * row[h2]
                size = 0.0
                n_used = 0
                for j in range(p):
                    if w[j] > 0.0:
                        used[n_used] = j
                        n_used += 1
                        size += w[j] * F[i, j]
                if gained <= tol * size:
                    if everything:
                        settled = True
                        break
                    everything = True
                else:
                    everything = False
            if not settled:
                late += 1
            if level >= first:
                for j in range(p):
                    W[level - first, i, j] = w[j]
    return late
