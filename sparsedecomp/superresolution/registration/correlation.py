"""Shifts by phase correlation, for frames without nominal ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

# Added to the amplitude of the cross-power spectrum, in units of its mean, before the
# amplitude is divided out: weaker frequencies, which are mostly noise, count less.
_FLOOR = 0.05


def correlate(Y: ArrayLike) -> NDArray:
    """Shifts of frames against the first, by phase correlation.

    Good to about a tenth of a pixel, which is as good as a correlation of coarse,
    aliased frames can be. The fit of `register` starts from it.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames.

    Returns
    -------
    (n_frames, 2) array
        Rows and columns in pixels of the frames: sample 0 of frame ``k`` lies at this
        position in frame 0.
    """
    frames = np.asarray(Y, float)
    shape = frames.shape[1:3]
    taper = np.hanning(shape[0] + 2)[1:-1, None] * np.hanning(shape[1] + 2)[1:-1]
    frames = frames - frames.mean(axis=(1, 2), keepdims=True)
    spectra = fft.rfft2(frames * taper[None, :, :, None], axes=(1, 2))
    shifts = np.zeros((len(frames), 2))
    for k in range(1, len(frames)):
        cross = (spectra[k].conj() * spectra[0]).sum(axis=-1)
        size = np.abs(cross)
        surface = fft.irfft2(cross / (size + _FLOOR * size.mean()), s=shape)
        peak = np.array(np.unravel_index(np.argmax(surface), shape))
        for axis in (0, 1):
            line = np.take(surface, peak[1 - axis], axis=1 - axis)
            a, b, c = (line[(peak[axis] + i) % shape[axis]] for i in (-1, 0, 1))
            at = peak[axis] + 0.5 * (a - c) / min(a - 2 * b + c, -1e-12)
            shifts[k, axis] = (at + shape[axis] / 2) % shape[axis] - shape[axis] / 2
    return shifts
