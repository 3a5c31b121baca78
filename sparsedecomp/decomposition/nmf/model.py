"""Objective and step of NMF with soft orthogonality and relevance determination.

A pixel is modelled as ``x_i = c_i S + noise`` with non-negative abundances ``C``
(n_pixels, k), non-negative spectra ``S`` (k, n_channels) of unit norm and noise of
variance ``s2``. In nats, and up to a constant, the objective is

    J = n/2 log s2 + Q / (2 s2) + sum_k [c log(1 + C_k / b) + e],
    Q = ||X - C S||^2 + 2 w sum_{j<k} C_j' C_k,

with ``n`` entries, soft orthogonality ``w`` and the sum ``C_k`` of the abundances of
component ``k``. The last sum exists with automatic relevance determination only. Its
first part is the prior of Tan and Fevotte on the components under the prior, with the
optimal relevances ``lambda_k = (C_k + b) / c`` inserted; ``e`` is the cost of a
component, which is the most that a component can gain on pure noise. One step sets
``C`` (coordinate by coordinate), ``S`` (spectrum by spectrum), ``s2`` and the
relevances to the minimiser of ``J`` given the others, so ``J`` never rises. ``X``
enters through ``X S'`` and ``C' X`` only, so the same step works on the data and on
their low-rank approximation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, LowRank, as_blocks
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Momentum,
    Outcome,
    SpectraState,
    iterate,
)
from sparsedecomp.kernels.coordinate import nonnegative_rows, unit_norm_rows
from sparsedecomp.noise import noise_edge

# Upper bound on the sweeps over the abundances of a pixel in a step: similar spectra
# need many. Rows whose relative change in a sweep is below SETTLED leave the sweeps
# early. More sweeps and a smaller SETTLED make steps more exact and dearer.
ABUNDANCE_SWEEPS = 20
SETTLED = 3e-5
# Sweeps over the spectra in a step. They cost little, as there are few spectra; many
# are wasted while the abundances still change.
SPECTRUM_SWEEPS = 2
# A residual below this part of the sum of squares of the data is rounding.
ROUNDING = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class CompressedMatrix:
    """The data matrix ``X = blocks @ basis.T``, exact or of low rank.

    Attributes
    ----------
    blocks : BlockMatrix
        The data, or their scores in the basis.
    basis : (n_channels, rank) array or None
        Orthonormal columns; None when the blocks are the data themselves.
    sum_of_squares : float
        Sum of squares of the data, including what the basis does not span.
    row_scale, column_scale : (n_pixels,) and (n_channels,) arrays or None
        Factors from the entries of X to the units of the data, None for ones.
    """

    blocks: BlockMatrix
    basis: NDArray | None
    sum_of_squares: float
    row_scale: NDArray | None = None
    column_scale: NDArray | None = None

    @property
    def n_pixels(self) -> int:
        """Number of pixels."""
        return self.blocks.shape[0]

    @property
    def n_channels(self) -> int:
        """Number of channels of the data, not of the blocks."""
        return self.blocks.shape[1] if self.basis is None else len(self.basis)

    @property
    def size(self) -> int:
        """Number of entries of X."""
        return self.n_pixels * self.n_channels

    def project(self, S: NDArray) -> NDArray:
        """Spectra as columns in the basis, so that ``X S' = blocks @ project(S)``."""
        A = S.T if self.basis is None else self.basis.T @ S.T
        return np.ascontiguousarray(A, self.blocks.dtype)

    def expand(self, CX: NDArray) -> NDArray:
        """Rows from coefficients of the basis to channels."""
        return CX if self.basis is None else CX @ self.basis.T


@dataclass(frozen=True)
class Prior:
    """Exponential prior of the abundances, its means inverse gamma distributed.

    Attributes
    ----------
    least_relevance : float
        Relevance ``b / c`` of a component without abundance.
    weight : float
        ``c``, the number of pixels plus the shape of the inverse gamma distribution
        plus one.
    component_cost : float
        ``e``, in nats.
    """

    least_relevance: float
    weight: float
    component_cost: float

    def relevance(self, totals: NDArray) -> NDArray:
        """Relevances that minimise the objective for these sums of abundances."""
        return self.least_relevance + totals / self.weight

    def cost(self, relevance: NDArray, penalised: NDArray) -> float:
        """Terms of the prior in the objective, in nats."""
        log_ratio = np.log(relevance[penalised] / self.least_relevance).sum()
        return self.weight * log_ratio + self.component_cost * len(relevance)


@dataclass
class NMFState(SpectraState):
    """Abundances and spectra with the parameters of noise and prior.

    Attributes
    ----------
    C : (n_pixels, k) array
        Abundances.
    S : (k, n_channels) float64 array
        Spectra of unit norm.
    noise_variance : float
        ``s2``.
    relevance : (k,) array
        Mean abundance of each component under the prior.
    penalised : (k,) bool array
        Components to which the prior applies.
    """

    C: NDArray
    S: NDArray
    noise_variance: float
    relevance: NDArray
    penalised: NDArray

    @property
    def threshold(self) -> NDArray:
        """The l1 weights of the abundances under the prior, times the noise."""
        return np.where(self.penalised, self.noise_variance / self.relevance, 0.0)

    def take(self, kept: NDArray | list[int]) -> NMFState:
        """State of some of the components."""
        return NMFState(
            np.ascontiguousarray(self.C[:, kept]),
            self.S[kept],
            self.noise_variance,
            self.relevance[kept],
            self.penalised[kept],
        )


@dataclass(frozen=True)
class PenalisedNMF(IterativeMethod[NMFState]):
    """Block coordinate descent on the objective ``J``.

    Attributes
    ----------
    matrix : CompressedMatrix
        The data.
    orthogonality : float
        Weight ``w`` of the overlap of the maps.
    least_relevance : float or None
        Relevance of a component without abundance; None for no prior.
    tol : float
        Relative decrease of the residual sum of squares that counts as small. To first
        order this is a decrease of ``J`` by ``tol n / 2`` nats for ``n`` entries.
    least_decrease : float
        A smaller decrease of ``J``, in nats, counts as small as well.
    momentum : Momentum or None
        Extrapolation; None switches it off.
    """

    matrix: CompressedMatrix
    orthogonality: float = 0.0
    least_relevance: float | None = None
    tol: float = 0.0
    least_decrease: float = 0.0
    momentum: Momentum | None = Momentum()

    patience = 2

    @cached_property
    def prior(self) -> Prior | None:
        """The prior for the size of the matrix, or None."""
        if self.least_relevance is None:
            return None
        n_pixels, n_channels = self.matrix.n_pixels, self.matrix.n_channels
        cost = 0.5 * noise_edge(1.0, n_pixels, n_channels)
        # The inverse gamma distribution has the shape 1, which makes it broad. Larger
        # shapes pull the relevances of all components towards a common value.
        return Prior(self.least_relevance, n_pixels + 2.0, cost)

    def under_prior(self, state: NMFState) -> NMFState:
        """The state with all components under the prior."""
        totals = state.C.sum(axis=0, dtype=float)
        return replace(
            state,
            relevance=self.prior.relevance(totals),
            penalised=np.ones(state.n_components, bool),
        )

    def step(self, state: NMFState) -> tuple[NMFState, float]:
        """Update abundances, spectra, noise and relevances; one pass over the matrix.

        Returns
        -------
        NMFState, float
            The new state, without components whose abundance vanished (unless all
            did), and its objective.
        """
        matrix, orthogonality, prior = self.matrix, self.orthogonality, self.prior
        S = state.S.copy()
        (C,), (gram, CX) = matrix.blocks.run(
            update_abundances,
            rows=(state.C,),
            shared=(matrix.project(S), coupling(S, orthogonality), state.threshold),
        )
        F = matrix.expand(CX)
        unit_norm_rows(S, F, gram, SPECTRUM_SWEEPS)
        Q = matrix.sum_of_squares + squares_of_model(S, F, gram, orthogonality)
        noise_variance = max(Q, ROUNDING * matrix.sum_of_squares) / matrix.size
        relevance = state.relevance
        objective = 0.5 * matrix.size * (np.log(noise_variance) + 1)
        if prior is not None:
            # A product, since NumPy's sum over rows is slow for few columns.
            relevance = prior.relevance(np.ones(len(C)) @ C)
            objective += prior.cost(relevance, state.penalised)
        new = NMFState(C, S, noise_variance, relevance, state.penalised)
        alive = np.diag(gram) > 0
        return new.take(alive) if alive.any() and not alive.all() else new, objective

    def extrapolate(
        self, old: NMFState, new: NMFState, momentum: float
    ) -> NMFState | None:
        """Extrapolate abundances and spectra along their last move."""
        if old.n_components != new.n_components:
            return None
        C = _beyond(old.C, new.C, momentum)
        S = _beyond(old.S, new.S, momentum)
        S /= np.linalg.norm(S, axis=1, keepdims=True)
        return replace(new, C=C, S=S)

    def is_small(
        self, old: NMFState, new: NMFState, decrease: float, objective: float
    ) -> bool:
        """Whether the decrease is below `tol` or `least_decrease`."""
        return decrease < max(0.5 * self.tol * self.matrix.size, self.least_decrease)

    def maps(self, state: NMFState) -> NDArray:
        """Abundances in the units of the data."""
        scale = self._spectrum_norms(state)
        if self.matrix.row_scale is not None:
            scale = self.matrix.row_scale[:, None] * scale
        return state.C * np.asarray(scale, state.C.dtype)

    def spectra(self, state: NMFState) -> NDArray:
        """Spectra of unit norm in the units of the data."""
        scale = self.matrix.column_scale
        S = state.S if scale is None else state.S * scale
        return S / self._spectrum_norms(state)[:, None]

    def _spectrum_norms(self, state: NMFState) -> NDArray:
        scale = self.matrix.column_scale
        return np.linalg.norm(state.S if scale is None else state.S * scale, axis=1)


def initial_state(
    matrix: CompressedMatrix, S: NDArray, noise_variance: float
) -> NMFState:
    """A state of given spectra of unit norm, with abundances of zero and no prior."""
    k = len(S)
    return NMFState(
        C=np.zeros((matrix.n_pixels, k), matrix.blocks.dtype),
        S=S,
        noise_variance=noise_variance,
        relevance=np.full(k, np.inf),
        penalised=np.zeros(k, bool),
    )


def descend_compressed(
    low: LowRank, sum_of_squares: float, S: NDArray, noise_variance: float, steps: int
) -> Outcome[NMFState]:
    """A few steps of plain NMF of compressed data from given spectra of unit norm."""
    matrix = CompressedMatrix(as_blocks(low.scores), low.basis, sum_of_squares)
    start = initial_state(matrix, S, noise_variance)
    return iterate(PenalisedNMF(matrix), start, steps, keep_start=False)


def coupling(S: NDArray, orthogonality: float) -> NDArray:
    """Gram matrix of the spectra plus the soft orthogonality of the maps."""
    return S @ S.T + orthogonality * (1 - np.eye(len(S)))


def update_abundances(
    X: NDArray, C: NDArray, A: NDArray, gram: NDArray, threshold: NDArray
) -> tuple[tuple[NDArray], tuple[NDArray, NDArray]]:
    """New abundances of some rows with ``C' C`` and ``C' X``; for `BlockMatrix.run`."""
    C = C.copy()
    gram = gram.astype(X.dtype)
    nonnegative_rows(C, X @ A, gram, threshold, ABUNDANCE_SWEEPS, SETTLED)
    wide = C.astype(np.float64)
    return (C,), (wide.T @ wide, wide.T @ X.astype(np.float64))


def squares_of_model(
    S: NDArray, F: NDArray, gram: NDArray, orthogonality: float
) -> float:
    """``||C S||^2 - 2 <X, C S>`` plus the penalty on overlapping maps."""
    overlap = gram.sum() - np.trace(gram)
    return np.vdot(gram, S @ S.T) - 2 * np.vdot(F, S) + orthogonality * overlap


def _beyond(old: NDArray, new: NDArray, momentum: float) -> NDArray:
    """``max(new + momentum (new - old), 0)`` with few temporary arrays."""
    back = momentum * old
    ahead = (1 + momentum) * new
    np.maximum(ahead, back, out=ahead)
    ahead -= back
    return ahead
