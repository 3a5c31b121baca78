"""Posterior of a Gaussian process on the fine grid: the map and its uncertainty."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from sparsedecomp.superresolution.operators import in_threads

# Samples of a tile and its surroundings: a Cholesky factorisation of so many takes a
# tenth of a second.
_SAMPLES = 1300
# Pixels of the frames beyond which samples around a tile say nothing new.
_FAR = 4
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

    def along_row(i):
        # Tiles that are arranged alike are solved together: their weights are large,
        # and are read once.
        alike = {}
        for j in range(len(tiles.starts[1])):
            alike.setdefault(tiles.arrangement(i, j), []).append(j)
        for key, columns in alike.items():
            nodes, fine, places = tiles.points(i, columns[0])
            z = np.stack([Y[tiles.samples(i, j)] for j in columns], axis=1) - level
            shape = tuple(s.stop - s.start for s in nodes)
            for process, chosen in groups.items():
                weight, spread = weights[process](key, fine, places)
                part = z[..., chosen].astype(float)
                found = weight @ part.reshape(len(part), -1)
                found = found.reshape(*shape, len(columns), len(chosen))
                for k, j in enumerate(columns):
                    tile = nodes[0], tiles.axes[1][j][0]
                    mean[tile][..., chosen] = found[..., k, :] + level[chosen]
                    deviation[tile][..., chosen] = spread.reshape(*shape, 1)

    in_threads(along_row, range(len(tiles.starts[0])))
    return mean, deviation


class _Tiles:
    """Blocks of whole pixels of the frames, which cover the fine grid."""

    def __init__(self, geometry, mask):
        self.geometry, self.mask = geometry, mask
        size = max(6, int(np.sqrt(_SAMPLES / geometry.n_frames)))
        self.halo = int(np.clip(size // 3, 2, _FAR))
        # A multiple of the period of samples that are held out.
        self.core = max(4, (size - 2 * self.halo) // 4 * 4)
        extent = (np.asarray(geometry.shape) - 1) / geometry.scale
        self.starts = [np.arange(0, end + 1e-9, self.core) for end in extent]
        self.axes = [
            [self._of_axis(axis, start) for start in starts]
            for axis, starts in enumerate(self.starts)
        ]

    def _of_axis(self, axis, start):
        """Fine pixels of a block, the samples around it, those that exist, and places.

        Places are those of the fine pixels and of the samples, from the block on.
        """
        g = self.geometry
        first = int(np.ceil(start * g.scale - 1e-9))
        last = int(np.ceil((start + self.core) * g.scale - 1e-9))
        nodes = slice(first, min(last, g.shape[axis]))
        shift = g.shifts[:, axis] - g.origin[axis]
        lowest = np.ceil(start - self.halo - shift).astype(int)
        index = lowest[:, None] + np.arange(self.core + 2 * self.halo)
        exists = (index >= 0) & (index < g.frame_shape[axis])
        fine = np.arange(nodes.start, nodes.stop) / g.scale - start
        return nodes, index, exists, fine, index + shift[:, None] - start

    def _valid(self, i, j):
        """Samples around a tile that exist, with their numbers in the frames."""
        _, rows, in_rows, _, _ = self.axes[0][i]
        _, columns, in_columns, _, _ = self.axes[1][j]
        valid = in_rows[:, :, None] & in_columns[:, None, :]
        h, w = self.geometry.frame_shape
        frames = np.arange(len(rows))[:, None, None]
        rows = np.clip(rows, 0, h - 1)[:, :, None]
        columns = np.clip(columns, 0, w - 1)[:, None, :]
        valid &= ~self.mask[frames, rows, columns]
        return valid, (frames, rows, columns)

    def arrangement(self, i, j):
        """What tiles share that have the same weights, as a key."""
        valid, _ = self._valid(i, j)
        fine = [self.axes[axis][at][3].round(6) for axis, at in enumerate((i, j))]
        return valid.tobytes(), *(part.tobytes() for part in fine)

    def samples(self, i, j):
        """Samples around a tile, as an index of frames, rows and columns."""
        valid, index = self._valid(i, j)
        return tuple(np.broadcast_to(part, valid.shape)[valid] for part in index)

    def points(self, i, j):
        """Fine pixels of a tile, their places, and those of the samples around."""
        rows, columns = self.axes[0][i], self.axes[1][j]
        valid, _ = self._valid(i, j)
        fine = np.meshgrid(rows[3], columns[3], indexing="ij")
        places = [
            np.broadcast_to(part, valid.shape)[valid]
            for part in (rows[4][:, :, None], columns[4][:, None, :])
        ]
        fine, places = np.stack(fine, axis=-1), np.stack(places, axis=1)
        return (rows[0], columns[0]), fine.reshape(-1, 2), places


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
