"""Joint non-local means of several images: sums over all shifts of a window.

Images have the shape (rows, columns, factors). Rows are worked on in bands, so that
several threads can work on one image.
"""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def average_similar(Z, guide, first, last, patch, search, excess, bandwidth, out):
    """Average every pixel with those whose patches look alike.

    The weight of a pixel is ``exp(-max(d - excess, 0) / bandwidth)``, with ``d`` the
    mean over the patch of the squared difference of all factors. Beyond the edges the
    images are mirrored. The pixel itself has the largest weight of the others.

    Parameters
    ----------
    Z : (H, W, n_factors) array
        Images that are averaged.
    guide : (H, W, n_factors) array
        Images whose patches are compared.
    first, last : int
        First row of the band, and the row after its last one.
    patch : int
        Rows and columns of a patch on each side of its centre.
    search : int
        Largest shift along rows and columns.
    excess : float
        What noise alone adds to ``d``.
    bandwidth : float
        Difference at which the weight has fallen to 1/e.
    out : (H, W, n_factors) array
        Overwritten with the averages, in the rows of the band.
    """
    H, W, n_factors = Z.shape
    rows, wide = last - first, W + 2 * patch
    tall = rows + 2 * patch
    squares = np.empty((tall, wide))
    across = np.empty((tall, W))
    total = np.zeros((rows, W, n_factors))
    weights, largest = np.zeros((rows, W)), np.zeros((rows, W))
    area = float((2 * patch + 1) ** 2)
    # A mirror repeats with twice the size less two; one row mirrors to itself.
    down, right = max(2 * H - 2, 1), max(2 * W - 2, 1)
    for dy in range(-min(search, H - 1), min(search, H - 1) + 1):
        for dx in range(-min(search, W - 1), min(search, W - 1) + 1):
            if dy == 0 and dx == 0:
                continue
            for a in range(tall):
                i = abs(first + a - patch) % down
                i = down - i if i >= H else i
                k = abs(i + dy) % down
                k = down - k if k >= H else k
                for b in range(wide):
                    j = abs(b - patch) % right
                    j = right - j if j >= W else j
                    m = abs(j + dx) % right
                    m = right - m if m >= W else m
                    s = 0.0
                    for c in range(n_factors):
                        difference = guide[i, j, c] - guide[k, m, c]
                        s += difference * difference
                    squares[a, b] = s
                s = 0.0
                for b in range(2 * patch):
                    s += squares[a, b]
                for j in range(W):
                    s += squares[a, j + 2 * patch]
                    across[a, j] = s
                    s -= squares[a, j]
            for j in range(W):
                m = abs(j + dx) % right
                m = right - m if m >= W else m
                s = 0.0
                for a in range(2 * patch):
                    s += across[a, j]
                for a in range(rows):
                    s += across[a + 2 * patch, j]
                    distance = max(s / area - excess, 0.0) / bandwidth
                    s -= across[a, j]
                    if distance > 30.0:
                        continue
                    weight = math.exp(-distance)
                    k = abs(first + a + dy) % down
                    k = down - k if k >= H else k
                    weights[a, j] += weight
                    largest[a, j] = max(largest[a, j], weight)
                    for c in range(n_factors):
                        total[a, j, c] += weight * Z[k, m, c]
    for a in range(rows):
        for j in range(W):
            own = largest[a, j] if largest[a, j] > 0 else 1.0
            for c in range(n_factors):
                value = total[a, j, c] + own * Z[first + a, j, c]
                out[first + a, j, c] = value / (weights[a, j] + own)
