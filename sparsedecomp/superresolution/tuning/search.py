"""Where to try a costly function next: expected improvement of a Gaussian process."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats

# Ranges of a factor of ten and more are searched on a logarithmic scale.
_WIDE = 10.0
# Places that the next one is chosen from: anywhere, and near the best.
_ANYWHERE, _NEAR = 2000, 500
# Parts of the box that two places may differ by to be the same.
_SAME = 1e-3


class Search:
    """Places in a box, one after the other, for the least of a function.

    Parameters
    ----------
    bounds : dict of str to (float, float)
        Least and largest value of every parameter.
    n_first : int
        Places spread over the box before any is chosen by the function.
    random_state : int, default 0

    Examples
    --------
    >>> from sparsedecomp.superresolution.tuning.search import Search
    >>> search, values = Search({"x": (-3, 3), "y": (0.01, 100)}, n_first=6), []
    >>> for _ in range(20):
    ...     at = search.propose(values)
    ...     values.append((at["x"] - 1) ** 2 + (at["y"] - 1) ** 2 / at["y"])
    >>> min(values) < 0.05
    True
    """

    def __init__(self, bounds, n_first, random_state=0):
        self.names = tuple(bounds)
        low, high = np.array(list(bounds.values()), float).T
        self.wide = (low > 0) & (high >= _WIDE * low)
        self.low, self.high = self._to_scale(low), self._to_scale(high)
        self.rng = np.random.default_rng(random_state)
        spread = stats.qmc.LatinHypercube(len(bounds), rng=self.rng)
        self.first = spread.random(n_first)
        self.tried = np.empty((0, len(bounds)))

    @property
    def settled(self):
        """Whether the last place was, in the whole box, where the one before was."""
        last = self.tried[-2:]
        return len(self.tried) > len(self.first) and np.ptp(last, axis=0).max() < _SAME

    def propose(self, values, limited=None, limit=np.inf):
        """Parameters to try next.

        Parameters
        ----------
        values : (n,) sequence
            Of the function where it was tried.
        limited : (n,) sequence, optional
            Of another function, which is not to rise above ``limit``.
        limit : float

        Returns
        -------
        dict of str to float
        """
        n = len(self.tried)
        place = self.first[n] if n < len(self.first) else None
        if place is None:
            place = self._most_promising(np.asarray(values, float), limited, limit)
        self.tried = np.vstack([self.tried, place])
        found = self.low + place * (self.high - self.low)
        found = np.where(self.wide, np.exp(found), found)
        return dict(zip(self.names, found.tolist(), strict=True))

    def _to_scale(self, values):
        return np.where(self.wide, np.log(np.where(self.wide, values, 1)), values)

    def _most_promising(self, values, limited, limit):
        possible = np.ones(len(values), bool)
        if limited is not None:
            possible = np.asarray(limited) <= limit
        best = self.tried[possible][np.argmin(values[possible])]
        near = best + 0.05 * self.rng.normal(size=(_NEAR, len(best)))
        anywhere = self.rng.random((_ANYWHERE, len(best)))
        places = np.vstack([anywhere, np.clip(near, 0, 1)])
        mean, deviation = self._predict(values, places)
        gain = expected_improvement(mean, deviation, values[possible].min())
        if limited is not None:
            mean, deviation = self._predict(np.asarray(limited, float), places)
            gain *= stats.norm.cdf((limit - mean) / deviation)
        return places[np.argmax(gain)]

    def _predict(self, values, places):
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
            mean, deviation = process.predict(places, return_std=True)
        return mean, np.maximum(deviation, 1e-12)


def expected_improvement(mean, deviation, least):
    """How far below the least value a normal variable is, in the mean.

    Parameters
    ----------
    mean, deviation : arrays
    least : float
    """
    z = (least - mean) / deviation
    return deviation * (z * stats.norm.cdf(z) + stats.norm.pdf(z))
