"""Factors of a canonical polyadic model: norms, signs, order, diagnostics."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sparsedecomp.decomposition.tensor.unfolding import expanded


def normalised(factors: Sequence[NDArray]) -> tuple[NDArray, list[NDArray]]:
    """Normalise the factors and sort the components by their weights.

    Signs are chosen so that the columns of every factor but the first have a positive
    sum; the first factor takes the remaining sign.

    Parameters
    ----------
    factors : sequence of (n_m, k) arrays
        Factors of all modes.

    Returns
    -------
    weights : (k,) float64 array
        Product of the norms of every component, in descending order.
    factors : list of (n_m, k) float64 arrays
        Factors of unit norm. Components that are zero have weight zero and come last.
    """
    weights, units = np.ones(factors[0].shape[1]), []
    for factor in factors:
        norm = np.linalg.norm(factor, axis=0)
        weights = weights * norm
        units.append(factor / np.where(norm > 0, norm, 1.0))
    for unit in units[1:]:
        sign = np.where(unit.sum(axis=0) < 0, -1.0, 1.0)
        unit *= sign
        units[0] *= sign
    order = np.argsort(-weights, kind="stable")
    return weights[order], [unit[:, order] for unit in units]


def congruences(one: Sequence[NDArray], other: Sequence[NDArray]) -> NDArray:
    """Product over the modes of the cosines between all pairs of components.

    Parameters
    ----------
    one, other : sequences of (n_m, k) arrays
        Factors of two models of the same shape.

    Returns
    -------
    (k, k2) array
        Tucker's congruence, -1 to 1.
    """
    product = np.ones((one[0].shape[1], other[0].shape[1]))
    for a, b in zip(one, other, strict=True):
        norms = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
        product = product * (a.T @ b) / np.where(norms > 0, norms, np.inf)
    return product


def congruence(one: Sequence[NDArray], other: Sequence[NDArray]) -> float:
    """Mean congruence of components that are matched one to one.

    Parameters
    ----------
    one, other : sequences of (n_m, k) arrays
        Factors of two models of the same shape.

    Returns
    -------
    float
        1 for equal models.
    """
    product = np.abs(congruences(one, other))
    rows, columns = linear_sum_assignment(-product)
    return float(product[rows, columns].sum() / max(product.shape))


def core_consistency(core: NDArray, factors: Sequence[NDArray]) -> float:
    """How close the best core between fixed factors is to superdiagonal [1]_.

    Parameters
    ----------
    core : (r_1, ..., r_M) array
        Data in orthonormal bases of their modes.
    factors : sequence of (r_m, k) arrays
        Factors in the same bases.

    Returns
    -------
    float
        Core consistency in per cent. It is near 100 for multilinear data and not too
        many components, and far below when several components share what one of them
        would explain.

    References
    ----------
    .. [1] R. Bro and H. A. L. Kiers, J. Chemom. 17 (2003) 274.
       https://doi.org/10.1002/cem.801
    """
    k = factors[0].shape[1]
    inverses = [np.linalg.pinv(factor) for factor in factors]
    fitted = expanded(np.asarray(core, float), inverses)
    ideal = np.zeros_like(fitted)
    ideal[(np.arange(k),) * fitted.ndim] = 1.0
    # The weights are in the factors, so that the ideal core is one on its diagonal.
    return float(100 * (1 - np.square(fitted - ideal).sum() / k))


def kruskal_bound(shape: Sequence[int], k: int) -> bool:
    """Whether Kruskal's condition for uniqueness can hold for ``k`` components.

    ``sum_m k_m >= 2 k + M - 1`` with the largest Kruskal ranks ``min(n_m, k)`` that
    the modes allow [1]_.

    Parameters
    ----------
    shape : sequence of int
        Sizes of all modes.
    k : int
        Number of components.

    Returns
    -------
    bool

    References
    ----------
    .. [1] N. D. Sidiropoulos and R. Bro, J. Chemom. 14 (2000) 229.
    """
    return sum(min(n, k) for n in shape) >= 2 * k + len(shape) - 1


def check_rank(shape: tuple[int, ...], k: int) -> bool:
    """Check that a tensor is large enough for a number of components.

    Parameters
    ----------
    shape : tuple of int
        Sizes of all modes.
    k : int
        Number of components.

    Returns
    -------
    bool
        Whether Kruskal's condition can hold, see `kruskal_bound`; warns if not.

    Raises
    ------
    ValueError
        For so many components that they explain any data of this shape.
    """
    most = min(math.prod(shape) // n for n in shape)
    if k > most:
        raise ValueError(
            f"n_components = {k} was given for a tensor of the shape {shape}, "
            f"expected at most {most}: that many explain any data of this shape."
        )
    unique = kruskal_bound(shape, k)
    if len(shape) > 2 and not unique:
        warnings.warn(
            f"A tensor of the shape {shape} is too small for {k} components to be "
            "unique by Kruskal's condition. Take fewer, or do not rely on them.",
            stacklevel=3,
        )
    return unique
