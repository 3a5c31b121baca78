"""Gaps of images filled by Gaussian models of groups of similar patches.

Images have the shape (rows, columns, factors). Patches of reference on a grid are
worked on in bands of rows, so that several threads can work on one image.
"""

import math

import numba
import numpy as np

# Images are finite: sums may be reordered.
_FAST = {"reassoc", "contract", "nnan", "nsz"}


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _most_similar(X, i, j, p, q, search, rows, columns, distances):
    """Places of the patches nearest to that at (i, j), itself among them."""
    H, W, n_factors = X.shape
    n_most = len(rows)
    n = 0
    worst = 0
    for y in range(max(0, i - search), min(H - p, i + search) + 1):
        for x in range(max(0, j - search), min(W - q, j + search) + 1):
            d = X.dtype.type(0)
            for a in range(p):
                for b in range(q):
                    for c in range(n_factors):
                        e = X[i + a, j + b, c] - X[y + a, x + b, c]
                        d += e * e
                if n == n_most and d >= distances[worst]:
                    break
            if n < n_most:
                rows[n], columns[n], distances[n] = y, x, d
                if d > distances[worst]:
                    worst = n
                n += 1
            elif d < distances[worst]:
                rows[worst], columns[worst], distances[worst] = y, x, d
                for k in range(n):
                    if distances[k] > distances[worst]:
                        worst = k
    return n


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _solve(C, observed, m, noise, L, b):
    """Solve ``(C[observed, observed] + noise) x = b`` in place, by Cholesky."""
    for u in range(m):
        for v in range(u + 1):
            s = C[observed[u], observed[v]]
            if u == v:
                s += noise
            for t in range(v):
                s -= L[u, t] * L[v, t]
            if u == v:
                L[u, u] = math.sqrt(max(s, C.dtype.type(1e-12)))
            else:
                L[u, v] = s / L[v, v]
        s = b[u]
        for t in range(u):
            s -= L[u, t] * b[t]
        b[u] = s / L[u, u]
    for u in range(m - 1, -1, -1):
        s = b[u]
        for t in range(u + 1, m):
            s -= L[t, u] * b[t]
        b[u] = s / L[u, u]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def fill_similar(
    X, Z, measured, noise, ridge, first, last, step, size, search, n_most, total, count
):
    """Expected patches, given their measured pixels and patches that look alike.

    The patches of `X` most similar to one of reference, in all factors together, give a
    mean ``m`` and a covariance ``C`` of each factor. The expectation of a patch is
    ``m + C_o (C_oo + noise)^-1 (z_o - m_o)`` with ``o`` its measured pixels.

    Parameters
    ----------
    X : (H, W, n_factors) array
        Images without gaps in which patches are compared, float32 or float64.
    Z : (H, W, n_factors) array
        Measured images.
    measured : (H, W) bool array
        True where `Z` is measured.
    noise : float
        Variance of the noise of `Z`.
    ridge : float
        Variance of each pixel that is added to ``C``: what `X` lacks.
    first, last : int
        First row of the patches of reference, and the row after the last one.
    step : int
        Distance of patches of reference.
    size : int
        Rows and columns of a patch.
    search : int
        Largest distance of patches that are compared along rows and columns.
    n_most : int
        Number of patches of a group.
    total : (H, W, n_factors) array
        The expected patches are added to it.
    count : (H, W) array
        The number of patches that hold each pixel is added to it.
    """
    H, W, n_factors = X.shape
    p, q = min(size, H), min(size, W)
    d = p * q
    kind = X.dtype
    rows, columns = np.empty(n_most, np.int64), np.empty(n_most, np.int64)
    distances = np.empty(n_most, kind)
    A, C, L = (
        np.empty((n_most, d), kind),
        np.empty((d, d), kind),
        np.empty((d, d), kind),
    )
    mean, b = np.empty(d, kind), np.empty(d, kind)
    observed = np.empty(d, np.int64)
    noise, ridge = kind.type(noise), kind.type(ridge)
    for top in range(first, last, step):
        i = min(top, H - p)
        for left in range(0, W - q + step, step):
            j = min(left, W - q)
            n = _most_similar(X, i, j, p, q, search, rows, columns, distances)
            for c in range(n_factors):
                mean[:] = 0
                for k in range(n):
                    for a in range(p):
                        for e in range(q):
                            value = X[rows[k] + a, columns[k] + e, c]
                            A[k, a * q + e] = value
                            mean[a * q + e] += value
                mean /= kind.type(n)
                C[:] = 0
                for k in range(n):
                    A[k] -= mean
                    for u in range(d):
                        w = A[k, u]
                        for v in range(u + 1):
                            C[u, v] += w * A[k, v]
                scale = kind.type(1.0 / max(n - 1, 1))
                for u in range(d):
                    for v in range(u + 1):
                        C[u, v] *= scale
                        C[v, u] = C[u, v]
                    C[u, u] += ridge
                for k in range(n):
                    m = 0
                    for a in range(p):
                        for e in range(q):
                            y, x = rows[k] + a, columns[k] + e
                            if measured[y, x]:
                                observed[m] = a * q + e
                                b[m] = Z[y, x, c] - mean[observed[m]]
                                m += 1
                    _solve(C, observed, m, noise, L, b)
                    patch = A[k]
                    patch[:] = mean
                    for u in range(m):
                        row, w = C[observed[u]], b[u]
                        for v in range(d):
                            patch[v] += w * row[v]
                    for a in range(p):
                        for e in range(q):
                            total[rows[k] + a, columns[k] + e, c] += patch[a * q + e]
                            if c == 0:
                                count[rows[k] + a, columns[k] + e] += 1
