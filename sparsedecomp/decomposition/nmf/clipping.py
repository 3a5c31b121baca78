"""NMF of data whose negative noise was set to zero (a Tobit model).

Setting negative values to zero raises the mean of every weak channel by up to 0.4
standard deviations of the noise, and a least-squares model fits the raised mean. Here
an entry of zero only means "not above zero". Expectation maximisation replaces such
entries by their expectation under the current model [1]_ and takes one step of the
ordinary descent, which never raises the censored objective.

References
----------
.. [1] J. Tobin, Econometrica 26 (1958) 24. https://doi.org/10.2307/1907382
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition.nmf.model import (
    ROUNDING,
    SPECTRUM_SWEEPS,
    NMFState,
    PenalisedNMF,
    coupling,
)
from sparsedecomp.kernels.clipped import fill_clipped
from sparsedecomp.kernels.coordinate import nonnegative_rows, unit_norm_rows

# Sweeps over the abundances of a pixel for every time that its clipped entries are
# filled in. More of them are wasted, since the entries change with the abundances.
SWEEPS = 3
# For given spectra, a pixel has at most MAX_ROUNDS rounds of filling in and fitting.
# Its abundances have converged if they change by less than SETTLED of the largest one.
MAX_ROUNDS = 200
SETTLED = 1e-4
# Number of entries that the spectra are fitted to, 32 MiB in float64. More of them
# average more noise and take proportionally longer.
SAMPLE_ENTRIES = 2**22


def sample_of(blocks: BlockMatrix) -> tuple[BlockMatrix, NDArray]:
    """Read evenly spread pixels into memory, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.

    Returns
    -------
    sample : BlockMatrix
        At least 1024 pixels with `SAMPLE_ENTRIES` entries, or all the pixels.
    chosen : int array
        Its rows in `blocks`.
    """
    n, m = blocks.shape
    wanted = min(n, max(1024, SAMPLE_ENTRIES // m))
    chosen = np.linspace(0, n - 1, wanted).round().astype(int)
    (X,), _ = blocks.select(chosen).run(_identity)
    return as_blocks(X), chosen


def _identity(X):
    return (X,), ()


@dataclass(frozen=True)
class ClippedNMF(PenalisedNMF):
    """The same model on the likelihood of data that were clipped at zero.

    The pass over the data that updates a state also computes the objective of this
    state. The sum of squares of the matrix is not used.
    """

    scores_start = True

    def step(self, state: NMFState) -> tuple[NMFState, float]:
        """One step of expectation maximisation, in one pass over the data.

        Returns
        -------
        NMFState, float
            The new state, and the objective of the given one.
        """
        matrix, orthogonality, prior = self.matrix, self.orthogonality, self.prior
        sigma = np.sqrt(state.noise_variance)
        shared = state.S, coupling(state.S, orthogonality), state.threshold, sigma
        (C,), sums = matrix.blocks.run(update_clipped, rows=(state.C,), shared=shared)
        gram, F, totals, gram_before, squares, loss, n_positive = sums
        objective = float(loss + n_positive * np.log(sigma))
        overlap = gram_before.sum() - np.trace(gram_before)
        objective += 0.5 * orthogonality * overlap / state.noise_variance
        relevance = state.relevance
        if prior is not None:
            objective += prior.cost(relevance, state.penalised)
            relevance = prior.relevance(totals)
        S = state.S.copy()
        unit_norm_rows(S, F, gram, SPECTRUM_SWEEPS)
        Q = squares + np.sum(gram * (S @ S.T)) - 2 * np.sum(F * S)
        Q += orthogonality * (gram.sum() - np.trace(gram))
        noise_variance = max(float(Q), ROUNDING * float(squares)) / matrix.size
        return NMFState(C, S, noise_variance, relevance, state.penalised), objective


def update_clipped(
    X: NDArray,
    C: NDArray,
    S: NDArray,
    gram: NDArray,
    threshold: NDArray,
    sigma: float,
) -> tuple[tuple[NDArray], tuple]:
    """Fill in the clipped entries of some rows and update their abundances."""
    X = X.astype(np.float64)
    wide = C.astype(np.float64)
    gram_before = wide.T @ wide
    loss, variance, n_positive = fill_clipped(X, wide @ S, sigma)
    nonnegative_rows(wide, X @ S.T, gram, threshold, SWEEPS, 0.0)
    C = wide.astype(C.dtype)
    wide = C.astype(np.float64)
    squares = np.vdot(X, X) + variance
    return (C,), (
        wide.T @ wide,
        wide.T @ X,
        wide.sum(axis=0),
        gram_before,
        squares,
        loss,
        n_positive,
    )


def clipped_abundances(
    X: NDArray, S: NDArray, gram: NDArray, threshold: NDArray, sigma: float
) -> NDArray:
    """Abundances of some rows of clipped data for given spectra."""
    C = np.zeros((X.shape[0], len(S)))
    nonnegative_rows(C, X @ S.T, gram, threshold, 100, 1e-6)
    unsettled = np.arange(len(C))
    for _ in range(MAX_ROUNDS):
        before = C[unsettled]
        filled = X[unsettled].astype(np.float64)
        fill_clipped(filled, before @ S, sigma)
        after = before.copy()
        nonnegative_rows(after, filled @ S.T, gram, threshold, SWEEPS, 0.0)
        C[unsettled] = after
        moved = np.abs(after - before).max(axis=1)
        unsettled = unsettled[moved > SETTLED * after.max(axis=1)]
        if not unsettled.size:
            break
    return C.astype(X.dtype)
