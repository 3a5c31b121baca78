"""Isotonic and unimodal least squares regression."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def nearest_rising(y, factor, floored, gain, x):
    """Nearest rising curve, by the pool-adjacent-violators algorithm.

    Minimises ``sum_i (y_i - x_i)^2`` with ``x_i <= factor * x_(i+1)``. This is an
    isotonic regression of ``factor^i x_i``.

    Parameters
    ----------
    y : (m,) array
        Data.
    factor : float
        Tolerance of falling, at least 1; 1 for curves that never fall.
    floored : bool
        Whether the curve must not be negative.
    gain : (m + 1,) float64 array
        Overwritten with the explained sum of squares of the best curve through the
        first ``i`` channels.
    x : (m,) array
        Overwritten with the best curve through all channels.
    """
    m = y.shape[0]
    # In a pool the curve is level * factor^-(i - first).
    first = np.empty(m, np.int64)
    weight = np.empty(m)
    square = np.empty(m)
    explained = np.zeros(m + 1)
    gain[0] = 0.0
    pools = 0
    for i in range(m):
        first[pools] = i
        weight[pools] = y[i]
        square[pools] = 1.0
        while pools > 0:
            shrink = factor ** -float(first[pools] - first[pools - 1])
            before = weight[pools - 1] / square[pools - 1]
            if before * shrink <= weight[pools] / square[pools]:
                break
            weight[pools - 1] += shrink * weight[pools]
            square[pools - 1] += shrink**2 * square[pools]
            pools -= 1
        level = weight[pools] / square[pools]
        if floored and level < 0.0:
            level = 0.0
        explained[pools + 1] = explained[pools] + level**2 * square[pools]
        pools += 1
        gain[i + 1] = explained[pools]
    pool = 0
    for i in range(m):
        if pool + 1 < pools and first[pool + 1] == i:
            pool += 1
        level = weight[pool] / square[pool]
        if floored and level < 0.0:
            level = 0.0
        x[i] = level * factor ** -float(i - first[pool])


@numba.njit(cache=True, nogil=True)
def nearest_unimodal(y, factor, floored, x):
    """Nearest curve that rises to one maximum and falls after it [1]_.

    Minimises ``sum_i (y_i - x_i)^2`` with ``x_i <= factor * x_(i+1)`` up to some
    channel and ``x_(i+1) <= factor * x_i`` from there on. Every channel is tried as the
    maximum: one regression from either end gives the errors of all of them.

    Parameters
    ----------
    y : (m,) array
        Data.
    factor : float
        Tolerance, at least 1; a larger one lets the curve rise again, by at most this
        factor from channel to channel.
    floored : bool
        Whether the curve must not be negative.
    x : (m,) array
        Overwritten with the curve.

    References
    ----------
    .. [1] Q. F. Stout, Comput. Stat. Data Anal. 53 (2008) 289.
       https://doi.org/10.1016/j.csda.2008.08.005
    """
    m = y.shape[0]
    left = np.empty(m + 1)
    right = np.empty(m + 1)
    nearest_rising(y, factor, floored, left, x)
    nearest_rising(y[::-1], factor, floored, right, x)
    best = 0
    for split in range(m + 1):
        if left[split] + right[m - split] > left[best] + right[m - best]:
            best = split
    nearest_rising(y[:best], factor, floored, left, x[:best])
    nearest_rising(y[best:][::-1], factor, floored, right, x[best:][::-1])
