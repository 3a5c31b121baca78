"""Alternating least squares of a canonical polyadic model on compressed data.

The data enter through their scores ``Z`` in an orthonormal basis of the channels; the
factors have their full size, so that non-negativity is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.iterate import IterativeMethod, Momentum
from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor
from sparsedecomp.decomposition.tensor.modes import contract
from sparsedecomp.decomposition.tensor.unfolding import compress_modes
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.kernels.tensor import add_entries, nonnegative_rows_each

if TYPE_CHECKING:
    from sparsedecomp.decomposition.tensor.gaps import MissingEntries

# Coordinate descent over the components of a row: at most SWEEPS sweeps before the next
# mode is updated, fewer when a row changes by less than SETTLED relative to itself.
# More sweeps fit a mode to factors of other modes that are about to change.
SWEEPS = 4
SETTLED = 1e-3
# The last update of all is continued to the minimum: more sweeps change nothing.
LAST_SWEEPS = 500
LAST_SETTLED = 1e-9
# Ridge of the unconstrained updates relative to the mean diagonal of the Gram matrix:
# far above the rounding of float64, so that equal components do not make it singular,
# and far below what changes a fit.
RIDGE = 1e-10

Factors = list[NDArray]


@dataclass
class CPDLeastSquares(IterativeMethod[Factors]):
    """``min ||X - [[A_1, ..., A_M]]||^2`` over the positions that were observed.

    A step updates the factors of all modes in turn. Steps are extrapolated, and taken
    back when the residual rises [1]_. A state is a list of (n_m, k) float64 arrays, the
    channels last, whose norms are shared equally by the modes.

    Single missing entries are filled with the model before every step, so that their
    part in the residual is how far the model moved: expectation maximisation, whose
    objective never rises [2]_. The filled `scores` depend on the state of the step
    alone.

    Attributes
    ----------
    scores : (*shape, rank) array
        Data in the bases of their modes.
    bases : list of arrays or None
        Orthonormal basis ``(n_m, rank_m)`` of each mode, the channels last; None for a
        mode that is not compressed.
    sum_of_squares : float
        Sum of the squares of all data.
    observed : (*shape,) bool array, optional
        Positions with data.
    nonnegative : bool or sequence of bool, default True
        Whether all factors are non-negative, or each of them.
    missing : MissingEntries, optional
        Single missing entries. `scores` are overwritten by the filled data.
    fill : (n,) array, optional
        Values that the missing entries of `scores` are filled with.
    data : CompressedTensor, optional
        Data in whose units `Progress` shows the factors.
    tol : float, default 0
        The iteration ends when the residual sum of squares falls by less than this
        part of itself.

    References
    ----------
    .. [1] A. M. S. Ang, J. E. Cohen, N. Gillis and L. T. K. Hien, Numer. Linear
       Algebra Appl. 28 (2021) e2373. https://doi.org/10.1002/nla.2373
    .. [2] G. Tomasi and R. Bro, Chemom. Intell. Lab. Syst. 75 (2005) 163.
       https://doi.org/10.1016/j.chemolab.2004.07.003
    """

    scores: NDArray
    bases: list[NDArray | None]
    sum_of_squares: float
    observed: NDArray | None = None
    nonnegative: bool | Sequence[bool] = True
    missing: MissingEntries | None = None
    fill: NDArray | None = None
    data: CompressedTensor | None = None
    tol: float = 0.0

    # An extrapolated sweep that fails is followed by one of half the length.
    momentum = Momentum(reduction=2.0)

    def __post_init__(self) -> None:
        self.constrained = np.broadcast_to(self.nonnegative, self.scores.ndim)
        self.weights = None
        if self.observed is not None:
            self.weights = self.observed[..., None].astype(float)

    @classmethod
    def from_tensor(
        cls, data: CompressedTensor, nonnegative: bool, tol: float
    ) -> CPDLeastSquares:
        """Least squares of a compressed tensor, the channels alone compressed."""
        return cls(
            data.scores,
            [*[None] * (data.scores.ndim - 1), data.basis],
            data.sum_of_squares,
            data.observed,
            nonnegative,
            data.missing,
            data.fill,
            data,
            tol,
        )

    def with_compressed_modes(self, rank: int) -> CPDLeastSquares:
        """The same with the other modes compressed to a rank; itself if none can be."""
        if self.observed is not None or self.missing is not None:
            return self
        core, bases = compress_modes(self.scores, [rank] * (self.scores.ndim - 1))
        if all(basis is None for basis in bases):
            return self
        return replace(self, scores=core, bases=[*bases, self.bases[-1]])

    @property
    def shape(self) -> tuple[int, ...]:
        """Full sizes of the modes."""
        sizes = self.scores.shape
        return tuple(
            n if basis is None else len(basis)
            for n, basis in zip(sizes, self.bases, strict=True)
        )

    def step(self, state: Factors) -> tuple[Factors, float]:
        """Update the factors of all modes; the residual sum of squares after it."""
        factors = [factor.copy() for factor in state]
        residual = self.sweep(factors)
        balance(factors)
        return factors, float(residual)

    def extrapolate(self, old: Factors, new: Factors, momentum: float) -> Factors:
        """``new + momentum (new - old)``, clipped where it must not be negative."""
        ahead = [n + momentum * (n - o) for n, o in zip(new, old, strict=True)]
        for factor, constrained in zip(ahead, self.constrained, strict=True):
            if constrained:
                np.maximum(factor, 0.0, out=factor)
        return ahead

    def n_components(self, state: Factors) -> int:
        """Number of components of a state."""
        return state[0].shape[1]

    def maps(self, state: Factors) -> NDArray | None:
        """Products of all factors but the spectra at the positions of the data."""
        return None if self.data is None else self.data.maps(state)

    def spectra(self, state: Factors) -> NDArray | None:
        """Factor of the channels."""
        return None if self.data is None else self.data.spectra(state)

    def to_basis(self, mode: int, factor: NDArray) -> NDArray:
        """Coordinates of a factor in the basis of its mode."""
        basis = self.bases[mode]
        return factor if basis is None else basis.T @ factor

    def from_basis(self, mode: int, coordinates: NDArray) -> NDArray:
        """Factor of full size from its coordinates in the basis of its mode."""
        basis = self.bases[mode]
        return coordinates if basis is None else basis @ coordinates

    def gram(self, factors: Factors, skip: int) -> NDArray:
        """Gram matrix of the Khatri-Rao product of all factors but one.

        Where positions are missing, every row of a mode has its own.
        """
        k = factors[0].shape[1]
        if self.weights is None:
            return np.prod(
                [f.T @ f for m, f in enumerate(factors) if m != skip], axis=0
            )
        pairs = [(f[:, :, None] * f[:, None]).reshape(-1, k * k) for f in factors[:-1]]
        channels = factors[-1].T @ factors[-1]
        weights = np.broadcast_to(self.weights, (*self.weights.shape[:-1], k * k))
        if skip == len(pairs):
            return contract(weights, pairs).reshape(k, k)
        return contract(weights, pairs, skip).reshape(-1, k, k) * channels

    def right_hand_side(self, factors: Factors, mode: int) -> NDArray:
        """Contract the data with all factors but one (MTTKRP)."""
        small = [self.to_basis(m, f) for m, f in enumerate(factors)]
        if mode == len(factors) - 1:
            return self.from_basis(mode, self._contract_positions(small))
        T = self._contract_channels(small)
        return self.from_basis(mode, contract(T, small[:-1], mode))

    def sweep(self, factors: Factors) -> float:
        """Update the factors of all modes in place; the residual sum of squares."""
        squares = self.sum_of_squares
        if self.missing is not None:
            squares = squares + self._refill(factors)
        small = [self.to_basis(m, f) for m, f in enumerate(factors)]
        T = self._contract_channels(small)
        last = len(factors) - 1
        for mode in range(last):
            F = self.from_basis(mode, contract(T, small[:-1], mode))
            self._solve(factors, mode, F, self.gram(factors, mode))
            small[mode] = self.to_basis(mode, factors[mode])
        F = self.from_basis(last, self._contract_positions(small))
        gram = self.gram(factors, last)
        self._solve(factors, last, F, gram)
        C = factors[last]
        return squares - 2 * np.vdot(F, C) + np.vdot(gram, C.T @ C)

    def _refill(self, factors: Factors) -> float:
        """Fill the missing entries with the model; the sum of their squares."""
        new = self.missing.products(factors).sum(axis=1)
        *where, channels = self.missing.indices
        at = np.ravel_multi_index(where, self.scores.shape[:-1])
        flat = self.scores.reshape(-1, self.scores.shape[-1])
        add_entries(at, channels, new - self.fill, self.bases[-1], flat)
        self.fill = new
        return float(new @ new)

    def _contract_channels(self, small: Factors) -> NDArray:
        return (self.scores @ small[-1].astype(self.scores.dtype)).astype(float)

    def _contract_positions(self, small: Factors) -> NDArray:
        """Contract the scores with all modes but the channels."""
        k = small[0].shape[1]
        L = small[0]
        for factor in small[1:-1]:
            L = (L[..., None, :] * factor).reshape(-1, k)
        Z = self.scores.reshape(-1, self.scores.shape[-1])
        return (Z.T @ L.astype(Z.dtype)).astype(float)

    def _solve(self, factors: Factors, mode: int, F: NDArray, gram: NDArray) -> None:
        if self.constrained[mode]:
            solve_nonnegative(factors[mode], F, gram)
        else:
            factors[mode] = solve_rows(F, gram, factors[mode])

    def solve_spectra(self, F: NDArray, gram: NDArray, start: NDArray) -> NDArray:
        """Solve ``C gram ~ F`` for the spectra ``C`` to convergence, from a start."""
        if not self.constrained[-1]:
            return solve_rows(F, gram, start)
        C = start.copy()
        solve_nonnegative(C, F, gram, LAST_SWEEPS, LAST_SETTLED)
        return C


def solve_nonnegative(
    A: NDArray,
    F: NDArray,
    gram: NDArray,
    sweeps: int = SWEEPS,
    settled: float = SETTLED,
) -> None:
    """Update ``A >= 0`` in place towards the solution of ``A gram ~ F``.

    Parameters
    ----------
    A : (n, k) float64 array
        Start; overwritten.
    F : (n, k) float64 array
        Right-hand side.
    gram : (k, k) or (n, k, k) float64 array
        One Gram matrix for all rows, or one for each.
    sweeps : int
        Upper bound on the sweeps of coordinate descent.
    settled : float
        Relative change that ends them; only with one Gram matrix for all rows.
    """
    if gram.ndim == 3:
        nonnegative_rows_each(A, F, gram, sweeps)
    else:
        nonnegative_rows(A, F, gram, np.zeros(len(gram)), sweeps, settled)


def times(A: NDArray, gram: NDArray) -> NDArray:
    """``A gram``, with one Gram matrix or one for each row."""
    return A @ gram if gram.ndim == 2 else np.einsum("ik,ikl->il", A, gram)


def solve_rows(F: NDArray, gram: NDArray, A: NDArray) -> NDArray:
    """Least squares without constraint; a ridge of rounding size towards ``A``."""
    k = gram.shape[-1]
    ridge = RIDGE * np.trace(gram, axis1=-2, axis2=-1) / k + 1e-300
    H = gram + ridge[..., None, None] * np.eye(k)
    right = F + ridge[..., None] * A
    if gram.ndim == 3:
        return np.linalg.solve(H, right[..., None])[..., 0]
    return np.linalg.solve(H, right.T).T


def balance(factors: Factors) -> None:
    """Share the norm of every component equally among the modes, in place."""
    norms = np.array([np.linalg.norm(f, axis=0) for f in factors])
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.exp(np.log(norms).mean(axis=0))
        for factor, norm in zip(factors, norms, strict=True):
            factor *= np.where(norm > 0, shared / norm, 0.0)
