"""Bayesian optimisation by the expected improvement of a Gaussian process."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

# Ranges of a factor of ten and more are searched on a logarithmic scale.
_WIDE = 10.0
# Candidates that the next point is chosen from: in the whole box, and near the best
# point. More find the largest improvement more exactly.
_ANYWHERE, _NEAR = 2000, 500
# Points that differ by less than this part of the box count as equal.
_SAME = 1e-3


class BayesianSearch:
    """Points in a box, one after the other, for the minimum of a function.

    Parameters
    ----------
    bounds : dict of str to (float, float)
        Least and largest value of every parameter.
    n_first : int
        Number of points spread over the box before any is chosen by the function.
    random_state : int, default 0
        Seed of all points.

    Examples
    --------
    >>> from sparsedecomp.superresolution.tuning.search import BayesianSearch
    >>> values = []
    >>> search = BayesianSearch({"x": (-3, 3), "y": (0.01, 100)}, n_first=6)
    >>> for _ in range(20):
    ...     at = search.propose(values)
    ...     values.append((at["x"] - 1) ** 2 + (at["y"] - 1) ** 2 / at["y"])
    >>> min(values) < 0.05
    True
    """

    def __init__(
        self,
        bounds: dict[str, tuple[float, float]],
        n_first: int,
        random_state: int = 0,
    ) -> None:
        self.names = tuple(bounds)
        low, high = np.array(list(bounds.values()), float).T
        self.wide = (low > 0) & (high >= _WIDE * low)
        self.low, self.high = self._to_scale(low), self._to_scale(high)
        self.rng = np.random.default_rng(random_state)
        spread = stats.qmc.LatinHypercube(len(bounds), rng=self.rng)
        self.first = spread.random(n_first)
        self.tried = np.empty((0, len(bounds)))

    @property
    def settled(self) -> bool:
        """Whether the last point equals the one before."""
        last = self.tried[-2:]
        moved = np.ptp(last, axis=0).max()
        return bool(len(self.tried) > len(self.first) and moved < _SAME)

    def propose(
        self,
        values: Sequence[float] | NDArray,
        limited: Sequence[float] | NDArray | None = None,
        limit: float = np.inf,
    ) -> dict[str, float]:
        """Parameters to try next.

        Parameters
        ----------
        values : (n,) sequence
            Values of the function at all points so far.
        limited : (n,) sequence, optional
            Values of another function, which must stay below ``limit``.
        limit : float
            Upper bound of the other function.

        Returns
        -------
        dict of str to float
        """
        n = len(self.tried)
        if n < len(self.first):
            point = self.first[n]
        else:
            point = self._most_promising(np.asarray(values, float), limited, limit)
        self.tried = np.vstack([self.tried, point])
        parameters = self.low + point * (self.high - self.low)
        parameters = np.where(self.wide, np.exp(parameters), parameters)
        return dict(zip(self.names, parameters.tolist(), strict=True))

    def _to_scale(self, values: NDArray) -> NDArray:
        return np.where(self.wide, np.log(np.where(self.wide, values, 1)), values)

    def _most_promising(
        self, values: NDArray, limited: ArrayLike | None, limit: float
    ) -> NDArray:
        """The candidate of largest expected improvement."""
        possible = np.ones(len(values), bool)
        if limited is not None:
            possible = np.asarray(limited) <= limit
        best = self.tried[possible][np.argmin(values[possible])]
        near = best + 0.05 * self.rng.normal(size=(_NEAR, len(best)))
        anywhere = self.rng.random((_ANYWHERE, len(best)))
        points = np.vstack([anywhere, np.clip(near, 0, 1)])
        mean, deviation = self._predict(values, points)
        gain = expected_improvement(mean, deviation, values[possible].min())
        if limited is not None:
            mean, deviation = self._predict(np.asarray(limited, float), points)
            gain *= stats.norm.cdf((limit - mean) / deviation)
        return points[np.argmax(gain)]

    def _predict(self, values: NDArray, points: NDArray) -> tuple[NDArray, NDArray]:
        """Mean and standard deviation of the function at some points."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor, kernels

        lengths = np.full(self.tried.shape[1], 0.3)
        kernel = kernels.ConstantKernel(1.0, (1e-2, 1e2)) * kernels.Matern(
            lengths, (0.05, 5.0), nu=2.5
        ) + kernels.WhiteKernel(1e-3, (1e-8, 0.3))
        process = GaussianProcessRegressor(
            kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(self.tried, values)
            mean, deviation = process.predict(points, return_std=True)
        return mean, np.maximum(deviation, 1e-12)


def expected_improvement(mean: NDArray, deviation: NDArray, least: float) -> NDArray:
    """Mean of the amount by which a normal variable falls below the least value.

    Parameters
    ----------
    mean, deviation : array
        Mean and standard deviation of the variable.
    least : float
        Least value so far.

    Returns
    -------
    array
    """
    z = (least - mean) / deviation
    return deviation * (z * stats.norm.cdf(z) + stats.norm.pdf(z))
