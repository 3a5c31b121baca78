"""Start of a Poisson factorisation: least squares on the weighted counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import LowRank, as_blocks
from sparsedecomp.blocks.compression import random_basis
from sparsedecomp.blocks.summary import poisson_column_scale, poisson_row_scale
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.iterate import iterate
from sparsedecomp.decomposition.nmf.model import (
    CompressedMatrix,
    PenalisedNMF,
    initial_state,
)

# Few iterations suffice for a start; many of them share one component out between two.
START_ITERATIONS = 5
# Power iterations of the range finder. More of them separate a slowly falling spectrum
# of singular values better, at two products with the counts each.
_POWER_ITERATIONS = 2


@dataclass(frozen=True)
class WeightedCounts:
    """Counts whose noise has been made uniform by their margins, compressed.

    Attributes
    ----------
    low_rank : LowRank
        Compressed weighted counts, without a summary.
    row_scale, column_scale : (n_pixels,) and (n_channels,) arrays
        Roots of the weights after Keenan and Kotula.
    sum_of_squares : float
        Sum of squares of the weighted counts.
    """

    low_rank: LowRank
    row_scale: NDArray
    column_scale: NDArray
    sum_of_squares: float

    @classmethod
    def compress(
        cls, X: scipy.sparse.csr_array, rank: int, generator: np.random.Generator
    ) -> WeightedCounts:
        """Weight and compress a CSR matrix that is in memory."""
        row_scale = poisson_row_scale(X.sum(axis=1, dtype=float))
        column_scale = poisson_column_scale(X.sum(axis=0, dtype=float))
        weighted = X.astype(np.float64)
        rows = np.repeat(row_scale, np.diff(X.indptr))
        weighted.data /= rows * column_scale[X.indices]
        basis = random_basis(X.shape[1], min(rank, *X.shape), generator)
        for _ in range(_POWER_ITERATIONS):
            basis = np.linalg.qr(weighted.T @ (weighted @ basis))[0]
        scores = weighted @ basis
        values, turn = np.linalg.eigh(scores.T @ scores)
        values, turn = values[::-1], turn[:, ::-1]
        low = LowRank(scores @ turn, basis @ turn, np.sqrt(np.maximum(values, 0)), None)
        squares = float(weighted.data @ weighted.data)
        return cls(low, row_scale, column_scale, squares)

    @property
    def residual(self) -> float:
        """Sum of squares outside of the compressed counts."""
        held = np.square(self.low_rank.singular_values).sum()
        return max(self.sum_of_squares - held, 0.0)

    def fit(
        self, k: int, init: str, generator: np.random.Generator
    ) -> tuple[NDArray, NDArray, bool]:
        """Abundances and spectra that fit the weighted counts by least squares.

        Parameters
        ----------
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
        low, squares = self.low_rank, self.sum_of_squares
        n, m = len(low.scores), len(low.basis)
        rounding = np.finfo(np.float32).eps * squares
        variance = max(self.residual, rounding) / (n * m)
        matrix = CompressedMatrix(as_blocks(low.scores), low.basis, squares)
        state = initial_state(
            matrix, initial_spectra(low, k, init, generator), variance
        )
        method = PenalisedNMF(matrix)
        outcome = iterate(method, state, START_ITERATIONS, keep_start=False)
        C, S = outcome.state.C, outcome.state.S
        if len(S) < k:
            # Components that became empty start again from the mean spectrum, varied
            # at random so that they differ.
            mean = np.tile(C.sum(axis=0) @ S, (k - len(S), 1))
            mean *= generator.uniform(0.5, 1.5, mean.shape)
            S = np.vstack([S, mean / np.linalg.norm(mean, axis=1, keepdims=True)])
            share = np.tile(C.mean(axis=1, keepdims=True), (1, k - C.shape[1]))
            C = np.hstack([C, share])
        return C * self.row_scale[:, None], S * self.column_scale, outcome.interrupted
