"""Warnings of models that fit the entries of a tensor and tell nothing about it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor

# Two components cancel where the product of the cosines of their factors is below this;
# as a descent goes on it approaches -1 and their norms grow without bound (Krijnen,
# Dijkstra and Stegeman, Psychometrika 73 (2008) 431).
_CANCEL = -0.7
# Filled entries whose root mean square is this many times that of the measured ones.
_LARGER = 5.0


def warn_of_doubts(
    data: CompressedTensor,
    scaled: Sequence[NDArray],
    factors: Sequence[NDArray],
    weights: NDArray,
) -> None:
    """Warn of components that cancel and of missing entries that are not determined.

    Parameters
    ----------
    data : CompressedTensor
        The data.
    scaled : sequence of (n_m, k) arrays
        Factors of the scaled data.
    factors : sequence of (n_m, k) arrays
        Factors of unit norm.
    weights : (k,) array
        Norms of the components.
    """
    _warn_of_cancelling(factors, weights)
    if data.missing is not None:
        _warn_of_unknown_entries(data, scaled)


def _warn_of_cancelling(factors, weights):
    """Warn of two components that nearly cancel: a degenerate CPD."""
    cosines = np.prod([np.asarray(f, float).T @ f for f in factors], axis=0)
    i, j = np.unravel_index(np.argmin(cosines), cosines.shape)
    if not cosines[i, j] < _CANCEL:
        return
    pair = weights[[i, j]]
    sum_norm = np.sqrt(pair @ pair + 2 * np.prod(pair) * cosines[i, j])
    warnings.warn(
        f"Components {min(i, j)} and {max(i, j)} nearly cancel (product of their "
        f"cosines {cosines[i, j]:.2f}; each is {pair.max() / sum_norm:.3g} times their "
        "sum): the CPD is degenerate and its factors are no physical components. Take "
        "fewer components, nonnegative=True, or Tucker.",
        UserWarning,
        stacklevel=5,
    )


def _warn_of_unknown_entries(data, factors):
    """Warn of missing entries that the model fills with far too large values."""
    loadings = data.folding.products(factors[:-1], data.blocks.rows)
    filled = data.missing.entries(loadings, factors[-1])
    measured = data.sum_of_squares / max(data.n_entries, 1)
    ratio = np.sqrt(np.mean(np.square(filled)) / measured) if measured > 0 else 0.0
    if ratio > _LARGER:
        warnings.warn(
            f"The {len(filled)} missing entries are not determined: the model fills "
            f"them with values {ratio:.3g} times as large as the measured ones "
            "(root mean squares). Take fewer components or nonnegative=True.",
            UserWarning,
            stacklevel=5,
        )
