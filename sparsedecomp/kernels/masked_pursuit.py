"""Sparse codes of patches of which some pixels are missing, in all factors together."""

import math

import numba
import numpy as np

# Patches are finite: sums may be reordered.
_FAST = {"reassoc", "contract", "nnan", "nsz"}


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def code_masked(Y, measured, D, tolerance, max_atoms, patches):
    """Orthogonal matching pursuit on the measured pixels of every patch.

    The factors of a patch have the same atoms with weights of their own. The atom is
    added whose restriction to the measured pixels has the largest product with the
    residual, summed over the squares of the factors, until the mean square of the
    residual is at most the tolerance.

    Parameters
    ----------
    Y : (n, n_pixels, n_factors) array
        Patches, float32 or float64.
    measured : (n, n_pixels) bool array
        Pixels that are measured.
    D : (n_atoms, n_pixels) array
        Atoms of norm one.
    tolerance : float
        Mean square residual of a measured value at which a code is complete.
    max_atoms : int
        Most atoms of a patch; never more than half of its measured pixels, but one.
    patches : (n, n_pixels, n_factors) array
        Overwritten with the coded patches, in all their pixels.
    """
    n, d, n_factors = Y.shape
    p = len(D)
    kind = Y.dtype
    # Measured parts of the atoms, orthonormal ones, and what they are made of.
    part, norms = np.empty((p, d), kind), np.empty(p, kind)
    R, Q = np.empty((d, n_factors), kind), np.empty((max_atoms, d), kind)
    used, T = np.empty(max_atoms, np.int64), np.empty((max_atoms, max_atoms), kind)
    weights = np.empty((max_atoms, n_factors), kind)
    places = np.empty(d, np.int64)
    for i in range(n):
        m = 0
        for u in range(d):
            if measured[i, u]:
                places[m] = u
                m += 1
        left = 0.0
        for u in range(m):
            for c in range(n_factors):
                R[u, c] = Y[i, places[u], c]
                left += R[u, c] * R[u, c]
        for j in range(p):
            square = kind.type(0)
            for u in range(m):
                value = D[j, places[u]]
                part[j, u] = value
                square += value * value
            norms[j] = square
        most = min(max_atoms, max(m // 2, 1)) if m else 0
        count = 0
        while count < most and left > tolerance * m * n_factors:
            choice, largest = -1, 0.0
            for j in range(p):
                if norms[j] < 1e-3:
                    continue
                score = 0.0
                for c in range(n_factors):
                    product = kind.type(0)
                    for u in range(m):
                        product += part[j, u] * R[u, c]
                    score += product * product
                score /= norms[j]
                if score > largest:
                    choice, largest = j, score
            if choice < 0:
                break
            q = Q[count]
            for u in range(m):
                q[u] = part[choice, u]
            for k in range(count):
                product = kind.type(0)
                for u in range(m):
                    product += Q[k, u] * q[u]
                T[k, count] = product
                for u in range(m):
                    q[u] -= product * Q[k, u]
            square = kind.type(0)
            for u in range(m):
                square += q[u] * q[u]
            # Below, what is left of the atom is rounding only.
            if square < 1e-4 * norms[choice]:
                norms[choice] = 0
                continue
            norm = kind.type(math.sqrt(square))
            T[count, count] = norm
            left = 0.0
            for u in range(m):
                q[u] /= norm
            for c in range(n_factors):
                product = kind.type(0)
                for u in range(m):
                    product += q[u] * R[u, c]
                weights[count, c] = product
                for u in range(m):
                    R[u, c] -= product * q[u]
                    left += R[u, c] * R[u, c]
            used[count] = choice
            norms[choice] = 0
            count += 1
        patches[i] = 0
        for k in range(count - 1, -1, -1):
            for c in range(n_factors):
                weight = weights[k, c]
                for t in range(k + 1, count):
                    weight -= T[k, t] * weights[t, c]
                weight /= T[k, k]
                weights[k, c] = weight
                for u in range(d):
                    patches[i, u, c] += weight * D[used[k], u]
