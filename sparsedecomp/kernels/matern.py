"""Matern covariances between scattered points, and their derivatives."""

import math

import numba


@numba.njit(cache=True, nogil=True)
def covariance(A, B, twice_nu, K):
    """Matern correlation between all pairs of two sets of points.

    It is ``exp(-r)`` for nu = 1/2, ``(1 + r') exp(-r')`` with ``r' = sqrt(3) r`` for
    3/2, and ``(1 + r' + r'^2 / 3) exp(-r')`` with ``r' = sqrt(5) r`` for 5/2.

    Parameters
    ----------
    A : (n, 2) array
        Points, in units of the correlation lengths along both axes.
    B : (m, 2) array
        Other points, in the same units.
    twice_nu : int
        Twice the smoothness nu: 1, 3 or 5.
    K : (n, m) array
        Overwritten with the correlations.
    """
    root = math.sqrt(twice_nu)
    for i in range(A.shape[0]):
        for j in range(B.shape[0]):
            y = A[i, 0] - B[j, 0]
            x = A[i, 1] - B[j, 1]
            r = root * math.sqrt(y * y + x * x)
            e = math.exp(-r)
            if twice_nu == 1:
                K[i, j] = e
            elif twice_nu == 3:
                K[i, j] = (1.0 + r) * e
            else:
                K[i, j] = (1.0 + r + r * r / 3.0) * e


@numba.njit(cache=True, nogil=True)
def slopes(A, Q, twice_nu, by_point):
    """Derivatives of ``sum_ij Q_ij k(a_i, a_j)`` for a symmetric ``Q``.

    Parameters
    ----------
    A : (n, 2) array
        Points, in units of the correlation lengths.
    Q : (n, n) array
        Symmetric weights of the pairs.
    twice_nu : int
        Twice the smoothness nu: 3 or 5. For nu = 1/2 the covariance of two points that
        coincide is not differentiable.
    by_point : (n, 2) array
        Overwritten with the derivatives with respect to the coordinates of each point.

    Returns
    -------
    rows, columns : float
        Derivatives with respect to the logarithms of the two correlation lengths.
    """
    root = math.sqrt(twice_nu)
    by_rows = 0.0
    by_columns = 0.0
    for i in range(A.shape[0]):
        down = 0.0
        right = 0.0
        for j in range(A.shape[0]):
            y = A[i, 0] - A[j, 0]
            x = A[i, 1] - A[j, 1]
            r = root * math.sqrt(y * y + x * x)
            # Twice the derivative of k with respect to the squared distance.
            if twice_nu == 3:
                slope = -3.0 * math.exp(-r)
            else:
                slope = -5.0 / 3.0 * (1.0 + r) * math.exp(-r)
            slope *= Q[i, j]
            down += slope * y
            right += slope * x
            by_rows -= slope * y * y
            by_columns -= slope * x * x
        by_point[i, 0] = 2.0 * down
        by_point[i, 1] = 2.0 * right
    return by_rows, by_columns
