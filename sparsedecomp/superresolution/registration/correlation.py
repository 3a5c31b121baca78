"""Shifts to within a fraction of a pixel, where no nominal ones are known."""

from __future__ import annotations

import numpy as np
from scipy import fft

# Of the cross-power spectrum: below this part of its mean it is noise.
_FLOOR = 0.05


def correlate(Y):
    """Shifts of frames against the first, by phase correlation.

    Good to about a tenth of a pixel: coarse frames are aliased, and no correlation of
    them does better. It is where the fit of `register` starts.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array

    Returns
    -------
    (n_frames, 2) array
        Rows and columns in pixels of the frames: what sample 0 of frame ``k`` saw is
        at this place of frame 0.
    """
    Y = np.asarray(Y, float)
    shape = Y.shape[1:3]
    taper = np.hanning(shape[0] + 2)[1:-1, None] * np.hanning(shape[1] + 2)[1:-1]
    Y = (Y - Y.mean(axis=(1, 2), keepdims=True)) * taper[None, :, :, None]
    spectra = fft.rfft2(Y, axes=(1, 2))
    found = np.zeros((len(Y), 2))
    for k in range(1, len(Y)):
        cross = (spectra[k].conj() * spectra[0]).sum(axis=-1)
        size = np.abs(cross)
        surface = fft.irfft2(cross / (size + _FLOOR * size.mean()), s=shape)
        peak = np.array(np.unravel_index(np.argmax(surface), shape))
        for axis in (0, 1):
            line = np.take(surface, peak[1 - axis], axis=1 - axis)
            a, b, c = (line[(peak[axis] + i) % shape[axis]] for i in (-1, 0, 1))
            at = peak[axis] + 0.5 * (a - c) / min(a - 2 * b + c, -1e-12)
            found[k, axis] = (at + shape[axis] / 2) % shape[axis] - shape[axis] / 2
    return found
