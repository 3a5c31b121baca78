"""Sparse codes and atoms by least squares and singular vectors."""

import numpy as np


def omp(x, D, tolerance, most):
    """Atoms taken one after the other, all weights fitted again each time."""
    taken, weights = [], np.zeros(0)
    residual = x
    while len(taken) < most and residual @ residual > tolerance:
        taken.append(int(np.argmax(np.abs(D @ residual))))
        weights = np.linalg.lstsq(D[taken].T, x, rcond=None)[0]
        residual = x - weights @ D[taken]
    return taken, weights


def atom_and_weights(X, codes, D, j):
    """First singular pair of what the other atoms leave of the signals that use it."""
    used = np.flatnonzero(codes[:, j])
    others = codes[used].copy()
    others[:, j] = 0
    U, s, V = np.linalg.svd(X[used] - others @ D)
    sign = np.sign(V[0] @ D[j])
    return used, sign * V[0], sign * U[:, 0] * s[0]


def lasso_value(x, D, w, penalty):
    """``1/2 ||x - w D||^2 + penalty * ||w||_1``."""
    return 0.5 * np.sum((x - w @ D) ** 2) + penalty * np.abs(w).sum()
