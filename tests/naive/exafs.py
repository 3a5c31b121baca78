"""Supports of columns by the plainest linear algebra."""

import itertools

import numpy as np


def evidence(y, X, support, prior, variance):
    """log N(y; 0, variance I + sum_j prior_j x_j x_j') over the support."""
    C = variance * np.eye(len(y))
    for j in support:
        C = C + prior[j] * np.outer(X[j], X[j])
    quadratic = y @ np.linalg.inv(C) @ y
    return -0.5 * (np.log(np.linalg.det(2 * np.pi * C)) + quadratic)


def weights(y, X, support, prior, variance):
    """Posterior mean and covariance of the weights of a support."""
    x = X[list(support)]
    A = x @ x.T / variance + np.diag(1 / prior[list(support)])
    return np.linalg.solve(A, x @ y / variance), np.linalg.inv(A)


def posterior(y, X, prior, log_odds, variance, sizes):
    """Supports with positive weights and the logarithms of evidence times prior."""
    out = {}
    for size in range(sizes + 1):
        for support in itertools.combinations(range(len(X)), size):
            if size and np.any(weights(y, X, support, prior, variance)[0] <= 0):
                continue
            value = evidence(y, X, support, prior, variance)
            out[support] = value + sum(log_odds[j] for j in support)
    return out
