"""Posterior of a Gaussian process on the fine grid: the map and its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from sparsedecomp.superresolution.gaussian_process.evidence import Process
from sparsedecomp.superresolution.gaussian_process.tiles import Tiles
from sparsedecomp.superresolution.observation.geometry import Geometry
from sparsedecomp.superresolution.threads import in_threads

# Samples of a tile and its surroundings: a Cholesky factorisation of so many takes a
# tenth of a second.
_SAMPLES = 1300
# Pixels of the frames around a tile whose samples are used, at most. The nearer samples
# screen those that are farther away; more of these take longer.
_FAR = 4
# Tiles whose weights are kept, for others with the same arrangement of samples. More
# take more memory, and save work where many samples are masked.
_KEPT = 64


def posterior(
    geometry: Geometry,
    Y: NDArray,
    processes: Sequence[Process],
    mask: NDArray | None = None,
    at: NDArray | None = None,
) -> tuple[NDArray, ...]:
    """Mean and standard deviation of the fine map by one Gaussian process.

    ``mu = K* C^-1 y`` and ``s^2 = k(0) - K* C^-1 K*'`` [1]_, on tiles of the fine grid
    with the samples in and around them. All tiles away from the edges have one
    arrangement of samples, so that one factorisation serves them all.

    Parameters
    ----------
    geometry : Geometry
        Positions of the samples on the fine grid.
    Y : (n_frames, rows, columns, n_factors) array
        Frames; masked samples may hold anything.
    processes : sequence of Process
        Covariance of each factor; factors with equal ones are solved together. Lengths
        are in pixels of the frames.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    at : (n_frames, rows, columns) bool array, optional
        True for samples that are predicted as well.

    Returns
    -------
    mean : (H, W, n_factors) array
        Posterior mean in the dtype of ``Y``.
    deviation : (H, W, n_factors) array
        Standard deviation of the map, without the noise of a measurement.
    samples : (n_frames, rows, columns, n_factors) array
        Mean of the samples in ``at``, else zero; returned only where that is given.

    References
    ----------
    .. [1] M. E. Tipping and C. M. Bishop, Bayesian image super-resolution, NIPS 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import Geometry, Process, posterior
    >>> geometry = Geometry.around([[0, 0], [0.5, 0.5]], (6, 6), 2)
    >>> process = Process(variance=1.0, noise=1e-4, lengths=(3.0, 3.0))
    >>> mean, deviation = posterior(geometry, np.ones((2, 6, 6, 1)), [process])
    >>> mean.shape, bool(deviation.max() < 0.6)
    ((12, 12, 1), True)
    """
    mask = np.zeros(Y.shape[:3], bool) if mask is None else np.asarray(mask, bool)
    level = np.array([Y[..., c][~mask].mean() for c in range(Y.shape[-1])], Y.dtype)
    groups = equal_processes(processes)
    size = max(6, int(np.sqrt(_SAMPLES / geometry.n_frames)))
    halo = int(np.clip(size // 3, 2, _FAR))
    # A multiple of the period of the samples that are held out (`held_out_samples`).
    core = max(4, (size - 2 * halo) // 4 * 4)
    tiles = Tiles(geometry, mask, core, halo, wanted=at)
    mean, deviation = (tiles.empty(Y.shape[-1], Y.dtype) for _ in range(2))
    weights = {process: _Weights(process) for process in groups}

    def solve_row(i: int) -> None:
        # Tiles of one arrangement are solved together: their weights are large, and
        # are read once.
        alike: dict[tuple[bytes, ...], list[int]] = {}
        for j in range(len(tiles.starts[1])):
            alike.setdefault(tiles.arrangement(i, j), []).append(j)
        for key, columns in alike.items():
            to, places = tiles.points(i, columns[0])
            z = np.stack([Y[tiles.samples(i, j)] for j in columns], axis=1) - level
            targets = [tiles.targets(i, j)[:, None] for j in columns]
            for process, chosen in groups.items():
                weight, spread = weights[process](key, to, places)
                part = z[..., chosen].astype(float)
                means = weight @ part.reshape(len(part), -1)
                means = means.reshape(len(to), len(columns), len(chosen))
                for k, target in enumerate(targets):
                    mean[target, chosen] = means[:, k] + level[chosen]
                    deviation[target, chosen] = spread[:, None]

    in_threads(solve_row, range(len(tiles.starts[0])))
    mean, *samples = tiles.shaped(mean)
    return mean, tiles.shaped(deviation)[0], *samples


def equal_processes(processes: Sequence[Process]) -> dict[Process, list[int]]:
    """Each different process, with the numbers of those that equal it."""
    groups: dict[Process, list[int]] = {}
    for c, process in enumerate(processes):
        groups.setdefault(process, []).append(c)
    return groups


class _Weights:
    """Weights of the samples for the fine pixels of a tile, kept by arrangement."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.kept: dict[tuple[bytes, ...], tuple[NDArray, NDArray]] = {}

    def __call__(
        self, key: tuple[bytes, ...], fine: NDArray, places: NDArray
    ) -> tuple[NDArray, NDArray]:
        if key not in self.kept:
            if len(self.kept) >= _KEPT:
                self.kept.pop(next(iter(self.kept)), None)
            weights, variance = kriging_weights(self.process, fine, places)
            self.kept[key] = weights, np.sqrt(np.maximum(variance, 0))
        return self.kept[key]


def kriging_weights(
    process: Process, to: NDArray, places: NDArray
) -> tuple[NDArray, NDArray]:
    """Weights of samples for a prediction, and its variance.

    Parameters
    ----------
    process : Process
        Covariance.
    to : (n, 2) array
        Positions that are predicted, in pixels of the frames.
    places : (m, 2) array
        Positions of the samples; there may be none.

    Returns
    -------
    weights : (n, m) array
        The prediction is ``weights @ samples``.
    variance : (n,) array
        Variance of the prediction; rounding may make it negative.
    """
    prior = process.variance + process.level
    if not len(places):
        return np.zeros((len(to), 0)), np.full(len(to), prior)
    cross = process.signal(to, places)
    factor, _ = lapack.dpotrf(process.samples(places).T, lower=True)
    weights = lapack.dpotrs(factor, cross.T, lower=True)[0].T
    return weights, prior - np.einsum("ij,ij->i", weights, cross)
