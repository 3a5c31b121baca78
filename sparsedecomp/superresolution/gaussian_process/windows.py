"""Frames cut into small windows that have one arrangement of samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# A Cholesky factorisation of so many samples takes a twentieth of a second.
_SAMPLES = 1000


class Windows(NamedTuple):
    """Windows of the same field in all frames.

    Attributes
    ----------
    points : (n, 2) array
        Positions of the samples of a window in pixels of the frames, frame after frame.
    samples : (n, n_windows * n_factors) array
        Samples less the mean of their factor; the factor is the innermost index.
    size : int
        Rows and columns of the part of one frame.
    whole : (n_frames, 2) int array
        Whole pixels of the shifts, by which the windows of the frames differ.
    """

    points: NDArray
    samples: NDArray
    size: int
    whole: NDArray

    def moved(self, shifts: NDArray) -> NDArray:
        """Positions of the samples for other shifts (n_frames, 2)."""
        n = self.size
        inner = np.indices((n, n)).reshape(2, -1).T[None]
        return (inner + (shifts - self.whole)[:, None]).reshape(-1, 2)

    def by_frame(self, by_points: NDArray) -> NDArray:
        """Sums over the samples of each frame, (n_frames, 2)."""
        return by_points.reshape(len(self.whole), -1, 2).sum(axis=1)


def cut_windows(
    Y: NDArray,
    shifts: NDArray,
    mask: NDArray | None = None,
    size: int | None = None,
    step: int | None = None,
    n_samples: int = _SAMPLES,
) -> Windows:
    """Cut frames into windows of one field, to within whole pixels, in all frames.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    shifts : (n_frames, 2) array
        Shifts of rows and columns in pixels of the frames.
    mask : (n_frames, rows, columns) bool array, optional
        A window with a masked sample is left out.
    size : int, optional
        Rows and columns of a window in a frame; default: as many as leave no more
        than about a thousand samples, at least 4.
    step : int, optional
        Distance between windows; default: their size.
    n_samples : int, default 1000
        Largest number of samples of a window of the default size.

    Returns
    -------
    Windows

    Raises
    ------
    ValueError
        Where no window is free of masked samples.
    """
    n_frames, h, w, n_factors = Y.shape
    whole = np.round(shifts - np.median(shifts, axis=0)).astype(int)
    first = np.maximum(whole.max(axis=0), 0)
    last = np.array([h, w]) + np.minimum(whole.min(axis=0), 0)
    room = int(min(last - first))
    if size is None:
        size = max(4, int(np.sqrt(n_samples / n_frames)))
    size = min(size, room)
    step = step or size
    parts = []
    for i in _places(first[0], last[0], size, step):
        for j in _places(first[1], last[1], size, step):
            cut = [
                (k, slice(i - a, i - a + size), slice(j - b, j - b + size))
                for k, (a, b) in enumerate(whole)
            ]
            if mask is None or not any(mask[part].any() for part in cut):
                parts.append(np.stack([Y[part] for part in cut]))
    if not parts:
        raise ValueError(
            f"No window of {size} x {size} pixels is free of masked samples in all "
            "frames: mask less, or leave out a frame."
        )
    Z = np.stack(parts, axis=3).astype(float)
    Z = Z.reshape(n_frames * size**2, len(parts), n_factors)
    Z -= Z.mean(axis=(0, 1))
    windows = Windows(np.empty(0), Z.reshape(len(Z), -1), size, whole)
    return windows._replace(points=windows.moved(shifts))


def _places(first: int, last: int, size: int, step: int) -> NDArray:
    """Starts of evenly spaced windows from the first pixel to the last."""
    n = max(1, int(np.ceil((last - first - size) / step)) + 1)
    return np.unique(np.linspace(first, last - size, n).round().astype(int))
