"""Numbers of atoms of each pixel, for given columns, noise and method.

Every function takes the coordinates Y of the spectra, (n_pixels, n), and returns the
weights w = N / R^2 with their standard deviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...kernels.coordinate import nonnegative_rows
from .hierarchical_prior import HierarchicalPrior
from .lasso import debias, lasso_path
from .mcmc import SupportSample, sample_supports
from .spike_and_slab import SpikeAndSlab

MAX_SWEEPS, TOL = 500, 1e-6
"""Bounds of the coordinate descent for non-negative weights: it converges linearly, and
a relative change of 1e-6 is far below the standard deviations."""

BURN_IN = 5
"""The first sweep in so many of a chain is discarded, as in `sample_supports`."""


class PixelWeights(NamedTuple):
    """Weights w = N / R^2 of pixels.

    Attributes
    ----------
    mean, std : (n_pixels, K) arrays
        Weights in 1/angstrom^2 and their standard deviations.
    inclusion : (n_pixels, K) array
        Probability that the column belongs to the support, or whether it does.
    variance : (n_pixels,) array
        Noise variance of the coordinates.
    log_evidence : (n_pixels,) array
        Log evidence; NaN where the method has none.
    samples : list of SupportSample or None
        Monte Carlo samples of each pixel.
    """

    mean: np.ndarray
    std: np.ndarray
    inclusion: np.ndarray
    variance: np.ndarray
    log_evidence: np.ndarray
    samples: list[SupportSample] | None = None


def fit_fixed(
    Y: np.ndarray,
    columns: np.ndarray,
    noise: float | np.ndarray,
    density: float,
    prior: HierarchicalPrior | None = None,
) -> PixelWeights:
    """Most probable non-negative weights on a support that all pixels share.

    Parameters
    ----------
    Y : (n_pixels, n) array
        Coordinates of the spectra.
    columns : (K, n) array
        Coordinates of one atom times R^2.
    noise : float or (n, n) array
        Noise variance, or covariance with the errors of the theory.
    density : float
        Standard deviation of the independent normal prior of the weights, in
        1/angstrom^2.
    prior : HierarchicalPrior, optional
        Prior estimated from all pixels, which replaces the independent one.

    Returns
    -------
    PixelWeights
        Weights of each pixel.
    """
    n = Y.shape[1]
    covariance = np.asarray(noise) * (np.eye(n) if np.ndim(noise) == 0 else 1.0)
    if prior is None:
        weighted = np.linalg.solve(covariance, columns.T).T
        A = weighted @ columns.T + np.eye(len(columns)) / density**2
        W = np.linalg.solve(A, weighted @ Y.T).T
        std = np.tile(np.sqrt(np.diag(np.linalg.inv(A))), (len(Y), 1))
    else:
        W, std = prior.posterior(Y)
        A = prior.precision
    F, W = W @ A, np.maximum(W, 0)
    nonnegative_rows(W, F, A, np.zeros(len(columns)), MAX_SWEEPS, TOL)
    C = covariance + density**2 * columns.T @ columns
    log_evidence = -0.5 * (
        np.sum(np.linalg.solve(C, Y.T) * Y.T, axis=0)
        + np.linalg.slogdet(2 * np.pi * C)[1]
    )
    return PixelWeights(W, std, W > 0, _residual(Y, W, columns), log_evidence)


def fit_greedy(
    Y: np.ndarray, problem: SpikeAndSlab, variances: np.ndarray, max_size: int
) -> PixelWeights:
    """Weights on each pixel's own support, by greedy search of the exact evidence."""
    variances = np.broadcast_to(variances, (len(Y), len(variances)))
    W, std, log_evidence, variance = problem.greedy(Y, variances, max_size=max_size)
    return PixelWeights(W, std, W > 0, variance, log_evidence)


def fit_lasso(
    Y: np.ndarray, problem: SpikeAndSlab, ratios: np.ndarray, floor: float
) -> PixelWeights:
    """Debiased weights of the Lasso at the last of decreasing penalties."""
    weights, _ = lasso_path(problem, Y, ratios, store=len(ratios) - 1, floor=floor)
    W = debias(problem, Y, weights[0])
    variance = _residual(Y, W, problem.columns)
    std = np.zeros_like(W)
    for w, v, out in zip(W, variance, std, strict=True):
        used = np.flatnonzero(w)
        inverse = np.linalg.pinv(problem.gram[np.ix_(used, used)])
        out[used] = np.sqrt(v * np.diag(inverse))
    return PixelWeights(W, std, W > 0, variance, np.full(len(Y), np.nan))


def fit_samples(
    Y: np.ndarray,
    problem: SpikeAndSlab,
    variances: Sequence[float] | np.ndarray,
    max_size: int,
    n_sweeps: int,
    random_state: int | np.random.Generator | None,
) -> PixelWeights:
    """Posterior means over supports, weights and noise, by Monte Carlo."""
    random = np.random.default_rng(random_state)
    samples = [
        sample_supports(
            problem,
            y,
            variances,
            n_sweeps=n_sweeps,
            max_size=max_size,
            random_state=random,
        )
        for y in Y
    ]
    inclusion = np.array([sample.inclusion for sample in samples])
    weights = np.array([sample.weights for sample in samples])
    std = np.array([sample.spread for sample in samples])
    W = inclusion * weights
    variance = inclusion * (std**2 + weights**2) - W**2
    kept = [sample.log_variance[n_sweeps // BURN_IN :] for sample in samples]
    return PixelWeights(
        W,
        np.sqrt(np.maximum(variance, 0)),
        inclusion,
        np.exp([np.mean(values) for values in kept]),
        np.array([sample.log_evidence.max() for sample in samples]),
        samples,
    )


def _residual(Y: np.ndarray, W: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Residual sum of squares over the residual degrees of freedom, per pixel."""
    n_used = np.count_nonzero(W, axis=1)
    squares = np.sum((Y - W @ columns) ** 2, axis=1)
    return squares / np.maximum(Y.shape[1] - n_used, 1)
