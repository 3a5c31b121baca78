"""Evidence of a Gaussian process for windows with one arrangement of samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

from sparsedecomp.kernels.matern import covariance, slopes

# Least variance of the noise over that of the signal: with less a covariance cannot be
# factorised exactly in float64.
LEAST_NOISE = 1e-5
# Bounds of the correlation lengths in pixels of the frames: below a tenth of a pixel
# samples are independent, above a thousand the field is constant.
_LENGTHS = (0.1, 1e3)


@dataclass(frozen=True)
class Process:
    """A Gaussian process with Matern covariance, white noise and an unknown mean.

    Attributes
    ----------
    variance, noise : float
        Variances of the signal and of the noise.
    lengths : (float, float)
        Correlation lengths along rows and columns, in pixels of the frames.
    twice_nu : int
        Smoothness: 1, 3 or 5 for nu = 1/2, 3/2, 5/2.
    level : float
        Variance of the mean of a window.
    """

    variance: float
    noise: float
    lengths: tuple[float, float]
    twice_nu: int = 3
    level: float = 0.0

    @classmethod
    def start(cls, Z: NDArray, twice_nu: int = 3) -> Process:
        """A first guess: a tenth of the variance within windows is noise.

        Parameters
        ----------
        Z : (n_samples, n_windows) array
            Samples, a column for each window.
        twice_nu : int, default 3
            Smoothness.

        Returns
        -------
        Process
        """
        variance = max(float(Z.var(axis=0).mean()), np.finfo(float).tiny)
        level = float(np.square(Z.mean(axis=0)).mean())
        return cls(variance, 0.1 * variance, (2.0, 2.0), twice_nu, level)

    def signal(self, A: NDArray, B: NDArray) -> NDArray:
        """Covariance of the signal between two sets of points.

        Parameters
        ----------
        A : (n, 2) array
            Positions in pixels of the frames.
        B : (m, 2) array
            Other positions.

        Returns
        -------
        (n, m) array
            Covariance, of which the variance of the mean is a part.
        """
        K = np.empty((len(A), len(B)))
        covariance(A / self.lengths, B / self.lengths, self.twice_nu, K)
        K *= self.variance
        K += self.level
        return K

    def samples(self, A: NDArray) -> NDArray:
        """Covariance of noisy samples.

        Parameters
        ----------
        A : (n, 2) array
            Positions of the samples in pixels of the frames.

        Returns
        -------
        (n, n) array
            Covariance with the noise on its diagonal.
        """
        C = self.signal(A, A)
        C.flat[:: len(C) + 1] += self.noise
        return C

    def logarithms(self) -> NDArray:
        """Logarithms of variance, noise and both lengths, which a fit varies.

        Returns
        -------
        (4,) array
            Natural logarithms.
        """
        return np.log([self.variance, self.noise, *self.lengths])

    def with_logarithms(self, p: NDArray) -> Process:
        """The process with other variances and lengths.

        Parameters
        ----------
        p : (4,) array
            Logarithms of variance, noise and both lengths.

        Returns
        -------
        Process
            Process of the same smoothness and level.
        """
        variance, noise, along_rows, along_columns = (float(v) for v in np.exp(p))
        lengths = (along_rows, along_columns)
        return replace(self, variance=variance, noise=noise, lengths=lengths)


def evidence(
    process: Process, points: NDArray, Z: NDArray, slope: bool = True
) -> tuple[float, NDArray | None, NDArray | None]:
    """Negative log evidence of all windows, by one Cholesky factorisation.

    ``L = m/2 log|C| + 1/2 tr(Z' C^-1 Z)`` less a constant, and its derivative
    ``1/2 sum_ij Q_ij dC_ij`` with ``Q = m C^-1 - a a'`` and ``a = C^-1 Z`` [1]_.

    Parameters
    ----------
    process : Process
        Covariance.
    points : (n, 2) array
        Positions of the samples of a window, the same for all windows.
    Z : (n, m) array
        Samples, a column for each window and factor.
    slope : bool, default True
        Compute the derivatives as well.

    Returns
    -------
    value : float
        Negative log evidence; infinite where the covariance is singular.
    by_points : (n, 2) array or None
        Derivative with respect to the positions of the samples.
    by_logarithms : (4,) array or None
        Derivative with respect to the logarithms of variance, noise and both lengths.

    References
    ----------
    .. [1] M. E. Tipping and C. M. Bishop, Bayesian image super-resolution, NIPS 2002.
    """
    n, m = Z.shape
    C = process.samples(points)
    # Symmetric: the transpose is in the order that LAPACK needs, without a copy.
    factor, failed = lapack.dpotrf(C.T, lower=True)
    if failed:
        return np.inf, np.zeros((n, 2)), np.zeros(4)
    a, _ = lapack.dpotrs(factor, Z, lower=True)
    value = m * np.log(np.diag(factor)).sum() + 0.5 * np.vdot(a, Z)
    if not slope:
        return value, None, None
    Q = inverse_of(factor)
    Q *= m
    Q -= a @ a.T
    by_points = np.empty((n, 2))
    by_lengths = slopes(points / process.lengths, Q, process.twice_nu, by_points)
    by_points *= 0.5 * process.variance / np.asarray(process.lengths)
    by_noise = 0.5 * process.noise * np.trace(Q)
    of_signal = 0.5 * (np.vdot(Q, C) - process.level * Q.sum()) - by_noise
    by_lengths = 0.5 * process.variance * np.array(by_lengths)
    return value, by_points, np.array([of_signal, by_noise, *by_lengths])


def inverse_of(factor: NDArray) -> NDArray:
    """Inverse of a covariance from its Cholesky factor, which is overwritten.

    Parameters
    ----------
    factor : (n, n) array
        Lower triangle by `scipy.linalg.lapack.dpotrf`, zero above the diagonal.

    Returns
    -------
    (n, n) array
    """
    lower, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
    inverse = lower + lower.T
    inverse.flat[:: len(inverse) + 1] *= 0.5
    return inverse


def limits_of(start: Process, least: float = LEAST_NOISE) -> list[tuple[float, float]]:
    """Bounds of the logarithms that a fit may reach, around a first guess.

    Parameters
    ----------
    start : Process
        First guess.
    least : float, default 1e-5
        Least noise over the variance of the first guess.

    Returns
    -------
    list of (float, float)
    """
    middle = np.log(start.variance)
    return [
        (middle - 12, middle + 12),
        (middle + np.log(least), middle + 5),
        (np.log(_LENGTHS[0]), np.log(_LENGTHS[1])),
        (np.log(_LENGTHS[0]), np.log(_LENGTHS[1])),
    ]


def fit_process(
    points: NDArray, Z: NDArray, twice_nu: int = 3, start: Process | None = None
) -> tuple[Process, float]:
    """Variance, noise and correlation lengths of greatest evidence.

    Parameters
    ----------
    points : (n, 2) array
        Positions of the samples of a window, the same for all windows.
    Z : (n, m) array
        Samples, a column for each window and factor.
    twice_nu : int, default 3
        Smoothness: 1, 3 or 5 for nu = 1/2, 3/2, 5/2.
    start : Process, optional
        First guess; default: `Process.start`.

    Returns
    -------
    process : Process
        Process of greatest evidence.
    value : float
        Negative log evidence.
    """
    first = start or Process.start(Z, twice_nu)

    def objective(p: NDArray) -> tuple[float, NDArray]:
        value, _, slope = evidence(first.with_logarithms(p), points, Z)
        return value / Z.size, slope / Z.size

    fit = minimize(
        objective,
        first.logarithms(),
        jac=True,
        method="L-BFGS-B",
        bounds=limits_of(first),
        options={"maxiter": 60, "ftol": 1e-8},
    )
    return first.with_logarithms(fit.x), float(fit.fun) * Z.size
