"""Linear programming with few variables and many constraints."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def dual_simplex(slopes, offsets, f, box, tolerance, most, active):
    """Maximise ``f @ u`` subject to ``slopes @ u + offsets >= 0``, within a box.

    The dual simplex method starts at a corner of the box. In each exchange the facet
    that is violated most enters, and the one whose multiplier would change its sign
    first leaves, until none is violated.

    Parameters
    ----------
    slopes : (n, d) float64 array
        Normals of the facets, of unit length or zero.
    offsets : (n,) float64 array
        Offsets of the facets, not negative, so that there is a solution.
    f : (d,) float64 array
        Gradient of the objective.
    box : float
        Largest coordinate of a point in the box.
    tolerance : float
        Smallest violation of a facet that counts, relative to the largest coordinate.
    most : int
        Largest number of exchanges. In the second half of them the first facet that is
        violated enters instead of the worst one, which cannot cycle (Bland's rule).
    active : (d,) int64 array
        Overwritten with the facets that meet in the solution; -1 for one of the box.
    """
    n, d = slopes.shape
    inverse = np.zeros((d, d))
    room = np.full(d, box)
    multiplier = np.abs(f)
    u = np.empty(d)
    share = np.empty(d)
    for i in range(d):
        inverse[i, i] = -1.0 if f[i] >= 0.0 else 1.0
        active[i] = -1
    for pivot in range(most):
        size = 1.0
        for i in range(d):
            u[i] = 0.0
            for j in range(d):
                u[i] -= inverse[i, j] * room[j]
            size = max(size, abs(u[i]))
        entering = -1
        lowest = -tolerance * size
        for e in range(n):
            height = offsets[e]
            for i in range(d):
                height += slopes[e, i] * u[i]
            if height < lowest:
                entering = e
                lowest = height
                if 2 * pivot >= most:
                    break
        if entering < 0:
            break
        largest = 0.0
        for j in range(d):
            share[j] = 0.0
            for i in range(d):
                share[j] += slopes[entering, i] * inverse[i, j]
            largest = max(largest, share[j])
        leaving = -1
        least = np.inf
        for j in range(d):
            if share[j] > 1e-12 * largest and multiplier[j] < least * share[j]:
                leaving = j
                least = multiplier[j] / share[j]
        if leaving < 0:
            # The violation is within rounding.
            break
        for j in range(d):
            multiplier[j] = max(multiplier[j] - least * share[j], 0.0)
        multiplier[leaving] = least
        for i in range(d):
            inverse[i, leaving] /= share[leaving]
            for j in range(d):
                if j != leaving:
                    inverse[i, j] -= share[j] * inverse[i, leaving]
        room[leaving] = offsets[entering]
        active[leaving] = entering
