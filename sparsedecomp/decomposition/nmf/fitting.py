"""Compress once, iterate small, finish exactly: the course of a penalised fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.initialisation import initial_spectra, inits
from sparsedecomp.decomposition.nmf.clipping import (
    clipped_abundances,
    descend_clipped,
    sample_of,
)
from sparsedecomp.decomposition.nmf.descent import (
    Settings,
    View,
    best_of,
    coupling,
    descend,
    squares_of_model,
    step,
)
from sparsedecomp.decomposition.nmf.relevance import initial_state, select
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.noise.scree import noise_edge
from sparsedecomp.noise.weights import weigh

# Directions kept beyond the components: the range finder's last ones are poor.
OVERSAMPLING = 10
# Pixels that the search for the number of components looks at.
SEARCH_PIXELS = 2**16
WARM_UP = 10
# Gain of a step that ends the search, relative to what a component must gain.
SEARCH_GAIN = 1e-3
# Iterations on all pixels when the spectra were found on some of them.
MORE_ITERATIONS = 30
# Soft orthogonality before the last descent, relative to what is asked for.
FIRMER = 30
FIRM_ITERATIONS = 300
FINISHING_PASSES = 2
# Upper bound on the components that relevance chooses from when none is given.
MOST_COMPONENTS = 20
SPARE = 4


@dataclass(frozen=True)
class Solution:
    """A factorisation in the units of the data, strongest component first."""

    C: np.ndarray
    S: np.ndarray
    noise_variance: float
    relevance: np.ndarray
    history: list
    selection_history: list
    objective: float
    residual: float
    sum_of_squares: float
    converged: bool
    stopped: bool
    interrupted: bool
    overlap_weight: float
    noise_model: str
    clipped: bool
    abundance_model: AbundanceModel
    column_scale: np.ndarray
    scale: np.ndarray
    mean_row_sum: float | None


@dataclass(frozen=True)
class Request:
    """What a fit is asked for.

    Attributes
    ----------
    n_components : int or None
        None lets relevance choose its own upper bound.
    relevance : bool
        Whether components have to prove that they are needed.
    orthogonality, init, n_init, max_iter, tol, compression, noise, clipping
        As in `sparsedecomp.decomposition.NMFSOARD`.
    generator : numpy.random.Generator
    watch : callable
        ``watch(start, objective, n_components)``; True ends the fit early.
    """

    n_components: int | None
    relevance: bool
    orthogonality: float
    init: str
    n_init: int
    max_iter: int
    tol: float
    compression: str | int | None
    noise: str
    clipping: str | bool
    generator: np.random.Generator
    watch: object

    @property
    def rank(self):
        """Directions to compress to."""
        rank = (self.n_components or MOST_COMPONENTS) + OVERSAMPLING
        return (
            max(self.compression, rank) if isinstance(self.compression, int) else rank
        )


def views(data, compression):
    """The data as they are, and what the iterations run on."""
    low = data.low_rank
    squares = low.summary.sum_of_squares
    if squares == 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    exact = View(data.blocks, None, squares)
    if compression is None:
        return exact, exact
    return exact, View(as_blocks(low.scores), low.basis, squares)


def fit_penalised(blocks, request):
    """Fit NMF with soft orthogonality, with or without automatic relevance.

    Parameters
    ----------
    blocks : BlockMatrix
    request : Request

    Returns
    -------
    Solution
    """
    relevance, watch = request.relevance, request.watch
    data = weigh(
        blocks,
        request.rank,
        noise=request.noise,
        clipping=request.clipping,
        random_state=request.generator,
    )
    low = data.low_rank
    exact, view = views(data, request.compression)
    n_components = request.n_components or most_components(low)
    noise_variance = _noise_floor(low)
    # Per pixel, overlapping maps cost a few nats however strong the signal is.
    signal = low.summary.sum_of_squares / low.scores.shape[0]
    settings = Settings(
        orthogonality=request.orthogonality * noise_variance / signal,
        floor=float(np.sqrt(noise_variance)) if relevance else None,
        max_iter=request.max_iter,
        tol=request.tol,
    )
    looked_at = low.spread(SEARCH_PIXELS)
    search = _search_view(view, looked_at)
    searching = settings
    if relevance:
        # What the search finds is only where the last descent starts.
        price = settings.prior(search.n_pixels, search.n_channels).price
        searching = replace(settings, least_gain=SEARCH_GAIN * price)
    starts = partial(_starts, search, looked_at, request)
    best = best_of(
        _one_start(search, state, replace(searching, watch=partial(watch, number)))
        for number, state in enumerate(starts(n_components, noise_variance))
    )
    settings = replace(settings, watch=partial(watch, request.n_init - 1))
    final = best
    if relevance and not best.stopped:
        state = final.factors = _released(best.factors)
        if not state.under.any():
            # Now that the number is known, starts compete on even terms.
            rivals = starts(state.n_components, state.noise_variance)
            final = best_of(
                descend(search, rival, settings) for rival in chain([state], rivals)
            )
    if not final.stopped:
        state = final.factors
        if settings.orthogonality:
            # Along a valley of equal fits a descent creeps: enter it from the end
            # where the maps are apart.
            firm = replace(
                settings,
                orthogonality=FIRMER * settings.orthogonality,
                max_iter=min(FIRM_ITERATIONS, settings.max_iter),
            )
            state = descend(search, state, firm).factors
        final = descend(search, state, settings)
    if search is not view:
        final = _on_all_pixels(view, final, settings)
    if data.clipped and not final.stopped:
        final = _refine_clipped(data.blocks, final.factors, settings)
    return _finish(data, exact, final, best.history if relevance else [], settings)


def _noise_floor(low_rank):
    """Variance of the noise; noise-free data still have their rounding."""
    precision = np.finfo(low_rank.scores.dtype).eps
    size = len(low_rank.scores) * len(low_rank.basis)
    rounding = precision * low_rank.summary.sum_of_squares / size
    return max(low_rank.noise_variance, rounding)


def most_components(low_rank):
    """An upper bound on the components: those above the noise, and some to spare."""
    shape = len(low_rank.scores), len(low_rank.basis)
    edge = noise_edge(_noise_floor(low_rank), *shape)
    above = int(np.count_nonzero(np.square(low_rank.singular_values) > edge))
    return min(above + SPARE, MOST_COMPONENTS, *shape)


def _search_view(view, looked_at):
    """The view, or the pixels of it that are looked at when there are very many."""
    if view.n_pixels == len(looked_at.scores) or view.basis is None:
        return view
    squares = looked_at.summary.sum_of_squares
    return View(as_blocks(looked_at.scores), looked_at.basis, squares)


def _starts(view, looked_at, request, n_components, noise_variance):
    """States to start from, one after another."""
    for init in inits(request.init, request.n_init):
        S = initial_spectra(looked_at, n_components, init, request.generator)
        yield initial_state(view, S, noise_variance)


def _one_start(view, state, settings):
    prior = settings.prior(view.n_pixels, view.n_channels)
    if prior is None:
        return descend(view, state, settings)
    # Under the prior from the first step, a poor start would prune at random.
    warm = descend(view, state, replace(settings, floor=None, max_iter=WARM_UP))
    if warm.stopped:
        return warm
    state = warm.factors
    state.under = np.ones(state.n_components, bool)
    state.relevance = prior.relevance(state.C.sum(axis=0, dtype=float))
    return select(view, state, settings)


def _released(state):
    """The state with the prior left only where the data can stand up to it.

    The prior that chooses the components also pulls their spectra apart. It does not
    hold of a component that is everywhere, which is not what exponential abundances
    are (their spread is their mean), nor of one that shares more than half of its
    spectrum with another: the two can be exchanged at no cost, and the prior alone
    would say how. Where it does not hold of one it is taken off all of them, since
    what is free takes over from what is not.
    """
    C = state.C.astype(np.float64)
    sparse = C.std(axis=0) > C.mean(axis=0)
    shared = np.square(state.S @ state.S.T) - np.eye(state.n_components)
    holds = sparse.all() and shared.max() < 0.5
    return replace(state, under=np.full(state.n_components, holds))


def _on_all_pixels(view, found, settings):
    """Go on from the pixels that were searched to all of them."""
    state = found.factors
    gram = coupling(state.S, settings.orthogonality)
    # Settled first: the few sweeps of a step, from nothing, would spoil the spectra.
    (C,), _ = view.blocks.run(
        _settled_rows, shared=(view.project(state.S), gram, state.threshold)
    )
    brief = replace(settings, max_iter=MORE_ITERATIONS)
    more = descend(view, replace(state, C=C), brief)
    more.converged |= found.converged
    more.stopped |= found.stopped
    more.interrupted |= found.interrupted
    return more


def _refine_clipped(blocks, state, settings):
    sample, chosen = sample_of(blocks)
    return descend_clipped(sample, replace(state, C=state.C[chosen]), settings)


def _finish(data, exact, final, selection_history, settings):
    """A few exact passes over the data, and back to the units of the data."""
    state, objective = final.factors, final.objective
    if not data.clipped:
        for _ in range(FINISHING_PASSES):
            state, objective = step(exact, state, settings)
    model = AbundanceModel(
        S=state.S,
        gram=coupling(state.S, settings.orthogonality),
        threshold=state.threshold,
        sigma=float(np.sqrt(state.noise_variance)) if data.clipped else None,
    )
    C, gram, CX = model.solve(data.blocks, data.row_scale)
    # In the units of the data, with the norm of the spectra in the abundances.
    S = state.S * data.column_scale
    norm = np.linalg.norm(S, axis=1)
    squares = data.summary.sum_of_squares
    residual = squares + squares_of_model(S, CX * data.column_scale, gram, 0.0)
    C *= (data.row_scale[:, None] * norm).astype(C.dtype)
    order = np.argsort(-np.diag(gram) * norm**2, kind="stable")
    mean_variance = np.mean(data.row_scale**2) * np.mean(data.column_scale**2)
    return Solution(
        C=np.ascontiguousarray(C[:, order]),
        S=(S / norm[:, None])[order],
        noise_variance=state.noise_variance * mean_variance,
        relevance=(state.relevance / np.sqrt(state.noise_variance))[order],
        history=final.history,
        selection_history=selection_history,
        objective=objective,
        residual=max(float(residual), 0.0),
        sum_of_squares=squares,
        converged=final.converged,
        stopped=final.stopped,
        interrupted=final.interrupted,
        overlap_weight=settings.orthogonality,
        noise_model=data.noise_model,
        clipped=data.clipped,
        abundance_model=model.take(order),
        column_scale=data.column_scale,
        scale=norm[order],
        mean_row_sum=data.mean_row_sum,
    )


@dataclass(frozen=True)
class AbundanceModel:
    """What it takes to find the abundances of a pixel when the spectra are known.

    Attributes
    ----------
    S : (k, n_channels) array
    gram : (k, k) array
        Of the spectra, with the soft orthogonality.
    threshold : (k,) array
        l1 weight of every component.
    sigma : float or None
        Of noise that was clipped at zero, else None.
    """

    S: np.ndarray
    gram: np.ndarray
    threshold: np.ndarray
    sigma: float | None

    def take(self, order):
        """The model with its components in another order."""
        return AbundanceModel(
            self.S[order],
            self.gram[np.ix_(order, order)],
            self.threshold[order],
            self.sigma,
        )

    def solve(self, blocks, row_scale):
        """Abundances of every row of ``blocks``, in one pass.

        Returns
        -------
        C : (n_pixels, k) array
        gram, CX : arrays
            ``C' C`` and ``C' X`` with the rows of both multiplied by ``row_scale``.
        """
        (C,), (gram, CX) = blocks.run(_solve_rows, rows=(row_scale,), shared=(self,))
        return C, gram, CX


def _settled_rows(X, A, gram, threshold):
    C = np.zeros((X.shape[0], len(gram)), X.dtype)
    nonnegative_rows(C, X @ A.astype(X.dtype), gram, threshold, 1000, 1e-9)
    return (C,), ()


def _solve_rows(X, row_scale, model):
    if model.sigma is None:
        (C,), _ = _settled_rows(X, model.S.T, model.gram, model.threshold)
    else:
        C = clipped_abundances(X, model.S, model.gram, model.threshold, model.sigma)
    wide = C * row_scale[:, None]
    return (C,), (wide.T @ wide, (wide * row_scale[:, None]).T @ X)
