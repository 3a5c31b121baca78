"""Which columns of a grid of distances do spectra hold? The exact evidence decides."""

from dataclasses import dataclass

import numpy as np

from ...kernels.parallel_tempering import exhaustive_supports
from ...kernels.sparse_bayesian_selection import greedy_supports


@dataclass(frozen=True)
class SpikeAndSlab:
    r"""Spike-and-slab model on a grid of distances.

    The weight of a column is w = N / R^2: ``y ~ N(X' w, v I)``, ``w_j ~ N(0, d)`` for
    columns in the support c, and every column belongs to it with the odds
    ``exp(log_odds_j)``. With C = v I + X_c' D X_c the evidence is
    -1/2 (log |2 pi C| + y' C^-1 y).

    Attributes
    ----------
    columns : (p, n) array
        Coordinates of one atom times R^2, for each distance.
    r, channel_index : (p,) arrays
        Distance in angstrom and channel of each column.
    prior : (p,) array
        Variance d of the weights.
    log_odds : (p,) array
    blocked : (p, 2) int array
        First and one past the last column too close to be told apart.
    gram : (p, p) array
    """

    columns: np.ndarray
    r: np.ndarray
    channel_index: np.ndarray
    prior: np.ndarray
    log_odds: np.ndarray
    blocked: np.ndarray
    gram: np.ndarray

    @classmethod
    def from_columns(cls, atoms, r, channel_index, *, density, intensity, resolution):
        """Problem for columns of single atoms.

        Parameters
        ----------
        atoms : (p, n) array
            Coordinates of one atom, columns of a channel one after the other and by
            increasing distance.
        r, channel_index : (p,) arrays
            Distance in angstrom and channel.
        density : float
            Prior standard deviation of N / R^2 in 1/angstrom^2.
        intensity : (n_channels,) array
            Shells expected in an angstrom.
        resolution : float
            Shells of one channel are farther apart than that, in angstrom.

        Returns
        -------
        SpikeAndSlab
        """
        r, channel_index = np.asarray(r, dtype=float), np.asarray(channel_index)
        step = _steps(r, channel_index)
        part = np.clip(np.asarray(intensity)[channel_index] * step, 1e-12, 0.5)
        near = (channel_index[:, None] == channel_index) & (
            np.abs(r[:, None] - r) < resolution
        )
        columns = atoms * r[:, None] ** 2
        return cls(
            columns,
            r,
            channel_index,
            np.full(len(r), float(density) ** 2),
            np.log(part / (1 - part)),
            np.column_stack(
                [near.argmax(axis=1), len(r) - near[:, ::-1].argmax(axis=1)]
            ),
            columns @ columns.T,
        )

    def greedy(self, Y, variances, *, max_size=12):
        """Add and delete columns of each spectrum while the evidence rises.

        Parameters
        ----------
        Y : (n_pixels, n) array
            Coordinates of the spectra.
        variances : (n_pixels, m) array
            Noise variances of which the best is taken for each spectrum.
        max_size : int, default 12
            Largest support.

        Returns
        -------
        weights, spread : (n_pixels, p) arrays
            Posterior mean of w on the support and its standard deviation.
        evidence, variance : (n_pixels,) arrays
            Log evidence with the prior of the support, and the noise variance taken.
        """
        Y = np.ascontiguousarray(Y, dtype=float)
        weights, spread = np.zeros((2, len(Y), len(self.r)))
        best = np.zeros((len(Y), 2))
        greedy_supports(
            Y @ self.columns.T,
            self.gram,
            np.sum(Y**2, axis=1),
            Y.shape[1],
            self.prior,
            np.ascontiguousarray(variances, dtype=float),
            self.log_odds,
            self.blocked,
            max_size,
            8 * max_size,
            weights,
            spread,
            best,
        )
        return weights, spread, best[:, 0], best[:, 1]

    def joint(self, moment, mean, count, variances, *, max_size=12):
        """One support for all spectra, from their second moments alone.

        For given c the evidence of all spectra together is
        -1/2 (P log |2 pi C| + tr C^-1 M) with M = sum_i y_i y_i', so that a million
        pixels cost what one does. Weights differ from pixel to pixel.

        Parameters
        ----------
        moment : (n, n) array
            Sum of the outer products of the spectra's coordinates.
        mean : (n,) array
            Mean spectrum; a column must be positive in it to be added.
        count : int
            Number P of spectra.
        variances : sequence of float
            Noise variances of which the best is taken.
        max_size : int, default 12
            Largest support.

        Returns
        -------
        support : (K,) int array
            Columns, by distance.
        evidence : float
            Log evidence of all spectra with the prior of the support.
        variance : float
            Noise variance.
        """
        found = [
            self._joint(moment, mean, count, variance, max_size)
            for variance in variances
        ]
        best = int(np.argmax([evidence for _, evidence in found]))
        support = np.array(sorted(found[best][0]), dtype=int)
        return support, found[best][1], variances[best]

    def _joint(self, moment, mean, count, variance, max_size):
        pixels = moment, mean, count, variance
        support, evidence = [], self._joint_evidence(moment, count, variance, [])
        while True:
            fewer = [[i for i in support if i != j] for j in support]
            trials = [*fewer, *self._additions(*pixels, support, support, 1)]
            # One column between two shells may take of both, and keep them out.
            for some in fewer:
                trials += self._additions(*pixels, some, support, 2)
            # Shells settle on neighbouring distances once others are there.
            trials += [
                [*(i for i in support if i != j), j + step]
                for j in support
                for step in (-2, -1, 1, 2)
                if 0 <= j + step < len(self.r)
                and self.channel_index[j + step] == self.channel_index[j]
            ]
            trials = [trial for trial in trials if len(trial) <= max_size]
            values = [
                self._joint_evidence(moment, count, variance, trial) for trial in trials
            ]
            if not values or max(values) <= evidence + 1e-9:
                return support, evidence
            evidence = max(values)
            support = trials[int(np.argmax(values))]

    def _additions(self, moment, mean, count, variance, support, away, steps):
        """Supports with one column more, and more, the best apart from others."""
        trials = []
        for _ in range(steps):
            X = self.columns[support]
            C = variance * np.eye(len(mean)) + (X.T * self.prior[support]) @ X
            x = np.linalg.solve(C, self.columns.T).T
            s = np.sum(x * self.columns, axis=1)
            squares = np.sum((x @ moment) * x, axis=1)
            gain = (
                0.5
                * (squares / (1 / self.prior + s) - count * np.log1p(self.prior * s))
                + self.log_odds
            )
            gain[x @ mean <= 0] = -np.inf
            for j in {*support, *away}:
                gain[slice(*self.blocked[j])] = -np.inf
            if not gain.max() > 0:
                break
            support = [*support, int(gain.argmax())]
            trials.append(support)
        return trials

    def _joint_evidence(self, moment, count, variance, support):
        X = self.columns[support]
        C = variance * np.eye(len(moment)) + (X.T * self.prior[support]) @ X
        return (
            -0.5 * count * np.linalg.slogdet(2 * np.pi * C)[1]
            - 0.5 * np.trace(np.linalg.solve(C, moment))
            + self.log_odds[support].sum()
        )

    def exhaustive(self, y, variance, *, max_size=3, count=20):
        """The best of all supports up to a size: the check of every other search.

        Parameters
        ----------
        y : (n,) array
            Coordinates of one spectrum.
        variance : float
            Noise variance.
        max_size : int, default 3
            Largest support, at most 4. The cost is the number of columns to this
            power: take a coarse grid.
        count : int, default 20
            How many of the best to return.

        Returns
        -------
        supports : list of tuple of int
            Best first.
        log_probability : (count,) array
            Logarithm of the posterior probability of each among all of them.

        Raises
        ------
        ValueError
            If max_size is not 1 to 4.
        """
        if not 1 <= max_size <= 4:
            raise ValueError(
                f"max_size={max_size!r}: an exhaustive search goes to supports of 1 "
                "to 4 columns. Use the greedy search or mcmc for more."
            )
        values, columns = np.zeros(count), np.zeros((count, 4), dtype=np.int64)
        total = exhaustive_supports(
            self.columns @ y,
            self.gram,
            float(y @ y),
            len(y),
            self.prior,
            float(variance),
            self.log_odds,
            min(max_size, len(self.r)),
            values,
            columns,
        )
        found = np.isfinite(values)
        supports = [tuple(int(j) for j in row if j >= 0) for row in columns[found]]
        return supports, values[found] - total


def _steps(r, channel_index):
    """Width of the grid at each column."""
    step = np.empty(len(r))
    for channel in np.unique(channel_index):
        of = channel_index == channel
        step[of] = np.gradient(r[of]) if of.sum() > 1 else 0.02
    return step
