"""NMF with the beta-divergence, from Itakura-Saito to least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, compress
from sparsedecomp.decomposition.base import Factorisation
from sparsedecomp.decomposition.geometric.simplex import OVERSAMPLING
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    SpectraState,
    complete,
    iterate,
)
from sparsedecomp.decomposition.nmf.model import descend_compressed
from sparsedecomp.decomposition.progress import Monitor

# Lower bound on all entries relative to their mean, since the derivative of the loss
# diverges at zero. A larger one biases weak channels.
_FLOOR = 1e-9
# Multiplicative updates of the abundances for given spectra in `transform`. They
# converge slowly; more of them are more exact.
LAST_STEPS = 200
# Iterations of least squares for the start, which the multiplicative updates then have
# to move less far.
START_ITERATIONS = 30


def divergence(X: NDArray, M: NDArray, beta: float) -> float:
    """Sum of the beta-divergences between data ``x`` and model ``y``.

    ``x/y - log(x/y) - 1`` for beta = 0, ``x log(x/y) - x + y`` for 1, otherwise
    ``(x^b + (b - 1) y^b - b x y^(b-1)) / (b (b - 1))``, which is half the squared
    distance for 2.
    """
    if beta == 0:
        ratio = X / M
        return float((ratio - np.log(ratio) - 1).sum())
    if beta == 1:
        log_ratio = np.log(np.where(X > 0, X, M) / M)
        return float((X * log_ratio - X + M).sum())
    mixed = X**beta + (beta - 1) * M**beta - beta * X * M ** (beta - 1)
    return float(mixed.sum() / (beta * (beta - 1)))


def exponent(beta: float) -> float:
    """Power of a multiplicative update under which the loss never rises [1]_.

    References
    ----------
    .. [1] C. Fevotte and J. Idier, Neural Comput. 23 (2011) 2421, section 4.
       https://doi.org/10.1162/NECO_a_00168
    """
    if beta < 1:
        return 1 / (2 - beta)
    return 1.0 if beta <= 2 else 1 / (beta - 1)


def abundance_update(X: NDArray, C: NDArray, S: NDArray, beta: float) -> NDArray:
    """One multiplicative update of the abundances of some rows."""
    M = C @ S
    up = (X * M ** (beta - 2)) @ S.T
    return C * (up / (M ** (beta - 1) @ S.T)) ** exponent(beta)


def beta_step(
    X: Any,
    C: NDArray,
    S: NDArray,
    beta: float,
    steps: int,
    floor: float,
) -> tuple[tuple[NDArray], tuple]:
    """Update some rows and sum what the update of the spectra needs.

    For `BlockMatrix.run`; ``X`` is an array or CSR matrix. The sums are numerator and
    denominator of the factor of the spectra, the divergence and the squared residual.
    """
    X = X.toarray() if scipy.sparse.issparse(X) else X
    X = X.astype(float)
    for _ in range(steps):
        C = np.maximum(abundance_update(X, C, S, beta), floor)
    M = C @ S
    sums = (
        C.T @ (X * M ** (beta - 2)),
        C.T @ M ** (beta - 1),
        divergence(X, M, beta),
        np.square(X - M).sum(),
    )
    return (C,), sums


@dataclass(frozen=True)
class BetaState(SpectraState):
    """Abundances and spectra of the multiplicative updates.

    Attributes
    ----------
    C : (n_pixels, k) float64 array
        Abundances.
    S : (k, n_channels) float64 array
        Spectra.
    least : float
        Lower bound on all entries of both.
    residual : float
        ``||X - C S||^2``.
    ratio : (k, n_channels) array or None
        Factor of the next update of the spectra, None before the first iteration.
    first_loss : float or None
        Divergence after the first iteration, to which `tol` is relative.
    """

    C: NDArray
    S: NDArray
    least: float
    residual: float
    ratio: NDArray | None = None
    first_loss: float | None = None


@dataclass(frozen=True)
class BetaNMF(IterativeMethod[BetaState]):
    """Multiplicative updates, each of which is one pass over the data.

    Attributes
    ----------
    blocks : BlockMatrix
        The data.
    beta : float
        Exponent of the divergence.
    tol : float
        The iteration ends when the divergence falls by less than this part of the
        first one.
    """

    blocks: BlockMatrix
    beta: float
    tol: float

    def step(self, state: BetaState) -> tuple[BetaState, float]:
        """Update the spectra, then the abundances; the divergence after that."""
        S = state.S
        if state.ratio is not None:
            S = np.maximum(S * state.ratio, state.least)
        (C,), (up, down, loss, residual) = self.blocks.run(
            beta_step, rows=(state.C,), shared=(S, self.beta, 1, state.least)
        )
        ratio = (up / down) ** exponent(self.beta)
        first = float(loss) if state.first_loss is None else state.first_loss
        new = BetaState(C, S, state.least, float(residual), ratio, first)
        return new, float(loss)

    def is_small(
        self, old: BetaState, new: BetaState, decrease: float, objective: float
    ) -> bool:
        """Whether the divergence fell by less than `tol` of the first one."""
        return decrease <= self.tol * new.first_loss

    def maps(self, state: BetaState) -> NDArray:
        """Abundances for spectra that add up to one."""
        return state.C * state.S.sum(axis=1)

    def spectra(self, state: BetaState) -> NDArray:
        """Spectra that add up to one."""
        return state.S / state.S.sum(axis=1, keepdims=True)


def fit_beta(
    blocks: BlockMatrix,
    n_components: int,
    beta: float,
    init: str,
    max_iter: int,
    tol: float,
    generator: np.random.Generator,
    monitor: Monitor,
) -> Factorisation:
    """Minimise a beta-divergence by multiplicative updates.

    Parameters
    ----------
    blocks : BlockMatrix
        The data, non-negative; positive for ``beta = 0``.
    n_components : int
        Number of components.
    beta : float
        Exponent of the divergence, see `divergence`.
    init : str
        Start, see `initial_spectra`.
    max_iter : int
        Upper bound on the iterations.
    tol : float
        The iteration ends when the divergence falls by less than this part of the
        first one.
    generator : numpy.random.Generator
        Source of random starts.
    monitor : Monitor
        Receives every iteration.

    Returns
    -------
    Factorisation
        With spectra that add up to one.
    """
    low = compress(blocks, n_components + OVERSAMPLING, random_state=generator)
    squares = low.summary.sum_of_squares
    if squares == 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    variance = max(low.noise_variance, 1e-12 * squares / np.prod(blocks.shape))
    S = initial_spectra(low, n_components, init, generator)
    begun = descend_compressed(low, squares, S, variance, START_ITERATIONS)
    C, S = begun.state.C.astype(float), begun.state.S
    mean = np.sqrt(max(low.summary.row_sums.mean(), 0) / blocks.shape[1])
    scale = np.sqrt(C.mean() / S.mean())
    C, S = np.maximum(C / scale, 1e-2 * mean), np.maximum(S * scale, 1e-2 * mean)
    monitor.phase = "multiplicative updates"
    state = BetaState(C, S, _FLOOR * mean, squares)
    method = BetaNMF(blocks, beta, tol)
    if begun.interrupted:
        # The start is kept, after one update that gives it its divergence.
        outcome = Outcome(state, stopped=True, interrupted=True)
        outcome.state, loss = complete(outcome, lambda: method.step(state))
        outcome.history.append(loss)
    else:
        outcome = iterate(method, state, max_iter, monitor)
    C, S = method.maps(outcome.state), method.spectra(outcome.state)
    order = np.argsort(-np.square(C).sum(0) * np.square(S).sum(1), kind="stable")
    return Factorisation(
        C=np.ascontiguousarray(C[:, order].astype(blocks.dtype)),
        S=S[order],
        outcome=outcome,
        residual=outcome.state.residual,
        sum_of_squares=squares,
    )
