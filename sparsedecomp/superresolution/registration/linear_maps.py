"""Rotation and magnification of frames against each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sparsedecomp.superresolution.gaussian_process.evidence import Process
from sparsedecomp.superresolution.gaussian_process.windows import Windows
from sparsedecomp.superresolution.registration.deviation import (
    curvature,
    window_scores,
)

# Kinds of linear maps, in the order of the columns of arrays of them.
KINDS = ("rotation", "scale")
# Standard deviation of a rotation in radians, and of the logarithm of a magnification:
# a stage or a scan is off by a degree at most.
PRIOR = 0.02
# Probability that frames without rotation are said to be rotated.
_FALSE_ALARM = 1e-3


def displaced(maps: NDArray, places: NDArray) -> NDArray:
    """What rotations and magnifications add to the shifts at some places.

    Parameters
    ----------
    maps : (n_frames, 2) array
        Angle in radians, from rows to columns, and magnification less one, of each
        frame about its middle.
    places : (..., 2) array
        Rows and columns from the middle of a frame, in pixels.

    Returns
    -------
    (n_frames, ..., 2) array
        Rows and columns in pixels.
    """
    y, x = places[..., 0], places[..., 1]
    turn, growth = (np.multiply.outer(maps[:, i], np.ones_like(y)) for i in (0, 1))
    return np.stack([growth * y - turn * x, growth * x + turn * y], axis=-1)


def first_maps(
    windows: Windows, shifts: NDArray, process: Process, kinds: Sequence[str]
) -> NDArray:
    """Rotations and magnifications by one Newton step, where they are significant.

    The slope of the evidence in each window with respect to the shifts, times what a
    rotation adds to them there, is the slope with respect to the rotation. Its scatter
    over the windows says how sure the step is.

    Parameters
    ----------
    windows : Windows
        Samples of all frames.
    shifts : (n_frames, 2) array
        Shifts that maximise the evidence.
    process : Process
        Covariance of the samples.
    kinds : sequence of str
        Some of `KINDS`.

    Returns
    -------
    (n_frames, 2) array
        Maps as in `displaced`; zero for kinds that are not significant.
    """
    n_frames = len(shifts)
    scores = window_scores(windows, shifts, process)
    values, vectors = np.linalg.eigh(curvature(windows, shifts, process))
    bend = (vectors * np.maximum(values, 0)) @ vectors.T / len(scores)
    bend = bend.reshape(n_frames, 2, n_frames, 2)
    maps = np.zeros((n_frames, 2))
    own = np.eye(n_frames) - 1 / n_frames
    for kind in kinds:
        column = KINDS.index(kind)
        unit = np.eye(2)[column : column + 1]
        field = displaced(unit, windows.centres)[0]
        by_window = np.einsum("wka,wa->wk", scores, field)
        slope = by_window.sum(axis=0)
        by_window -= by_window.mean(axis=0)
        curve = np.einsum("wa,kalb,wb->kl", field, bend, field, optimize=True)
        inverse = np.linalg.inv(curve + np.eye(n_frames) / PRIOR**2)
        step = -own @ inverse @ slope
        scatter = inverse @ (by_window.T @ by_window) @ inverse + inverse
        deviation = np.sqrt(np.diag(own @ scatter @ own))
        if np.square(step / deviation).sum() > stats.chi2.isf(
            _FALSE_ALARM, n_frames - 1
        ):
            maps[:, column] = step
    return maps
