"""Number of components by automatic relevance determination and a noise test.

Descent under the prior removes components without abundance, but several relevant
components may share one spectrum. Therefore components are removed one by one: the one
that the others replace best, followed by a descent without it. On pure noise of
variance ``s2`` in ``N`` pixels and ``M`` channels one more component explains at most
``s2 (sqrt N + sqrt M)^2`` (the edge of Marchenko and Pastur); a component that explains
less than this is not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from sparsedecomp.blocks.compression import gram_of
from sparsedecomp.decomposition.iterate import (
    Outcome,
    SpectraState,
    iterate,
    keep_on_interrupt,
)
from sparsedecomp.decomposition.nmf.model import NMFState, PenalisedNMF
from sparsedecomp.decomposition.progress import Monitor
from sparsedecomp.noise import noise_edge

_logger = logging.getLogger(__name__)

State = TypeVar("State", bound=SpectraState)

# Upper bound on the iterations after a component has been removed. With fewer, a
# component that the others could replace is kept because they have not adapted yet.
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

    def is_needed(full: Outcome[NMFState], fewer: Outcome[NMFState]) -> bool:
        before, after = full.state.noise_variance, fewer.state.noise_variance
        edge = noise_edge(before, matrix.n_pixels, matrix.n_channels)
        explained = matrix.size * (after - before)
        _logger.debug("One component explains %.2f of the noise edge", explained / edge)
        return explained > edge or fewer.objective > full.objective

    result = remove_components(
        iterate(method, state, max_iter, monitor),
        lambda full: iterate(
            method, cheapest_reduction(full), REDUCED_ITERATIONS, monitor
        ),
        is_needed,
    )
    if not result.stopped:
        last = iterate(method, result.state, max_iter, monitor)
        last.history = result.history + last.history
        result = last
    return result


def remove_components(
    outcome: Outcome[State],
    reduce: Callable[[State], Outcome[State]],
    is_needed: Callable[[Outcome[State], Outcome[State]], bool],
) -> Outcome[State]:
    """Remove components one by one as long as the removed one is not needed.

    Parameters
    ----------
    outcome : Outcome
        Result with all components.
    reduce : callable
        ``reduce(state)`` removes a component, descends again and returns the outcome.
    is_needed : callable
        ``is_needed(full, fewer)`` compares the outcomes with and without it.

    Returns
    -------
    Outcome
        Its history never rises: objectives above the last one before a component was
        removed are left out.
    """
    while outcome.state.n_components > 1 and not outcome.stopped:
        with keep_on_interrupt(outcome):
            fewer = reduce(outcome.state)
            outcome.stop_like(fewer)
            if outcome.stopped or is_needed(outcome, fewer):
                break
            fewer.history = outcome.history + [
                value for value in fewer.history if value <= outcome.objective
            ]
            outcome = fewer
    return outcome


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
