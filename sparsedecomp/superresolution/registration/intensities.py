"""Gain and offset of each frame, by the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from sparsedecomp.superresolution.gaussian_process.evidence import Process, inverse_of
from sparsedecomp.superresolution.gaussian_process.windows import Windows

# Newton steps; each squares the error, so that a few are enough.
_STEPS = 20
# A step shortens a factor to no less than this part of itself, which keeps it positive.
_SHORTEST = 0.5


class Intensities(NamedTuple):
    """Factors and offsets that make frames alike: ``factor * Y - offset``.

    Attributes
    ----------
    factor : (n_frames,) array
        One over the gain of each frame; their geometric mean is 1.
    offset : (n_frames, n_factors) array
        What is taken off; the mean over the frames is 0.
    """

    factor: NDArray
    offset: NDArray

    @classmethod
    def none(cls, n_frames: int, n_factors: int) -> Intensities:
        """Nothing is changed."""
        return cls(np.ones(n_frames), np.zeros((n_frames, n_factors)))

    @property
    def gain(self) -> NDArray:
        """Gain of each frame, (n_frames,): a frame is ``gain * (even + offset)``."""
        return 1 / self.factor

    def then(self, other: Intensities) -> Intensities:
        """These, and others that are applied to the result."""
        offset = other.factor[:, None] * self.offset + other.offset
        return Intensities(other.factor * self.factor, offset)

    def apply(self, Y: NDArray) -> NDArray:
        """Frames (n_frames, rows, columns, n_factors) made alike."""
        even = self.factor[:, None, None, None] * Y
        if self.offset.any():
            even[..., : self.offset.shape[1]] -= self.offset[:, None, None]
        return even.astype(Y.dtype, copy=False)

    def apply_to(self, windows: Windows) -> Windows:
        """Windows of such frames."""
        n, n_factors = windows.size**2, len(windows.mean)
        samples = windows.samples.reshape(-1, n_factors) + windows.mean
        samples = samples.reshape(len(self.factor), n, -1, n_factors)
        samples = self.factor[:, None, None, None] * samples
        samples -= self.offset[:, None, None] + windows.mean
        return windows._replace(samples=samples.reshape(windows.samples.shape))


def fit_intensities(
    parts: Sequence[tuple[Windows, NDArray]], process: Process, offsets: bool
) -> tuple[Intensities, float]:
    """Gains and offsets of greatest evidence at given shifts.

    With ``z = d y - o - mean`` for the samples of a frame, the negative log evidence is
    ``1/2 z' C^-1 z - n log d``, a convex function of all ``d`` and ``o`` together. It
    is minimised by Newton steps.

    Parameters
    ----------
    parts : sequence of (Windows, (n_frames, 2) array)
        Windows with samples as they were measured, and the shifts there, in pixels of
        the frames.
    process : Process
        Covariance of the samples of even frames.
    offsets : bool
        Whether frames have offsets beside gains.

    Returns
    -------
    intensities : Intensities
        Factors and offsets.
    improvement : float
        Log evidence over that without them, less the penalty of the parameters by the
        Bayesian information criterion: above 0 where frames are not alike.
    """
    n_frames, n_factors = len(parts[0][1]), len(parts[0][0].mean)
    size = n_frames * (1 + n_factors * offsets)
    M, b, weight = np.zeros((size, size)), np.zeros(size), 0.0
    for windows, shifts in parts:
        own = _normal_equations(windows, process, shifts, offsets)
        M, b = M + own[0], b + own[1]
        weight += windows.samples.size / n_frames
    if offsets:
        # An offset is of the size of the signal at most: what frames share is free.
        diagonal = M[n_frames:, n_frames:]
        diagonal.flat[:: len(diagonal) + 1] += 1 / (process.variance + process.level)

    def value(v: NDArray) -> float:
        return 0.5 * v @ M @ v - b @ v - weight * np.log(v[:n_frames]).sum()

    first = np.append(np.ones(n_frames), np.zeros(size - n_frames))
    v = first
    for _ in range(_STEPS):
        slope, bend = M @ v - b, M.copy()
        slope[:n_frames] -= weight / v[:n_frames]
        bend.flat[: n_frames * (size + 1) : size + 1] += weight / v[:n_frames] ** 2
        step = np.linalg.solve(bend, slope)
        most = np.max(step[:n_frames] / v[:n_frames])
        v = v - step * min(1.0, _SHORTEST / most if most > 0 else 1.0)
    # A factor that all frames share is that of the process.
    square, linear = first @ M @ first, first @ b
    root = np.sqrt(linear**2 + 4 * square * weight * n_frames)
    improvement = value(first * (linear + root) / (2 * square)) - value(v)
    common = np.exp(np.log(v[:n_frames]).mean())
    offset = np.zeros((n_frames, n_factors))
    if offsets:
        offset = v[n_frames:].reshape(n_factors, n_frames).T / common
        offset -= offset.mean(axis=0)
    found = Intensities(v[:n_frames] / common, offset)
    return found, improvement - penalty(n_frames, n_factors * offsets, weight)


def penalty(n_frames: int, n_offsets: int, weight: float) -> float:
    """Penalty of gains and offsets, for so many samples of a frame."""
    return 0.5 * (n_frames - 1) * (1 + n_offsets) * float(np.log(weight * n_frames))


def _normal_equations(
    windows: Windows, process: Process, shifts: NDArray, offsets: bool
) -> tuple[NDArray, NDArray]:
    """Matrix and vector of the quadratic form of all factors and offsets."""
    n_frames, n_factors, n = len(shifts), len(windows.mean), windows.size**2
    factor, _ = lapack.dpotrf(process.samples(windows.moved(shifts)).T, lower=True)
    inverse = inverse_of(factor).reshape(n_frames, n, n_frames, n)
    U = windows.samples.reshape(n_frames, n, -1, n_factors) + windows.mean
    m = U.shape[2]
    sums = inverse.sum(axis=3)
    flat = U.reshape(n_frames, n, -1)
    solved = np.matmul(inverse.transpose(0, 2, 1, 3), flat)
    size = n_frames * (1 + n_factors * offsets)
    M, b = np.zeros((size, size)), np.zeros(size)
    M[:n_frames, :n_frames] = np.einsum("knm,klnm->kl", flat, solved, optimize=True)
    crossed = np.einsum("knl,knwf->klf", sums, U, optimize=True)
    b[:n_frames] = np.einsum("klf,f->k", crossed, windows.mean)
    between = sums.sum(axis=1)
    for f in range(n_factors if offsets else 0):
        own = slice((1 + f) * n_frames, (2 + f) * n_frames)
        M[own, own] = m * between
        M[:n_frames, own] = -crossed[..., f]
        M[own, :n_frames] = -crossed[..., f].T
        b[own] = -m * windows.mean[f] * between.sum(axis=1)
    return M, b
