"""How many components there are: automatic relevance, and a test against the noise.

Descent under the prior prunes what it can, but many components may share one place
between them, each of them relevant. So components are taken out one by one: the one
that the others make up best, and the descent goes on without it. Pure noise of variance
``s2`` in ``N`` pixels and ``M`` channels gives one more component at most
``s2 (sqrt N + sqrt M)^2`` to explain (the edge of Marchenko and Pastur); a component
that explains less than this is not kept.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import scipy.optimize

from sparsedecomp.blocks.compression import gram_of
from sparsedecomp.decomposition.nmf.descent import Factors, descend
from sparsedecomp.noise.scree import noise_edge

_logger = logging.getLogger(__name__)

SETTLE = 60


def select(view, state, settings):
    """Descend under the prior and take out components until each one is needed.

    Parameters
    ----------
    view, state, settings
        As in `sparsedecomp.decomposition.nmf.descent.descend`.

    Returns
    -------
    Descent
        With the history of the whole search, which never rises.
    """

    brief = replace(settings, max_iter=SETTLE)
    result = descend(view, state, settings)
    while result.factors.n_components > 1 and not result.stopped:
        full = result.factors
        edge = noise_edge(full.noise_variance, view.n_pixels, view.n_channels)
        fewer = descend(view, cheapest_reduction(full), brief)
        if fewer.stopped:
            result.stopped, result.interrupted = True, fewer.interrupted
            break
        explained = view.size * (fewer.factors.noise_variance - full.noise_variance)
        if explained > edge or fewer.objective > result.objective:
            break
        _logger.debug(
            "%d components: one explains %.2f of the noise edge, taken out",
            full.n_components,
            explained / edge,
        )
        # Only what lies below the last objective belongs to one falling history.
        history = [j for j in fewer.history if j <= result.objective]
        fewer.history = result.history + history
        result = fewer
    if not result.stopped:
        last = descend(view, result.factors, settings)
        last.history = result.history + last.history
        result = last
    return result


def cheapest_reduction(state):
    """The state with one component less that describes the data nearly as well.

    It is shared out among the others in the proportions in which their spectra make
    up its own: duplicates merge, and a mixture goes back to its parts.
    """
    gram = gram_of(state.C)
    k = state.n_components
    best = (np.inf, None)
    for i in range(k):
        others = [j for j in range(k) if j != i]
        share, distance = scipy.optimize.nnls(state.S[others].T, state.S[i])
        cost = gram[i, i] * distance**2
        if cost < best[0]:
            best = cost, (i, others, share)
    i, others, share = best[1]
    reduced = state.take(others)
    reduced.C += state.C[:, [i]] * share.astype(state.C.dtype)
    reduced.relevance = reduced.relevance + state.relevance[i] * share
    return reduced


def initial_state(view, S, noise_variance):
    """Spectra to start from, with abundances of nothing and no prior yet."""
    k = len(S)
    return Factors(
        C=np.zeros((view.n_pixels, k), view.blocks.dtype),
        S=S,
        noise_variance=noise_variance,
        relevance=np.full(k, np.inf),
        under=np.zeros(k, bool),
    )
