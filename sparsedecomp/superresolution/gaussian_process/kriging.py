"""Posterior of a Gaussian process on the fine grid: the map and its uncertainty."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from sparsedecomp.superresolution.gaussian_process.tiles import Tiles
from sparsedecomp.superresolution.threads import in_threads

# Samples of a tile and its surroundings: a Cholesky factorisation of so many takes a
# tenth of a second.
_SAMPLES = 1300
# Pixels of the frames beyond which samples around a tile say nothing new.
_FAR = 4
# Tiles whose weights are kept, for others with the same arrangement of samples.
_KEPT = 64


def posterior(geometry, Y, processes, mask=None, at=None):
    """Mean and standard deviation of the fine map, given all samples around.

    ``mu = K* C^-1 y`` and ``s^2 = k(0) - K* C^-1 K*'`` [1]_, on tiles of the fine grid
    with the samples in and around them. The samples of all tiles away from the edges
    are arranged alike, so one factorisation serves them all.

    Parameters
    ----------
    geometry : Geometry
        With the shifts of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Masked samples may hold anything.
    processes : sequence of Process
        One for each factor; equal ones are solved together. Their lengths are in
        pixels of the frames.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    at : (n_frames, rows, columns) bool array, optional
        True for places of samples that are asked for as well.

    Returns
    -------
    mean, deviation : (H, W, n_factors) arrays
        In the dtype of ``Y``. The deviation is that of the map, without the noise of a
        measurement.
    samples : (n_frames, rows, columns, n_factors) array
        Mean where ``at`` asks for it, else zero; only where that is given.

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
    groups = {}
    for c, process in enumerate(processes):
        groups.setdefault(process, []).append(c)
    size = max(6, int(np.sqrt(_SAMPLES / geometry.n_frames)))
    halo = int(np.clip(size // 3, 2, _FAR))
    # A multiple of the period of samples that are held out.
    core = max(4, (size - 2 * halo) // 4 * 4)
    tiles = Tiles(geometry, mask, core, halo, wanted=at)
    mean, deviation = (tiles.empty(Y.shape[-1], Y.dtype) for _ in range(2))
    weights = {process: _Weights(process) for process in groups}

    def along_row(i):
        # Tiles that are arranged alike are solved together: their weights are large,
        # and are read once.
        alike = {}
        for j in range(len(tiles.starts[1])):
            alike.setdefault(tiles.arrangement(i, j), []).append(j)
        for key, columns in alike.items():
            to, places = tiles.points(i, columns[0])
            z = np.stack([Y[tiles.samples(i, j)] for j in columns], axis=1) - level
            targets = [tiles.targets(i, j)[:, None] for j in columns]
            for process, chosen in groups.items():
                weight, spread = weights[process](key, to, places)
                part = z[..., chosen].astype(float)
                found = weight @ part.reshape(len(part), -1)
                found = found.reshape(len(to), len(columns), len(chosen))
                for k, target in enumerate(targets):
                    mean[target, chosen] = found[:, k] + level[chosen]
                    deviation[target, chosen] = spread[:, None]

    in_threads(along_row, range(len(tiles.starts[0])))
    mean, *samples = tiles.shaped(mean)
    return mean, tiles.shaped(deviation)[0], *samples


class _Weights:
    """Weights of the samples for the fine pixels of a tile, kept by arrangement."""

    def __init__(self, process):
        self.process = process
        self.kept = {}

    def __call__(self, key, fine, places):
        if key not in self.kept:
            if len(self.kept) >= _KEPT:
                self.kept.pop(next(iter(self.kept)), None)
            self.kept[key] = self._of(fine, places)
        return self.kept[key]

    def _of(self, fine, places):
        process = self.process
        prior = process.variance + process.level
        if not len(places):
            return np.zeros((len(fine), 0)), np.full(len(fine), np.sqrt(prior))
        cross = process.signal(fine, places)
        factor, _ = lapack.dpotrf(process.samples(places), lower=True)
        weights = lapack.dpotrs(factor, cross.T, lower=True)[0].T
        variance = prior - np.einsum("ij,ij->i", weights, cross)
        return weights, np.sqrt(np.maximum(variance, 0))
