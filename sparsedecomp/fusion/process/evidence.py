"""Amplitudes of the components of a process by the evidence of a sample of pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, lapack
from scipy.optimize import minimize

# Bounds of the logarithms of amplitudes, in units of the variance of the coefficient,
# and of the noise over what it is expected to be.
_BOUNDS = (-14.0, 6.0)
_LEAST_NOISE, _MOST_NOISE = np.log(0.3), 2.0
_MAX_ITER = 30
# Components below this amplitude are left out.
NEGLIGIBLE = 1e-5


class Amplitudes(NamedTuple):
    """Amplitudes of a process for one coefficient.

    Attributes
    ----------
    parts : (Q,) array
        Variance of each component.
    noise : float
        Variance of the noise of a pixel of mean variance.
    evidence : float
        Logarithm of the probability of the sample.
    held_out : float
        Mean square error of pixels that are left out one by one.
    calibration : float
        Mean square of the same errors, each over its predicted deviation; 1 where
        the process knows its own errors.
    """

    parts: NDArray
    noise: float
    evidence: float
    held_out: float
    calibration: float


def fit_amplitudes(
    y: NDArray, covariances: list[NDArray], noise: NDArray, expected: float
) -> Amplitudes:
    """Maximise the evidence of a sample of one coefficient.

    Parameters
    ----------
    y : (n,) array
        Coefficient with a mean of zero and unit variance.
    covariances : list of Q (n, n) arrays
        Covariance of each component.
    noise : (n,) array
        Variance of the noise of the pixels over its mean.
    expected : float
        Expected variance of the noise.

    Returns
    -------
    Amplitudes
        Variances of components and noise.
    """
    n, Q = len(y), len(covariances)

    def covariance(a: NDArray) -> NDArray:
        K = a[0] * covariances[0]
        for part, block in zip(a[1:Q], covariances[1:], strict=True):
            K += part * block
        K[np.diag_indices(n)] += a[Q] * noise
        return K

    def objective(x: NDArray) -> tuple[float, NDArray]:
        a = np.exp(x)
        try:
            L = cholesky(covariance(a), lower=True, overwrite_a=True)
        except LinAlgError:
            return 1e10, np.zeros(Q + 1)
        half = np.log(np.diag(L)).sum()
        inverse = _inverse(L)
        alpha = inverse @ y
        slopes = [
            0.5 * a[q] * (np.vdot(inverse, K) - alpha @ K @ alpha)
            for q, K in enumerate(covariances)
        ]
        last = 0.5 * a[Q] * (np.diag(inverse) @ noise - alpha**2 @ noise)
        return float(0.5 * y @ alpha + half), np.array([*slopes, last])

    least = float(np.log(expected) + _LEAST_NOISE)
    start = [*np.full(Q, np.log(0.5 / Q)), np.log(expected)]
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[_BOUNDS] * Q + [(least, max(_MOST_NOISE, least + 1))],
        options={"maxiter": _MAX_ITER},
    )
    a = np.exp(found.x)
    K = covariance(a)
    inverse = _inverse(cholesky(K, lower=True, overwrite_a=True))
    left_out = (inverse @ y) / np.diag(inverse)
    return Amplitudes(
        np.where(a[:Q] > NEGLIGIBLE, a[:Q], 0.0),
        float(a[Q]),
        float(-found.fun - 0.5 * n * np.log(2 * np.pi)),
        float(np.mean(left_out**2)),
        float(np.mean(left_out**2 * np.diag(inverse))),
    )


def _inverse(L: NDArray) -> NDArray:
    """Inverse of a matrix from its lower Cholesky factor."""
    # The factor is zero above its diagonal, and so is what comes back.
    inverse, _ = lapack.dpotri(L, lower=1)
    diagonal = np.diag(inverse).copy()
    inverse = inverse + inverse.T
    inverse[np.diag_indices(len(L))] = diagonal
    return inverse
