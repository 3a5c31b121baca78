"""Mean field of the Potts model: classes of pixels that resemble their neighbours."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def mean_field_sweep(Q, L, index, offsets, weights, coupling):
    """One sweep over the pixels of the mean field of a Potts model.

    Every pixel in turn gets ``Q_ic ~ exp(L_ic + coupling * sum_o w_o Q_jc)`` with its
    neighbours ``j`` at their latest values, so that no step lowers

        sum_i Q_i (L_i - log Q_i) + coupling / 2 sum_ij w_ij Q_i Q_j

    for symmetric weights, ``w_o = w_-o``.

    Parameters
    ----------
    Q : (n, k) float64 array
        Probabilities; overwritten.
    L : (n, k) float64 array
        Logarithmic likelihood of every class in every pixel.
    index : (nz, ny, nx) int array
        Row of the pixel at each place, -1 where there is none.
    offsets : (m, 3) int array
        Steps from a pixel to its neighbours.
    weights : (m,) float64 array
        Weight of each neighbour.
    coupling : float
        Strength of the coupling; a larger one makes larger regions of one class.

    Returns
    -------
    float
        Sum of the absolute changes of the probabilities.
    """
    nz, ny, nx = index.shape
    k = Q.shape[1]
    field = np.empty(k)
    change = 0.0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                i = index[z, y, x]
                if i < 0:
                    continue
                for c in range(k):
                    field[c] = L[i, c]
                for o in range(offsets.shape[0]):
                    a = z + offsets[o, 0]
                    b = y + offsets[o, 1]
                    d = x + offsets[o, 2]
                    if 0 <= a < nz and 0 <= b < ny and 0 <= d < nx:
                        j = index[a, b, d]
                        if j >= 0:
                            for c in range(k):
                                field[c] += coupling * weights[o] * Q[j, c]
                largest = field.max()
                total = 0.0
                for c in range(k):
                    field[c] = math.exp(field[c] - largest)
                    total += field[c]
                for c in range(k):
                    change += abs(field[c] / total - Q[i, c])
                    Q[i, c] = field[c] / total
    return change


@numba.njit(cache=True, nogil=True)
def neighbour_field(Q, index, offsets, weights, field):
    """Weighted sum of the probabilities of the neighbours of every pixel.

    Parameters
    ----------
    Q : (n, k) float64 array
        Probabilities.
    index, offsets, weights
        As in `mean_field_sweep`.
    field : (n, k) float64 array
        Overwritten with the sums.
    """
    nz, ny, nx = index.shape
    field[:] = 0.0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                i = index[z, y, x]
                if i < 0:
                    continue
                for o in range(offsets.shape[0]):
                    a = z + offsets[o, 0]
                    b = y + offsets[o, 1]
                    d = x + offsets[o, 2]
                    if 0 <= a < nz and 0 <= b < ny and 0 <= d < nx:
                        j = index[a, b, d]
                        if j >= 0:
                            for c in range(Q.shape[1]):
                                field[i, c] += weights[o] * Q[j, c]
