"""Shares of the pixels on the faces of a simplex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Steps of expectation maximisation: the study behind `SimplexML`.
_EM_STEPS = 60


def fit_shares(
    L: NDArray[np.float64], weight: NDArray[np.float64], steps: int = _EM_STEPS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the faces by expectation maximisation.

    Parameters
    ----------
    L : (n, n_faces) array
        Log densities of the pixels.
    weight : (n,) array
        Number of pixels that each stands for.
    steps : int, optional
        Number of steps.

    Returns
    -------
    share : (n_faces,) array
        Positive, of sum one.
    log_likelihood : (n,) array
        Log likelihood of each pixel.
    """
    top = L.max(axis=1, keepdims=True)
    density = np.exp(L - top)
    share = np.full(L.shape[1], 1 / L.shape[1])
    part = weight / weight.sum()
    for _ in range(steps):
        share = share * (density.T @ (part / (density @ share))) + 1e-12
        share /= share.sum()
    return share, np.log(density @ share) + top[:, 0]
