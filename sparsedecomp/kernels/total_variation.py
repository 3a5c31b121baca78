"""Steps of a primal-dual method for the vector total variation of several images.

Images have the shape (rows, columns, factors). Rows are worked on in bands, so that
several threads can work on one image.
"""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def ascend(X, first, last, step, bound, down, right):
    """Dual step: gradient ascent, then projection on a ball.

    The steps are ``p <- p + step * grad X`` and ``p <- p * min(1, bound / |p|)`` with
    the norm over both directions and all factors of a pixel.

    Parameters
    ----------
    X : (H, W, n_factors) array
        Image.
    first, last : int
        First row of the band, and the row after its last one.
    step : float
        Length of the step.
    bound : float
        Radius of the ball, the weight of the total variation.
    down, right : (H, W, n_factors) arrays
        Dual variable of the differences to the next row and column; changed.
    """
    H, W, n_factors = X.shape
    for i in range(first, last):
        for j in range(W):
            squares = 0.0
            for c in range(n_factors):
                if i + 1 < H:
                    down[i, j, c] += step * (X[i + 1, j, c] - X[i, j, c])
                if j + 1 < W:
                    right[i, j, c] += step * (X[i, j + 1, c] - X[i, j, c])
                squares += down[i, j, c] ** 2 + right[i, j, c] ** 2
            if squares > bound * bound:
                shrink = X.dtype.type(bound / math.sqrt(squares))
                for c in range(n_factors):
                    down[i, j, c] *= shrink
                    right[i, j, c] *= shrink


@numba.njit(cache=True, nogil=True)
def descend(X, gradient, down, right, first, last, step, ahead):
    """Primal step, and extrapolation beyond it.

    The steps are ``x <- X - step * (gradient - div p)``, ``ahead <- 2 x - X`` and
    ``X <- x``.

    Parameters
    ----------
    X : (H, W, n_factors) array
        Image, changed.
    gradient : (H, W, n_factors) array
        Gradient of the data term.
    down, right : (H, W, n_factors) arrays
        Dual variable.
    first, last : int
        First row of the band, and the row after its last one.
    step : float
        Length of the step.
    ahead : (H, W, n_factors) array
        Overwritten with the extrapolated image.

    Returns
    -------
    float
        Sum of the squares of the change.
    """
    _, W, n_factors = X.shape
    change = 0.0
    for i in range(first, last):
        for j in range(W):
            for c in range(n_factors):
                divergence = down[i, j, c] + right[i, j, c]
                if i > 0:
                    divergence -= down[i - 1, j, c]
                if j > 0:
                    divergence -= right[i, j - 1, c]
                move = -step * (gradient[i, j, c] - divergence)
                change += np.float64(move) * np.float64(move)
                ahead[i, j, c] = X[i, j, c] + 2 * move
                X[i, j, c] += move
    return change


@numba.njit(cache=True, nogil=True)
def variation(X):
    """Vector total variation: sum over pixels of the length of the gradient.

    Parameters
    ----------
    X : (H, W, n_factors) array
        Image.

    Returns
    -------
    float
        Vector total variation.
    """
    H, W, n_factors = X.shape
    total = 0.0
    for i in range(H):
        for j in range(W):
            squares = 0.0
            for c in range(n_factors):
                if i + 1 < H:
                    squares += np.float64(X[i + 1, j, c] - X[i, j, c]) ** 2
                if j + 1 < W:
                    squares += np.float64(X[i, j + 1, c] - X[i, j, c]) ** 2
            total += math.sqrt(squares)
    return total
