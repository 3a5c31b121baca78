"""Number of components by automatic relevance determination and a noise test.

Descent under the prior removes components that have no abundance, but several
components may share one spectrum, each of them relevant. So components are removed one
by one: the one that the others replace best, after which the descent goes on without
it. Pure noise of variance ``s2`` in ``N`` pixels and ``M`` channels lets one more
component explain at most ``s2 (sqrt N + sqrt M)^2`` (the edge of Marchenko and Pastur);
a component that explains less than this is not kept.
"""

from __future__ import annotations

import logging

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from sparsedecomp.blocks.compression import gram_of
from sparsedecomp.decomposition.iterate import Outcome, iterate, keep_on_interrupt
from sparsedecomp.decomposition.nmf.model import NMFState, PenalisedNMF
from sparsedecomp.decomposition.progress import Monitor
from sparsedecomp.noise.scree import noise_edge

_logger = logging.getLogger(__name__)

# Upper bound on the iterations after a component has been removed.
REDUCED_ITERATIONS = 60


def select(
    method: PenalisedNMF,
    state: NMFState,
    max_iter: int,
    monitor: Monitor | None = None,
) -> Outcome[NMFState]:
    """Descend under the prior and remove components until each one is needed.

    Parameters
    ----------
    method : PenalisedNMF
        With a prior.
    state : NMFState
        Where to start.
    max_iter : int
        Upper bound on the iterations of the first and of the last descent.
    monitor : Monitor, optional
        As for `iterate`.

    Returns
    -------
    Outcome
        With the history of the whole search, which never rises.
    """
    matrix = method.matrix
    result = iterate(method, state, max_iter, monitor)
    while result.state.n_components > 1 and not result.stopped:
        with keep_on_interrupt(result):
            full = result.state
            edge = noise_edge(full.noise_variance, matrix.n_pixels, matrix.n_channels)
            start = cheapest_reduction(full)
            fewer = iterate(method, start, REDUCED_ITERATIONS, monitor)
            if fewer.stopped:
                result.stopped, result.interrupted = True, fewer.interrupted
                break
            variance = fewer.state.noise_variance
            explained = matrix.size * (variance - full.noise_variance)
            if explained > edge or fewer.objective > result.objective:
                break
            _logger.debug(
                "%d components: one explains %.2f of the noise edge and is removed",
                full.n_components,
                explained / edge,
            )
            # Keep the history falling: leave out what lies above the last objective.
            fewer.history = result.history + [
                objective
                for objective in fewer.history
                if objective <= result.objective
            ]
            result = fewer
    if not result.stopped:
        last = iterate(method, result.state, max_iter, monitor)
        last.history = result.history + last.history
        result = last
    return result


def cheapest_component(C: NDArray, S: NDArray) -> tuple[int, list[int], NDArray]:
    """The component that the others replace at the lowest cost.

    Parameters
    ----------
    C : (n_pixels, k) array
        Abundances.
    S : (k, n_channels) array
        Spectra.

    Returns
    -------
    index : int
        Number of the component.
    others : list of int
        The other components.
    share : (k - 1,) float64 array
        Non-negative combination of the spectra of the others nearest to its own.
    """
    gram = gram_of(C)
    k = len(S)
    least_cost = np.inf
    for i in range(k):
        others = [j for j in range(k) if j != i]
        share, distance = scipy.optimize.nnls(S[others].T, S[i])
        cost = gram[i, i] * distance**2
        if cost < least_cost:
            least_cost, cheapest = cost, (i, others, share)
    return cheapest


def cheapest_reduction(state: NMFState) -> NMFState:
    """The state with one component less that describes the data nearly as well.

    The abundance of the removed component goes to the others, in the proportions in
    which their spectra make up its own: duplicates merge, and a mixture is split into
    its parts.
    """
    i, others, share = cheapest_component(state.C, state.S)
    reduced = state.take(others)
    reduced.C += state.C[:, [i]] * share.astype(state.C.dtype)
    reduced.relevance = reduced.relevance + state.relevance[i] * share
    return reduced
