"""Alternating least squares of a canonical polyadic model on compressed data.

Data enter through their scores ``Z`` in a basis ``Q`` of the channels; factors have
their full size, so that non-negativity is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sparsedecomp.decomposition.tensor.modes import contract
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.kernels.tensor import add_entries, nonnegative_rows_each

# Sweeps over the components of a row before the next mode has its turn.
_SWEEPS = 4
_STILL = 1e-3
# The same for the last update of all.
_MANY = 500
_EXACT = 1e-9


class Descent(NamedTuple):
    """Where a descent ended.

    Attributes
    ----------
    factors : list of (n_m, k) arrays
        The channels last; norms are shared equally by the modes.
    residual : float
        Sum of squares.
    history : list of float
        The same after every sweep.
    converged, stopped, interrupted : bool
        ``stopped`` by `watch` or by Ctrl-C, which is ``interrupted``.
    """

    factors: list
    residual: float
    history: list
    converged: bool
    stopped: bool
    interrupted: bool = False


class Problem:
    """``min ||X - [[A_1, ..., A_M]]||^2`` over the positions that are observed.

    Parameters
    ----------
    scores : (*shape, rank) array
    bases : list of arrays or None
        Orthonormal basis ``(n_m, rank_m)`` of each mode, the channels last; None for a
        mode that is not compressed.
    sum_of_squares : float
        Of all data.
    observed : (*shape,) bool array, optional
    nonnegative : bool or sequence of bool, default True
        Of all factors, or of each.
    holes : MissingEntries, optional
        Single entries that are missing. The scores, which are overwritten, hold them
        filled in.
    fill : (n,) array, optional
        With what they are filled.
    """

    def __init__(
        self,
        scores,
        bases,
        sum_of_squares,
        observed=None,
        nonnegative=True,
        holes=None,
        fill=None,
    ):
        self.scores = scores
        self.bases = bases
        self.sum_of_squares = sum_of_squares
        self.nonnegative = nonnegative
        self.constrained = np.broadcast_to(nonnegative, scores.ndim)
        self.weights = None if observed is None else observed[..., None].astype(float)
        self.holes = holes
        self.fill = fill

    @property
    def shape(self):
        """Full sizes of the modes."""
        sizes = self.scores.shape
        return tuple(
            n if basis is None else len(basis)
            for n, basis in zip(sizes, self.bases, strict=True)
        )

    def inside(self, mode, factor):
        """Coordinates of a factor in the basis of its mode."""
        basis = self.bases[mode]
        return factor if basis is None else basis.T @ factor

    def outside(self, mode, rows):
        """The opposite: back to the full size."""
        basis = self.bases[mode]
        return rows if basis is None else basis @ rows

    def gram(self, factors, skip):
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
        if skip == len(pairs):
            weights = np.broadcast_to(self.weights, (*self.weights.shape[:-1], k * k))
            return contract(weights, pairs).reshape(k, k)
        weights = np.broadcast_to(self.weights, (*self.weights.shape[:-1], k * k))
        return contract(weights, pairs, skip).reshape(-1, k, k) * channels

    def right_hand_side(self, factors, mode):
        """Contract the data with all factors but one."""
        small = [self.inside(m, f) for m, f in enumerate(factors)]
        if mode == len(factors) - 1:
            return self.outside(mode, self._channels(small))
        T = (self.scores @ small[-1].astype(self.scores.dtype)).astype(float)
        return self.outside(mode, contract(T, small[:-1], mode))

    def sweep(self, factors):
        """One round over the modes; returns the residual sum of squares after it.

        Gaps are filled with the model before it, so that their part in the residual
        is how far it moved: expectation maximisation, whose objective never rises [1]_.

        References
        ----------
        .. [1] G. Tomasi and R. Bro, Chemom. Intell. Lab. Syst. 75 (2005) 163.
           https://doi.org/10.1016/j.chemolab.2004.07.003
        """
        hidden = 0.0 if self.holes is None else self.refill(factors)
        small = [self.inside(m, f) for m, f in enumerate(factors)]
        T = (self.scores @ small[-1].astype(self.scores.dtype)).astype(float)
        last = len(factors) - 1
        for mode in range(last):
            F = self.outside(mode, contract(T, small[:-1], mode))
            self.solve(factors, mode, F, self.gram(factors, mode))
            small[mode] = self.inside(mode, factors[mode])
        F = self.outside(last, self._channels(small))
        gram = self.gram(factors, last)
        self.solve(factors, last, F, gram)
        C = factors[last]
        squares = self.sum_of_squares + hidden
        return squares - 2 * np.vdot(F, C) + np.vdot(gram, C.T @ C)

    def refill(self, factors):
        """Fill the gaps with what a model says of them."""
        new = self.holes.products(factors).sum(axis=1)
        *where, channels = self.holes.indices
        at = np.ravel_multi_index(where, self.scores.shape[:-1])
        flat = self.scores.reshape(-1, self.scores.shape[-1])
        add_entries(at, channels, new - self.fill, self.bases[-1], flat)
        self.fill = new
        return float(new @ new)

    def _channels(self, small):
        """Contract the scores with all modes but the channels."""
        k = small[0].shape[1]
        L = small[0]
        for factor in small[1:-1]:
            L = (L[..., None, :] * factor).reshape(-1, k)
        Z = self.scores.reshape(-1, self.scores.shape[-1])
        return (Z.T @ L.astype(Z.dtype)).astype(float)

    def solve(self, factors, mode, F, gram):
        """Update one factor in place, given its right-hand side and Gram matrix."""
        A = factors[mode]
        if not self.constrained[mode]:
            factors[mode] = solve_rows(F, gram, A)
        elif gram.ndim == 3:
            nonnegative_rows_each(A, F, gram, _SWEEPS)
        else:
            nonnegative_rows(A, F, gram, np.zeros(len(gram)), _SWEEPS, _STILL)

    def updated(self, F, gram, start):
        """The factor that solves ``A gram ~ F`` to the end, from a start."""
        if not self.constrained[-1]:
            return solve_rows(F, gram, start)
        if gram.ndim == 3:
            nonnegative_rows_each(start, F, gram, _MANY)
            return start
        nonnegative_rows(start, F, gram, np.zeros(len(gram)), _MANY, _EXACT)
        return start


def times(A, gram):
    """``A gram``, with one Gram matrix or one for each row."""
    return A @ gram if gram.ndim == 2 else np.einsum("ik,ikl->il", A, gram)


def solve_rows(F, gram, A):
    """Least squares without constraint; a ridge of rounding size towards ``A``."""
    k = gram.shape[-1]
    ridge = 1e-10 * np.trace(gram, axis1=-2, axis2=-1) / k + 1e-300
    H = gram + ridge[..., None, None] * np.eye(k)
    right = F + ridge[..., None] * A
    if gram.ndim == 3:
        return np.linalg.solve(H, right[..., None])[..., 0]
    return np.linalg.solve(H, right.T).T


def balance(factors):
    """Share the norm of every component equally among the modes, in place."""
    norms = np.array([np.linalg.norm(f, axis=0) for f in factors])
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.exp(np.log(norms).mean(axis=0))
        for factor, norm in zip(factors, norms, strict=True):
            factor *= np.where(norm > 0, shared / norm, 0.0)


def descend(problem, factors, max_iter, tol, watch):
    """Sweep until the residual falls by less than ``tol`` of itself.

    Sweeps are extrapolated, and taken back when the residual rises [1]_.

    Parameters
    ----------
    problem : Problem
    factors : list of (n_m, k) float64 arrays
        Start; overwritten.
    max_iter : int
    tol : float
    watch : callable
        ``watch(residual)`` after every sweep, True to stop.

    Returns
    -------
    Descent

    References
    ----------
    .. [1] A. M. S. Ang, J. E. Cohen, N. Gillis and L. T. K. Hien, Numer. Linear
       Algebra Appl. 28 (2021) e2373. https://doi.org/10.1002/nla.2373
    """
    best = [f.copy() for f in factors]
    residual, history = np.inf, []
    step, most = 0.5, 1.0
    converged = stopped = False
    trial = [f.copy() for f in factors]
    interrupted = False
    try:
        for _ in range(max_iter):
            new = problem.sweep(trial)
            if new > residual:
                # Overshot: go on from the last good point, more carefully.
                trial = [f.copy() for f in best]
                most, step = step, step / 2
                if step < 1e-3:
                    converged = True
                    break
                continue
            fell = residual - new
            balance(trial)
            previous, best, residual = best, trial, new
            history.append(float(new))
            if watch(new):
                stopped = True
                break
            if fell <= tol * new:
                converged = True
                break
            trial = [b + step * (b - p) for b, p in zip(best, previous, strict=True)]
            if problem.nonnegative:
                for f in trial:
                    np.maximum(f, 0.0, out=f)
            step = min(most, 1.05 * step)
            most = min(1.0, 1.01 * most)
    except KeyboardInterrupt:
        if not history:
            raise
        stopped = interrupted = True
    return Descent(best, float(residual), history, converged, stopped, interrupted)
