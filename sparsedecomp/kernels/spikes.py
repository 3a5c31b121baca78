"""Narrow runs of channels that rise far above the channels on both sides of them."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def spectrum_roughness(X, sample, roughness):
    """Robust scale of the differences between neighbouring channels of every pixel.

    It is the median of ``|x[e-1] - 2 x[e] + x[e+1]|`` over some channels, over its
    value for white noise of unit variance (``0.6745 sqrt 6``). For a smooth spectrum
    with white noise it is the standard deviation of the noise; for a spectrum with fine
    structure it is larger. A single spike does not change it.

    Parameters
    ----------
    X : (n, m) array
        Spectra of the pixels, ``m >= 3``.
    sample : (s,) int64 array
        Channels ``e`` of the median, between 1 and ``m - 2``.
    roughness : (n,) float64 array
        Overwritten with the scale.
    """
    values = np.empty(len(sample))
    for i in range(X.shape[0]):
        for j in range(len(sample)):
            e = sample[j]
            left = np.float64(X[i, e - 1])
            right = np.float64(X[i, e + 1])
            values[j] = abs(left - 2.0 * np.float64(X[i, e]) + right)
        roughness[i] = np.median(values) / 1.6522


@numba.njit(cache=True, nogil=True)
def spike_candidates(X, roughness, unit, factor, max_width, found, level):
    """Find runs of at most ``max_width`` channels above their neighbours in a pixel.

    Every entry of a run exceeds the largest ``l`` of the two channels on either side
    of it by more than ``factor sqrt(2 (unit l + roughness^2))``. Narrow runs are
    searched first, so that a spike beside an edge is not lost in a wider run.

    Parameters
    ----------
    X : (n, m) array
        Spectra of the pixels.
    roughness : (n,) float64 array
        Standard deviation of the noise of each pixel in addition to that of counts.
    unit : float
        Size of one count, 0 for data that are not counts.
    factor : float
        Threshold in standard deviations of the difference; a larger one finds less.
    max_width : int
        Largest number of channels of a run.
    found : (c, 3) int64 array
        Overwritten with pixel, first channel and width of every run.
    level : (c, 3) float64 array
        Overwritten with the largest neighbour ``l`` of every run, the mean of its
        neighbours, and the difference between its lowest entry and ``l``.

    Returns
    -------
    int
        Number of runs; those beyond the length of ``found`` are only counted.
    """
    n, m = X.shape
    count = 0
    taken = np.zeros(m, np.bool_)
    starts = np.zeros(m, np.int64)
    for i in range(n):
        noise = roughness[i] * roughness[i]
        # A run rises above the channel before it by more than this, if there is one;
        # most channels do not.
        least = factor * np.sqrt(2.0 * (unit * unit + noise))
        n_starts = 1
        for e in range(1, m):
            if np.float64(X[i, e]) - np.float64(X[i, e - 1]) > least:
                starts[n_starts] = e
                n_starts += 1
        taken[:] = False
        for width in range(1, max_width + 1):
            for e in starts[:n_starts]:
                if e > m - width:
                    break
                lowest = np.inf
                free = True
                for j in range(e, e + width):
                    lowest = min(lowest, np.float64(X[i, j]))
                    free = free and not taken[j]
                if not free:
                    continue
                neighbour = -np.inf
                total = 0.0
                for j in range(max(e - 2, 0), min(e + width + 2, m)):
                    if j < e or j >= e + width:
                        neighbour = max(neighbour, np.float64(X[i, j]))
                        total += np.float64(X[i, j])
                n_neighbours = min(e, 2) + min(m - e - width, 2)
                variance = unit * max(neighbour, unit) + noise
                if lowest - neighbour <= factor * np.sqrt(2.0 * variance):
                    continue
                taken[e : e + width] = True
                if count < len(found):
                    found[count, 0] = i
                    found[count, 1] = e
                    found[count, 2] = width
                    level[count, 0] = neighbour
                    level[count, 1] = total / n_neighbours
                    level[count, 2] = lowest - neighbour
                count += 1
    return count
