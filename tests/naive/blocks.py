"""What a matrix of blocks stands for: one dense float64 array."""

import numpy as np


def dense(data, signal_dimension=1, navigation_mask=None, signal_mask=None):
    """Pixels that are kept times channels that are kept, in float64."""
    data = np.asarray(data)
    split = data.ndim - signal_dimension
    n_pixels = int(np.prod(data.shape[:split]))
    X = data.reshape(n_pixels, -1).astype(np.float64)
    if navigation_mask is not None:
        X = X[~np.ravel(navigation_mask)]
    if signal_mask is not None:
        X = X[:, ~np.ravel(signal_mask)]
    return X


def poisson_scales(X):
    """Roots of the pixels' and channels' sums over their means.

    A pixel counts at least as half the mean; an empty channel has the scale 1.
    """
    if X.sum() <= 0:
        return np.ones(X.shape[0]), np.ones(X.shape[1])
    rows, columns = X.sum(axis=1).tolist(), X.sum(axis=0).tolist()
    row_mean, column_mean = np.mean(rows), np.mean(columns)
    return (
        np.array([np.sqrt(max(s / row_mean, 0.5)) for s in rows]),
        np.array([np.sqrt(s / column_mean) if s > 0 else 1.0 for s in columns]),
    )
