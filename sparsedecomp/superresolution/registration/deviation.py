"""How well the frames determine their shifts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from sparsedecomp.superresolution.gaussian_process.evidence import (
    Process,
    evidence,
    inverse_of,
)
from sparsedecomp.superresolution.gaussian_process.windows import Windows

# Step of the shifts, in pixels, for the curvature by differences of the slope.
_STEP = 1e-3


def deviation_of(
    parts: Sequence[tuple[Windows, NDArray]], sigma: float, process: Process
) -> NDArray:
    """Standard deviations of shifts that maximise the evidence.

    The model is one stationary process, which no specimen is, so that the curvature
    ``H`` of the log evidence alone promises too much. Its slopes ``s_w`` in single
    windows scatter as the specimen makes them: ``J = sum_w (s_w - s)(s_w - s)'`` and
    the covariance is ``H^-1 J H^-1 + H^-1``, the first term after [1]_. The second one
    stands for the bias that the process brings, and is a rule of thumb.

    Parameters
    ----------
    parts : sequence of (Windows, (n_frames, 2) array)
        Windows, and the estimate of the shifts there, in pixels of the frames.
    sigma : float
        Standard deviation of the prior.
    process : Process
        Covariance at the estimate.

    Returns
    -------
    (n_frames, 2) array
        Deviations less the shift that is common to all.

    References
    ----------
    .. [1] P. J. Huber, Proc. Fifth Berkeley Symp. Math. Stat. Prob. 1 (1967) 221.
    """
    n_frames = len(parts[0][1])
    bend = np.sum([curvature(*part, process) for part in parts], axis=0)
    values, vectors = np.linalg.eigh(bend)
    # Where the evidence is not convex, the prior alone bounds the shifts.
    inverse = (vectors / np.maximum(values, 1 / sigma**2)) @ vectors.T
    scores = np.concatenate([window_scores(*part, process) for part in parts])
    n, scores = len(scores), scores.reshape(len(scores), -1)
    scores -= scores.mean(axis=0)
    scatter = scores.T @ scores * (n / max(n - 1, 1))
    covariance = inverse @ scatter @ inverse + inverse
    # The shift that all frames share is projected out along each axis.
    own = np.kron(np.eye(n_frames) - 1 / n_frames, np.eye(2))
    return np.sqrt(np.diag(own @ covariance @ own)).reshape(n_frames, 2)


def curvature(windows: Windows, shifts: NDArray, process: Process) -> NDArray:
    """Second derivative of the negative log evidence with respect to the shifts.

    Parameters
    ----------
    windows : Windows
        Samples of all frames.
    shifts : (n_frames, 2) array
        Shifts in pixels of the frames.
    process : Process
        Covariance.

    Returns
    -------
    (2 * n_frames, 2 * n_frames) array
    """

    def slope(p: NDArray) -> NDArray:
        points = windows.moved(p.reshape(shifts.shape))
        _, by_points, _ = evidence(process, points, windows.samples)
        return windows.by_frame(by_points).ravel()

    middle = shifts.ravel()
    bend = np.array(
        [
            (slope(middle + _STEP * e) - slope(middle - _STEP * e)) / (2 * _STEP)
            for e in np.eye(middle.size)
        ]
    )
    return 0.5 * (bend + bend.T)


def window_scores(windows: Windows, shifts: NDArray, process: Process) -> NDArray:
    """Slope of the negative log evidence of each window with respect to the shifts.

    Parameters
    ----------
    windows : Windows
        Samples of all frames.
    shifts : (n_frames, 2) array
        Shifts in pixels of the frames.
    process : Process
        Covariance with a smoothness of 3/2 or 5/2.

    Returns
    -------
    (n_windows, n_frames, 2) array
    """
    points, n_factors = windows.moved(shifts), len(windows.mean)
    factor, _ = lapack.dpotrf(process.samples(points).T, lower=True)
    a, _ = lapack.dpotrs(factor, windows.samples, lower=True)
    inverse = inverse_of(factor)
    u = points / process.lengths
    apart = u[:, None] - u[None]
    r = np.sqrt(process.twice_nu * np.square(apart).sum(axis=-1))
    # Derivative of the covariance over the distance along an axis.
    bend = -3 * np.exp(-r)
    if process.twice_nu == 5:
        bend = -5 / 3 * (1 + r) * np.exp(-r)
    scores = np.empty((len(windows.centres), len(shifts), 2))
    for axis in (0, 1):
        slope = process.variance * bend * apart[..., axis] / process.lengths[axis]
        each = n_factors * np.einsum("ij,ij->i", inverse, slope)[:, None] - (
            a * (slope @ a)
        ).reshape(len(a), -1, n_factors).sum(axis=-1)
        by_frame = each.reshape(len(shifts), -1, each.shape[1]).sum(axis=1)
        scores[..., axis] = by_frame.T
    return scores
