"""Shift of spectra along their energy axis, by a number of channels for each pixel."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def shift_spectra(X, shift, out):
    """Shift every spectrum down by ``shift`` channels, with a quadratic B-spline.

    With ``shift = m + t``, ``|t| <= 1/2``, the new channel ``e`` is the mean of the
    channels ``e + m - 1``, ``e + m`` and ``e + m + 1`` with the weights
    ``(1/2 - t)^2 / 2``, ``3/4 - t^2`` and ``(1/2 + t)^2 / 2``. Their variance is 1/4
    channel for every ``t``: all spectra are blurred alike, whatever their shift. The
    first and last channel are repeated beyond the ends.

    Parameters
    ----------
    X : (n, m) array
        Spectra.
    shift : (n,) float64 array
        Shift of each spectrum in channels.
    out : (n, m) array
        Overwritten with the shifted spectra.
    """
    n, m = X.shape
    last = m - 1
    for i in range(n):
        whole = int(np.floor(shift[i] + 0.5))
        t = shift[i] - whole
        before = 0.5 * (0.5 - t) ** 2
        centre = 0.75 - t * t
        after = 0.5 * (0.5 + t) ** 2
        for e in range(m):
            a = min(max(e + whole - 1, 0), last)
            b = min(max(e + whole, 0), last)
            c = min(max(e + whole + 1, 0), last)
            out[i, e] = before * X[i, a] + centre * X[i, b] + after * X[i, c]
