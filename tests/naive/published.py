"""The published update rules, step by step, with dense residuals.

The rules of Shiga et al., Ultramicroscopy 170 (2016) 43, as their authors' scripts
carry them out. ``X`` is (n_pixels, n_channels), ``C`` (n_pixels, k) and ``S``
(n_channels, k), with ``X ~ C S'`` as in the paper.
"""

import math

import numpy as np

# Shape of the inverse gamma distribution of the relevances, the scripts' default.
ALPHA = 1 + 1e-15


def nmf_so_step(X, C, S, orthogonality):
    """One iteration of NMF-SO: all spectra, then all maps, which have unit norm."""
    C, S = C.copy(), S.copy()
    k = C.shape[1]
    for j in range(k):
        residual = X - sum(np.outer(C[:, m], S[:, m]) for m in range(k) if m != j)
        S[:, j] = np.maximum(residual.T @ C[:, j], 0)
    for j in range(k):
        residual = X - sum(np.outer(C[:, m], S[:, m]) for m in range(k) if m != j)
        c = cleared(residual @ S[:, j], C, j, orthogonality)
        C[:, j] = np.maximum(c, 0) / np.linalg.norm(np.maximum(c, 0))
    return C, S


def cleared(c, C, j, orthogonality):
    """``c`` less a part of its projection on the sum of the other maps."""
    others = C.sum(axis=1) - C[:, j]
    return c - orthogonality * (others @ c) / (others @ others) * others


def nmf_ard_so_step(X, C, S, relevance, noise, orthogonality):
    """One iteration of NMF-ARD-SO without merging; spectra have unit norm."""
    C, S = C.copy(), S.copy()
    n, k = C.shape
    for j in range(k):
        residual = X - sum(np.outer(C[:, m], S[:, m]) for m in range(k) if m != j)
        s = np.maximum(residual.T @ C[:, j], 0)
        S[:, j] = s / np.linalg.norm(s)
    for j in range(k):
        residual = X - sum(np.outer(C[:, m], S[:, m]) for m in range(k) if m != j)
        c = residual @ S[:, j] - noise / relevance[j]
        C[:, j] = np.maximum(cleared(c, C, j, orthogonality), 0)
    relevance = (C.sum(axis=0) + scale_of_prior(X, k)) / (n + ALPHA + 1)
    return C, S, relevance, np.mean((X - C @ S.T) ** 2)


def scale_of_prior(X, k):
    """``beta``, which gives the prior the mean of X."""
    return X.mean() * (ALPHA - 1) * math.sqrt(X.shape[1]) / k


def negative_log_likelihood(X, C, relevance, noise):
    """What NMF-ARD-SO reports: noise, exponential abundances, inverse gamma means."""
    n, k = C.shape
    beta = scale_of_prior(X, k)
    fit = X.size / 2 * (math.log(2 * math.pi * noise) + 1)
    prior = (C.sum(axis=0) + beta) / relevance + (n + ALPHA + 1) * np.log(relevance)
    return fit + prior.sum() + k * (math.lgamma(ALPHA) - ALPHA * math.log(beta))
