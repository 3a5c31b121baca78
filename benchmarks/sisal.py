"""SISAL [1]_ in plain NumPy: the smallest simplex with a soft hinge.

A short implementation of the equations of the paper, a peer of `MinimumVolume` that
shares no code with it. It minimises ``-log |det Q| + tau sum max(-(Q y), 0)`` over
matrices ``Q`` that map pixels to abundances of sum one: the logarithm is replaced by
its tangent and a quadratic term, and the hinge is split off by augmented Lagrangians.
The parameters are those of the authors; ``tau`` does not depend on the noise.

References
----------
.. [1] J. M. Bioucas-Dias, 1st Workshop on Hyperspectral Image and Signal Processing
   (WHISPERS, 2009). https://doi.org/10.1109/WHISPERS.2009.5289072
"""

import numpy as np

ROUNDS = 80
SPLITS, LAST_SPLITS = 4, 100
QUADRATIC = 1e-6


def sisal(X, first, tau=1.0):
    """Spectra of the smallest simplex around pixels of sum one.

    Parameters
    ----------
    X : (n_pixels, n_channels) array
    first : (k, n_channels) array
        Spectra to start from, as of VCA.
    tau : float, default 1
        Weight of the hinge of one pixel.

    Returns
    -------
    (k, n_channels) array
    """
    k = len(first)
    mean = X.mean(axis=0)
    axes = np.linalg.eigh((X - mean).T @ (X - mean))[1][:, ::-1][:, : k - 1]
    scores = (X - mean) @ axes
    scale = scores.std(axis=0)
    Y = np.column_stack([scores / scale, np.ones(len(X))])
    M = np.column_stack([(first - mean) @ axes / scale, np.ones(k)])
    centre = M.mean(axis=0)
    # Y Q holds the abundances: Q is the inverse of the vertices, here enlarged ones.
    Q = np.linalg.inv(M + k * (M - centre))
    Q = _smallest(Y, Q, tau, mu=1000.0 * k / len(X))
    return mean + (np.linalg.inv(Q)[:, :-1] * scale) @ axes.T


def _smallest(Y, Q, tau, mu):
    k = Y.shape[1]
    total = np.zeros((k, 1))
    total[-1] = 1.0
    inverse = np.linalg.inv(mu * Y.T @ Y + QUADRATIC * np.eye(k))
    Z, B = Y @ Q, np.zeros((len(Y), k))
    for number in range(ROUNDS):
        start, value = Q, _objective(Y, Q, tau)
        tangent = QUADRATIC * Q + np.linalg.inv(Q).T
        for _ in range(LAST_SPLITS if number == ROUNDS - 1 else SPLITS):
            Q = inverse @ (tangent + mu * Y.T @ (Z + B))
            # The nearest solution whose abundances sum to one.
            Q += (total - Q.sum(axis=1, keepdims=True)) / k
            Z = _shrunk(Y @ Q - B, tau / mu)
            B -= Y @ Q - Z
        while _objective(Y, Q, tau) > value + 1e-9 * abs(value):
            Q = (Q + start) / 2
            if np.allclose(Q, start, rtol=1e-12):
                break
    return Q


def _objective(Y, Q, tau):
    return -np.linalg.slogdet(Q)[1] + tau * np.maximum(-(Y @ Q), 0).sum()


def _shrunk(values, threshold):
    """Minimiser of ``threshold max(-z, 0) + (z - value)^2 / 2``."""
    return np.where(values > 0, values, np.minimum(values + threshold, 0.0))
