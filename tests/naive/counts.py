"""Poisson counts shared out among components, with dense loops and special functions.

The same updates as in `sparsedecomp.kernels.counts`, in the order in which a reader
would write them down.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, psi


def shared_out(x, t, S):
    """Expected counts (k, m) of every component in every channel of one pixel."""
    found = np.zeros_like(S)
    for e in range(len(x)):
        if x[e] > 0:
            found[:, e] = x[e] * t * S[:, e] / (t @ S[:, e])
    return found


def log_likelihood(x, model):
    """``sum x log(model)`` over the channels with counts."""
    return sum(x[e] * np.log(model[e]) for e in range(len(x)) if x[e] > 0)


def posterior_rows(X, A, S, alpha, sweeps):
    """Dirichlet parameters, bound and expected counts after some sweeps."""
    A = A.astype(float)
    N = np.zeros_like(S)
    bound = 0.0
    for i, x in enumerate(X):
        for _ in range(sweeps):
            t = np.exp(psi(A[i]))
            found = shared_out(x, t, S)
            A[i] = alpha + found.sum(axis=1)
        counts = found.sum(axis=1)
        bound += log_likelihood(x, t @ S) - counts @ np.log(t)
        bound += (gammaln(A[i]) - gammaln(alpha)).sum()
        N += found
    return A, bound, N


def log_posterior(X, C, S, rate, overlap, stiffness, pull):
    """What `sparsedecomp.kernels.counts.likelihood_rows` maximises."""
    total = 0.0
    for i, x in enumerate(X):
        c = C[i]
        products = (c.sum() ** 2 - (c**2).sum()) / 2
        total += log_likelihood(x, c @ S) - rate @ c - overlap * products
        total += pull[i] @ c - stiffness[i] / 2 * (c @ c)
    return total


def likelihood_rows(X, C, S, rate, overlap, stiffness, pull, sweeps):
    """Abundances and expected counts after some sweeps."""
    C = C.astype(float)
    N = np.zeros_like(S)
    for i, x in enumerate(X):
        for _ in range(sweeps):
            found = shared_out(x, C[i].copy(), S)
            for j in range(len(S)):
                others = C[i].sum() - C[i, j]
                b = rate[j] + overlap * others - pull[i, j]
                # The positive root of q c^2 + b c = n.
                roots = np.roots([stiffness[i], b, -found[j].sum()])
                C[i, j] = max(roots.real.max(), 0.0)
        N += found
    return C, N


def closed_row(x, c, S, rate):
    """One update of abundances that add up to one."""
    counts = shared_out(x, c, S).sum(axis=1)

    def excess(shift):
        return (counts / (rate + shift)).sum() - 1

    low = (counts - rate).max()
    return counts / (rate + brentq(excess, low, low + counts.sum() + 1, xtol=1e-14))
