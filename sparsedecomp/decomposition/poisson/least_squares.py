"""Start of a Poisson factorisation: least squares on the weighted counts."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import LowRank, as_blocks
from sparsedecomp.blocks.compression import random_basis
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.blocks.summary import poisson_column_scale, poisson_row_scale
from sparsedecomp.decomposition.geometric.min_volume import MinimumVolume
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.nmf.model import descend_compressed

# Few iterations suffice for a start; many of them share one component out between two.
START_ITERATIONS = 5
# Power iterations of the range finder. More of them separate a slowly falling spectrum
# of singular values better, at two products with the counts each.
_POWER_ITERATIONS = 2
# Directions kept beyond the components. More of them are more accurate and slower.
OVERSAMPLING = 5


def weighted_least_squares(
    X: scipy.sparse.csr_array, k: int, init: str, generator: np.random.Generator
) -> tuple[NDArray, NDArray, bool]:
    """Abundances and spectra that fit weighted counts by least squares.

    The noise of the counts is made uniform by the weights of Keenan and Kotula.

    Parameters
    ----------
    X : CSR array of shape (n_pixels, n_channels)
        The counts.
    k : int
        Number of components.
    init : str
        Start, see `initial_spectra`.
    generator : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    C, S : (n_pixels, k) and (k, n_channels) arrays
        Abundances and spectra in the units of the counts.
    interrupted : bool
        Whether Ctrl-C ended the fit.
    """
    row_scale = poisson_row_scale(X.sum(axis=1, dtype=float))
    column_scale = poisson_column_scale(X.sum(axis=0, dtype=float))
    weighted = X.astype(np.float64)
    rows = np.repeat(row_scale, np.diff(X.indptr))
    weighted.data /= rows * column_scale[X.indices]
    squares = float(weighted.data @ weighted.data)
    with one_blas_thread():
        low = _compressed(weighted, k + OVERSAMPLING, generator)
    outside = max(squares - np.square(low.singular_values).sum(), 0.0)
    rounding = np.finfo(np.float32).eps * squares
    variance = max(outside, rounding) / np.prod(X.shape)
    S = initial_spectra(low, k, init, generator)
    outcome = descend_compressed(low, squares, S, variance, START_ITERATIONS)
    C, S = outcome.state.C, outcome.state.S
    if len(S) < k:
        # Components that became empty start again from the mean spectrum, varied
        # at random so that they differ.
        mean = np.tile(C.sum(axis=0) @ S, (k - len(S), 1))
        mean *= generator.uniform(0.5, 1.5, mean.shape)
        S = np.vstack([S, mean / np.linalg.norm(mean, axis=1, keepdims=True)])
        share = np.tile(C.mean(axis=1, keepdims=True), (1, k - C.shape[1]))
        C = np.hstack([C, share])
    return C * row_scale[:, None], S * column_scale, outcome.interrupted


def _compressed(
    X: scipy.sparse.csr_array, rank: int, generator: np.random.Generator
) -> LowRank:
    """Low-rank approximation of a CSR matrix in memory, without a summary."""
    basis = random_basis(X.shape[1], min(rank, *X.shape), generator)
    for _ in range(_POWER_ITERATIONS):
        basis = np.linalg.qr(X.T @ (X @ basis))[0]
    scores = X @ basis
    values, turn = np.linalg.eigh(scores.T @ scores)
    values, turn = values[::-1], turn[:, ::-1]
    return LowRank(scores @ turn, basis @ turn, np.sqrt(np.maximum(values, 0)), None)


def smallest_simplex_start(
    X: scipy.sparse.csr_array, k: int, generator: np.random.Generator
) -> tuple[NDArray, NDArray, bool] | None:
    """Abundances and spectra by the simplex of least volume.

    Parameters
    ----------
    X : CSR matrix
        Counts in memory.
    k : int
        Number of components.
    generator : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    tuple or None
        As of `weighted_least_squares`, or None for data of too few dimensions.
    """
    model = MinimumVolume(k, random_state=int(generator.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            C = model.fit_transform(as_blocks(X))
        except ValueError:
            return None
    S = model.components_.astype(float)
    return C.astype(float), S, model.interrupted_
