"""Phases of a fit of NMF: compress the data, iterate on few numbers, finish exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np

from sparsedecomp.blocks import BlockMatrix, LowRank, as_blocks
from sparsedecomp.decomposition.initialisation import (
    initial_spectra,
    start_kinds,
)
from sparsedecomp.decomposition.iterate import (
    Outcome,
    Phases,
    best_of,
    iterate,
)
from sparsedecomp.decomposition.nmf.clipping import ClippedNMF, sample_of
from sparsedecomp.decomposition.nmf.factorisation import (
    AbundanceModel,
    NMFFactorisation,
    NMFOptions,
    settled_rows,
)
from sparsedecomp.decomposition.nmf.model import (
    CompressedMatrix,
    NMFState,
    PenalisedNMF,
    coupling,
    initial_state,
    squares_of_model,
)
from sparsedecomp.decomposition.nmf.relevance import select
from sparsedecomp.decomposition.progress import Monitor
from sparsedecomp.noise import (
    MOST_COMPONENTS,
    NoiseModel,
    Whitened,
    count_components,
    find_noise,
    whiten,
)

# Number of pixels, evenly spread, that the spectra are first fitted to. More of them
# find weaker components and take proportionally longer.
SEARCH_PIXELS = 2**16
# Iterations before the prior is switched on. With fewer, it removes components that
# have not found their spectra yet.
WARM_UP = 10
# A step of the search counts as small below this part of the cost of a component. With
# a larger value components are compared before they have converged.
SEARCH_GAIN = 1e-3
# Upper bound on the iterations on all pixels after the spectra were fitted to a sample.
ALL_PIXELS_ITERATIONS = 30
# The final descent starts from the minimum for a soft orthogonality that is larger by
# this factor. Larger factors start from maps that overlap less; 1 starts from the best
# of the starts, from where convergence is slow.
FIRM_ORTHOGONALITY = 30
FIRM_ITERATIONS = 300
# Iterations on the data themselves, which remove the error of the compression. Each is
# a pass over the data.
EXACT_PASSES = 2
# Components to select from beyond those above the noise.
SPARE = 4


def matrices(
    data: Whitened, compression: str | int | None
) -> tuple[CompressedMatrix, CompressedMatrix]:
    """The whitened data themselves, and the matrix that the iterations run on."""
    low = data.low_rank
    squares = low.summary.sum_of_squares
    scales = data.noise.row_scale, data.noise.column_scale
    exact = CompressedMatrix(data.blocks, None, squares, *scales)
    if compression is None:
        return exact, exact
    return exact, CompressedMatrix(as_blocks(low.scores), low.basis, squares, *scales)


def fit_penalised(blocks: BlockMatrix, options: NMFOptions) -> NMFFactorisation:
    """Fit NMF with soft orthogonality, with or without automatic relevance.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    options : NMFOptions
        Parameters of the fit.

    Returns
    -------
    NMFFactorisation
    """
    monitor = options.monitor
    noise = find_noise(blocks, options.noise, clipping=options.clipping)
    n_components = n_components_to_fit(blocks, noise, options)
    rank = options.rank(n_components)
    data = whiten(blocks, rank, noise=noise, random_state=options.generator)
    low = data.low_rank
    exact, matrix = matrices(data, options.compression)
    noise_variance = data.noise_variance(n_components)
    # The edge of the noise has counted the components, unless clipping moved it.
    selects = options.relevance and noise.clipped
    # In these units maps that overlap fully cost `orthogonality` nats per pixel,
    # however strong the signal is.
    signal = low.summary.sum_of_squares / low.scores.shape[0]
    seen = low.spread(SEARCH_PIXELS)
    method = PenalisedNMF(
        _search_matrix(matrix, seen),
        orthogonality=options.orthogonality * noise_variance / signal,
        least_relevance=float(np.sqrt(noise_variance)) if options.relevance else None,
        tol=options.tol,
    )
    phases: Phases[NMFState] = Phases(monitor)
    starts = partial(_starts, method.matrix, seen, options)
    best = phases.run(
        "starts",
        lambda _: best_of(
            _one_start(method, state, options, number, selects)
            for number, state in enumerate(starts(n_components, noise_variance))
        ),
    )
    selection_history: list[float] = []
    if options.relevance:
        selection_history = best.history
        state = best.state if selects else method.under_prior(best.state)
        best.state = _without_wrong_prior(state)
        if selects and not best.state.penalised.any():
            phases.run(
                "starts with this number of components",
                lambda best: best_of(
                    iterate(method, state, options.max_iter, monitor)
                    for state in chain(
                        [best.state],
                        starts(best.state.n_components, best.state.noise_variance),
                    )
                ),
            )
    phases.run("final descent", partial(_final_descent, method, options))
    if method.matrix is not matrix:
        method = replace(method, matrix=matrix)
        _go_on_with_all_pixels(phases, method)
    if noise.clipped:
        phases.run(
            "clipped noise", partial(_descend_clipped, data.blocks, method, options)
        )
    return _finish(phases, data, replace(method, matrix=exact), selection_history)


def n_components_to_fit(
    blocks: BlockMatrix, noise: NoiseModel, options: NMFOptions
) -> int:
    """Number of components that are fitted.

    With relevance it is the number of components above the noise, by the edge that all
    methods use. Noise that was cut off at zero moves that edge, so for such data it is
    an upper bound, from which automatic relevance determination selects.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    noise : NoiseModel
        Noise model of the data.
    options : NMFOptions
        Parameters of the fit; its number of components is the upper bound.

    Returns
    -------
    int
        At least one.
    """
    asked = options.n_components
    if not options.relevance:
        return asked
    if noise.clipped:
        return asked or min(noise.n_components + SPARE, MOST_COMPONENTS, *blocks.shape)
    return count_components(blocks, noise, asked)


def _search_matrix(matrix: CompressedMatrix, seen: LowRank) -> CompressedMatrix:
    """The matrix, or a sample of its pixels when there are very many."""
    n, n_seen = matrix.n_pixels, len(seen.scores)
    if n == n_seen or matrix.basis is None:
        return matrix
    rows = np.linspace(0, n - 1, n_seen).round().astype(int)
    return CompressedMatrix(
        as_blocks(seen.scores),
        seen.basis,
        seen.summary.sum_of_squares,
        matrix.row_scale[rows],
        matrix.column_scale,
    )


def _starts(
    matrix: CompressedMatrix,
    seen: LowRank,
    options: NMFOptions,
    n_components: int,
    noise_variance: float,
) -> Iterator[NMFState]:
    """States to start from, one after another."""
    for init in start_kinds(options.init, options.n_init):
        S = initial_spectra(seen, n_components, init, options.generator)
        yield initial_state(matrix, S, noise_variance)


def _one_start(
    method: PenalisedNMF,
    state: NMFState,
    options: NMFOptions,
    number: int,
    selects: bool,
) -> Outcome[NMFState]:
    options.monitor.start = number
    if not selects:
        method = replace(method, least_relevance=None)
        return iterate(
            method, state, options.max_iter, options.monitor, keep_start=False
        )
    # What the search finds is only where the last descent starts.
    least_decrease = SEARCH_GAIN * method.prior.component_cost
    search = replace(method, least_decrease=least_decrease)
    return search_components(search, state, options.max_iter, options.monitor)


def search_components(
    method: PenalisedNMF,
    state: NMFState,
    max_iter: int,
    monitor: Monitor | None = None,
) -> Outcome[NMFState]:
    """Find the number of components from one start.

    From a poor start the prior would remove the wrong components, so the first
    iterations run without it.

    Parameters
    ----------
    method : PenalisedNMF
        With a prior.
    state : NMFState
        Where to start.
    max_iter : int
        Upper bound on the iterations of one descent.
    monitor : Monitor, optional
        As for `iterate`.

    Returns
    -------
    Outcome
    """
    free = replace(method, least_relevance=None)
    warm = iterate(free, state, WARM_UP, monitor, keep_start=False)
    if warm.stopped:
        return warm
    return select(method, method.under_prior(warm.state), max_iter, monitor)


def _without_wrong_prior(state: NMFState) -> NMFState:
    """The state, without the prior where the assumptions of the prior fail.

    The prior that selects the components also pulls their spectra apart. Its
    assumption of exponential abundances (their spread is their mean) fails for a
    component that is present everywhere. It is not wanted either for a component that
    shares more than half of its spectrum with another: the two can be exchanged at no
    cost, and the prior alone would decide. Where it fails for one component it is
    switched off for all, since unpenalised components would absorb penalised ones.
    """
    C = state.C.astype(np.float64)
    sparse = C.std(axis=0) > C.mean(axis=0)
    shared = np.square(state.S @ state.S.T) - np.eye(state.n_components)
    holds = sparse.all() and shared.max() < 0.5
    return replace(state, penalised=np.full(state.n_components, holds))


def _final_descent(
    method: PenalisedNMF, options: NMFOptions, best: Outcome[NMFState]
) -> Outcome[NMFState]:
    max_iter, monitor = options.max_iter, options.monitor
    state = best.state
    if method.orthogonality:
        # Convergence is slow along flat valleys of equal fits; approach them from the
        # side where the maps overlap least.
        firm = replace(method, orthogonality=FIRM_ORTHOGONALITY * method.orthogonality)
        approach = iterate(firm, state, min(FIRM_ITERATIONS, max_iter), monitor)
        if approach.stopped:
            return approach
        state = approach.state
    return iterate(method, state, max_iter, monitor)


def _go_on_with_all_pixels(phases: Phases[NMFState], method: PenalisedNMF) -> None:
    """Extend the state from a sample of the pixels to all of them and descend."""
    matrix, found = method.matrix, phases.outcome
    state = found.state
    gram = coupling(state.S, method.orthogonality)
    # Exact abundances first: the few sweeps of one step from zero would leave them too
    # small, and the spectra would be fitted to them.
    (C,), _ = phases.complete(
        lambda: matrix.blocks.run(
            settled_rows, shared=(matrix.project(state.S), gram, state.threshold)
        )
    )
    found.state = replace(state, C=C)
    converged = found.converged
    phases.run(
        "all pixels",
        lambda found: iterate(
            method, found.state, ALL_PIXELS_ITERATIONS, phases.monitor
        ),
    )
    phases.outcome.converged |= converged


def _descend_clipped(
    blocks: BlockMatrix,
    method: PenalisedNMF,
    options: NMFOptions,
    best: Outcome[NMFState],
) -> Outcome[NMFState]:
    sample, chosen = sample_of(blocks)
    scales = method.matrix.row_scale[chosen], method.matrix.column_scale
    clipped = ClippedNMF(
        CompressedMatrix(sample, None, np.nan, *scales),
        orthogonality=method.orthogonality,
        least_relevance=method.least_relevance,
        tol=method.tol,
    )
    state = replace(best.state, C=best.state.C[chosen])
    return iterate(clipped, state, options.max_iter, options.monitor)


def _finish(
    phases: Phases[NMFState],
    data: Whitened,
    method: PenalisedNMF,
    selection_history: list[float],
) -> NMFFactorisation:
    """A few exact passes over the data, and back to the units of the data."""
    final = phases.outcome
    state, objective = final.state, final.objective
    if not data.noise.clipped:
        exact = iterate(replace(method, momentum=None), state, EXACT_PASSES)
        if exact.interrupted:
            final.interrupt()
        if exact.history:
            state, objective = exact.state, exact.objective
    model = AbundanceModel(
        S=state.S,
        gram=coupling(state.S, method.orthogonality),
        threshold=state.threshold,
        sigma=float(np.sqrt(state.noise_variance)) if data.noise.clipped else None,
    )
    rows, columns = data.noise.row_scale, data.noise.column_scale
    C, gram, CX = phases.complete(lambda: model.solve(data.blocks, rows))
    # In the units of the data, with the norm of the spectra in the abundances.
    S = state.S * columns
    norm = np.linalg.norm(S, axis=1)
    squares = data.noise.summary.sum_of_squares
    residual = squares + squares_of_model(S, CX * columns, gram, 0.0)
    C *= (rows[:, None] * norm).astype(C.dtype)
    order = np.argsort(-np.diag(gram) * norm**2, kind="stable")
    return NMFFactorisation(
        C=np.ascontiguousarray(C[:, order]),
        S=(S / norm[:, None])[order],
        noise_variance=state.noise_variance * data.noise.mean_scale,
        relevance=(state.relevance / np.sqrt(state.noise_variance))[order],
        selection_history=selection_history,
        objective=objective,
        residual=max(float(residual), 0.0),
        sum_of_squares=squares,
        outcome=final,
        overlap_weight=method.orthogonality,
        noise_model=data.noise,
        abundance_model=model.take(order),
    )
