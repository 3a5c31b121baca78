"""Higher-order orthogonal iteration on compressed data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sparsedecomp.decomposition.tensor.compression import (
    compress_modes,
    leading_vectors,
    multiply_mode,
)


class TuckerFit(NamedTuple):
    """Where an iteration ended.

    Attributes
    ----------
    factors : list of (n_m, r_m) float64 arrays
        The channels last.
    core : (r_1, ..., r_M) float64 array
    singular_values : list of float64 arrays
    history : list of float
        Residual sum of squares.
    converged, stopped, interrupted : bool
    """

    factors: list
    core: np.ndarray
    singular_values: list
    history: list
    converged: bool
    stopped: bool
    interrupted: bool


def scree(scores):
    """Singular values of every unfolding.

    Parameters
    ----------
    scores : (n_1, ..., n_M) array

    Returns
    -------
    list of float64 arrays
    """
    return [leading_vectors(scores, mode, 1)[1] for mode in range(scores.ndim)]


def fit_orthogonal(data, ranks, max_iter, tol, watch):
    """Alternate over the modes: each basis is the best for the others [1]_.

    Positions that are missing are filled with what the model says of them, again after
    every round.

    Parameters
    ----------
    data : CompressedTensor
    ranks : tuple of int
    max_iter : int
    tol : float
        Relative to the sum of squares of the data.
    watch : callable
        ``watch(start, residual, n_components)``, true to stop.

    Returns
    -------
    TuckerFit

    References
    ----------
    .. [1] L. De Lathauwer, B. De Moor and J. Vandewalle, SIAM J. Matrix Anal. Appl. 21
       (2000) 1324. https://doi.org/10.1137/S0895479898346995
    """
    singular_values = scree(data.scores)
    room = [2 * rank + 10 for rank in ranks[:-1]]
    if data.observed is None:
        small, outer = compress_modes(data.scores, room)
    else:
        small, outer = data.scores.astype(float), [None] * len(room)
    hidden = None if data.observed is None else ~data.observed
    bases = []
    for mode, rank in enumerate(ranks):
        bases.append(leading_vectors(small, mode, rank)[0])
    history, previous = [], np.inf
    converged = stopped = interrupted = False
    try:
        for _ in range(max_iter):
            core = _round(small, bases, ranks)
            if hidden is not None:
                small[hidden] = _expand(core, bases)[hidden]
            # Of the observed data alone, the part outside of the basis included.
            residual = _residual(data, small, core, bases, hidden)
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
    factors = [b if o is None else o @ b for o, b in zip(outer, bases, strict=False)]
    return TuckerFit(
        [*factors, data.basis @ bases[-1]],
        core,
        singular_values,
        history,
        converged,
        stopped,
        interrupted,
    )


def _round(small, bases, ranks):
    for mode, rank in enumerate(ranks):
        part = small
        for other, basis in enumerate(bases):
            if other != mode:
                part = multiply_mode(part, basis.T, other)
        bases[mode] = leading_vectors(part, mode, rank)[0]
    return multiply_mode(part, bases[mode].T, mode)


def _expand(core, bases):
    for mode, basis in enumerate(bases):
        core = multiply_mode(core, basis, mode)
    return core


def _residual(data, small, core, bases, hidden):
    if hidden is None:
        return float(max(data.sum_of_squares - np.square(core).sum(), 0.0))
    model = _expand(core, bases)[~hidden]
    scores = data.scores[~hidden]
    outside = data.sum_of_squares - np.square(scores, dtype=float).sum()
    return float(max(outside, 0.0) + np.square(scores - model).sum())
