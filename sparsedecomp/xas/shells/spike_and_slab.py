"""Choice of columns of a grid of distances by the exact evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...kernels.sparse_bayesian_selection import greedy_supports


@dataclass(frozen=True)
class SpikeAndSlab:
    r"""Spike-and-slab model on a grid of distances.

    The weight of a column is w = N / R^2. Spectra are distributed as
    ``y ~ N(X' w, v I)``, weights of the columns in the support c as ``w_j ~ N(0, d)``,
    and column j belongs to the support with the odds ``exp(log_odds_j)``. With
    C = v I + X_c' D X_c the log evidence is -1/2 (log |2 pi C| + y' C^-1 y).

    Attributes
    ----------
    columns : (p, n) array
        Coordinates of one atom times R^2, for each distance.
    r, channel_index : (p,) arrays
        Distance in angstrom and channel of each column.
    prior : (p,) array
        Prior variance d of the weights.
    log_odds : (p,) array
        Prior log odds that each column is in the support.
    blocked : (p, 2) int array
        First and one past the last column that is not resolved from each column.
    gram : (p, p) array
        Gram matrix of the columns.
    """

    columns: np.ndarray
    r: np.ndarray
    channel_index: np.ndarray
    prior: np.ndarray
    log_odds: np.ndarray
    blocked: np.ndarray
    gram: np.ndarray

    @classmethod
    def from_columns(
        cls,
        atoms: np.ndarray,
        r: ArrayLike,
        channel_index: ArrayLike,
        *,
        density: float,
        intensity: ArrayLike,
        resolution: float,
    ) -> SpikeAndSlab:
        """Set up the model for columns of single atoms.

        Parameters
        ----------
        atoms : (p, n) array
            Coordinates of one atom; columns of a channel are consecutive, by increasing
            distance.
        r, channel_index : (p,) arrays
            Distance in angstrom and channel of each column.
        density : float
            Prior standard deviation of N / R^2 in 1/angstrom^2.
        intensity : (n_channels,) array
            Expected number of shells per angstrom.
        resolution : float
            Smallest distance between two shells of one channel, in angstrom.

        Returns
        -------
        SpikeAndSlab
            Model with the Gram matrix of the columns.
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

    def greedy(
        self, Y: np.ndarray, variances: np.ndarray, *, max_size: int = 12
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Add and delete columns of each spectrum while its evidence rises.

        Parameters
        ----------
        Y : (n_pixels, n) array
            Coordinates of the spectra.
        variances : (n_pixels, m) array
            Noise variances to try; the one of the largest evidence is used.
        max_size : int, default 12
            Largest number of columns in a support.

        Returns
        -------
        weights, spread : (n_pixels, p) arrays
            Posterior mean of w on the support and its standard deviation.
        evidence, variance : (n_pixels,) arrays
            Log evidence with the prior of the support, and the noise variance used.
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

    def joint(
        self,
        moment: np.ndarray,
        mean: np.ndarray,
        count: int,
        variances: Sequence[float] | np.ndarray,
        *,
        max_size: int = 12,
    ) -> tuple[np.ndarray, float, float]:
        """Choose one support for all spectra, from their moments.

        For given c the log evidence of all spectra is
        -1/2 (P log |2 pi C| + tr C^-1 M) with M = sum_i y_i y_i', whose cost does not
        depend on the number of pixels. Weights differ from pixel to pixel.

        Parameters
        ----------
        moment : (n, n) array
            Sum of the outer products of the spectra's coordinates.
        mean : (n,) array
            Mean spectrum; a column must be positive in it to be added.
        count : int
            Number P of spectra.
        variances : sequence of float
            Noise variances to try; the one of the largest evidence is used.
        max_size : int, default 12
            Largest number of columns in the support.

        Returns
        -------
        support : (K,) int array
            Indices of the columns, by distance.
        evidence : float
            Log evidence of all spectra with the prior of the support.
        variance : float
            Noise variance used.
        """
        fits = [
            self._joint(moment, mean, count, variance, max_size)
            for variance in variances
        ]
        best = int(np.argmax([evidence for _, evidence in fits]))
        support = np.array(sorted(fits[best][0]), dtype=int)
        return support, fits[best][1], variances[best]

    def _joint(
        self,
        moment: np.ndarray,
        mean: np.ndarray,
        count: int,
        variance: float,
        max_size: int,
    ) -> tuple[list[int], float]:
        pixels = moment, mean, count, variance
        support: list[int] = []
        evidence = self._joint_evidence(moment, count, variance, support)
        while True:
            fewer = [[i for i in support if i != j] for j in support]
            trials = [*fewer, *self._additions(*pixels, support, support, 1)]
            # Replace one column between two shells, which fits both, by two.
            for some in fewer:
                trials += self._additions(*pixels, some, support, 2)
            # Move a column by one or two steps of the grid.
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

    def _additions(
        self,
        moment: np.ndarray,
        mean: np.ndarray,
        count: int,
        variance: float,
        support: list[int],
        away: list[int],
        steps: int,
    ) -> list[list[int]]:
        """Supports with columns added greedily, resolved from all others."""
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

    def _joint_evidence(
        self, moment: np.ndarray, count: int, variance: float, support: list[int]
    ) -> float:
        X = self.columns[support]
        C = variance * np.eye(len(moment)) + (X.T * self.prior[support]) @ X
        return (
            -0.5 * count * np.linalg.slogdet(2 * np.pi * C)[1]
            - 0.5 * np.trace(np.linalg.solve(C, moment))
            + self.log_odds[support].sum()
        )


def _steps(r: np.ndarray, channel_index: np.ndarray) -> np.ndarray:
    """Step of the grid in angstrom at each column."""
    step = np.empty(len(r))
    for channel in np.unique(channel_index):
        of = channel_index == channel
        step[of] = np.gradient(r[of]) if of.sum() > 1 else 0.02
    return step
