"""Starts of the canonical polyadic decomposition: direct solution or random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.iterate import Phases
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    CPDLeastSquares,
    Factors,
)
from sparsedecomp.decomposition.tensor.multistart import multistart
from sparsedecomp.decomposition.tensor.unfolding import leading_vectors, multiply_mode

# The starts are compared after this many sweeps, and this many of them are continued.
# More cost time; fewer may drop the start that ends lowest.
TRIAL_SWEEPS = 20
FINALISTS = 2
# Entries of a start relative to the largest one of their column: at zero a
# non-negative factor could stay. Larger values make the start less exact.
_FLOOR = 1e-3


def initial_factors(
    method: CPDLeastSquares, k: int, generator: np.random.Generator, direct: bool
) -> list[NDArray]:
    """Find factors to start from.

    Parameters
    ----------
    method : CPDLeastSquares
        Compressed data.
    k : int
        Number of components.
    generator : numpy.random.Generator
        Source of random numbers.
    direct : bool
        Whether to solve the generalised eigenvalue problem of two mixtures of slices,
        which is exact without noise [1]_. Random numbers are used otherwise, and for
        matrices and more components than two modes have entries.

    Returns
    -------
    list of (n_m, k) float64 arrays

    References
    ----------
    .. [1] S. E. Leurgans, R. T. Ross and R. B. Abel, SIAM J. Matrix Anal. Appl. 14
       (1993) 1064. https://doi.org/10.1137/0614071
    """
    factors = direct_factors(method.scores, k, generator) if direct else None
    if factors is None:
        draw = generator.random if method.nonnegative else generator.standard_normal
        return [draw((n, k)) for n in method.shape]
    factors = [method.from_basis(mode, f) for mode, f in enumerate(factors)]
    if not method.nonnegative:
        return factors
    return [_positive_part(f) for f in factors]


def _positive_part(factor: NDArray) -> NDArray:
    """Columns with the sign of their larger part, clipped to positive values."""
    factor = factor * np.sign((factor * np.abs(factor)).sum(axis=0))
    return np.maximum(factor, _FLOOR * np.abs(factor).max(axis=0))


def direct_factors(
    core: NDArray, k: int, generator: np.random.Generator
) -> list[NDArray] | None:
    """Factors from the generalised eigenvalue problem of two mixtures of slices.

    Parameters
    ----------
    core : (r_1, ..., r_M) array
        The tensor.
    k : int
        Number of components.
    generator : numpy.random.Generator
        Source of the random mixtures.

    Returns
    -------
    list of (r_m, k) arrays or None
        None where the direct solution does not exist.
    """
    if core.ndim < 3 or sorted(core.shape)[-2] < k or core.size < k**3:
        return None
    bases: list[NDArray] = []
    for mode in range(core.ndim):
        vectors, _ = leading_vectors(core, mode, min(k, core.shape[mode]))
        core = np.asarray(multiply_mode(core, vectors.T, mode), float)
        bases.append(vectors)
    first, second = np.argsort([-n for n in core.shape], kind="stable")[:2]
    if core.shape[second] < k:
        return None
    slices = np.moveaxis(core, (first, second), (0, 1))
    mixed = slices.reshape(k, k, -1)
    mixed = mixed @ generator.standard_normal((mixed.shape[2], 2))
    A = np.linalg.eig(mixed[:, :, 0] @ np.linalg.pinv(mixed[:, :, 1]))[1].real
    terms = np.linalg.pinv(A) @ slices.reshape(k, -1)
    rest = [second, *(m for m in range(core.ndim) if m not in (first, second))]
    factors: list[NDArray] = [None] * core.ndim
    factors[first] = A
    for mode in rest:
        factors[mode] = np.empty((core.shape[mode], k))
    for r, term in enumerate(terms):
        _rank_one(term.reshape([core.shape[m] for m in rest]), rest, factors, r)
    return [basis @ f for basis, f in zip(bases, factors, strict=True)]


def _rank_one(term: NDArray, modes: list[int], factors: list[NDArray], r: int) -> None:
    """Split a tensor that is nearly an outer product, mode by mode."""
    for mode in modes[:-1]:
        u, s, v = np.linalg.svd(term.reshape(term.shape[0], -1), full_matrices=False)
        factors[mode][:, r] = u[:, 0]
        term = (s[0] * v[0]).reshape(term.shape[1:])
    factors[modes[-1]][:, r] = term


def descend_from_starts(
    method: CPDLeastSquares,
    k: int,
    n_init: int,
    max_iter: int,
    generator: np.random.Generator,
    phases: Phases[Factors],
) -> list[Factors]:
    """Descend from direct and random starts in turn; see `multistart`.

    Parameters
    ----------
    method : CPDLeastSquares
        Compressed data.
    k : int
        Number of components.
    n_init : int
        Number of starts.
    max_iter : int
        Upper bound on the sweeps of one descent.
    generator : numpy.random.Generator
        Source of the starts.
    phases : Phases
        Holds the best result afterwards.

    Returns
    -------
    list of lists of arrays
        The last factors of the descent from each start.
    """
    starts = (
        initial_factors(method, k, generator, direct=start % 2 == 0)
        for start in range(n_init)
    )
    trial, n_finalists = TRIAL_SWEEPS, FINALISTS
    return multistart(
        method, starts, phases, max_iter, trial=trial, n_finalists=n_finalists
    )
