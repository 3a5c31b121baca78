r"""Hierarchical prior: the numbers of atoms of all pixels have one normal distribution.

The least-squares weights w' of a pixel, with w = N / R^2, have the error covariance E,
w' ~ N(w, E); over the image the weights are distributed as w ~ N(m, S). Mean and
covariance of w' over the pixels estimate m and S + E, and the residual estimates E. The
posterior mean of the weights of one pixel is

.. math:: \hat w = m + (I - E (S + E)^{-1}) (w' - m)

the linear estimate of smallest mean square error for any distribution of w. Its
covariance is E - E (S + E)^{-1} E: least squares where the noise is small; where it is
large, the error is at most the variation over the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh


@dataclass(frozen=True)
class HierarchicalPrior:
    r"""Prior of the weights of a pixel, estimated from all pixels.

    With the estimate of Efron and Morris for P pixels and K shells,
    (P - K - 2) [\sum (w' - m)(w' - m)']^{-1} for (S + E)^{-1}, the expected mean square
    error over the pixels never exceeds that of least squares, for any weights and any
    linear combination of shells (Matsuda and Strawderman), if the noise is white and
    equal in all pixels. Intervals follow Morris: they include the uncertainty of m and
    S, which P pixels determine, and widen with the distance of a pixel from m.

    A single pixel that differs from all others is shrunk towards them, and its interval
    widens by too little if there are many pixels. Two phases become one wide
    distribution; ``support="cluster"`` gives each its own. Errors of the shells
    themselves are common to all pixels: the fewer pixels, the larger they are, and the
    intervals contain only what `SharedError` estimates of them.

    Attributes
    ----------
    solve : (n, K) array
        Matrix from coordinates to least-squares weights w'.
    mean : (K,) array
        Mean m of the weights, in 1/angstrom^2.
    axes : (K, K) array
        Principal axes: the elements of ``(w' - mean) @ axes`` are independent, with
        variance `noise` if all pixels are equal.
    noise : float
        Noise variance of chi in a pixel.
    shrinkage : (K,) array
        Shrinkage of each principal axis towards the mean, 0 (none) to 1 (onto it).
    systematic : (K, K) array
        Covariance of w' due to errors of the theory, which all pixels share.
    precision : (K, K) array
        Inverse covariance of the weights of a pixel near the mean, with all errors.
    count : int
        Number P of pixels.

    References
    ----------
    B. Efron, C. Morris, Biometrika 59 (1972) 335.
    C. N. Morris, J. Am. Stat. Assoc. 78 (1983) 47.
    T. Matsuda, W. E. Strawderman, Biometrika 109 (2022) 503.
    """

    solve: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    noise: float
    shrinkage: np.ndarray
    systematic: np.ndarray
    precision: np.ndarray
    count: int

    @classmethod
    def of(
        cls,
        columns: np.ndarray,
        white: np.ndarray,
        theory: np.ndarray,
        shared: Callable[[np.ndarray], np.ndarray],
        second: np.ndarray,
        mean: np.ndarray,
        count: int,
    ) -> HierarchicalPrior | None:
        """Estimate the prior from the moments of the pixels.

        Parameters
        ----------
        columns : (K, n) array
            Coordinates of one atom times R^2.
        white : (n, n) array
            Covariance of the coordinates for unit white noise in chi. The noise level
            is estimated from the residual of the columns.
        theory : (n, n) array
            Covariance of the coordinates due to the error of the theory.
        shared : callable
            Variance of weights, (..., K), due to the other errors that pixels share.
        second, mean : (n, n) and (n,) arrays
            Means over the pixels of the outer products of their coordinates and of the
            coordinates.
        count : int
            Number P of pixels.

        Returns
        -------
        HierarchicalPrior or None
            None where the prior cannot be estimated: with K + 2 pixels or fewer, K
            coordinates or fewer, or linearly dependent columns.
        """
        K, n = columns.shape
        free = count - K - 2
        if free <= 0 or not 0 < K < n or np.linalg.matrix_rank(columns) < K:
            return None
        scatter = count * (second - np.outer(mean, mean))
        solve = np.linalg.pinv(columns)
        residual = np.eye(n) - solve @ columns
        noise = np.sum(residual * scatter) / ((count - 1) * np.sum(residual * white))
        noise = max(noise, np.finfo(float).tiny)
        squares, axes = eigh(solve.T @ scatter @ solve, solve.T @ white @ solve)
        shrinkage = free * noise / np.maximum(squares, free * noise)
        back = np.linalg.inv(axes)
        mean, systematic = mean @ solve, solve.T @ theory @ solve
        random = (back.T * noise * (1 - shrinkage * (count - 1) / count)) @ back
        return cls(
            solve=solve,
            mean=mean,
            axes=axes,
            noise=noise,
            shrinkage=shrinkage,
            systematic=systematic,
            precision=np.linalg.inv(random + systematic + np.diag(shared(mean))),
            count=count,
        )

    def posterior(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and standard deviation of the weights of pixels.

        Parameters
        ----------
        Y : (n_pixels, n) array
            Coordinates of their spectra.

        Returns
        -------
        W, spread : (n_pixels, K) arrays
            Mean and standard deviation, without the other errors that pixels share.
        """
        count, K = self.count, len(self.mean)
        U = (Y @ self.solve - self.mean) @ self.axes
        W = self.mean + (U * (1 - self.shrinkage)) @ self._back
        kept = 1 - self.shrinkage * (count - 1) / count
        variance = self.noise * kept + 2 / (count - K - 2) * (self.shrinkage * U) ** 2
        return W, np.sqrt(variance @ self._back**2 + np.diag(self.systematic))

    @property
    def _back(self) -> np.ndarray:
        return np.linalg.inv(self.axes)
