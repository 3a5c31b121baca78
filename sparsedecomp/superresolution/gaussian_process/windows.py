"""Frames cut into small windows that have one arrangement of samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.linalg import lapack

from sparsedecomp.superresolution.gaussian_process.evidence import (
    Process,
    fit_process,
    inverse_of,
)

# A Cholesky factorisation of so many samples takes a twentieth of a second.
_SAMPLES = 1000
# Where a smaller part of the windows is free of masked samples, those with some are
# used too; of these, ones with a larger part of their samples masked are left out.
_LEAST_CLEAN = _MOST_MASKED = 0.5
# Fits of a process, each to samples drawn by the last one in the place of masked ones.
_ROUNDS = 3
# Standard deviation in pixels of the Gaussian whose mean is the first fill.
_FILL = 1.0


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
    mean : (n_factors,) array
        Means of the factors.
    centres : (n_windows, 2) array
        Centre of each window, from the middle of a frame, in pixels of the frames.
    missing : (n, n_windows) bool array or None
        True for masked samples, which hold a guess; None if there are none.
    """

    points: NDArray
    samples: NDArray
    size: int
    whole: NDArray
    mean: NDArray
    centres: NDArray
    missing: NDArray | None = None

    def moved(self, shifts: NDArray) -> NDArray:
        """Positions of the samples for other shifts (n_frames, 2)."""
        n = self.size
        inner = np.indices((n, n)).reshape(2, -1).T[None]
        return (inner + (shifts - self.whole)[:, None]).reshape(-1, 2)

    def by_frame(self, by_points: NDArray) -> NDArray:
        """Sums over the samples of each frame, (n_frames, 2)."""
        return by_points.reshape(len(self.whole), -1, 2).sum(axis=1)

    def only(self, which: NDArray) -> Windows:
        """Some of the windows, by an index or mask of them."""
        samples = self.samples.reshape(len(self.samples), -1, len(self.mean))
        missing = None if self.missing is None else self.missing[:, which]
        return self._replace(
            samples=samples[:, which].reshape(len(samples), -1),
            centres=self.centres[which],
            missing=missing,
        )

    def split(self, n: int) -> list[Windows]:
        """The windows of each of ``n`` by ``n`` parts of the field."""
        low, high = self.centres.min(axis=0), self.centres.max(axis=0)
        place = (self.centres - low) / np.maximum(high - low, 1e-9)
        number = np.minimum((n * place).astype(int), n - 1) @ [n, 1]
        return [self.only(number == k) for k in np.unique(number)]

    def of_frames(self, frames: NDArray) -> Windows:
        """The same windows of some of the frames."""
        n = self.size**2
        rows = (np.asarray(frames)[:, None] * n + np.arange(n)).ravel()
        missing = None if self.missing is None else self.missing[rows]
        return self._replace(
            points=self.points[rows],
            samples=self.samples[rows],
            whole=self.whole[frames],
            missing=missing,
        )

    def completed(
        self, process: Process, shifts: NDArray | None = None, seed: int = 0
    ) -> Windows:
        """Draw the masked samples from a process, given the others of their window.

        Draws have the scatter of measured samples, so that a process fitted to them is
        that of the samples; means would make it too smooth.

        Parameters
        ----------
        process : Process
            Covariance of the samples.
        shifts : (n_frames, 2) array, optional
            Shifts of the frames; default: those of ``points``.
        seed : int, default 0
            Seed of the draws.

        Returns
        -------
        Windows
            Itself, where nothing is masked.
        """
        if self.missing is None:
            return self
        points = self.points if shifts is None else self.moved(shifts)
        factor, failed = lapack.dpotrf(process.samples(points).T, lower=True)
        if failed:
            return self
        inverse = inverse_of(factor)
        n_factors, rng = len(self.mean), np.random.default_rng(seed)
        samples = self.samples.reshape(len(self.samples), -1, n_factors).copy()
        for w in np.flatnonzero(self.missing.any(axis=0)):
            gone = np.flatnonzero(self.missing[:, w])
            there = np.flatnonzero(~self.missing[:, w])
            # Rows of the inverse hold the distribution of some samples given the rest.
            root, _ = lapack.dpotrf(inverse[np.ix_(gone, gone)].T, lower=True)
            known = inverse[np.ix_(gone, there)] @ samples[there, w]
            draw, _ = lapack.dtrtrs(
                root, rng.normal(size=(len(gone), n_factors)), lower=True, trans=1
            )
            samples[gone, w] = draw - lapack.dpotrs(root, known, lower=True)[0]
        return self._replace(samples=samples.reshape(len(samples), -1))

    def fitted(self, twice_nu: int = 3) -> tuple[Windows, Process, float]:
        """Fit a process, and draw masked samples from it.

        Parameters
        ----------
        twice_nu : int, default 3
            Smoothness: 1, 3 or 5 for nu = 1/2, 3/2, 5/2.

        Returns
        -------
        windows : Windows
            The windows with masked samples drawn.
        process : Process
            Process of greatest evidence.
        value : float
            Negative log evidence.
        """
        process, value = fit_process(self.points, self.samples, twice_nu)
        windows = self
        for seed in range(_ROUNDS if self.missing is not None else 0):
            windows = self.completed(process, seed=seed)
            process, value = fit_process(windows.points, windows.samples, twice_nu)
        return windows, process, value


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
        True for samples to leave out. Windows with such samples are left out where at
        least half of the windows have none, and else those of which they are more than
        a half.
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
        Masked samples hold the mean of their neighbours.

    Raises
    ------
    ValueError
        Where more than half of the samples of every window are masked.
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
    places = [
        (i, j)
        for i in _places(first[0], last[0], size, step)
        for j in _places(first[1], last[1], size, step)
    ]

    def cut(frames: NDArray, i: int, j: int) -> NDArray:
        return np.stack(
            [
                frames[k, i - a : i - a + size, j - b : j - b + size]
                for k, (a, b) in enumerate(whole)
            ]
        )

    gone = None
    if mask is not None and mask.any():
        gone = np.stack([cut(mask, *place) for place in places], axis=-1)
        masked = gone.mean(axis=(0, 1, 2))
        few = np.mean(masked == 0) < _LEAST_CLEAN
        kept = (masked <= _MOST_MASKED) if few else masked == 0
        if not kept.any():
            raise ValueError(
                f"More than half of the samples of every window of {size} x {size} "
                "pixels are masked: mask less, or leave out a frame."
            )
        places = [place for place, keep in zip(places, kept, strict=True) if keep]
        gone = gone[..., kept].reshape(n_frames * size**2, -1) if few else None
    if gone is not None:
        Y = _filled(Y, mask)
    Z = np.stack([cut(Y, *place) for place in places], axis=3).astype(float)
    Z = Z.reshape(n_frames * size**2, len(places), n_factors)
    mean = Z.mean(axis=(0, 1))
    Z -= mean
    centres = np.array(places, float) + (size - np.array([h, w])) / 2
    windows = Windows(
        np.empty(0), Z.reshape(len(Z), -1), size, whole, mean, centres, gone
    )
    return windows._replace(points=windows.moved(shifts))


def _filled(Y: NDArray, mask: NDArray) -> NDArray:
    """Frames with the mean of the neighbours in the place of masked samples."""
    seen = (~mask)[..., None]
    width = (0, _FILL, _FILL, 0)
    weight = ndimage.gaussian_filter(seen.astype(float), width)
    known = np.where(seen, Y, 0).astype(float)
    level = known.sum(axis=(0, 1, 2)) / max(seen.sum(), 1)
    local = ndimage.gaussian_filter(np.where(seen, Y - level, 0.0), width)
    return np.where(seen, Y, level + local / np.maximum(weight, 1e-3))


def _places(first: int, last: int, size: int, step: int) -> NDArray:
    """Starts of evenly spaced windows from the first pixel to the last."""
    n = max(1, int(np.ceil((last - first - size) / step)) + 1)
    return np.unique(np.linspace(first, last - size, n).round().astype(int))
