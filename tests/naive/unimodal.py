"""Curves with one maximum, by a general solver for every place of the maximum."""

import numpy as np
from scipy.optimize import nnls


def nearest_monotone(y, factor, floored):
    """Least squares on curves with ``x_i <= factor * x_(i+1)``.

    ``factor^i x_i`` rises: it is a sum of steps that are not negative, but for the
    first where the curve may be.
    """
    m = len(y)
    if m == 0:
        return y.copy()
    shape = factor ** -np.arange(m, dtype=float)
    steps = np.tril(np.ones((m, m))) * shape[:, None]
    if not floored:
        # A first step of either sign.
        steps = np.column_stack([-steps[:, 0], steps])
    return steps @ nnls(steps, y, maxiter=10000)[0]


def nearest_unimodal(y, factor, floored):
    """The best curve over all places between the rising and the falling part."""
    y = np.asarray(y, float)
    curves = [
        np.concatenate(
            [
                nearest_monotone(y[:split], factor, floored),
                nearest_monotone(y[split:][::-1], factor, floored)[::-1],
            ]
        )
        for split in range(len(y) + 1)
    ]
    return min(curves, key=lambda x: np.sum((y - x) ** 2))
