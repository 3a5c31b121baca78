"""Evidence of a Gaussian process for windows of samples that share their places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from sparsedecomp.kernels.matern import covariance, slopes

# The noise never falls below this part of the signal: it keeps a Cholesky exact.
LEAST_NOISE = 1e-5
# Correlation lengths, in pixels of the frames, that a fit may reach.
_LENGTHS = (0.1, 1e3)


@dataclass(frozen=True)
class Process:
    """A Gaussian process with Matern's covariance, white noise and an unknown mean.

    Attributes
    ----------
    variance, noise : float
        Variances of the signal and of the noise.
    lengths : (float, float)
        Correlation lengths along rows and columns, in pixels of the frames.
    twice_nu : int
        Roughness: 1, 3 or 5 for nu = 1/2, 3/2, 5/2.
    level : float
        Variance of the mean of a window.
    """

    variance: float
    noise: float
    lengths: tuple
    twice_nu: int = 3
    level: float = 0.0

    @classmethod
    def start(cls, Z, twice_nu=3):
        """A first guess: a tenth of the variance within windows is noise.

        Parameters
        ----------
        Z : (n_samples, n_windows) array
        twice_nu : int, default 3
        """
        variance = max(float(Z.var(axis=0).mean()), np.finfo(float).tiny)
        level = float(np.square(Z.mean(axis=0)).mean())
        return cls(variance, 0.1 * variance, (2.0, 2.0), twice_nu, level)

    def signal(self, A, B):
        """Covariance of the signal between two sets of points.

        Parameters
        ----------
        A, B : (n, 2) and (m, 2) arrays
        """
        K = np.empty((len(A), len(B)))
        covariance(A / self.lengths, B / self.lengths, self.twice_nu, K)
        K *= self.variance
        K += self.level
        return K

    def samples(self, A):
        """Covariance of noisy samples.

        Parameters
        ----------
        A : (n, 2) array
            Their places.
        """
        C = self.signal(A, A)
        C.flat[:: len(C) + 1] += self.noise
        return C

    def logarithms(self):
        """Variance, noise and lengths as the vector that a fit moves."""
        return np.log([self.variance, self.noise, *self.lengths])

    def with_logarithms(self, p):
        """The process of such a vector.

        Parameters
        ----------
        p : (4,) array
        """
        variance, noise, *lengths = (float(v) for v in np.exp(p))
        return replace(self, variance=variance, noise=noise, lengths=tuple(lengths))


def evidence(process, points, Z, slope=True):
    """Negative log evidence of all windows, by one Cholesky factorisation.

    ``L = m/2 log|C| + 1/2 tr(Z' C^-1 Z)`` less a constant, and its derivative
    ``1/2 sum_ij Q_ij dC_ij`` with ``Q = m C^-1 - a a'`` and ``a = C^-1 Z`` [1]_.

    Parameters
    ----------
    process : Process
    points : (n, 2) array
        Places of the samples of a window, the same for all windows.
    Z : (n, m) array
        Samples, a column for each window and factor.
    slope : bool, default True
        Compute the derivatives as well.

    Returns
    -------
    value : float
    by_points : (n, 2) array
        Derivative for the places of the samples.
    by_logarithms : (4,) array
        For the logarithms of variance, noise and both lengths.

    References
    ----------
    .. [1] M. E. Tipping and C. M. Bishop, Bayesian image super-resolution, NIPS 2002.
    """
    n, m = Z.shape
    C = process.samples(points)
    factor, failed = lapack.dpotrf(C, lower=True)
    if failed:
        return np.inf, np.zeros((n, 2)), np.zeros(4)
    a, _ = lapack.dpotrs(factor, Z, lower=True)
    value = m * np.log(np.diag(factor)).sum() + 0.5 * np.vdot(a, Z)
    if not slope:
        return value, None, None
    inverse, _ = lapack.dpotri(factor, lower=True)
    Q = np.tril(inverse) + np.tril(inverse, -1).T
    Q *= m
    Q -= a @ a.T
    by_points = np.empty((n, 2))
    by_lengths = slopes(points / process.lengths, Q, process.twice_nu, by_points)
    by_points *= 0.5 * process.variance / np.asarray(process.lengths)
    by_noise = 0.5 * process.noise * np.trace(Q)
    of_signal = 0.5 * (np.vdot(Q, C) - process.level * Q.sum()) - by_noise
    by_lengths = 0.5 * process.variance * np.array(by_lengths)
    return value, by_points, np.array([of_signal, by_noise, *by_lengths])


def limits_of(start, least=LEAST_NOISE):
    """Bounds of the logarithms that a fit may reach, around a first guess.

    Parameters
    ----------
    start : Process
    least : float, default 1e-5
        Noise over the variance of the first guess.
    """
    middle = np.log(start.variance)
    return [
        (middle - 12, middle + 12),
        (middle + np.log(least), middle + 5),
        tuple(np.log(_LENGTHS)),
        tuple(np.log(_LENGTHS)),
    ]


def fit_process(points, Z, twice_nu=3, start=None):
    """Variance, noise and correlation lengths of greatest evidence.

    Parameters
    ----------
    points : (n, 2) array
    Z : (n, m) array
    twice_nu : int, default 3
    start : Process, optional

    Returns
    -------
    process : Process
    value : float
        Negative log evidence.
    """
    start = start or Process.start(Z, twice_nu)

    def objective(p):
        value, _, slope = evidence(start.with_logarithms(p), points, Z)
        return value / Z.size, slope / Z.size

    found = minimize(
        objective,
        start.logarithms(),
        jac=True,
        method="L-BFGS-B",
        bounds=limits_of(start),
        options={"maxiter": 60, "ftol": 1e-8},
    )
    return start.with_logarithms(found.x), float(found.fun) * Z.size
