"""Frames that show something else than the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from sparsedecomp.superresolution.gaussian_process.evidence import (
    Process,
    fit_process,
    inverse_of,
)
from sparsedecomp.superresolution.gaussian_process.windows import Windows

# A frame whose squared misfit is more than so many times that of the median frame does
# not belong to the others. Not calibrated: right frames of fields of few windows, or of
# much detail, can exceed it where their nominal shifts are off by 0.1 pixels, which is
# why those that are left out are judged once more at their best shift.
LIMIT = 4.0
# Largest number of windows that frames are compared by.
_WINDOWS = 100


def held_out_frames(
    process: Process, points: NDArray, Z: NDArray, n_frames: int
) -> tuple[NDArray, NDArray]:
    """Errors of every frame as predicted from the others.

    The difference of a block ``k`` of samples and its prediction from all others is
    ``(C^-1)_kk^-1 (C^-1 Z)_k``, so that nothing has to be fitted again.

    Parameters
    ----------
    process : Process
        Covariance.
    points : (n, 2) array
        Positions of the samples, frame after frame.
    Z : (n, m) array
        Samples, a column for each window and factor.
    n_frames : int
        Number of frames.

    Returns
    -------
    errors : (n_frames,) array
        Root mean square of the differences.
    misfit : (n_frames,) array
        Mean square of the differences in units of what the process expects.
    """
    factor, _ = lapack.dpotrf(process.samples(points), lower=True)
    a, _ = lapack.dpotrs(factor, Z, lower=True)
    inverse = inverse_of(factor)
    n, errors, misfit = len(Z) // n_frames, np.empty(n_frames), np.empty(n_frames)
    for k in range(n_frames):
        own = slice(k * n, (k + 1) * n)
        away = np.linalg.solve(inverse[own, own], a[own])
        errors[k] = np.sqrt(np.mean(away**2))
        misfit[k] = np.vdot(away, a[own]) / away.size
    return errors, misfit


def consistent_frames(windows: Windows) -> tuple[NDArray, NDArray]:
    """Find the frames that others predict, at the shifts of the windows.

    First every frame is predicted from every other one alone, with the median of the
    processes of single frames, so that a few wrong frames cannot spoil the prediction
    of the right ones. Then each is predicted from all that are left, with a process
    that is fitted without it.

    Parameters
    ----------
    windows : Windows
        Samples of all frames.

    Returns
    -------
    kept : (n_frames,) bool array
        False for frames that do not belong to the others, at most half of them.
    misfit : (n_frames,) array
        Squared misfit of each frame over that of the median one.
    """
    n_frames = len(windows.whole)
    least = max(3, n_frames // 2 + 1)
    misfit = np.ones(n_frames)
    kept = np.arange(n_frames)
    if n_frames <= least:
        return np.ones(n_frames, bool), misfit
    n_windows = len(windows.centres)
    windows = windows.only(np.arange(0, n_windows, max(1, n_windows // _WINDOWS)))
    pairs = _misfit_of_pairs(windows)
    while len(kept) > least:
        ratio = np.nanmedian(pairs[np.ix_(kept, kept)], axis=1)
        ratio = ratio / np.median(ratio)
        misfit[kept] = ratio
        if ratio.max() < LIMIT:
            break
        kept = np.delete(kept, ratio.argmax())
    while len(kept) > least:
        ratio = _misfit_of_the_last(windows.of_frames(kept))
        misfit[kept] = ratio
        if ratio.max() < LIMIT:
            break
        kept = np.delete(kept, ratio.argmax())
    return np.isin(np.arange(n_frames), kept), misfit


def _misfit_of_pairs(windows: Windows) -> NDArray:
    """Squared misfit of each frame (row) predicted from each other one (column)."""
    n_frames = len(windows.whole)
    single = [windows.of_frames(np.array([k])) for k in range(n_frames)]
    fits = [fit_process(part.points, part.samples)[0] for part in single]
    values = np.median([process.logarithms() for process in fits], axis=0)
    level = float(np.median([process.level for process in fits]))
    process = fits[0].with_logarithms(values)
    process = Process(process.variance, process.noise, process.lengths, 3, level)
    misfit = np.full((n_frames, n_frames), np.nan)
    for j in range(n_frames):
        for k in range(j):
            pair = windows.of_frames(np.array([j, k]))
            _, both = held_out_frames(process, pair.points, pair.samples, 2)
            misfit[j, k], misfit[k, j] = both
    return misfit


def _misfit_of_the_last(windows: Windows) -> NDArray:
    """Squared misfit of each frame, over the median, by a fit to the other frames."""
    n_frames, n = len(windows.whole), windows.size**2
    start, _ = fit_process(windows.points, windows.samples)
    misfit = np.empty(n_frames)
    for k in range(n_frames):
        rest = windows.of_frames(np.delete(np.arange(n_frames), k))
        process, _ = fit_process(rest.points, rest.samples, start=start)
        order = np.append(np.delete(np.arange(n_frames), k), k)
        last = windows.of_frames(order)
        factor, _ = lapack.dpotrf(process.samples(last.points).T, lower=True)
        # The whitened samples of the last frame are its errors, given all before.
        white, _ = lapack.dtrtrs(factor, last.samples, lower=True)
        misfit[k] = np.mean(white[-n:] ** 2)
    return misfit / np.median(misfit)
