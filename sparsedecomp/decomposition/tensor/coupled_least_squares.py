"""Weighted least squares of several tensors whose modes share factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.iterate import IterativeMethod
from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    CPDLeastSquares,
    solve_nonnegative,
)

# Variance of the noise at least, relative to the data: data without noise would get an
# infinite weight.
LEAST_VARIANCE = 1e-12

Labels = Sequence[Sequence[str]]
LabelledFactors = dict[str, NDArray]


@dataclass
class CoupledLeastSquares(IterativeMethod[LabelledFactors]):
    """Coordinate descent over the factors of several tensors.

    Every tensor is divided by the standard deviation of its noise. A state holds the
    factor (n, k) of every label, divided by the scale of the label.

    Attributes
    ----------
    data : sequence of CompressedTensor
        The tensors.
    labels : sequence of sequences of str
        Labels of the modes of each tensor, the channels last; modes with the same label
        share a factor.
    counts : bool
        Whether all tensors are counts.
    tol : float
        The iteration ends when the residual sum of squares falls by less than this
        part of itself.
    """

    data: Sequence[CompressedTensor]
    labels: Labels
    counts: bool
    tol: float = 0.0

    def __post_init__(self) -> None:
        self._find_scales()
        self.variances = np.array([self._variance(each) for each in self.data])
        self.problems = [
            self._problem(*each)
            for each in zip(self.data, self.labels, self.variances, strict=True)
        ]
        everywhere = [name for names in self.labels for name in names]
        self.shared = {name for name in everywhere if everywhere.count(name) > 1}

    def _find_scales(self) -> None:
        """One scale for each label: the root of the mean square of all tensors."""
        squares: dict[str, NDArray] = {}
        totals: dict[str, float] = {}
        for tensor, names in zip(self.data, self.labels, strict=True):
            # A tensor with more counts determines the scale better.
            total = tensor.summary.row_sums.sum() if self.counts else 1.0
            for name, scale in zip(names, tensor.scales, strict=True):
                squares[name] = squares.get(name, 0.0) + total * scale**2
                totals[name] = totals.get(name, 0.0) + total
        self.scales = {name: np.sqrt(squares[name] / totals[name]) for name in squares}

    def _variance(self, tensor: CompressedTensor) -> float:
        """Variance of the noise of a scaled tensor."""
        n, m = tensor.blocks.shape
        if self.counts:
            quantum = tensor.summary.quantum or 1.0
            return quantum * tensor.summary.row_sums.sum() / (n * m)
        rank, squares = tensor.basis.shape[1], tensor.sum_of_squares
        outside = squares - np.square(tensor.scores, dtype=float).sum()
        freedom = max((n - rank) * (m - rank), 1)
        return max(outside, LEAST_VARIANCE * squares) / freedom

    def _problem(
        self, data: CompressedTensor, names: Sequence[str], variance: float
    ) -> CPDLeastSquares:
        """Least squares of one tensor, its scales replaced by the common ones."""
        scores = data.scores / np.sqrt(variance)
        for mode, name in enumerate(names[:-1]):
            shape = [1] * scores.ndim
            shape[mode] = -1
            scores = scores * (data.scales[mode] / self.scales[name]).reshape(shape)
        return CPDLeastSquares(
            scores.astype(data.scores.dtype),
            [*[None] * (scores.ndim - 1), data.basis],
            data.sum_of_squares / variance,
            data.observed,
        )

    def step(self, state: LabelledFactors) -> tuple[LabelledFactors, float]:
        """Update the factors of all labels; the residual sum of squares after it."""
        factors = {name: factor.copy() for name, factor in state.items()}
        for name in factors:
            F, gram = np.zeros(()), np.zeros(())
            for problem, names in zip(self.problems, self.labels, strict=True):
                if name in names:
                    mode = names.index(name)
                    own = [factors[each] for each in names]
                    F = F + problem.right_hand_side(own, mode)
                    gram = gram + problem.gram(own, mode)
            solve_nonnegative(factors[name], F, gram)
        residual = sum(
            _residual(problem, [factors[each] for each in names])
            for problem, names in zip(self.problems, self.labels, strict=True)
        )
        self._share_norms(factors)
        return factors, residual

    def _share_norms(self, factors: LabelledFactors) -> None:
        """Give shared factors unit norm; the own mode of each tensor takes the rest."""
        for name in factors:
            if name not in self.shared:
                continue
            norm = np.linalg.norm(factors[name], axis=0)
            norm = np.where(norm > 0, norm, 1.0)
            factors[name] /= norm
            for names in self.labels:
                if name in names:
                    factors[next(n for n in names if n not in self.shared)] *= norm

    def n_components(self, state: LabelledFactors) -> int:
        """Number of components of a state."""
        return next(iter(state.values())).shape[1]

    def weights_and_shares(
        self, state: LabelledFactors
    ) -> tuple[NDArray, LabelledFactors]:
        """Weights (n_tensors, k) and factors that sum to one, in units of the data."""
        factors = {name: f * self.scales[name][:, None] for name, f in state.items()}
        weights, factors = normalised_sums(factors, self.labels)
        return weights * np.sqrt(self.variances)[:, None], factors

    def maps(self, state: LabelledFactors) -> NDArray:
        """Abundances in the first tensor."""
        weights, factors = self.weights_and_shares(state)
        first, own = self.data[0], [factors[name] for name in self.labels[0][:-1]]
        return weights[0] * first.folding.products(own, first.blocks.rows)

    def spectra(self, state: LabelledFactors) -> NDArray:
        """Spectra of the first tensor."""
        return self.weights_and_shares(state)[1][self.labels[0][-1]].T

    def normal_equations(
        self, weights: NDArray, factors: LabelledFactors, name: str
    ) -> tuple[NDArray, NDArray]:
        """Right-hand sides and Gram matrices of one factor, for unit noise.

        Parameters
        ----------
        weights : (n_tensors, k) array
            Weights of the components.
        factors : dict of str to (n, k) array
            Factors with columns that sum to one.
        name : str
            Label of the factor.

        Returns
        -------
        F : (n, k) array
            Right-hand sides.
        G : (n, k, k) array
            Gram matrices.
        """
        n, k = factors[name].shape
        F, G = np.zeros((n, k)), np.zeros((n, k, k))
        for problem, own, variance, weight in zip(
            self.problems, self.labels, self.variances, weights, strict=True
        ):
            if name in own:
                mode = own.index(name)
                parts = [factors[each] / self.scales[each][:, None] for each in own]
                weight = weight / np.sqrt(variance)
                F += problem.right_hand_side(parts, mode) * weight
                G += problem.gram(parts, mode) * np.outer(weight, weight)
        scale = self.scales[name]
        return F / scale[:, None], G / (scale**2)[:, None, None]

    def clear_unobserved(self, factors: LabelledFactors) -> None:
        """Set entries of factors that no tensor has observed to zero, in place."""
        for name, factor in factors.items():
            absent = [
                each.unobserved(own.index(name))
                for each, own in zip(self.data, self.labels, strict=True)
                if name in own
            ]
            factor[np.logical_and.reduce(absent)] = 0.0


def _residual(problem: CPDLeastSquares, factors: list[NDArray]) -> float:
    last = len(factors) - 1
    F = problem.right_hand_side(factors, last)
    C = factors[last]
    gram = problem.gram(factors, last)
    return float(problem.sum_of_squares - 2 * np.vdot(F, C) + np.vdot(gram, C.T @ C))


def normalised_sums(
    factors: LabelledFactors, labels: Labels
) -> tuple[NDArray, LabelledFactors]:
    """Make the columns of all factors sum to one.

    Parameters
    ----------
    factors : dict of str to (n, k) array
        Factors by their label.
    labels : sequence of sequences of str
        Labels of the modes of each tensor.

    Returns
    -------
    weights : (n_tensors, k) array
        Sum over all entries that a component has in each tensor.
    factors : dict of str to (n, k) array
        Factors with columns that sum to one.
    """
    totals = {name: f.sum(axis=0) for name, f in factors.items()}
    weights = np.array(
        [np.prod([totals[n] for n in names], axis=0) for names in labels]
    )
    factors = {
        name: f / np.where(totals[name] > 0, totals[name], 1.0)
        for name, f in factors.items()
    }
    return weights, factors
