"""Where a canonical polyadic descent starts: the direct solution, or anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.tensor.compression import (
    leading_vectors,
    multiply_mode,
)

if TYPE_CHECKING:
    from sparsedecomp.decomposition.tensor.cpd_least_squares import CPDLeastSquares

# Nothing starts at zero, where a non-negative factor could stay.
_FLOOR = 1e-3


def initial_factors(
    method: CPDLeastSquares, k: int, generator: np.random.Generator, direct: bool
) -> list[NDArray]:
    """Factors to start from.

    Parameters
    ----------
    method : CPDLeastSquares
        Compressed data.
    k : int
        Number of components.
    generator : numpy.random.Generator
        Source of random numbers.
    direct : bool
        Try the generalised eigenvalue problem of two mixtures of slices, which is
        exact without noise [1]_; there is none for matrices, nor for more components
        than two modes have entries. Else uniform random numbers.

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


def _positive_part(factor):
    """What is left of each column after its smaller sign is cut off."""
    factor = factor * np.sign((factor * np.abs(factor)).sum(axis=0))
    return np.maximum(factor, _FLOOR * np.abs(factor).max(axis=0))


def direct_factors(core, k, generator):
    """Factors of a tensor whose slices all have the same eigenvectors, or None.

    Parameters
    ----------
    core : (r_1, ..., r_M) array
    k : int
    generator : numpy.random.Generator
    """
    if core.ndim < 3 or sorted(core.shape)[-2] < k or core.size < k**3:
        return None
    bases = []
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
    factors = [None] * core.ndim
    factors[first] = A
    for mode in rest:
        factors[mode] = np.empty((core.shape[mode], k))
    for r, term in enumerate(terms):
        _rank_one(term.reshape([core.shape[m] for m in rest]), rest, factors, r)
    return [basis @ f for basis, f in zip(bases, factors, strict=True)]


def _rank_one(term, modes, factors, r):
    """Split a tensor that is nearly an outer product, mode by mode."""
    for mode in modes[:-1]:
        u, s, v = np.linalg.svd(term.reshape(term.shape[0], -1), full_matrices=False)
        factors[mode][:, r] = u[:, 0]
        term = (s[0] * v[0]).reshape(term.shape[1:])
    factors[modes[-1]][:, r] = term
