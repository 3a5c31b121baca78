"""Samples of an image, its transpose, and total variation, element by element."""

import numpy as np


def matrix(index, weight, size):
    """Taps as a dense matrix (samples, pixels)."""
    dense = np.zeros((len(index), size))
    for i in range(len(index)):
        for j, w in zip(index[i], weight[i], strict=True):
            dense[i, j] += w
    return dense


def variation(X):
    """Sum of the lengths of forward differences, one pixel after the other."""
    H, W, n_factors = X.shape
    total = 0.0
    for i in range(H):
        for j in range(W):
            square = 0.0
            for c in range(n_factors):
                if i + 1 < H:
                    square += (X[i + 1, j, c] - X[i, j, c]) ** 2
                if j + 1 < W:
                    square += (X[i, j + 1, c] - X[i, j, c]) ** 2
            total += square**0.5
    return total


def gradient(X):
    """Forward differences, zero at the last row and column."""
    down, right = np.zeros_like(X), np.zeros_like(X)
    down[:-1] = X[1:] - X[:-1]
    right[:, :-1] = X[:, 1:] - X[:, :-1]
    return down, right


def matern(r, twice_nu):
    """Matern's correlation at a distance in correlation lengths."""
    r = r * twice_nu**0.5
    polynomial = {1: 1, 3: 1 + r, 5: 1 + r + r * r / 3}[twice_nu]
    return polynomial * np.exp(-r)
