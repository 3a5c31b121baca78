"""Non-negative Tucker decomposition by coordinate descent on compressed data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor
from sparsedecomp.decomposition.tensor.cpd_least_squares import solve_nonnegative
from sparsedecomp.decomposition.tensor.orthogonal_tucker import (
    TuckerMethod,
    TuckerState,
)
from sparsedecomp.decomposition.tensor.unfolding import (
    expanded,
    multiply_mode,
    unfolding,
)

# Projected gradient steps for the core in every step. More of them fit the core to
# factors that are about to change.
CORE_STEPS = 10


class NonnegativeTucker(TuckerMethod):
    """Alternate over the non-negative factors and the core [1]_.

    Factors have their full size and are non-negative exactly; the data enter through
    their scores.

    References
    ----------
    .. [1] A.-H. Phan and A. Cichocki, Neurocomputing 74 (2011) 1956.
       https://doi.org/10.1016/j.neucom.2010.06.031
    """

    def __init__(self, data: CompressedTensor, ranks: tuple[int, ...], tol: float):
        if data.observed is not None:
            raise ValueError(
                "The non-negative Tucker decomposition needs all positions, but some "
                "are masked. Crop the data, or use nonnegative=False or the algorithm "
                "'cpd'."
            )
        super().__init__(data, ranks, tol)
        self.scores = data.scores.astype(float)

    def start(self, generator: np.random.Generator) -> TuckerState:
        """Uniform random factors and core; factors are nowhere zero."""
        factors = [
            generator.random((n, rank)) + 0.1
            for n, rank in zip(self.data.shape, self.ranks, strict=True)
        ]
        return TuckerState(factors, generator.random(self.ranks))

    def step(self, state: TuckerState) -> tuple[TuckerState, float]:
        """Update every factor and the core; the residual sum of squares after it."""
        factors, core = [factor.copy() for factor in state.factors], state.core.copy()
        basis, last = self.data.basis, len(factors) - 1
        for mode, A in enumerate(factors):
            observed, expected = self.scores, core
            for other, B in enumerate(factors):
                if other == mode:
                    continue
                small = basis.T @ B if other == last else B
                observed = multiply_mode(observed, small.T, other)
                expected = multiply_mode(expected, B.T @ B, other)
            G = unfolding(core, mode)
            F = unfolding(observed, mode) @ G.T
            if mode == last:
                F = basis @ F
            H = unfolding(expected, mode) @ G.T
            solve_nonnegative(A, F, (H + H.T) / 2)
            norm = np.linalg.norm(A, axis=0)
            A /= np.where(norm > 0, norm, 1.0)
            core *= norm.reshape([-1 if m == mode else 1 for m in range(core.ndim)])
        residual = self._update_core(core, factors)
        return TuckerState(factors, core), residual

    def _update_core(self, core: NDArray, factors: list[NDArray]) -> float:
        """Projected gradient steps in place; the residual sum of squares."""
        grams = [A.T @ A for A in factors]
        small = [A.T for A in factors[:-1]] + [(self.data.basis.T @ factors[-1]).T]
        target = expanded(self.scores, small)
        length = 1 / np.prod([np.linalg.norm(gram, 2) for gram in grams])
        for _ in range(CORE_STEPS):
            core -= length * (expanded(core, grams) - target)
            np.maximum(core, 0.0, out=core)
        model = np.vdot(core, expanded(core, grams))
        squares = self.data.sum_of_squares
        return float(max(squares - 2 * np.vdot(core, target) + model, 0.0))
