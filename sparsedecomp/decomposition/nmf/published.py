"""The published update rules of NMF-SO and NMF-ARD-SO, with their defects put right.

The rules are those of Shiga et al. [1]_ as their authors' scripts carry them out: one
component after another by hierarchical alternating least squares, the abundances of a
component cleared of a part ``w`` of their projection on the sum of all other maps. This
projection is no step of any objective, so the residual may rise on the way, and the
fixed point minimises nothing; use it to compare with published results.

What differs from the scripts:

1. Abundances start at the scale of the data, and the fit ends when spectra and maps
   stand still relative to their size: the result does not depend on the unit of X.
2. The components and their order belong to the best start, not to the last one.
3. A component without abundance does not count in the objective, and relevances enter
   it relative to the noise; so starts that end with different numbers of components can
   be compared.
4. Where all other maps are zero nothing is projected out (the scripts divide 0 by 0).
5. Two components of nearly the same spectrum (cosine 0.99) merge only if noise could
   explain their difference, and the spectrum of the sum is weighted by intensity.
   With the cosine alone, data with a common background end as one component.
6. Residuals come from Gram matrices instead of dense products.

References
----------
.. [1] M. Shiga et al., Ultramicroscopy 170 (2016) 43.
   https://doi.org/10.1016/j.ultramic.2016.08.006
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sparsedecomp.blocks.compression import gram_of
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.nmf.descent import interruptible
from sparsedecomp.decomposition.nmf.fitting import (
    AbundanceModel,
    Solution,
    most_components,
    views,
)
from sparsedecomp.noise.scree import noise_edge
from sparsedecomp.noise.weights import weigh

ALIKE = 0.99
MERGE_AFTER = 3
EXACT_ITERATIONS = 10


@dataclass
class _State:
    C: np.ndarray
    S: np.ndarray
    noise_variance: float
    relevance: np.ndarray | None
    history: list = field(default_factory=list)
    converged: bool = False
    stopped: bool = False
    interrupted: bool = False

    @property
    def objective(self):
        """The last objective."""
        return self.history[-1] if self.history else np.inf


def fit_published(blocks, request):
    """Fit by the published rules; parameters and result are those of `fit_penalised`.

    The orthogonality is the removed fraction of the projection, 0 to 1; noise "auto"
    means "uniform" here, and clipping is not looked at.
    """
    data = weigh(
        blocks,
        request.rank,
        noise="uniform" if request.noise == "auto" else request.noise,
        clipping=False,
        random_state=request.generator,
    )
    low = data.low_rank
    exact, view = views(data, request.compression)
    n_components = request.n_components or most_components(low)
    init = "random" if request.init == "auto" else request.init
    begin, update = _start_plain, _update_plain
    if request.relevance:
        begin, update = _start_relevant, _update_relevant
    update = partial(update, orthogonality=request.orthogonality)
    best = None
    for number in range(request.n_init):
        S = initial_spectra(low, n_components, init, request.generator)
        found = _iterate(
            view,
            begin(view, S, request.generator),
            update,
            request,
            partial(request.watch, number),
        )
        if best is None or found.objective < best.objective:
            best = found
        if found.stopped:
            best.stopped, best.interrupted = True, found.interrupted
            break
    if view is not exact and not best.stopped:
        # The compression is taken out again by iterating on the data themselves.
        for _ in range(EXACT_ITERATIONS):
            update(exact, best)
    return _solution(data, best)


def _cleared(c, others, orthogonality):
    """The abundances without a part of their projection on the other maps."""
    size = others @ others
    return c - orthogonality * (others @ c) / size * others if size > 0 else c


def _without(F, gram, factors, j):
    """``F_j - sum over k != j of gram_jk factors_k``, factors in columns."""
    return F[:, j] - factors @ gram[j] + gram[j, j] * factors[:, j]


def _residual(view, C, S, XS):
    cross = 2 * np.sum(C * XS, dtype=np.float64)
    return view.sum_of_squares - cross + np.sum(gram_of(C) * (S @ S.T))


def _update_plain(view, state, orthogonality):
    """One sweep of NMF-SO: maps of unit norm, the scale in the spectra."""
    C, S = state.C, state.S
    gram = gram_of(C)
    XC = view.expand(view.blocks.rmatmul(C).T).T
    for j in range(len(S)):
        S[j] = np.maximum(_without(XC, gram, S.T, j), 0.0)
    gram = S @ S.T
    XS = view.blocks.matmul(view.project(S))
    total = C.sum(axis=1)
    for j in range(len(S)):
        total -= C[:, j]
        c = _cleared(_without(XS, gram, C, j), total, orthogonality)
        c = np.maximum(c, 0.0)
        norm = np.linalg.norm(c)
        C[:, j] = c / norm if norm > 0 else 0.0
        total += C[:, j]
    state.noise_variance = _residual(view, C, S, XS) / view.size
    return state.noise_variance


def _start_plain(view, S, generator):
    # The published start: maps that are all alike, spectra of random pixels.
    n = view.n_pixels
    C = np.full((n, len(S)), 1 / np.sqrt(n), view.blocks.dtype)
    return _State(C, S * np.sqrt(view.sum_of_squares / len(S)), 0.0, None)


def _update_relevant(view, state, orthogonality):
    """One sweep of NMF-ARD-SO: spectra of unit norm, the scale in the maps."""
    C, S = state.C, state.S
    gram = gram_of(C)
    XC = view.expand(view.blocks.rmatmul(C).T).T
    for j in range(len(S)):
        s = np.maximum(_without(XC, gram, S.T, j), 0.0)
        norm = np.linalg.norm(s)
        S[j] = s / norm if norm > 0 else 1 / np.sqrt(len(s))
    gram = S @ S.T
    XS = view.blocks.matmul(view.project(S))
    total = C.sum(axis=1)
    for j in range(len(S)):
        total -= C[:, j]
        c = _without(XS, gram, C, j) - state.noise_variance / state.relevance[j]
        C[:, j] = np.maximum(_cleared(c, total, orthogonality), 0.0)
        total += C[:, j]
    _merge(view, state, XS)
    n = view.n_pixels
    state.noise_variance = _residual(view, state.C, state.S, XS) / view.size
    totals = state.C.sum(axis=0, dtype=np.float64)
    alive = np.flatnonzero(totals > 0)
    if alive.size < len(totals):
        state.C = np.ascontiguousarray(state.C[:, alive])
        state.S, totals = state.S[alive], totals[alive]
    state.relevance = totals / (n + 2.0)
    ratio = state.relevance / np.sqrt(state.noise_variance)
    return 0.5 * view.size * np.log(state.noise_variance) + n * np.log(ratio).sum()


def _merge(view, state, XS):
    """Put two components of one spectrum together if noise explains the difference."""
    if len(state.history) < MERGE_AFTER:
        return
    C, S = state.C, state.S
    edge = noise_edge(state.noise_variance, view.n_pixels, view.n_channels)
    gram = gram_of(C)
    cosine = S @ S.T
    for i in range(len(S)):
        for j in range(i + 1, len(S)):
            if cosine[i, j] < ALIKE or not (gram[i, i] and gram[j, j]):
                continue
            pair = gram[np.ix_([i, j], [i, j])] @ cosine[np.ix_([i, j], [i, j])]
            if np.linalg.eigvals(pair).real.min() > edge:
                continue
            weight = C[:, [i, j]].sum(axis=0, dtype=np.float64)
            s = weight @ S[[i, j]]
            S[i] = s / np.linalg.norm(s)
            C[:, i] += C[:, j]
            C[:, j] = 0.0
            XS[:, [i]] = view.blocks.matmul(view.project(S[[i]]))
            gram, cosine = gram_of(C), S @ S.T


def _start_relevant(view, S, generator):
    k, n = len(S), view.n_pixels
    size = np.sqrt(view.sum_of_squares / n)
    C = ((generator.random((n, k)) + 1) * size / k).astype(view.blocks.dtype)
    state = _State(C, S, 0.0, C.sum(axis=0, dtype=np.float64) / (n + 2.0))
    XS = view.blocks.matmul(view.project(S))
    state.noise_variance = _residual(view, C, S, XS) / view.size
    return state


def _iterate(view, state, update, request, watch):
    with interruptible(state):
        for _ in range(request.max_iter):
            before = state.S.copy()
            objective = update(view, state)
            state.history.append(objective)
            if watch(objective, len(state.S)):
                state.stopped = True
                break
            if state.S.shape == before.shape:
                moved = np.linalg.norm(state.S - before)
                if moved <= request.tol * np.linalg.norm(before):
                    state.converged = True
                    break
    return state


def _solution(data, state):
    S = state.S * data.column_scale
    norm = np.linalg.norm(S, axis=1)
    alive = np.flatnonzero(norm > 0)
    S, norm = S[alive], norm[alive]
    C = state.C[:, alive] * (data.row_scale[:, None] * norm).astype(state.C.dtype)
    S = S / norm[:, None]
    gram = gram_of(C)
    order = np.argsort(-np.diag(gram), kind="stable")
    C, S, gram = np.ascontiguousarray(C[:, order]), S[order], gram[np.ix_(order, order)]
    inner = state.S[alive][order]
    scaled = inner / np.linalg.norm(inner, axis=1, keepdims=True)
    mean_variance = np.mean(data.row_scale**2) * np.mean(data.column_scale**2)
    residual = state.noise_variance * data.blocks.shape[0] * data.blocks.shape[1]
    relevance = state.relevance
    if relevance is not None:
        relevance = (relevance / np.sqrt(state.noise_variance))[alive][order]
    return Solution(
        C=C,
        S=S,
        noise_variance=state.noise_variance * mean_variance,
        relevance=relevance,
        history=state.history,
        selection_history=[],
        objective=state.objective,
        residual=max(residual, 0.0),
        sum_of_squares=data.low_rank.summary.sum_of_squares,
        converged=state.converged,
        stopped=state.stopped,
        interrupted=state.interrupted,
        overlap_weight=0.0,
        noise_model=data.noise_model,
        clipped=False,
        abundance_model=AbundanceModel(
            scaled, scaled @ scaled.T, np.zeros(len(scaled)), None
        ),
        column_scale=data.column_scale,
        scale=np.linalg.norm(scaled * data.column_scale, axis=1),
        mean_row_sum=data.mean_row_sum,
    )
