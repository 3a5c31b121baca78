"""Density of a face of a simplex seen through noise, in the plainest Python."""

import itertools
import math

import numpy as np
from scipy.stats import multivariate_normal, norm


def lattice(n_cells, q):
    """Centres of the cells of a regular subdivision, as barycentric coordinates."""
    steps = itertools.product(range(n_cells), repeat=q)
    inside = [step for step in steps if sum(step) == n_cells - 1]
    return [[(s + 1 / q) / n_cells for s in step] for step in inside]


def integrated(x, covariance, vertices, n_cells):
    """Log density of a uniform face with noise, by summing over many cells."""
    centres = np.array(lattice(n_cells, len(vertices))) @ vertices
    logs = multivariate_normal(np.zeros(len(x)), covariance).logpdf(x - centres)
    return float(np.logaddexp.reduce(np.atleast_1d(logs)) - math.log(len(centres)))


def face_log_density(x, covariance, vertices):
    """Density of the affine hull times normal probabilities at the facets."""
    q, D = vertices.shape
    d = q - 1
    W = np.linalg.inv(np.linalg.cholesky(covariance))
    Y, x = vertices @ W.T, W @ x
    jacobian = np.linalg.slogdet(W)[1]
    if d == 0:
        return norm.logpdf(x - Y[0]).sum() + jacobian
    M = (Y[1:] - Y[0]).T
    a = np.linalg.lstsq(M, x - Y[0], rcond=None)[0]
    rest = x - Y[0] - M @ a
    H = np.linalg.inv(M.T @ M)
    bary = [1 - a.sum(), *a]
    sd = [math.sqrt(H.sum()), *np.sqrt(np.diag(H))]
    z = np.divide(bary, sd)
    half = 0.5 * np.linalg.slogdet(M.T @ M)[1]
    hull = math.lgamma(q) - half - 0.5 * rest @ rest
    hull -= 0.5 * (D - d) * math.log(2 * math.pi)
    if q == 2:
        low, high = sorted(z)
        inside = math.log(max(norm.cdf(low) - norm.cdf(-high), 1e-300))
    else:
        cap = -0.5 * d * math.log(2 * math.pi) + half - math.lgamma(q)
        cap -= 0.5 * min(*z, 0.0) ** 2
        inside = min(norm.logcdf(z).sum(), cap)
    return hull + inside + jacobian
