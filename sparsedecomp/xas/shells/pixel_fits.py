"""Numbers of atoms of each pixel, once columns and noise are known.

Every function returns, for pixels in rows, weights w = N / R^2 and their standard
deviations, whether (or how probably) each column is in the support, the noise variance
and the log evidence.
"""

import numpy as np

from ...kernels.coordinate import nonnegative_rows
from .lasso import debias, lasso_path
from .mcmc import sample_supports


def fit_fixed(columns, Y, variance, density, population=None):
    """Most probable non-negative weights on a support that all pixels share.

    Parameters
    ----------
    columns : (K, n) array
        Coordinates of one atom times R^2.
    Y : (n_pixels, n) array
        Coordinates of the spectra.
    variance : float
        Noise variance.
    density : float
        Prior standard deviation of the weights.
    population : HierarchicalPrior, optional
        What is known of the weights instead.

    Returns
    -------
    tuple of arrays
    """
    if population is None:
        A = columns @ columns.T / variance + np.eye(len(columns)) / density**2
        W = np.linalg.solve(A, columns @ Y.T / variance).T
        spread = np.tile(np.sqrt(np.diag(np.linalg.inv(A))), (len(Y), 1))
    else:
        W, spread = population.posterior(Y)
        A = population.precision
    F, W = W @ A, np.maximum(W, 0)
    nonnegative_rows(W, F, A, np.zeros(len(columns)), 500, 1e-6)
    n = Y.shape[1]
    C = variance * np.eye(n) + density**2 * columns.T @ columns
    evidence = -0.5 * (
        np.sum(np.linalg.solve(C, Y.T) * Y.T, axis=0)
        + np.linalg.slogdet(2 * np.pi * C)[1]
    )
    return W, spread, W > 0, _residual(Y, W, columns), evidence


def fit_greedy(problem, Y, levels, max_size):
    """A support of its own for each pixel, by greedy search of the exact evidence."""
    levels = np.broadcast_to(levels, (len(Y), len(levels)))
    W, spread, evidence, variance = problem.greedy(Y, levels, max_size=max_size)
    return W, spread, W > 0, variance, evidence


def fit_lasso(problem, Y, ratios, floor):
    """The Lasso at the last of falling penalties, without its shrinkage."""
    weights, _ = lasso_path(problem, Y, ratios, store=len(ratios) - 1, floor=floor)
    W = debias(problem, Y, weights[0])
    variance = _residual(Y, W, problem.columns)
    spread = np.zeros_like(W)
    for w, v, out in zip(W, variance, spread, strict=True):
        used = np.flatnonzero(w)
        inverse = np.linalg.pinv(problem.gram[np.ix_(used, used)])
        out[used] = np.sqrt(v * np.diag(inverse))
    return W, spread, W > 0, variance, np.full(len(Y), np.nan)


def fit_samples(problem, Y, levels, max_size, n_sweeps, random_state):
    """Posterior means over supports, weights and noise, and all the samples."""
    random = np.random.default_rng(random_state)
    samples = [
        sample_supports(
            problem,
            y,
            levels,
            n_sweeps=n_sweeps,
            max_size=max_size,
            random_state=random,
        )
        for y in Y
    ]
    inclusion = np.array([sample.inclusion for sample in samples])
    weights = np.array([sample.weights for sample in samples])
    spread = np.array([sample.spread for sample in samples])
    W = inclusion * weights
    variance = inclusion * (spread**2 + weights**2) - W**2
    kept = [sample.log_variance[n_sweeps // 5 :] for sample in samples]
    found = (
        W,
        np.sqrt(np.maximum(variance, 0)),
        inclusion,
        np.exp([np.mean(values) for values in kept]),
        np.array([sample.log_evidence.max() for sample in samples]),
    )
    return found, samples


def _residual(Y, W, columns):
    """Mean square of what is left, over the data that the weights have not used."""
    used = np.count_nonzero(W, axis=1)
    left = np.sum((Y - W @ columns) ** 2, axis=1)
    return left / np.maximum(Y.shape[1] - used, 1)
