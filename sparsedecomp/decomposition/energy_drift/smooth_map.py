"""The most probable smooth map of noisy values."""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator, cg

# Ratios of the roughness penalty to the information of a pixel that are tried.
_PENALTIES = 10.0 ** np.arange(-2, 7)


def smooth_map(
    values: np.ndarray, information: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """The most probable smooth map of noisy values, with mean zero.

    Minimises ``sum I (z - d)^2 + mean(I) sum_w (ly wy^2 + lx wx^2) |DCT d|^2`` with
    ``w^2 = 2 - 2 cos(pi k / n)``. The penalties ``ly`` and ``lx`` are those of largest
    marginal likelihood, the noise of the values profiled out.

    Parameters
    ----------
    values : (n,) array
        Value of each cell.
    information : (n,) array
        Inverse variance of each.
    shape : tuple of int
        Cells along both axes.

    Returns
    -------
    smooth : (n,) array
        The map.
    gain : float
        Log-likelihood over that of values without order, in nats.
    """
    weights = information.reshape(shape)
    mean = weights.mean()
    wy, wx = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in shape)
    squares = np.square(
        dctn(weights * values.reshape(shape), norm="ortho") / mean
    ).ravel()[1:]
    candidates = []
    for ly in _PENALTIES if shape[0] > 1 else (0.0,):
        for lx in _PENALTIES if shape[1] > 1 else (0.0,):
            penalty = ly * np.square(wy)[:, None] + lx * np.square(wx)[None]
            variance = 1 + 1 / np.maximum(penalty.ravel()[1:], 1e-12)
            likelihood = -0.5 * np.log(variance).sum()
            likelihood -= 0.5 * len(squares) * np.log(np.mean(squares / variance))
            candidates.append((likelihood, penalty))
    best, penalty = max(candidates, key=lambda each: each[0])
    null = -0.5 * len(squares) * np.log(np.mean(squares))

    def operator(x):
        x = x.reshape(shape)
        rough = idctn(mean * penalty * dctn(x, norm="ortho"), norm="ortho")
        return (weights * x + rough).ravel()

    def preconditioner(x):
        x = dctn(x.reshape(shape), norm="ortho") / (mean * (penalty + 1))
        return idctn(x, norm="ortho").ravel()

    n = values.size
    smooth, _ = cg(
        LinearOperator((n, n), matvec=operator),
        information * values,
        M=LinearOperator((n, n), matvec=preconditioner),
        rtol=1e-6,
        maxiter=100,
    )
    return smooth - np.average(smooth, weights=information), float(best - null)
