"""Non-negative Tucker decomposition by coordinate descent on compressed data."""

from __future__ import annotations

import numpy as np

from sparsedecomp.decomposition.tensor.compression import multiply_mode
from sparsedecomp.decomposition.tensor.orthogonal_tucker import TuckerFit, scree
from sparsedecomp.kernels.coordinate import nonnegative_rows

_SWEEPS = 4
_STILL = 1e-3
# Projected gradient steps for the core in every round.
_CORE_STEPS = 10


def fit_nonnegative(data, ranks, max_iter, tol, watch, generator):
    """Alternate over the non-negative factors and the core [1]_.

    Factors have their full size and are non-negative exactly; the data enter through
    their scores. The start is random.

    Parameters
    ----------
    data : CompressedTensor
    ranks : tuple of int
    max_iter : int
    tol : float
        Relative to the sum of squares of the data.
    watch : callable
        ``watch(start, residual, n_components)``, true to stop.
    generator : numpy.random.Generator

    Returns
    -------
    TuckerFit

    References
    ----------
    .. [1] A.-H. Phan and A. Cichocki, Neurocomputing 74 (2011) 1956.
       https://doi.org/10.1016/j.neucom.2010.06.031
    """
    if data.observed is not None:
        raise ValueError(
            "The non-negative Tucker decomposition needs all positions, but some are "
            "masked. Crop the data, or use nonnegative=False or the algorithm 'cpd'."
        )
    Z = data.scores.astype(float)
    generator = np.random.default_rng(0)
    factors = [
        generator.random((n, rank)) + 0.1
        for n, rank in zip(data.shape, ranks, strict=True)
    ]
    core = generator.random(ranks)
    history, previous = [], np.inf
    converged = stopped = interrupted = False
    try:
        for _ in range(max_iter):
            residual = _round(Z, data.basis, factors, core, data.sum_of_squares)
            history.append(residual)
            if watch(0, residual, ranks[-1]):
                stopped = True
                break
            if abs(previous - residual) <= tol * data.sum_of_squares:
                converged = True
                break
            previous = residual
    except KeyboardInterrupt:
        if not history:
            raise
        stopped = interrupted = True
    return TuckerFit(
        factors, core, scree(data.scores), history, converged, stopped, interrupted
    )


def _round(Z, Q, factors, core, sum_of_squares):
    """Update every factor and the core in place; returns the residual."""
    last = len(factors) - 1
    for mode, A in enumerate(factors):
        seen, expected = Z, core
        for other, B in enumerate(factors):
            if other == mode:
                continue
            inside = Q.T @ B if other == last else B
            seen = multiply_mode(seen, inside.T, other)
            expected = multiply_mode(expected, B.T @ B, other)
        G = np.moveaxis(core, mode, 0).reshape(core.shape[mode], -1)
        F = np.moveaxis(seen, mode, 0).reshape(seen.shape[mode], -1) @ G.T
        if mode == last:
            F = Q @ F
        H = np.moveaxis(expected, mode, 0).reshape(core.shape[mode], -1) @ G.T
        nonnegative_rows(A, F, (H + H.T) / 2, np.zeros(len(H)), _SWEEPS, _STILL)
        norm = np.linalg.norm(A, axis=0)
        A /= np.where(norm > 0, norm, 1.0)
        core *= norm.reshape([-1 if m == mode else 1 for m in range(core.ndim)])
    return _core_steps(Z, Q, factors, core, sum_of_squares)


def _core_steps(Z, Q, factors, core, sum_of_squares):
    grams = [A.T @ A for A in factors]
    target = Z
    for mode, A in enumerate(factors):
        inside = Q.T @ A if mode == len(factors) - 1 else A
        target = multiply_mode(target, inside.T, mode)
    step = 1 / np.prod([np.linalg.norm(gram, 2) for gram in grams])
    for _ in range(_CORE_STEPS):
        core -= step * (_times(core, grams) - target)
        np.maximum(core, 0.0, out=core)
    model = np.vdot(core, _times(core, grams))
    return float(max(sum_of_squares - 2 * np.vdot(core, target) + model, 0.0))


def _times(core, grams):
    for mode, gram in enumerate(grams):
        core = multiply_mode(core, gram, mode)
    return core
