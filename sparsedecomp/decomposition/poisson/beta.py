"""Losses between least squares and Itakura-Saito: the beta-divergence."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from sparsedecomp.blocks import as_blocks, compress
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.iterate import Outcome, iterate, keep_on_interrupt
from sparsedecomp.decomposition.nmf.model import (
    CompressedMatrix,
    PenalisedNMF,
    initial_state,
)

# Factors stay above this part of their mean, where the loss has a slope.
_FLOOR = 1e-9
LAST_STEPS = 200
OVERSAMPLING = 10
START_ITERATIONS = 30


def divergence(X, M, beta):
    """Sum of the beta-divergences between data and model.

    ``x/y - log(x/y) - 1`` for 0, ``x log(x/y) - x + y`` for 1, and between and beyond
    ``(x^b + (b - 1) y^b - b x y^(b-1)) / (b (b - 1))``, which is half the squared
    distance for 2.
    """
    if beta == 0:
        ratio = X / M
        return float((ratio - np.log(ratio) - 1).sum())
    if beta == 1:
        log_ratio = np.log(np.where(X > 0, X, M) / M)
        return float((X * log_ratio - X + M).sum())
    mixed = X**beta + (beta - 1) * M**beta - beta * X * M ** (beta - 1)
    return float(mixed.sum() / (beta * (beta - 1)))


def exponent(beta):
    """Power of a multiplicative update under which the loss never rises [1]_.

    References
    ----------
    .. [1] C. Fevotte and J. Idier, Neural Comput. 23 (2011) 2421, section 4.
       https://doi.org/10.1162/NECO_a_00168
    """
    if beta < 1:
        return 1 / (2 - beta)
    return 1.0 if beta <= 2 else 1 / (beta - 1)


def abundance_update(X, C, S, beta):
    """One multiplicative update of the abundances of some rows."""
    M = C @ S
    up = (X * M ** (beta - 2)) @ S.T
    return C * (up / (M ** (beta - 1) @ S.T)) ** exponent(beta)


def beta_step(X, C, S, beta, steps, floor):
    """Update rows and return what the spectra need; a function for a pass."""
    X = X.toarray() if scipy.sparse.issparse(X) else X
    X = X.astype(float)
    for _ in range(steps):
        C = np.maximum(abundance_update(X, C, S, beta), floor)
    M = C @ S
    sums = (
        C.T @ (X * M ** (beta - 2)),
        C.T @ M ** (beta - 1),
        divergence(X, M, beta),
        np.square(X - M).sum(),
    )
    return (C,), sums


def fit_beta(blocks, n_components, beta, init, max_iter, tol, generator, watch):
    """Multiplicative updates for a beta-divergence, a pass over the data each.

    Parameters
    ----------
    blocks : BlockMatrix
        Non-negative; positive for ``beta = 0``.
    n_components : int
    beta : float
    init : str
    max_iter : int
    tol : float
        The descent ends when the loss falls by less than this part of the first.
    generator : numpy.random.Generator
    watch : callable

    Returns
    -------
    Outcome
        Its state is ``(C, S, floor, residual)``.
    """
    low = compress(blocks, n_components + OVERSAMPLING, random_state=generator)
    squares = low.summary.sum_of_squares
    if squares == 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    variance = max(low.noise_variance, 1e-12 * squares / np.prod(blocks.shape))
    S = initial_spectra(low, n_components, init, generator)
    matrix = CompressedMatrix(as_blocks(low.scores), low.basis, squares)
    method = PenalisedNMF(matrix)
    start = iterate(method, initial_state(matrix, S, variance), START_ITERATIONS).state
    C, S = start.C.astype(float), start.S
    mean = np.sqrt(max(low.summary.row_sums.mean(), 0) / blocks.shape[1])
    scale = np.sqrt(C.mean() / S.mean())
    floor = _FLOOR * mean
    C, S = np.maximum(C / scale, 1e-2 * mean), np.maximum(S * scale, 1e-2 * mean)
    result = Outcome((C, S, floor, squares))
    with keep_on_interrupt(result):
        for _ in range(max_iter):
            (C,), (up, down, loss, residual) = blocks.run(
                beta_step, rows=(C,), shared=(S, beta, 1, floor)
            )
            gain = result.objective - loss
            result.history.append(float(loss))
            result.state = (C, S, floor, float(residual))
            if watch(0, float(loss), len(S)):
                result.stopped = True
                break
            if gain <= tol * result.history[0]:
                result.converged = True
                break
            S = np.maximum(S * (up / down) ** exponent(beta), floor)
    return result
