"""From few channels to all, from few pixels to all: the course of a Poisson fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.initialisation import inits
from sparsedecomp.decomposition.iterate import Outcome, best_of
from sparsedecomp.decomposition.nmf.model import NMFState
from sparsedecomp.decomposition.nmf.relevance import cheapest_reduction
from sparsedecomp.decomposition.poisson.counts import (
    Counts,
    as_csr,
    in_memory,
    refuse_bad_blocks,
    weighted_picture,
)
from sparsedecomp.decomposition.poisson.descent import (
    LAST_SWEEPS,
    Budget,
    PoissonModel,
    PoissonState,
    abundance_step,
    descend,
    start_state,
)
from sparsedecomp.decomposition.poisson.initialisation import (
    MOST_COMPONENTS,
    grouped,
    least_squares,
    most_components,
    sums_of_groups,
)
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.noise.scree import noise_edge

OVERSAMPLING = 5
# Pixels that the spectra are started from when the counts do not fit in memory.
SAMPLE = 2**14
LEAST_SAMPLE = 2**11
# Bytes that an entry takes.
ENTRY = 8
SETTLE = 100
# Groups of channels only tell where to start.
COARSE_TOL = 2e-4
COARSE_ITERATIONS = 40


@dataclass(frozen=True)
class Request:
    """What a Poisson fit is asked for.

    Attributes
    ----------
    n_components : int or None
        None lets relevance choose its own upper bound.
    relevance : bool
        Whether components have to prove that they are needed.
    model : PoissonModel
        With weights per squared mean count of a pixel.
    init, n_init, max_iter, tol, memory
        As in `sparsedecomp.decomposition.PoissonNMF`.
    generator : numpy.random.Generator
    watch : callable
        ``watch(start, objective, n_components)``; True ends the fit early.
    """

    n_components: int | None
    relevance: bool
    model: PoissonModel
    init: str
    n_init: int
    max_iter: int
    tol: float
    memory: float
    generator: np.random.Generator
    watch: object


@dataclass(frozen=True)
class Found:
    """What a fit has found, strongest component first.

    Attributes
    ----------
    C : (n_pixels, k) array
    state : PoissonState
        Its ``A`` may belong to other pixels.
    model : PoissonModel
        With the weights that were used.
    descent : Outcome
    relevance : (k,) array
    residual, sum_of_squares, deviance : float
    """

    C: np.ndarray
    state: PoissonState
    model: PoissonModel
    descent: Outcome
    relevance: np.ndarray
    residual: float
    sum_of_squares: float
    deviance: float


def fit_counts(blocks, request):
    """Fit Poisson NMF, with or without automatic relevance.

    Parameters
    ----------
    blocks : BlockMatrix
    request : Request

    Returns
    -------
    Found
    """
    X = in_memory(blocks, request.memory)
    sample, exact = X, None if X is None else Counts(X, blocks.dtype)
    if X is None:
        refuse_bad_blocks(blocks)
        exact = blocks
        sample = in_memory(_sample_of(blocks, request.memory), np.inf)
    if sample.nnz == 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    model = _scaled(request.model, sample)
    seen = model if sample is X else model.alone()
    best = best_of(
        _one_start(sample, seen, init, request, partial(request.watch, number))
        for number, init in enumerate(inits(request.init, request.n_init))
    )
    final = best
    if exact.shape[0] != sample.shape[0]:
        final = _on_all_pixels(exact, best, model, request)
        model = model.alone() if best.stopped else model
    return _finish(exact, final, model)


def _sample_of(blocks, budget):
    """Evenly spread pixels, as many as the budget holds if all entries are counts."""
    n, n_channels = blocks.shape
    size = min(SAMPLE, max(LEAST_SAMPLE, int(budget / (ENTRY * n_channels))))
    return blocks.select(np.unique(np.linspace(0, n - 1, size).round().astype(int)))


def _scaled(model, X):
    """The model with its penalties relative to the mean count of a pixel."""
    square = (X.sum(dtype=float) / X.shape[0]) ** 2
    if model.closed:
        square = 1.0
    return replace(
        model, overlap=model.overlap / square, smoothness=model.smoothness / square
    )


def _one_start(X, model, init, request, watch):
    rank = (request.n_components or MOST_COMPONENTS) + OVERSAMPLING
    with one_blas_thread():
        picture = weighted_picture(X, rank, request.generator)
    k = request.n_components or most_components(picture, X.shape)
    start = partial(least_squares, picture, init=init, generator=request.generator)
    if request.relevance:
        C, S, interrupted = start(k, relevance=True)
        if interrupted:
            return Outcome(start_state(C, S, model), stopped=True, interrupted=True)
        group, coarse = grouped(X, S)
        plain = PoissonModel(floor=1.0)
        state = start_state(C, sums_of_groups(S, group), plain)
        found = _select(coarse, state, plain, request.tol, watch)
        state = start_state(found.state.C, found.state.S, model)
        if found.stopped:
            found.state = state
            return _on_channels(found, X, group)
        # The search tells the number; spectra are better from a start with that many.
        k = found.state.n_components
    C, S, interrupted = start(k, relevance=False)
    if interrupted:
        return Outcome(start_state(C, S, model), stopped=True, interrupted=True)
    group, coarse = grouped(X, S)
    state = start_state(C, sums_of_groups(S, group), model)
    state.A = _share_of_counts(state.A, X, model)
    budget = Budget(request.max_iter, request.tol, watch)
    brief = Budget(
        min(request.max_iter, COARSE_ITERATIONS), max(request.tol, COARSE_TOL), watch
    )
    rough = descend(coarse, state, model, brief)
    rough = _on_channels(rough, X, group)
    if rough.stopped:
        return rough
    return descend(Counts(X, np.float32), rough.state, model, budget)


def _share_of_counts(A, X, model):
    """Parameters or abundances that add up to the counts of every pixel."""
    if model.closed:
        return A
    counts = X.sum(axis=1, dtype=float)
    return A * (np.maximum(counts, 1e-12) / A.sum(axis=1))[:, None]


def _on_channels(descent, X, group):
    """The descent with the spectra of groups replaced by those of channels.

    Weighted least squares for the abundances that there are, and a tenth of the sum of
    the group shared out as the counts are, so that nothing is zero.
    """
    state = descent.state
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
    descent.state = PoissonState(state.A, S, state.alpha)
    return descent


def _select(coarse, state, model, tol, watch):
    """Take out components until each explains more than noise could.

    As `sparsedecomp.decomposition.nmf.relevance.select`, with twice the likelihood in
    the place of the sum of squares.

    Returns
    -------
    Outcome
    """
    budget = Budget(SETTLE, tol, watch)
    result = descend(coarse, state, model, budget)
    edge = noise_edge(1.0, *coarse.shape)
    while result.state.n_components > 1 and not result.stopped:
        full = result.state
        # Where only the prior holds the total down, the likelihood is compared alone.
        reduced = cheapest_reduction(
            NMFState(full.C, full.S, 1.0, full.C.mean(axis=0), np.ones(len(full.S)))
        )
        S = reduced.S / reduced.S.sum(axis=1, keepdims=True)
        start = PoissonState(
            np.maximum(reduced.C, 1e-12), S, np.zeros(reduced.n_components)
        )
        fewer = descend(coarse, start, model, budget)
        if fewer.stopped:
            result.stopped, result.interrupted = True, fewer.interrupted
            break
        gain = _misfit(coarse, fewer.state) - _misfit(coarse, full)
        if 2 * gain > edge:
            break
        result = fewer
    return result


def _misfit(blocks, state):
    """Negative log-likelihood but for a constant, of the scale that fits best."""
    n, k = state.A.shape
    (_,), (_, bound) = blocks.run(
        abundance_step,
        rows=(state.C, np.zeros(n), np.zeros((n, k))),
        shared=(state.S, state.alpha, state.S.sum(axis=1), 0.0, False, 20),
    )
    return -float(bound)


def _on_all_pixels(blocks, found, model, request):
    """Go on from the pixels in memory to all of them, one pass a step."""
    state = found.state
    A = np.tile(state.A.mean(axis=0), (blocks.shape[0], 1))
    state = PoissonState(A, state.S, state.alpha)
    if found.stopped:
        found.state = state
        return found
    watch = partial(request.watch, request.n_init - 1)
    return descend(blocks, state, model, Budget(request.max_iter, request.tol, watch))


def _finish(blocks, final, model):
    """Settle every pixel, score the fit and sort the components."""
    state = final.state
    A, (squares, cross, gram, deviance) = settle(blocks, state, model)
    S = state.S
    residual = squares - 2 * np.sum(cross * S) + np.sum(gram * (S @ S.T))
    order = np.argsort(-np.diag(gram) * np.square(S).sum(axis=1), kind="stable")
    state = state.take(order)
    final.state = state
    C = np.ascontiguousarray(A[:, order])
    return Found(
        C=C,
        state=state,
        model=model,
        descent=final,
        relevance=1 + C.mean(axis=0, dtype=float) * state.S.sum(axis=1),
        residual=max(float(residual), 0.0),
        sum_of_squares=float(squares),
        deviance=float(deviance),
    )


def settle(blocks, state, model):
    """Abundances of all pixels for fixed spectra, and how well they fit; one pass.

    Where pixels are pulled by their neighbours they stay as they are.

    Returns
    -------
    C : (n_pixels, k) array
        In the dtype of the blocks.
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
    # Counts shared out evenly: from the centre of what is possible every maximum can
    # be reached, and transform repeats what the fit gave.
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
