"""Where the samples of shifted frames lie on one fine grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A sample may lie this far outside the fine grid, in its pixels, before it is left out:
# within half a pixel the value at the edge stands for it.
MARGIN = 0.5


@dataclass(frozen=True)
class Geometry:
    """Frames of one step, shifted against each other, on a grid of a finer step.

    Sample ``i`` of frame ``k`` lies at ``scale * (i + shifts[k] - origin)`` in pixels
    of the fine grid, along each axis.

    Attributes
    ----------
    shifts : (n_frames, 2) float array
        Shifts of rows and columns, in pixels of the frames.
    frame_shape : (int, int)
        Rows and columns of every frame.
    scale : float
        Step of the frames over the step of the fine grid, at least 1; need not be
        whole.
    origin : (float, float)
        Where the fine grid begins, in pixels of the frames.
    shape : (int, int)
        Rows and columns of the fine grid.
    """

    shifts: NDArray
    frame_shape: tuple[int, int]
    scale: float
    origin: tuple[float, float]
    shape: tuple[int, int]

    @classmethod
    def around(
        cls, shifts: ArrayLike, frame_shape: tuple[int, int], scale: float
    ) -> Geometry:
        """The grid that begins where the first samples lie and ends with the last.

        Parameters
        ----------
        shifts : (n_frames, 2) array
            Shifts of rows and columns, in pixels of the frames.
        frame_shape : (int, int)
            Rows and columns of every frame.
        scale : float
            Step of the frames over the step of the grid.

        Returns
        -------
        Geometry

        Raises
        ------
        ValueError
            For a scale below 1, and for shifts that are not finite or leave frames
            without a common field.
        """
        starts = np.asarray(shifts, float)
        scale = float(scale)
        if not scale >= 1 or not math.isfinite(scale):
            raise ValueError(
                f"scale={scale:g} was given, expected at least 1: it is the step of "
                "the frames over the step of the result, for instance 2.5 for 500 nm "
                "to 200 nm. To coarsen a map use `s.rebin`."
            )
        if starts.ndim != 2 or starts.shape[1] != 2:
            raise ValueError(
                f"The shifts have the shape {starts.shape}, expected (n_frames, 2): "
                "rows and columns for every frame."
            )
        check_shifts(starts, frame_shape)
        origin = starts.min(axis=0)
        end = starts.max(axis=0) + np.asarray(frame_shape) - 1
        # A grid point that rounding puts just beyond the last sample still counts.
        size = np.floor((end - origin) * scale + 1e-6).astype(int) + 1
        return cls(
            starts,
            (int(frame_shape[0]), int(frame_shape[1])),
            scale,
            (float(origin[0]), float(origin[1])),
            (int(size[0]), int(size[1])),
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.shifts)

    def positions(self, axis: int) -> NDArray:
        """Positions of the samples along an axis.

        Parameters
        ----------
        axis : {0, 1}
            Rows or columns.

        Returns
        -------
        (n_frames, n) array
            Positions in pixels of the fine grid.
        """
        steps = np.arange(self.frame_shape[axis])
        shifts = self.shifts[:, axis, None] - self.origin[axis]
        return self.scale * (steps + shifts)

    def outside(self) -> NDArray:
        """Samples beyond the fine grid.

        Returns
        -------
        (n_frames, rows, columns) bool array
            True for samples that the grid does not cover.
        """
        beyond = [
            (p < -MARGIN) | (p > n - 1 + MARGIN)
            for p, n in ((self.positions(axis), self.shape[axis]) for axis in (0, 1))
        ]
        return beyond[0][:, :, None] | beyond[1][:, None, :]

    def moved(self, shifts: ArrayLike) -> Geometry:
        """The same grid for frames with other shifts.

        Parameters
        ----------
        shifts : (n_frames, 2) array
            Shifts of rows and columns, in pixels of the frames.

        Returns
        -------
        Geometry
            Geometry on the same grid.
        """
        return replace(self, shifts=np.asarray(shifts, float))


def check_shifts(shifts: NDArray, frame_shape: tuple[int, int]) -> None:
    """Refuse shifts that are not numbers or leave two frames without overlap.

    Parameters
    ----------
    shifts : (n_frames, 2) array
        Shifts of rows and columns, in pixels of the frames.
    frame_shape : (int, int)
        Rows and columns of every frame.

    Raises
    ------
    ValueError
        Names the frame.
    """
    if not np.isfinite(shifts).all():
        frame = int(np.flatnonzero(~np.isfinite(shifts).all(axis=1))[0])
        raise ValueError(
            f"The shift of frame {frame} is {shifts[frame].tolist()}, expected finite "
            "numbers. Give the offsets of all frames."
        )
    away = np.abs(shifts - np.median(shifts, axis=0))
    frame, axis = map(int, np.unravel_index(np.argmax(away / frame_shape), away.shape))
    if away[frame, axis] >= 0.75 * frame_shape[axis]:
        raise ValueError(
            f"Frame {frame} begins {away[frame, axis]:.4g} pixels from the others along"
            f" the {('rows', 'columns')[axis]}, of which a frame has "
            f"{frame_shape[axis]}: the frames hardly overlap. Check the offsets and "
            "the units of the axes."
        )
