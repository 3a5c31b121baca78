r"""What all pixels together say about one: their numbers of atoms are a population.

A pixel's weights w = N / R^2 by least squares err by E, w' ~ N(w, E); over the image
the weights themselves scatter, w ~ N(m, S). Mean and covariance of w' over the pixels
show m and S + E, and E is known from what no shell explains. So given all pixels the
weights of one are

.. math:: \hat w = m + (I - E (S + E)^{-1}) (w' - m)

the linear estimate of smallest mean square error whatever the distribution is. Its
covariance is E - E (S + E)^{-1} E: where noise is small nothing changes, where it is
large a pixel errs by no more than the image varies.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh


@dataclass(frozen=True)
class HierarchicalPrior:
    r"""Numbers of atoms of an image as draws of one normal distribution.

    With the estimate of Efron and Morris for P pixels and K shells,
    (P - K - 2) [\sum (w' - m)(w' - m)']^{-1} for (S + E)^{-1}, the expected mean square
    error over the pixels is never above that of least squares, whatever the weights
    are and for any linear combination of shells (Matsuda and Strawderman), if noise is
    white and equal in all pixels. Intervals are Morris's: they know that m and S come
    from P pixels, and widen with a pixel's distance from m.

    It cannot decide that one pixel is unlike all others: that is drawn towards them,
    and its interval widens by too little where there are many pixels. Two phases
    become one wide population; give each its own with ``support="cluster"``.

    Measured on simulated maps of ZnSe, copper, NiO, and nickel with NiO: smooth, of two
    phases, constant, and with odd pixels, from far above the noise to below it. Where
    the shells are found, errors are 0.01 to 1.1 times those of least squares; in images
    of 100 pixels and more two standard deviations cover the atoms in 92 % of them or
    more, also where noise differs by half from pixel to pixel. In images of 25 it is
    80 % at the least: errors of the shells are then large, and all pixels share them.

    Attributes
    ----------
    solve : (n, K) array
        Takes coordinates to least-squares weights w'.
    mean : (K,) array
        m, in 1/angstrom^2.
    axes : (K, K) array
        ``(w' - mean) @ axes`` are independent, with variance `noise` where all pixels
        are alike.
    noise : float
        Variance of chi by the noise of a pixel.
    shrinkage : (K,) array
        How far each of these is drawn to the mean: 0 not at all, 1 onto it.
    systematic : (K, K) array
        Covariance of w' by errors of the theory, which pixels share.
    precision : (K, K) array
        Inverse covariance of the weights of a pixel near the mean, with all that is
        uncertain.
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
    def of(cls, columns, white, theory, shared, second, mean, count):
        """HierarchicalPrior of pixels of which the moments are known.

        Parameters
        ----------
        columns : (K, n) array
            Coordinates of one atom times R^2.
        white : (n, n) array
            Covariance of the coordinates for unit white noise in chi. The noise's
            level is found from what the columns do not explain.
        theory : (n, n) array
            Covariance of the error of the theory.
        shared : callable
            Takes weights, (..., K), to their variance by what else pixels share.
        second, mean : (n, n) and (n,) arrays
            Mean over the pixels of the outer products of their coordinates, and of
            these.
        count : int
            Number P of pixels.

        Returns
        -------
        HierarchicalPrior or None
            None where K + 2 pixels or fewer, K coordinates, or columns that depend on
            each other tell nothing about it.
        """
        K, n = columns.shape
        free = count - K - 2
        if free <= 0 or not 0 < K < n or np.linalg.matrix_rank(columns) < K:
            return None
        scatter = count * (second - np.outer(mean, mean))
        solve = np.linalg.pinv(columns)
        left = np.eye(n) - solve @ columns
        noise = np.sum(left * scatter) / ((count - 1) * np.sum(left * white))
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

    def posterior(self, Y):
        """Weights of pixels, given their spectra and the population.

        Parameters
        ----------
        Y : (n_pixels, n) array
            Coordinates.

        Returns
        -------
        W, spread : (n_pixels, K) arrays
            Mean and standard deviation, without what else pixels share.
        """
        count, K = self.count, len(self.mean)
        U = (Y @ self.solve - self.mean) @ self.axes
        W = self.mean + (U * (1 - self.shrinkage)) @ self._back
        kept = 1 - self.shrinkage * (count - 1) / count
        variance = self.noise * kept + 2 / (count - K - 2) * (self.shrinkage * U) ** 2
        return W, np.sqrt(variance @ self._back**2 + np.diag(self.systematic))

    @property
    def _back(self):
        return np.linalg.inv(self.axes)
