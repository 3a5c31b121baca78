"""Posterior of a Gaussian process on the fine grid: the map and its uncertainty."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from sparsedecomp.superresolution.operators import in_threads

# Samples of a tile and its surroundings: a Cholesky factorisation of so many takes a
# tenth of a second.
_SAMPLES = 1300
# Tiles whose weights are kept, for others with the same arrangement of samples.
_KEPT = 64


def posterior(geometry, Y, processes, mask=None):
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

    Returns
    -------
    mean, deviation : (H, W, n_factors) arrays
        In the dtype of ``Y``. The deviation is that of the map, without the noise of a
        measurement.

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
    mean = np.empty((*geometry.shape, Y.shape[-1]), Y.dtype)
    deviation = np.empty_like(mean)
    groups = {}
    for c, process in enumerate(processes):
        groups.setdefault(process, []).append(c)
    tiles = _Tiles(geometry, mask)
    weights = {process: _Weights(process) for process in groups}

    def one(tile):
        nodes, fine, cut, places, key = tiles.samples(tile)
        z = (Y[cut] - level).astype(float)
        shape = tuple(s.stop - s.start for s in nodes)
        for process, chosen in groups.items():
            weight, spread = weights[process](key, fine, places)
            found = (weight @ z[:, chosen]).reshape(*shape, -1)
            for at, c in enumerate(chosen):
                mean[(*nodes, c)] = found[..., at] + level[c]
                deviation[(*nodes, c)] = spread.reshape(shape)

    in_threads(one, tiles)
    return mean, deviation


class _Tiles:
    """Blocks of whole pixels of the frames, which cover the fine grid."""

    def __init__(self, geometry, mask):
        self.geometry, self.mask = geometry, mask
        size = max(6, int(np.sqrt(_SAMPLES / geometry.n_frames)))
        self.halo = max(2, size // 3)
        # A multiple of the period of samples that are held out.
        self.core = max(4, (size - 2 * self.halo) // 4 * 4)
        extent = (np.asarray(geometry.shape) - 1) / geometry.scale
        self.starts = [np.arange(0, end + 1e-9, self.core) for end in extent]

    def __iter__(self):
        return iter([(i, j) for i in self.starts[0] for j in self.starts[1]])

    def of_axis(self, axis, start):
        """Fine pixels of a block, the samples around it and where these are."""
        g = self.geometry
        first = int(np.ceil(start * g.scale - 1e-9))
        last = int(np.ceil((start + self.core) * g.scale - 1e-9))
        nodes = slice(first, min(last, g.shape[axis]))
        shift = g.shifts[:, axis] - g.origin[axis]
        lowest = np.ceil(start - self.halo - shift).astype(int)
        index = lowest[:, None] + np.arange(self.core + 2 * self.halo)
        return nodes, index, index + shift[:, None] - start

    def samples(self, tile):
        """Fine pixels and their places, samples and their places, by the block."""
        nodes, index, place = zip(
            *(self.of_axis(axis, start) for axis, start in enumerate(tile)), strict=True
        )
        h, w = self.geometry.frame_shape
        rows, columns = index[0][:, :, None], index[1][:, None, :]
        valid = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
        frames = np.arange(len(rows))[:, None, None]
        valid &= ~self.mask[frames, np.clip(rows, 0, h - 1), np.clip(columns, 0, w - 1)]
        frames, rows, columns = (
            np.broadcast_to(a, valid.shape)[valid] for a in (frames, rows, columns)
        )
        places = [
            np.broadcast_to(p, valid.shape)[valid]
            for p in (place[0][:, :, None], place[1][:, None, :])
        ]
        fine = [
            np.arange(s.start, s.stop) / self.geometry.scale - start
            for s, start in zip(nodes, tile, strict=True)
        ]
        fine = np.stack(np.meshgrid(*fine, indexing="ij"), axis=-1).reshape(-1, 2)
        key = (valid.tobytes(), fine.round(6).tobytes())
        return nodes, fine, (frames, rows, columns), np.stack(places, axis=1), key


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
