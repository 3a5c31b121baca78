"""Blocks of a map with the samples around them, grouped by their arrangement."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparsedecomp.superresolution.observation.geometry import Geometry


class Tiles:
    """Blocks of whole pixels of the frames, which cover the fine grid.

    Parameters
    ----------
    geometry : Geometry
        Positions of the samples on the fine grid.
    mask : (n_frames, rows, columns) bool array
        True for samples that do not exist.
    core, halo : int
        Side of a block, and width of the samples around it, in pixels of the frames.
    over : int, default 0
        Width around the block that is predicted as well, in pixels of the frames.
    wanted : (n_frames, rows, columns) bool array, optional
        True for samples to be predicted beside the fine pixels.
    """

    def __init__(
        self,
        geometry: Geometry,
        mask: NDArray,
        core: int,
        halo: int,
        over: int = 0,
        wanted: NDArray | None = None,
    ) -> None:
        self.geometry, self.mask = geometry, mask
        self.wanted = np.zeros_like(mask) if wanted is None else wanted
        self.core, self.halo, self.over = core, halo, over
        extent = (np.asarray(geometry.shape) - 1) / geometry.scale
        self.starts = [np.arange(0, end + 1e-9, core) for end in extent]
        self.axes = [
            [self._interval(axis, start) for start in starts]
            for axis, starts in enumerate(self.starts)
        ]
        # Samples may lie a little beyond the grid.
        self.ends = [
            [[-over if start else -np.inf, core + over] for start in starts]
            for starts in self.starts
        ]
        for ends in self.ends:
            ends[-1][1] = np.inf

    def _interval(self, axis: int, start: float) -> tuple[NDArray, ...]:
        """Fine pixels, the samples around, those that exist, and the positions of both.

        Positions are in pixels of the frames, relative to the block.
        """
        g, ends = self.geometry, (start - self.over, start + self.core + self.over)
        first, last = (int(np.ceil(end * g.scale - 1e-9)) for end in ends)
        nodes = np.arange(max(first, 0), min(last, g.shape[axis]))
        shift = g.shifts[:, axis] - g.origin[axis]
        lowest = np.ceil(start - self.halo - shift).astype(int)
        index = lowest[:, None] + np.arange(self.core + 2 * self.halo)
        exists = (index >= 0) & (index < g.frame_shape[axis])
        places = index + shift[:, None] - start
        return nodes, index, exists, nodes / g.scale - start, places

    def _around(self, i: int, j: int) -> tuple:
        """Which samples around a tile exist, their index, and their positions."""
        _, rows, in_rows, _, y = self.axes[0][i]
        _, columns, in_columns, _, x = self.axes[1][j]
        there = in_rows[:, :, None] & in_columns[:, None, :]
        h, w = self.geometry.frame_shape
        frames = np.arange(len(rows))[:, None, None]
        rows = np.clip(rows, 0, h - 1)[:, :, None]
        columns = np.clip(columns, 0, w - 1)[:, None, :]
        return there, (frames, rows, columns), (y[:, :, None], x[:, None, :])

    def _asked(
        self, i: int, j: int, there: NDArray, index: tuple, places: tuple
    ) -> NDArray:
        """Samples of a tile that are to be predicted."""
        inside = [
            (p >= low) & (p < high)
            for p, (low, high) in zip(
                places, (self.ends[0][i], self.ends[1][j]), strict=True
            )
        ]
        return there & self.wanted[index] & inside[0] & inside[1]

    def arrangement(self, i: int, j: int) -> tuple[bytes, ...]:
        """Key that is equal for tiles with equal weights; its first part is that of the
        samples."""
        there, index, places = self._around(i, j)
        valid = (there & ~self.mask[index]).tobytes()
        fine = [self.axes[axis][at][3].round(6) for axis, at in enumerate((i, j))]
        asked = self._asked(i, j, there, index, places)
        return valid, asked.tobytes(), *(part.tobytes() for part in fine)

    def samples(self, i: int, j: int) -> tuple[NDArray, ...]:
        """Samples around a tile, as an index of frames, rows and columns."""
        there, index, _ = self._around(i, j)
        valid = there & ~self.mask[index]
        return tuple(np.broadcast_to(part, valid.shape)[valid] for part in index)

    def targets(self, i: int, j: int) -> NDArray:
        """Flat index of the pixels, then of the samples, that are predicted."""
        rows, columns = self.axes[0][i][0], self.axes[1][j][0]
        pixels = (rows[:, None] * self.geometry.shape[1] + columns).ravel()
        there, index, places = self._around(i, j)
        asked = self._asked(i, j, there, index, places)
        index = [np.broadcast_to(part, asked.shape)[asked] for part in index]
        numbers = np.ravel_multi_index(index, self.mask.shape)
        return np.append(pixels, np.prod(self.geometry.shape) + numbers)

    def points(self, i: int, j: int) -> tuple[NDArray, NDArray]:
        """Positions of what is predicted, and of the samples around, (n, 2) each."""
        there, index, places = self._around(i, j)

        def chosen(which: NDArray) -> NDArray:
            parts = [np.broadcast_to(part, which.shape)[which] for part in places]
            return np.stack(parts, axis=1)

        rows, columns = self.axes[0][i][3], self.axes[1][j][3]
        pixels = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
        asked = chosen(self._asked(i, j, there, index, places))
        to = np.concatenate([pixels.reshape(-1, 2), asked])
        return to, chosen(there & ~self.mask[index])

    def empty(self, n_factors: int, dtype: DTypeLike) -> NDArray:
        """Zeros for all that is predicted, (n, n_factors)."""
        size = np.prod(self.geometry.shape) + self.wanted.any() * self.wanted.size
        return np.zeros((size, n_factors), dtype)

    def shaped(self, flat: NDArray) -> tuple[NDArray, ...]:
        """Predictions as a map, and as frames where samples are wanted."""
        pixels, samples = np.split(flat, [np.prod(self.geometry.shape)])
        pixels = pixels.reshape(*self.geometry.shape, -1)
        if not self.wanted.any():
            return (pixels,)
        return pixels, samples.reshape(*self.wanted.shape, -1)
