"""Frames cut into small windows that all see the same arrangement of samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# A Cholesky factorisation of so many samples takes a twentieth of a second.
_SAMPLES = 1000


class Windows(NamedTuple):
    """Windows of the same field in all frames.

    Attributes
    ----------
    points : (n, 2) array
        Places of the samples of a window in pixels of the frames, frame after frame.
    samples : (n, n_windows * n_factors) array
        Factor innermost; the mean of every factor is taken off.
    size : int
        Rows and columns of the part of one frame.
    whole : (n_frames, 2) int array
        Whole pixels of the shifts, by which the windows of the frames differ.
    """

    points: np.ndarray
    samples: np.ndarray
    size: int
    whole: np.ndarray

    def moved(self, shifts):
        """Places of the samples for other shifts (n_frames, 2)."""
        n = self.size
        inner = np.stack(np.indices((n, n)), axis=-1).reshape(1, -1, 2)
        return (inner + (shifts - self.whole)[:, None]).reshape(-1, 2)

    def by_frame(self, by_points):
        """Sum of what belongs to the samples of a frame, (n_frames, 2)."""
        return by_points.reshape(len(self.whole), -1, 2).sum(axis=1)


def cut_windows(Y, shifts, mask=None, size=None, step=None, n_samples=_SAMPLES):
    """Cut frames into windows; each frame's lie where it sees the same field.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
    shifts : (n_frames, 2) array
        In pixels of the frames.
    mask : (n_frames, rows, columns) bool array, optional
        A window with a masked sample is left out.
    size : int, optional
        Rows and columns of a window in a frame; default: as many as leave no more
        than about a thousand samples, at least 4.
    step : int, optional
        Between windows; default: their size.
    n_samples : int, default 1000
        What the default size is chosen by.

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
    found = []
    for i in _places(first[0], last[0], size, step):
        for j in _places(first[1], last[1], size, step):
            cut = [
                (k, slice(i - a, i - a + size), slice(j - b, j - b + size))
                for k, (a, b) in enumerate(whole)
            ]
            if mask is None or not any(mask[part].any() for part in cut):
                found.append(np.stack([Y[part] for part in cut]))
    if not found:
        raise ValueError(
            f"No window of {size} x {size} pixels is free of masked samples in all "
            "frames: mask less, or leave out a frame."
        )
    Z = np.stack(found, axis=3).astype(float)
    Z = Z.reshape(n_frames * size**2, len(found), n_factors)
    Z -= Z.mean(axis=(0, 1))
    windows = Windows(np.empty(0), Z.reshape(len(Z), -1), size, whole)
    return windows._replace(points=windows.moved(shifts))


def _places(first, last, size, step):
    """Starts of windows that cover a stretch evenly, its end included."""
    n = max(1, int(np.ceil((last - first - size) / step)) + 1)
    return np.unique(np.linspace(first, last - size, n).round().astype(int))
