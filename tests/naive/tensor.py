"""Tensor decompositions in the plainest Python, as oracles."""

import math

import numpy as np
import scipy.optimize


def nonnegative_rows_each(A, F, G, sweeps):
    """Coordinate descent of every row with a Gram matrix of its own."""
    A = np.array(A, float)
    for i in range(len(A)):
        for _ in range(sweeps):
            for j in range(A.shape[1]):
                if G[i, j, j] <= 0:
                    A[i, j] = 0.0
                else:
                    step = (F[i, j] - G[i, j] @ A[i]) / G[i, j, j]
                    A[i, j] = max(A[i, j] + step, 0.0)
    return A


def shared_counts(X, L, C):
    """Expected shares of the counts of a dense matrix; sums over both, log sum."""
    of_rows, of_channels, total = np.zeros_like(L), np.zeros_like(C), 0.0
    for i, e in zip(*np.nonzero(X), strict=True):
        parts = L[i] * C[e]
        expected = parts.sum() + 1e-300
        of_rows[i] += X[i, e] * parts / expected
        of_channels[e] += X[i, e] * parts / expected
        total += X[i, e] * math.log(expected)
    return of_rows, of_channels, total


def composed(factors):
    """The tensor that some factors stand for, entry by entry."""
    X = np.zeros([len(f) for f in factors])
    for where in np.ndindex(*X.shape):
        for r in range(factors[0].shape[1]):
            X[where] += math.prod(f[i, r] for f, i in zip(factors, where, strict=True))
    return X


def core_consistency(X, factors):
    """Of the whole data, by least squares with the Kronecker product."""
    k = factors[0].shape[1]
    design = factors[0]
    for factor in factors[1:]:
        design = np.kron(design, factor)
    core = np.linalg.lstsq(design, X.ravel(), rcond=None)[0].reshape((k,) * X.ndim)
    ideal = np.zeros_like(core)
    ideal[(np.arange(k),) * X.ndim] = 1
    return 100 * (1 - ((core - ideal) ** 2).sum() / k)


def leave_out(at, products, G):
    """Gram matrices of rows without single entries."""
    G = np.array(G)
    for i, h in zip(at, products, strict=True):
        G[i] -= np.outer(h, h)
    return G


def add_entries(at, channels, values, basis, scores):
    """Scores after single entries have been added to the data."""
    X = np.zeros((len(scores), len(basis)))
    for i, e, value in zip(at, channels, values, strict=True):
        X[i, e] += value
    return scores + X @ basis


def masked_least_squares(X, k, nonnegative, seed=0, sweeps=3000):
    """Alternate over the rows of all factors, each from the entries that are there.

    Every start is followed to its end; returns the least residual sum of squares.
    """
    best = np.inf
    for start in range(3):
        rng = np.random.default_rng(seed + start)
        factors = [rng.random((n, k)) for n in X.shape]
        previous = np.inf
        for _ in range(sweeps):
            residual = 0.0
            for mode, factor in enumerate(factors):
                others = [f for m, f in enumerate(factors) if m != mode]
                design = np.ones((1, k))
                for other in others:
                    design = (design[:, None] * other).reshape(-1, k)
                rows = np.moveaxis(X, mode, 0).reshape(len(factor), -1)
                residual = 0.0
                for i, row in enumerate(rows):
                    seen = np.isfinite(row)
                    A, y = design[seen], row[seen]
                    if nonnegative:
                        factor[i] = scipy.optimize.nnls(A, y)[0]
                    else:
                        factor[i] = np.linalg.lstsq(A, y, rcond=None)[0]
                    residual += np.square(y - A @ factor[i]).sum()
            if previous - residual < 1e-10 * residual:
                break
            previous = residual
        best = min(best, residual)
    return best
