"""Shifts of the energy axis fitted together with a low-rank model of the spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.energy_drift.smooth_map import smooth_map
from sparsedecomp.decomposition.rank import estimate_rank
from sparsedecomp.kernels.alignment import shift_spectra
from sparsedecomp.noise.signal_space import leading_directions

# Rounds of Gauss-Newton steps at most.
_ROUNDS = 40
# The shifts stand still when they change by less than this (channels, rms).
_STILL = 0.002
# After so many rounds the next component must have lost a part of what it has above the
# noise, or it is no drift. With a larger part left over, more rounds are spent on
# numbers of components that are too small.
_FIRST_ROUNDS, _LEFT_OVER = 4, 0.7
# Channels that one round moves a pixel by at most.
_LONGEST_STEP = 3.0
# A singular value of counts this many times above the edge of white noise is signal:
# Poisson noise of few counts moves the edge by a few per cent.
_CLEAR = 1.2
# Parts of the spectrum whose shifts are compared with that of the whole.
_BANDS = 3


class Alignment:
    """Shifts and a model of at most ``most`` components, on a plane of cells."""

    def __init__(
        self,
        X: NDArray[np.float64],
        shape: tuple[int, int],
        unit: float,
        present: NDArray[np.bool_],
        least_gain: float,
        most: int,
    ) -> None:
        self.X, self.shape, self.unit = X, shape, unit
        self.least_gain, self.most = least_gain, most
        self.present, self.weight = present, present.astype(float)
        brightness = np.maximum(X.sum(axis=1), unit)
        self.row_scale = np.ones(len(X))
        if unit:
            self.row_scale = np.sqrt(brightness / brightness[present].mean())
        self.vectors: NDArray[np.float64] | None = None
        self._unaligned: NDArray[np.float64] | None = None

    def fit(self, k: int, more: bool = False) -> tuple[NDArray[np.float64], float]:
        """Shifts for ``k`` components and the gain of their smooth map in nats.

        With ``more``, where the data have more than ``k`` components, the gain is
        minus infinity if the first rounds take little from the next component: it is
        then no drift.
        """
        shift = np.zeros(len(self.X))
        gain, unaligned = 0.0, 0.0
        for number in range(_ROUNDS):
            slope, residual = self._linearised(shift, k)
            if more and number in (0, _FIRST_ROUNDS):
                edge = np.square(np.sqrt(residual.shape).sum()) * np.mean(residual**2)
                excess = _largest_square(residual) - edge
                if number and excess > _LEFT_OVER * unaligned:
                    return shift, -np.inf
                unaligned = excess
            information = np.einsum("ij,ij->i", slope, slope) * self.weight
            floor = 1e-6 * information.mean()
            information = np.maximum(information, floor + np.finfo(float).tiny)
            step = -np.einsum("ij,ij->i", slope, residual) / information
            target = shift + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            new, gain = smooth_map(target, information, self.shape)
            # What has no order in the first rounds does not come to order later.
            if number == 1 and gain < 0.5 * self.least_gain:
                break
            change = np.sqrt(np.mean((new - shift) ** 2))
            limit = 0.25 * self.X.shape[1]
            shift = np.clip(new, -limit, limit)
            if change < _STILL:
                break
        return shift, gain

    def _linearised(self, shift, k):
        """Derivative by the shift beside the components, and the residual, weighted."""
        M, scale, V, Y = self._low_rank(shift, k)
        slope = np.gradient(M * scale, axis=1) / scale
        return slope - (slope @ V) @ V.T, Y - M

    def _low_rank(self, shift, k):
        """The aligned data of ``k`` components, weighted by the noise, trimmed."""
        Y = np.empty_like(self.X)
        shift_spectra(self.X, shift, Y)
        Y = _trimmed(Y, shift)
        scale = self.row_scale[:, None]
        if self.unit:
            mean = Y.mean(axis=0)
            scale = scale * np.sqrt(np.maximum(mean, 1e-9 * mean.max()))
        Y = Y / scale
        V = self._leading(Y, k)
        return (Y @ V) @ V.T, np.broadcast_to(scale, Y.shape), V, Y

    def _leading(self, Y, k):
        """Leading right singular vectors, iterated from those of the round before."""
        if self.vectors is None or self.vectors.shape != (Y.shape[1], k):
            # Each number of components starts from the data that are not aligned.
            if self._unaligned is None or len(self._unaligned) != Y.shape[1]:
                self._unaligned = leading_directions(Y, self.most)[1]
            self.vectors = self._unaligned[:, :k]
        else:
            for _ in range(2):
                self.vectors = np.linalg.qr(Y.T @ (Y @ self.vectors))[0]
        return self.vectors

    def rank_is_at_most(self, k: int, shift: NDArray[np.float64], seed: int) -> bool:
        """Whether the aligned data have ``k`` components; their noise is independent.

        Counts move as counts. Of other data only every third channel is taken, whose
        interpolation has no channel in common with that of the next.
        """
        if self.unit:
            counts = np.round(self.X / self.unit).astype(np.int64)
            moved = move_counts(counts, shift, np.random.default_rng(seed))
            return rank_is_at_most(k, _trimmed(moved, shift)[self.present], 1.0)
        out = np.empty_like(self.X)
        shift_spectra(self.X, shift, out)
        noise = np.sqrt(np.square(_spline_weights(shift)[1]).sum(axis=0))
        out = (_trimmed(out, shift) / noise[:, None])[self.present, ::3]
        return rank_is_at_most(k, out, 0.0)

    def deviation_of_bands(self, shift: NDArray[np.float64], k: int) -> float:
        """Largest deviation of the shift of a part of the spectrum, in its error."""
        M, scale, V, Y = self._low_rank(shift, k)
        slope = np.gradient(M * scale, axis=1) / scale
        own = slope - (slope @ V) @ V.T
        along = np.square(own).sum(axis=0).cumsum()
        cuts = np.searchsorted(along / along[-1], np.arange(1, _BANDS) / _BANDS)
        edges = [0, *cuts, Y.shape[1]]
        weights = np.square(own).sum(axis=1)
        x = shift - np.average(shift, weights=weights)
        largest = 0.0
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            if last - first < k + 2:
                continue
            Q = np.linalg.qr(V[first:last])[0]
            p = slope[:, first:last] - (slope[:, first:last] @ Q) @ Q.T
            residual = Y[:, first:last] - (Y[:, first:last] @ Q) @ Q.T
            fit = np.sum(np.square(p) * (x * x)[:, None])
            against = -np.sum(p * residual * x[:, None])
            error = np.sqrt(np.mean(np.square(residual)) * fit)
            largest = max(largest, abs(against) / max(error, 1e-300))
        return float(largest)


def _largest_square(X, steps=8):
    """Square of the largest singular value, by power iteration from the mean."""
    v = X.mean(axis=0) + 1e-12
    for _ in range(steps):
        v = X.T @ (X @ (v / np.linalg.norm(v)))
    return float(np.linalg.norm(v))


def _spline_weights(shift):
    """Whole channels of a shift, and the weights of `shift_spectra` around them."""
    whole = np.floor(shift + 0.5)
    t = shift - whole
    weights = [0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2]
    return whole.astype(int), np.array(weights)


def move_counts(
    counts: np.ndarray, shift: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Move every count by ``-shift`` channels, to one of three channels by chance.

    The probabilities are the weights of a quadratic B-spline. What comes out are counts
    with the expectation that the spline gives, Poisson distributed and independent as
    before, which weighted sums of counts are not.

    Parameters
    ----------
    counts : (n, m) int array
        Spectra of counts.
    shift : (n,) array
        In channels.
    generator : numpy.random.Generator
        Draws the channels.

    Returns
    -------
    (n, m) float array
        Counts that leave the range stay in its first or last channel.
    """
    n, m = counts.shape
    whole, (before, centre, after) = _spline_weights(-shift)
    first = generator.binomial(counts, before[:, None])
    second = generator.binomial(counts - first, (centre / (centre + after))[:, None])
    moved = np.zeros(n * m)
    start = m * np.arange(n)[:, None]
    parts = first, second, counts - first - second
    for offset, part in zip((-1, 0, 1), parts, strict=True):
        channel = np.clip(np.arange(m) + (whole + offset)[:, None], 0, m - 1)
        moved += np.bincount((start + channel).ravel(), part.ravel(), n * m)
    return moved.reshape(n, m)


def rank_of(X: NDArray[np.float64], unit: float) -> int:
    """Number of components of some spectra in memory."""
    noise, method = ("poisson", "bootstrap") if unit else ("uniform", "noise_edge")
    return estimate_rank(as_blocks(X), method, noise=noise).n_components


def rank_is_at_most(k: int, X: NDArray[np.float64], unit: float) -> bool:
    """Whether `rank_of` is at most ``k``, without draws where that is clear."""
    if unit:
        edge = estimate_rank(as_blocks(X), "noise_edge", noise="poisson")
        values = edge.singular_values
        if k < len(values) and values[k] > _CLEAR * edge.noise_edge[k]:
            return False
    return rank_of(X, unit) <= k


def _trimmed(X, shift):
    """Without the channels into which something from beyond the ends was moved."""
    margin = int(np.ceil(np.abs(shift).max())) + 2
    return np.ascontiguousarray(X[:, margin : X.shape[1] - margin])
