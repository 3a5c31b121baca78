"""Alternating least squares under constraints, on scores or on passes over the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    best_of,
    iterate,
)
from sparsedecomp.decomposition.mcr.constraints import maps_step, nearest, spectra_step
from sparsedecomp.noise import above_noise

# Several starts are compared after this many iterations. More cost time; fewer may drop
# the start that ends lowest.
TRIAL_ITERATIONS = 5
# A rise of the lack of fit by up to this part of itself counts as rounding of float64,
# which accumulates in sums over all pixels.
RELATIVE_ROUNDING = 1e-9

SCALES: dict[str, Callable[[NDArray], NDArray]] = {
    "norm": lambda S: np.linalg.norm(S, axis=1),
    "max": lambda S: np.abs(S).max(axis=1),
    "sum": lambda S: np.abs(S).sum(axis=1),
}


@dataclass(frozen=True)
class Constraints:
    """Constraints on the spectra and maps of components in a fixed order.

    Attributes
    ----------
    known_spectra : (k,) bool array
        Components whose spectra are known and stay as they are.
    known_maps : (k,) bool array
        Components whose maps are the columns of `maps`.
    maps : (n_pixels, q) float64 array
        Known maps.
    total : (n_pixels,) float64 array
        Sum of the abundances of every pixel under closure.
    abundances : {"nonnegative", "sum_to_one", "fully_constrained"}
        Constraint on the abundances.
    nonnegative : bool
        Whether spectra are non-negative.
    unimodal : (k,) bool array
        Components whose spectra have a single maximum.
    tolerance : float
        Part of itself by which a unimodal spectrum may rise again from one channel to
        the next.
    scale : {"norm", "max", "sum", None}
        What is made one in spectra whose scale is free.
    """

    known_spectra: NDArray
    known_maps: NDArray
    maps: NDArray
    total: NDArray
    abundances: str
    nonnegative: bool
    unimodal: NDArray
    tolerance: float
    scale: str | None

    def find_maps(
        self, F: NDArray, gram: NDArray, maps: NDArray, total: NDArray
    ) -> NDArray:
        """Best abundances of some pixels: ``F = X S'`` and ``gram = S S'``."""
        return maps_step(F, gram, self.abundances, self.known_maps, maps, total)

    def find_spectra(self, F: NDArray, gram: NDArray, S: NDArray) -> NDArray:
        """Best spectra: ``F = W' X`` and ``gram = W' W``."""
        S = spectra_step(
            F,
            gram,
            S,
            self.known_spectra,
            nonnegative=self.nonnegative,
            unimodal=self.unimodal,
            tolerance=self.tolerance,
        )
        return self._scaled(S)

    def feasible(self, S: NDArray) -> NDArray:
        """The nearest spectra that satisfy the constraints."""
        S = S.copy()
        for j in np.flatnonzero(~self.known_spectra):
            S[j] = nearest(S[j], self.nonnegative, self.unimodal[j], self.tolerance)
        return self._scaled(S)

    def _scaled(self, S: NDArray) -> NDArray:
        if self.scale is None:
            return S
        size = SCALES[self.scale](S)
        free = ~(self.known_spectra | self.known_maps) & (size > 0)
        return S / np.where(free, size, 1.0)[:, None]


class MCRState(NamedTuple):
    """Spectra, the best maps for them, and what the next spectra follow from.

    Attributes
    ----------
    S : (k, n_channels) array
        Spectra.
    W : (n_pixels, k) array or None
        Abundances; None in a start, which has spectra alone.
    F : (k, n_channels) array or None
        ``W' X``.
    gram : (k, k) array or None
        ``W' W``.
    lack_of_fit : float
        ``100 ||X - W S|| / ||X||``, in per cent.
    """

    S: NDArray
    W: NDArray | None = None
    F: NDArray | None = None
    gram: NDArray | None = None
    lack_of_fit: float = np.inf


@dataclass(kw_only=True)
class AlternatingLeastSquares(IterativeMethod[MCRState]):
    """Find the best spectra for the maps and the best maps for these spectra in turn.

    A subclass defines `evaluate`.

    Attributes
    ----------
    constraints : Constraints
        Constraints on maps and spectra.
    sum_of_squares : float
        Sum of the squares of all data.
    tol : float
        The iteration ends when the misfit of the signal falls by less than this part
        of itself.
    noise : float
        Lack of fit in per cent that is noise. The square of the misfit of the signal is
        what the squared lack of fit exceeds its square by.
    rounding : float
        Lack of fit in per cent that may be rounding.
    """

    constraints: Constraints
    sum_of_squares: float
    tol: float
    noise: float
    rounding: float
    # Lack of fit after the last step, whether it was accepted or not.
    _last = 0.0

    def evaluate(self, S: NDArray) -> MCRState:
        """Best maps for given spectra."""
        raise NotImplementedError

    def step(self, state: MCRState) -> tuple[MCRState, float]:
        """Update spectra (unless the state is a start) and maps; the lack of fit."""
        S = state.S
        if state.W is not None:
            S = self.constraints.find_spectra(state.F, state.gram, S)
        new = self.evaluate(S)
        self._last = new.lack_of_fit
        return new, new.lack_of_fit

    def misfit(self, state: MCRState) -> float:
        """Lack of fit without the part of the noise, in per cent."""
        return float(np.sqrt(max(state.lack_of_fit**2 - self.noise**2, 0.0)))

    def is_small(
        self, old: MCRState, new: MCRState, decrease: float, objective: float
    ) -> bool:
        """Whether the misfit of the signal fell by less than `tol`, or is rounding."""
        misfit = self.misfit(new)
        return misfit >= (1 - self.tol) * self.misfit(old) or misfit <= self.rounding

    def has_risen(self, outcome: Outcome[MCRState]) -> bool:
        """Whether the iteration ended with a rise that is larger than rounding."""
        bound = outcome.state.lack_of_fit * (1 + RELATIVE_ROUNDING) + self.rounding
        return outcome.rose and self._last > bound

    def n_components(self, state: MCRState) -> int:
        """Number of components."""
        return len(state.S)

    def maps(self, state: MCRState) -> NDArray | None:
        """Abundances of a state."""
        return state.W

    def spectra(self, state: MCRState) -> NDArray:
        """Spectra of a state."""
        return state.S

    def _percent(self, squares: float) -> float:
        return 100 * float(np.sqrt(max(squares, 0.0) / self.sum_of_squares))


@dataclass(kw_only=True)
class CompressedALS(AlternatingLeastSquares):
    """Alternating least squares on the scores of the data in a low-rank basis.

    Attributes
    ----------
    low : LowRank
        Compressed data.
    """

    low: LowRank

    def __post_init__(self) -> None:
        self._scores = self.low.scores.astype(float)

    def evaluate(self, S: NDArray) -> MCRState:
        """Best maps for given spectra."""
        constraints, gram = self.constraints, S @ S.T
        F = self._scores @ (self.low.basis.T @ S.T)
        W = constraints.find_maps(F, gram, constraints.maps, constraints.total)
        inner = W.T @ W
        residual = self.sum_of_squares - 2 * np.vdot(W, F) + np.vdot(inner, gram)
        correlation = (W.T @ self._scores) @ self.low.basis.T
        return MCRState(S, W, correlation, inner, self._percent(float(residual)))


@dataclass(kw_only=True)
class ExactALS(AlternatingLeastSquares):
    """Alternating least squares on the data themselves; every step is one pass.

    Attributes
    ----------
    blocks : BlockMatrix
        The data.
    """

    blocks: BlockMatrix

    def evaluate(self, S: NDArray) -> MCRState:
        """Best maps for given spectra, in one pass over the data."""
        constraints = self.constraints
        (W,), (F, gram, residual) = self.blocks.run(
            _best_maps,
            rows=(constraints.maps, constraints.total),
            shared=(S, S @ S.T, constraints.find_maps),
        )
        return MCRState(S, W, F, gram, self._percent(float(residual)))


def _best_maps(X, maps, total, S, gram, find_maps):
    S = S.astype(X.dtype)
    W = find_maps((X @ S.T).astype(float), gram, maps, total)
    dense = X.toarray() if scipy.sparse.issparse(X) else X
    residual = dense - W.astype(X.dtype) @ S
    squares = np.einsum("ij,ij->", residual, residual, dtype=float)
    return (W,), (W.T @ dense, W.T @ W, squares)


def best_start(method: CompressedALS, starts: list[MCRState]) -> Outcome[MCRState]:
    """The start that fits best after a few iterations."""
    if len(starts) == 1:
        return Outcome(starts[0])
    best = best_of(iterate(method, start, TRIAL_ITERATIONS) for start in starts)
    start = MCRState(best.state.S)
    return Outcome(start, stopped=best.stopped, interrupted=best.interrupted)


def noise_squares(low: LowRank, k: int) -> float:
    """Sum of squares outside of the first ``k`` singular vectors that is noise."""
    squares = np.square(low.singular_values)
    total = low.summary.sum_of_squares
    shape = len(low.scores), len(low.basis)
    count = above_noise(squares, max(total - squares.sum(), 0.0), *shape)[0]
    return max(total - squares[: max(k, count)].sum(), 0.0)
