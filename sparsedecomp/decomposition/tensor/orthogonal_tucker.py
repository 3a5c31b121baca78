"""Higher-order orthogonal iteration on compressed data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.iterate import IterativeMethod
from sparsedecomp.decomposition.tensor.compressed_tensor import (
    OVERSAMPLING,
    CompressedTensor,
)
from sparsedecomp.decomposition.tensor.unfolding import (
    compress_modes,
    expanded,
    leading_vectors,
    multiply_mode,
    unfolding,
)


class TuckerState(NamedTuple):
    """A Tucker model.

    Attributes
    ----------
    factors : list of (n_m, r_m) float64 arrays
        Factors of all modes, the channels last.
    core : (r_1, ..., r_M) float64 array
        Core between them.
    """

    factors: list[NDArray]
    core: NDArray


class TuckerMethod(IterativeMethod[TuckerState]):
    """What both kinds of Tucker decompositions share.

    Attributes
    ----------
    data : CompressedTensor
        Data of the fit.
    ranks : tuple of int
        Ranks of all modes, the channels last.
    tol : float
        The iteration ends when the residual sum of squares falls by less than this
        part of the data.
    """

    def __init__(self, data: CompressedTensor, ranks: tuple[int, ...], tol: float):
        self.data = data
        self.ranks = ranks
        self.tol = tol

    def is_small(
        self, old: TuckerState, new: TuckerState, decrease: float, objective: float
    ) -> bool:
        """Whether the residual fell by less than `tol` of the data."""
        return decrease <= self.tol * self.data.sum_of_squares

    def n_components(self, state: TuckerState) -> int:
        """Rank of the channels."""
        return self.ranks[-1]

    def in_full(self, state: TuckerState) -> TuckerState:
        """The state with factors of full size."""
        return state

    def maps(self, state: TuckerState) -> NDArray:
        """Core times all factors but the spectra at the positions of the data."""
        data = self.data
        state = self.in_full(state)
        factors = data.unscaled(state.factors)
        indices = data.folding.indices(data.blocks.rows)
        return kronecker_rows(factors[:-1], indices) @ unfolding(state.core, -1).T

    def spectra(self, state: TuckerState) -> NDArray:
        """Factor of the channels."""
        return self.data.spectra(self.in_full(state).factors)


class OrthogonalTucker(TuckerMethod):
    """Alternate over the modes: each basis is the best for the others [1]_.

    Positions that are missing are filled with the model before every step. The factors
    of a state are in the coordinates of compressed modes.

    References
    ----------
    .. [1] L. De Lathauwer, B. De Moor and J. Vandewalle, SIAM J. Matrix Anal. Appl. 21
       (2000) 1324. https://doi.org/10.1137/S0895479898346995
    """

    def __init__(self, data: CompressedTensor, ranks: tuple[int, ...], tol: float):
        super().__init__(data, ranks, tol)
        self.hidden = None if data.observed is None else ~data.observed
        self.bases: list[NDArray | None] = [None] * (len(ranks) - 1)
        if self.hidden is None:
            sizes = [2 * rank + OVERSAMPLING for rank in ranks[:-1]]
            self.scores, self.bases = compress_modes(data.scores, sizes)
        else:
            self.scores = data.scores.astype(float)

    def start(self) -> TuckerState:
        """Leading singular vectors of every mode; a core that fills with zeros."""
        factors = [
            leading_vectors(self.scores, mode, rank)[0]
            for mode, rank in enumerate(self.ranks)
        ]
        return TuckerState(factors, np.zeros(self.ranks))

    def step(self, state: TuckerState) -> tuple[TuckerState, float]:
        """Update the bases of all modes; the residual sum of squares after it."""
        if self.hidden is not None:
            self.scores[self.hidden] = expanded(state.core, state.factors)[self.hidden]
        factors = list(state.factors)
        for mode, rank in enumerate(self.ranks):
            part = self.scores
            for other, basis in enumerate(factors):
                if other != mode:
                    part = multiply_mode(part, basis.T, other)
            factors[mode] = leading_vectors(part, mode, rank)[0]
        new = TuckerState(factors, multiply_mode(part, factors[-1].T, len(factors) - 1))
        return new, self._residual(new)

    def _residual(self, state: TuckerState) -> float:
        """Residual of the observed data, with their part outside of the basis."""
        squares = self.data.sum_of_squares
        if self.hidden is None:
            return float(max(squares - np.square(state.core).sum(), 0.0))
        scores = self.data.scores[~self.hidden]
        model = expanded(state.core, state.factors)[~self.hidden]
        outside = max(squares - np.square(scores, dtype=float).sum(), 0.0)
        return float(outside + np.square(scores - model).sum())

    def in_full(self, state: TuckerState) -> TuckerState:
        """The state with factors of full size."""
        bases = [*self.bases, self.data.basis]
        factors = [
            factor if basis is None else basis @ factor
            for basis, factor in zip(bases, state.factors, strict=True)
        ]
        return TuckerState(factors, state.core)


def kronecker_rows(factors: list[NDArray], indices: list[NDArray]) -> NDArray:
    """Rows of the Kronecker product of the factors at some positions.

    Parameters
    ----------
    factors : list of (n_m, r_m) arrays
        Factors of all modes but the channels.
    indices : list of (n,) int arrays
        Positions in each mode.

    Returns
    -------
    (n, product of r_m) array
    """
    rows = factors[0][indices[0]]
    for factor, index in zip(factors[1:], indices[1:], strict=True):
        rows = (rows[:, :, None] * factor[index][:, None]).reshape(len(rows), -1)
    return rows
