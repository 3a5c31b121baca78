"""Alternating least squares under constraints, on scores or on passes over the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from sparsedecomp.decomposition.mcr.constraints import maps_step, nearest, spectra_step

SCALES = {
    "norm": lambda S: np.linalg.norm(S, axis=1),
    "max": lambda S: np.abs(S).max(axis=1),
    "sum": lambda S: np.abs(S).sum(axis=1),
}


@dataclass(frozen=True)
class Constraints:
    """What spectra and maps have to be; components come in one fixed order.

    Attributes
    ----------
    known_spectra : (k,) bool array
        Components whose spectra stay as they are.
    known_maps : (k,) bool array
        Components whose maps are the columns of `maps`.
    maps : (n_pixels, q) float64 array
    total : (n_pixels,) float64 array
        What abundances add up to, where they do.
    abundances : {"nonnegative", "sum_to_one", "fully_constrained"}
    nonnegative : bool
        Of the spectra.
    unimodal : (k,) bool array
    tolerance : float
        Of unimodality.
    scale : {"norm", "max", "sum", None}
        What is one in spectra whose scale is free.
    """

    known_spectra: np.ndarray
    known_maps: np.ndarray
    maps: np.ndarray
    total: np.ndarray
    abundances: str
    nonnegative: bool
    unimodal: np.ndarray
    tolerance: float
    scale: str | None

    def find_maps(self, F, gram, maps, total):
        """Best abundances of some pixels: ``F = X S'`` and ``gram = S S'``."""
        return maps_step(F, gram, self.abundances, self.known_maps, maps, total)

    def find_spectra(self, F, gram, S):
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

    def feasible(self, S):
        """The nearest spectra that meet the constraints."""
        S = S.copy()
        for j in np.flatnonzero(~self.known_spectra):
            S[j] = nearest(S[j], self.nonnegative, self.unimodal[j], self.tolerance)
        return self._scaled(S)

    def _scaled(self, S):
        if self.scale is None:
            return S
        size = SCALES[self.scale](S)
        free = ~(self.known_spectra | self.known_maps) & (size > 0)
        return S / np.where(free, size, 1.0)[:, None]


@dataclass(frozen=True)
class Step:
    """Spectra, the best maps for them, and what the best spectra for these need.

    Attributes
    ----------
    S : (k, n_channels) array
    W : (n_pixels, k) array
    F : (k, n_channels) array
        ``W' X``.
    gram : (k, k) array
        ``W' W``.
    lack_of_fit : float
        ``||X - W S|| / ||X||``, in per cent.
    """

    S: np.ndarray
    W: np.ndarray
    F: np.ndarray
    gram: np.ndarray
    lack_of_fit: float


class Scores:
    """The data as their scores in a basis of few directions.

    Parameters
    ----------
    low : LowRank
    constraints : Constraints
    """

    def __init__(self, low, constraints):
        self._scores = low.scores.astype(float)
        self._basis = low.basis
        self._squares = low.summary.sum_of_squares
        self._constraints = constraints

    def step(self, S):
        """Return the `Step` from spectra ``S``."""
        constraints, gram = self._constraints, S @ S.T
        F = self._scores @ (self._basis.T @ S.T)
        W = constraints.find_maps(F, gram, constraints.maps, constraints.total)
        inner = W.T @ W
        left = self._squares - 2 * np.vdot(W, F) + np.vdot(inner, gram)
        correlation = (W.T @ self._scores) @ self._basis.T
        return Step(S, W, correlation, inner, _percent(left, self._squares))


class Passes:
    """The data themselves; every step is one pass.

    Parameters
    ----------
    blocks : BlockMatrix
    squares : float
        Sum of the squares of all entries.
    constraints : Constraints
    """

    def __init__(self, blocks, squares, constraints):
        self._blocks = blocks
        self._squares = squares
        self._constraints = constraints

    def step(self, S):
        """Return the `Step` from spectra ``S``."""
        constraints = self._constraints
        (W,), (F, gram, left) = self._blocks.run(
            _step,
            rows=(constraints.maps, constraints.total),
            shared=(S, S @ S.T, constraints.find_maps),
        )
        return Step(S, W, F, gram, _percent(float(left), self._squares))


def _step(X, maps, total, S, gram, find_maps):
    S = S.astype(X.dtype)
    W = find_maps((X @ S.T).astype(float), gram, maps, total)
    dense = X.toarray() if scipy.sparse.issparse(X) else X
    residual = dense - W.astype(X.dtype) @ S
    left = np.einsum("ij,ij->", residual, residual, dtype=float)
    return (W,), (W.T @ dense, W.T @ W, left)


def _percent(left, squares):
    return 100 * float(np.sqrt(max(left, 0.0) / squares))


def alternate(view, S, constraints, *, limit, tol, least, rounding, watch):
    """Find maps and spectra in turn until the fit stands still.

    Parameters
    ----------
    view : Scores or Passes
    S : (k, n_channels) float64 array
        Where to start.
    constraints : Constraints
    limit : int
        Bound on the steps.
    tol : float
        Relative fall of the misfit of the signal that is too little.
    least : float
        Lack of fit in per cent that is noise. The misfit of the signal is what is left
        of the squares above its square.
    rounding : float
        Lack of fit in per cent that rounding may make.
    watch : callable
        ``watch(lack_of_fit)`` after every step; True ends the search.

    Returns
    -------
    best : Step
    ended : {"converged", "limit", "stopped", "risen", "interrupted"}
        "risen" where a step made the fit worse by more than rounding does.
    """
    best, ended, misfit_before = None, "limit", np.inf
    try:
        for left in range(limit - 1, -1, -1):
            step = view.step(S)
            before = np.inf if best is None else best.lack_of_fit
            if step.lack_of_fit > before * (1 + 1e-9) + rounding:
                ended = "risen"
                break
            best = step if step.lack_of_fit <= before else best
            if watch(step.lack_of_fit):
                ended = "stopped"
                break
            misfit = np.sqrt(max(step.lack_of_fit**2 - least**2, 0.0))
            still = misfit >= (1 - tol) * misfit_before
            misfit_before = misfit
            if still or misfit <= rounding:
                ended = "converged"
                break
            if left:
                S = constraints.find_spectra(step.F, step.gram, S)
    except KeyboardInterrupt:
        if best is None:
            raise
        ended = "interrupted"
    return best, ended


def trial(view, S, constraints, limit):
    """Lack of fit in per cent after a few iterations from spectra ``S``.

    Parameters
    ----------
    view : Scores or Passes
    S : (k, n_channels) float64 array
    constraints : Constraints
    limit : int
        Number of steps.

    Returns
    -------
    float
    """
    step = view.step(S)
    for _ in range(limit - 1):
        step = view.step(constraints.find_spectra(step.F, step.gram, step.S))
    return step.lack_of_fit
