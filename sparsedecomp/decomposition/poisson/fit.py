"""Phases of a Poisson fit: groups of channels, then all; sample pixels, then all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.base import Factorisation
from sparsedecomp.decomposition.initialisation import start_kinds
from sparsedecomp.decomposition.iterate import (
    Outcome,
    Phases,
    best_of,
    complete,
    iterate,
)
from sparsedecomp.decomposition.poisson.counts import (
    Counts,
    as_csr,
    grouped_counts,
    in_memory,
    refuse_bad_blocks,
    sums_of_groups,
)
from sparsedecomp.decomposition.poisson.least_squares import (
    smallest_simplex_start,
    weighted_least_squares,
)
from sparsedecomp.decomposition.poisson.model import (
    LAST_SWEEPS,
    PoissonModel,
    PoissonNMFMethod,
    PoissonState,
    abundance_step,
    start_state,
)
from sparsedecomp.decomposition.progress import Monitor
from sparsedecomp.kernels.coordinate import nonnegative_rows

# Largest and smallest number of pixels for the start if the counts do not fit in the
# memory. More pixels average more noise.
SAMPLE = 2**14
LEAST_SAMPLE = 2**11
# Mean count of an entry above which a fit starts from the smallest simplex too. Under a
# background, the other starts end in local minima several degrees from the best one;
# spectra of peaks have fewer counts.
MANY_COUNTS = 20.0
SMALLEST_SIMPLEX = "smallest simplex"
# Bytes of an entry of a sparse matrix: a float32 value and an int32 index.
ENTRY = 8
# The fit to groups of channels is only a start, so it may end early; a more exact start
# saves iterations on all channels.
COARSE_TOL = 2e-4
COARSE_ITERATIONS = 40


@dataclass(frozen=True)
class PoissonOptions:
    """Parameters of a fit of Poisson NMF.

    Attributes
    ----------
    n_components : int
        Number of components.
    model : PoissonModel
        Priors and penalties, with weights per squared mean count of a pixel.
    init, n_init, max_iter, tol, memory
        As in `sparsedecomp.decomposition.PoissonNMF`.
    generator : numpy.random.Generator
        Source of all random numbers of the fit.
    monitor : Monitor
        Receives every iteration.
    """

    n_components: int
    model: PoissonModel
    init: str
    n_init: int
    max_iter: int
    tol: float
    memory: float
    generator: np.random.Generator
    monitor: Monitor


@dataclass(frozen=True, kw_only=True)
class PoissonFactorisation(Factorisation):
    """A factorisation of counts, the strongest component first.

    The state of the outcome has the spectra and the parameters of the prior; its ``A``
    may belong to other pixels.

    Attributes
    ----------
    model : PoissonModel
        Priors and penalties with the weights that were used.
    deviance : float
        Deviance of the counts.
    """

    model: PoissonModel
    deviance: float


def fit_counts(blocks: BlockMatrix, options: PoissonOptions) -> PoissonFactorisation:
    """Fit Poisson NMF with a number of components.

    Parameters
    ----------
    blocks : BlockMatrix
        The counts.
    options : PoissonOptions
        Parameters of the fit.

    Returns
    -------
    PoissonFactorisation
    """
    X = in_memory(blocks, options.memory)
    exact: BlockMatrix | Counts = blocks
    if X is None:
        refuse_bad_blocks(blocks)
        sample = in_memory(_sample_of(blocks, options.memory), np.inf)
    else:
        sample, exact = X, Counts(X, blocks.dtype)
    if sample.nnz == 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    model = _scaled(options.model, sample)
    sample_model = model if sample is X else model.alone()
    phases: Phases[PoissonState] = Phases(options.monitor)
    best = phases.run(
        "starts",
        lambda _: best_of(
            _one_start(sample, sample_model, init, options, number)
            for number, init in enumerate(_kinds(sample, options))
        ),
    )
    if exact.shape[0] != sample.shape[0]:
        model = model.alone() if best.stopped else model
        # One iteration gives every pixel its own abundances.
        A = np.tile(best.state.A.mean(axis=0), (blocks.shape[0], 1))
        best.state = replace(best.state, A=A)
        method = PoissonNMFMethod(exact, model, options.tol)
        phases.run(
            "all pixels",
            lambda best: iterate(method, best.state, options.max_iter, options.monitor),
        )
    return _finish(exact, phases, model)


def _sample_of(blocks: BlockMatrix, budget: float) -> BlockMatrix:
    """Evenly spread pixels; as many as fit in `budget` bytes if no entry is zero."""
    n, n_channels = blocks.shape
    size = min(SAMPLE, max(LEAST_SAMPLE, int(budget / (ENTRY * n_channels))))
    return blocks.select(np.unique(np.linspace(0, n - 1, size).round().astype(int)))


def _scaled(model: PoissonModel, X: scipy.sparse.csr_array) -> PoissonModel:
    """The model with its penalties relative to the mean count of a pixel."""
    square = (X.sum(dtype=float) / X.shape[0]) ** 2
    if model.closed:
        square = 1.0
    return replace(
        model, overlap=model.overlap / square, smoothness=model.smoothness / square
    )


def _kinds(X: scipy.sparse.csr_array, options: PoissonOptions) -> list[str]:
    """Kind of every start, for many counts the smallest simplex too."""
    kinds = start_kinds(options.init, options.n_init)
    many = X.sum(dtype=float) > MANY_COUNTS * np.prod(X.shape)
    smallest = options.init == "auto" and many and options.n_components > 1
    return [*kinds, SMALLEST_SIMPLEX] if smallest else kinds


def _one_start(
    X: scipy.sparse.csr_array,
    model: PoissonModel,
    init: str,
    options: PoissonOptions,
    number: int,
) -> Outcome[PoissonState]:
    """Descend from a start, on groups of channels first."""
    options.monitor.start = number
    start = None
    if init == SMALLEST_SIMPLEX:
        init = "spa"
        start = smallest_simplex_start(X, options.n_components, options.generator)
    if start is None:
        start = weighted_least_squares(X, options.n_components, init, options.generator)
    C, S, interrupted = start
    if interrupted:
        return Outcome(start_state(C, S, model), stopped=True, interrupted=True)
    group, coarse = grouped_counts(X, S)
    state = start_state(C, sums_of_groups(S, group), model)
    state.A = _share_of_counts(state.A, X, model)
    max_iter, tol, monitor = options.max_iter, options.tol, options.monitor
    rough = PoissonNMFMethod(coarse, model, max(tol, COARSE_TOL), group)
    phases: Phases[PoissonState] = Phases(monitor)
    outcome = phases.run(
        "groups of channels",
        lambda _: iterate(rough, state, min(max_iter, COARSE_ITERATIONS), monitor),
    )
    complete(outcome, lambda: _on_channels(outcome, X, group))
    method = PoissonNMFMethod(Counts(X, np.float32), model, tol)
    return phases.run(
        "all channels",
        lambda outcome: iterate(method, outcome.state, max_iter, monitor),
    )


def _share_of_counts(
    A: NDArray, X: scipy.sparse.csr_array, model: PoissonModel
) -> NDArray:
    """Parameters or abundances that add up to the counts of every pixel."""
    if model.closed:
        return A
    counts = X.sum(axis=1, dtype=float)
    return A * (np.maximum(counts, 1e-12) / A.sum(axis=1))[:, None]


def _on_channels(
    outcome: Outcome[PoissonState], X: scipy.sparse.csr_array, group: NDArray
) -> Outcome[PoissonState]:
    """Replace the spectra of groups of channels by spectra of the channels.

    They are fitted by weighted least squares for the given abundances. A tenth is the
    sum of the group, divided in the proportions of all counts, so that no channel is
    zero.
    """
    state = outcome.state
    counts = np.maximum(X.sum(axis=1, dtype=float), 1.0)[:, None]
    weighted = state.C / counts
    S = np.zeros((X.shape[1], state.n_components))
    gram = state.C.T @ weighted
    nonnegative_rows(S, X.T @ weighted, gram, np.zeros(len(gram)), 100, 1e-6)
    weight = X.sum(axis=0, dtype=float)
    total = np.bincount(group, weight)
    part = weight / np.where(total > 0, total, 1.0)[group]
    S = 0.9 * S.T + 0.1 * state.S[:, group] * part
    S *= (state.S.sum(axis=1) / S.sum(axis=1))[:, None]
    outcome.state = PoissonState(state.A, S, state.alpha)
    return outcome


def _finish(
    blocks: BlockMatrix | Counts, phases: Phases[PoissonState], model: PoissonModel
) -> PoissonFactorisation:
    """Converge every pixel, compute the quality of the fit, sort the components."""
    final = phases.outcome
    state = final.state
    A, sums = phases.complete(lambda: settle(blocks, state, model))
    squares, cross, gram, deviance = sums
    S = state.S
    residual = squares - 2 * np.sum(cross * S) + np.sum(gram * (S @ S.T))
    order = np.argsort(-np.diag(gram) * np.square(S).sum(axis=1), kind="stable")
    final.state = state.take(order)
    return PoissonFactorisation(
        C=np.ascontiguousarray(A[:, order]),
        S=S[order],
        model=model,
        outcome=final,
        residual=max(float(residual), 0.0),
        sum_of_squares=float(squares),
        deviance=float(deviance),
    )


def settle(
    blocks: BlockMatrix | Counts, state: PoissonState, model: PoissonModel
) -> tuple[NDArray, tuple[NDArray, ...]]:
    """Converged abundances of all pixels for given spectra, in one pass.

    With smoothness, which couples the pixels, abundances are left as they are.

    Parameters
    ----------
    blocks : BlockMatrix or Counts
        The counts.
    state : PoissonState
        Spectra and parameters of the prior.
    model : PoissonModel
        Priors and penalties.

    Returns
    -------
    C : (n_pixels, k) array
        Abundances in the dtype of the blocks.
    sums : tuple
        Sum of squares, ``C' X``, ``C' C`` and the deviance.
    """
    rows = (state.A,) if model.smoothness else ()
    function = _score if model.smoothness else _settled
    state = replace(state, A=state.A[:0])
    (C,), sums = blocks.run(function, rows, (state, model, blocks.dtype))
    return C, sums


def _settled(X, state, model, dtype):
    S, alpha = state.S, state.alpha
    n, k = X.shape[0], len(S)
    # Start from equal shares: every maximum can be reached from there, and `transform`
    # gives the same result as the fit.
    total = np.maximum(np.asarray(X.sum(axis=1, dtype=float)).ravel(), 1e-12)
    if model.closed:
        total = np.ones(n)
    A = alpha + np.tile(total[:, None] / k, (1, k))
    rate = None if model.concentration is not None else S.sum(axis=1)
    none = np.zeros(n), np.zeros((n, k))
    (A,), _ = abundance_step(
        X, A, *none, S, alpha, rate, model.overlap, model.closed, LAST_SWEEPS
    )
    return _score(X, A, state, model, dtype)


def _score(X, A, state, model, dtype):
    counts = as_csr(X)
    S, alpha = state.S, state.alpha
    n, k = A.shape
    C = np.maximum(A - alpha, 0.0).astype(dtype)
    wide = C.astype(float)
    rows = np.repeat(np.arange(n), np.diff(counts.indptr))
    expected = np.zeros(counts.nnz)
    for j in range(k):
        expected += wide[rows, j] * S[j, counts.indices]
    x = counts.data.astype(float)
    model_sum = wide.sum(axis=0) @ S.sum(axis=1)
    with np.errstate(divide="ignore"):
        deviance = 2 * (x @ np.log(x / expected) - x.sum() + model_sum)
    return (C,), (x @ x, (counts.T @ wide).T, wide.T @ wide, deviance)
