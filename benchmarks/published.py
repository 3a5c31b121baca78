"""The published update rules of NMF-SO and NMF-ARD-SO, in plain NumPy.

A transcription of the rules of Shiga et al. [1]_ as their authors' scripts carry them
out, equation by equation: the oracle that the library is compared with, in speed here
and in its results in the tests. It keeps what the scripts do (start, scaling, stopping
rule, a dense residual in every iteration) and is not meant for use. Only a division of
zero by zero, where all other maps are zero, is left out.

X is (N, E); maps C (N, K) and spectra S (E, K) as in the paper, so X ~ C S'.

References
----------
.. [1] M. Shiga et al., Ultramicroscopy 170 (2016) 43.
   https://doi.org/10.1016/j.ultramic.2016.08.006
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

MIN_ITER = 10
SAME_SPECTRUM = 0.99
MERGE_AFTER = 3
EPS = np.finfo(float).eps


class Result(NamedTuple):
    """Where the rules arrived.

    Attributes
    ----------
    C : (N, K) array
        Maps.
    S : (K, E) array
        Spectra, as rows.
    objective : list of float
        One for each iteration.
    relevance : (K,) array or None
        The lambda of NMF-ARD-SO.
    """

    C: np.ndarray
    S: np.ndarray
    objective: list
    relevance: np.ndarray | None = None


def nmf_so(X, n_components, *, wo=0.1, max_iter=100, tol=1e-10, seed=0, watch=None):
    """NMF with soft orthogonality of the maps, ||C_j|| = 1.

    Parameters
    ----------
    X : (N, E) array
    n_components : int
        K.
    wo : float, default 0.1
        Share of the projection on the sum of the other maps that is taken away.
    max_iter : int, default 100
    tol : float, default 1e-10
        Absolute change of the objective that ends the iterations.
    seed : int, default 0
        Of the random pixels that the spectra start from.
    watch : callable, optional
        ``watch(objective)`` after every iteration; True ends them.

    Returns
    -------
    Result
        The objective is ||X - C S'||^2 / (N E).
    """
    X = np.asarray(X, float)
    N, E = X.shape
    rng = np.random.default_rng(seed)
    C = np.ones((N, n_components)) / np.sqrt(N)
    S = X[rng.integers(N, size=n_components)].T.copy()
    cj = C.sum(axis=1)
    objective = []
    for iteration in range(max_iter):
        XC = X.T @ C
        CC = C.T @ C
        for j in range(n_components):
            S[:, j] = XC[:, j] - S @ CC[:, j] + CC[j, j] * S[:, j]
            S[:, j] = np.maximum(S[:, j], 0)

        XS = X @ S
        SS = S.T @ S
        for j in range(n_components):
            cj = cj - C[:, j]
            c = XS[:, j] - C @ SS[:, j] + SS[j, j] * C[:, j]
            c = _without_overlap(c, cj, wo)
            norm = np.linalg.norm(c)
            C[:, j] = c / norm if norm > 0 else 0
            cj = cj + C[:, j]

        objective.append(np.mean((X - C @ S.T) ** 2))
        if (watch and watch(objective[-1])) or _stands_still(objective, iteration, tol):
            break
    return Result(C, S.T, objective)


def nmf_ard_so(X, n_components, *, wo=0.1, max_iter=100, tol=1e-10, seed=0, watch=None):
    """NMF with automatic relevance determination and soft orthogonality, ||S_j|| = 1.

    Parameters
    ----------
    X, n_components, wo, max_iter, tol, seed, watch
        As in `nmf_so`; the number of components is an upper bound here.

    Returns
    -------
    Result
        With the components whose relevance is not zero. The objective is the negative
        log-likelihood, NE/2 ln(2 pi s2) + NE/2 plus the terms of the prior.
    """
    X = np.asarray(X, float)
    N, E = X.shape
    K = n_components
    rng = np.random.default_rng(seed)
    alpha = 1 + 1e-15
    beta = X.mean() * (alpha - 1) * np.sqrt(E) / K
    C = (rng.random((N, K)) + 1) * np.sqrt(X.mean() / K)
    S = X[rng.integers(N, size=K)].T.copy()
    S /= np.linalg.norm(S, axis=0)
    cj = C.sum(axis=1)
    lam = (C.sum(axis=0) + beta) / (E + alpha + 1)
    s2 = np.mean((X - C @ S.T) ** 2)
    objective = []
    for iteration in range(max_iter):
        XC = X.T @ C
        CC = C.T @ C
        for j in range(K):
            s = np.maximum(XC[:, j] - S @ CC[:, j] + CC[j, j] * S[:, j], 0)
            norm = np.linalg.norm(s)
            S[:, j] = s / norm if norm > 0 else 1 / np.sqrt(E)

        XS = X @ S
        SS = S.T @ S
        for j in range(K):
            cj = cj - C[:, j]
            c = XS[:, j] - C @ SS[:, j] + SS[j, j] * C[:, j] - s2 / lam[j]
            C[:, j] = _without_overlap(c, cj, wo)
            cj = cj + C[:, j]

        if iteration >= MERGE_AFTER:
            _merge(C, S)
        lam = (C.sum(axis=0) + beta) / (N + alpha + 1) + EPS
        s2 = np.mean((X - C @ S.T) ** 2)
        prior = (C.sum(axis=0) + beta) / lam + (N + alpha + 1) * np.log(lam)
        prior += gammaln(alpha) - alpha * np.log(beta)
        objective.append(0.5 * N * E * (np.log(2 * np.pi * s2) + 1) + prior.sum())
        if (watch and watch(objective[-1])) or _stands_still(objective, iteration, tol):
            break
    kept = C.sum(axis=0) > 0
    return Result(C[:, kept], S.T[kept], objective, lam[kept])


def _without_overlap(c, others, wo):
    """Take a share of the projection on the other maps away, and clip at zero."""
    size = others @ others
    if wo and size > 0:
        c = c - wo * (others @ c) / size * others
    return np.maximum(c, 0)


def _merge(C, S):
    """Give the maps of components with one spectrum to the first of them."""
    cosine = S.T @ S
    for i, j in zip(*np.triu_indices(len(cosine), 1), strict=True):
        if cosine[i, j] >= SAME_SPECTRUM:
            C[:, i] += C[:, j]
            C[:, j] = 0
            S[:, j] = 1 / np.sqrt(len(S))


def _stands_still(objective, iteration, tol):
    return iteration > MIN_ITER and abs(objective[-1] - objective[-2]) < tol
