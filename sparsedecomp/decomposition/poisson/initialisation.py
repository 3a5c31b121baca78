"""Where a Poisson factorisation starts: weighted least squares, few channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.iterate import iterate
from sparsedecomp.decomposition.nmf.fit import SEARCH_GAIN, search_components
from sparsedecomp.decomposition.nmf.model import (
    CompressedMatrix,
    PenalisedNMF,
    initial_state,
)
from sparsedecomp.decomposition.poisson.counts import Counts, group_channels
from sparsedecomp.noise.scree import noise_edge

MOST_COMPONENTS = 20
SPARE = 4
# Many iterations of least squares share one component out between two.
START_ITERATIONS = 5
# The search for the number of components is that of `NMFSOARD`, with its soft
# orthogonality in nats per pixel.
SEARCH_ORTHOGONALITY = 6.0
SEARCH_ITERATIONS = 150
SEARCH_TOL = 1e-8
# Channels are put together to so many groups for each component.
GROUPS = 20


def most_components(picture, shape):
    """An upper bound on the components: those above the noise, and some to spare."""
    low, _, _, squares = picture
    rank = len(low.singular_values)
    left = max(squares - np.square(low.singular_values).sum(), 0.0)
    variance = left / max((shape[0] - rank) * (shape[1] - rank), 1)
    above = np.square(low.singular_values) > noise_edge(variance, *shape)
    return min(int(above.sum()) + SPARE, MOST_COMPONENTS, *shape)


def least_squares(picture, k, init, generator, relevance):
    """Abundances and spectra that fit the weighted counts by least squares.

    With relevance as many as `NMFSOARD` finds, else ``k``.
    """
    low, row_scale, column_scale, squares = picture
    n, m = len(low.scores), len(low.basis)
    left = max(squares - np.square(low.singular_values).sum(), 0.0)
    variance = max(left / (n * m), np.finfo(np.float32).eps * squares / (n * m))
    S = initial_spectra(low, k, init, generator)
    matrix = CompressedMatrix(as_blocks(low.scores), low.basis, squares)
    state = initial_state(matrix, S, variance)
    if relevance:
        found = _search(matrix, state, variance * n / squares)
        k = found.state.n_components
    else:
        method = PenalisedNMF(matrix)
        found = iterate(method, state, START_ITERATIONS, keep_start=False)
    C, S = found.state.C, found.state.S
    if len(S) < k:
        # What least squares emptied comes back as the mean, to be told apart again.
        mean = np.tile(C.sum(axis=0) @ S, (k - len(S), 1))
        mean *= generator.uniform(0.5, 1.5, mean.shape)
        S = np.vstack([S, mean / np.linalg.norm(mean, axis=1, keepdims=True)])
        C = np.hstack([C, np.tile(C.mean(axis=1, keepdims=True), (1, k - C.shape[1]))])
    return C * row_scale[:, None], S * column_scale, found.interrupted


def _search(matrix, state, unit):
    """As many components as rise above the noise; ``unit`` is one nat of overlap."""
    method = PenalisedNMF(
        matrix,
        orthogonality=SEARCH_ORTHOGONALITY * unit,
        least_relevance=float(np.sqrt(state.noise_variance)),
        tol=SEARCH_TOL,
    )
    least_decrease = SEARCH_GAIN * method.prior.component_cost
    method = replace(method, least_decrease=least_decrease)
    found = search_components(method, state, SEARCH_ITERATIONS)
    if found.stopped:
        return found
    method = replace(method, least_relevance=None)
    return iterate(method, found.state, SEARCH_ITERATIONS)


def grouped(X, S):
    """Groups of channels, see `group_channels`, and the counts in them."""
    weight = X.sum(axis=0, dtype=float)
    group = group_channels(S, weight, GROUPS * len(S))
    size = group.max() + 1
    ones = np.ones(len(group), X.dtype)
    together = scipy.sparse.csr_array(
        (ones, (np.arange(len(group)), group)), shape=(len(group), size)
    )
    return group, Counts((X @ together).tocsr(), np.float32)


def sums_of_groups(S, group):
    """Spectra added up over the channels of every group."""
    return np.array([np.bincount(group, row) for row in S])
