"""Factors of a canonical polyadic model: norms, signs, order, diagnostics."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def normalised(factors):
    """Unit-norm factors, the weight of every component, the heaviest first.

    Signs are chosen so that every factor but the first sums to something positive;
    what they leave is the sign of the first.

    Parameters
    ----------
    factors : sequence of (n_m, k) arrays

    Returns
    -------
    weights : (k,) float64 array
    factors : list of (n_m, k) float64 arrays
        Components that are zero have weight zero and come last.
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


def congruences(one, other):
    """Product over the modes of the cosines between all pairs of components.

    Parameters
    ----------
    one, other : sequences of (n_m, k) arrays

    Returns
    -------
    (k, k2) array
        Tucker's congruence, -1 to 1.
    """
    product = 1.0
    for a, b in zip(one, other, strict=True):
        norms = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
        product = product * (a.T @ b) / np.where(norms > 0, norms, np.inf)
    return product


def congruence(one, other):
    """Mean congruence of components that are matched one to one.

    Parameters
    ----------
    one, other : sequences of (n_m, k) arrays

    Returns
    -------
    float
        1 for the same model.
    """
    product = np.abs(congruences(one, other))
    rows, columns = linear_sum_assignment(-product)
    return float(product[rows, columns].sum() / max(product.shape))


def core_consistency(core, factors):
    """How superdiagonal the core is that fits best between fixed factors [1]_.

    Parameters
    ----------
    core : (r_1, ..., r_M) array
        The data in orthonormal bases of their modes.
    factors : sequence of (r_m, k) arrays
        In the same bases.

    Returns
    -------
    float
        Per cent. Near 100 for a model that is trilinear and not too large, far below
        when components share what one would explain.

    References
    ----------
    .. [1] R. Bro and H. A. L. Kiers, J. Chemom. 17 (2003) 274.
       https://doi.org/10.1002/cem.801
    """
    k = factors[0].shape[1]
    fitted = np.asarray(core, float)
    for mode, factor in enumerate(factors):
        inverse = np.linalg.pinv(factor)
        fitted = np.moveaxis(np.tensordot(inverse, fitted, axes=(1, mode)), 0, mode)
    ideal = np.zeros_like(fitted)
    ideal[(np.arange(k),) * fitted.ndim] = 1.0
    # The weights are in the factors, so that the ideal core is one on its diagonal.
    return float(100 * (1 - np.square(fitted - ideal).sum() / k))


def kruskal_bound(shape, k):
    """Whether Kruskal's condition for uniqueness can hold for ``k`` components.

    ``sum_m k_m >= 2 k + M - 1`` with the largest Kruskal ranks ``min(n_m, k)`` that
    the modes allow [1]_.

    Parameters
    ----------
    shape : sequence of int
        Sizes of all modes.
    k : int

    Returns
    -------
    bool

    References
    ----------
    .. [1] N. D. Sidiropoulos and R. Bro, J. Chemom. 14 (2000) 229.
    """
    return sum(min(n, k) for n in shape) >= 2 * k + len(shape) - 1
