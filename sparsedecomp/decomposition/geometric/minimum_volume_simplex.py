"""The smallest simplex that contains a cloud of pixels up to their noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls
from scipy.special import ndtr

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.blocks.compression import power_pass, random_basis
from sparsedecomp.decomposition.geometric.simplex import BRIGHT
from sparsedecomp.kernels.simplex import soft_hinge
from sparsedecomp.metrics import spectral_angle
from sparsedecomp.noise import find_noise, signal_space
from sparsedecomp.noise.count_statistics import unit_of

# Number of pixels that the search uses, evenly spread. More of them take longer and
# average the noise better.
_PIXELS = 2**15
# Weight of the hinge to start from: so large that hardly a pixel is left outside.
_FIRST_WEIGHT = 300.0
# Lower bound on the noise, relative to the spread of the pixels, for data without
# noise.
LEAST_NOISE = 1e-5
# The weights count as matched if the observed and the expected overshoot agree to this
# relative precision. A smaller value takes more iterations.
_MATCHED = 0.03
# Largest ratio between the weight of one facet and the common weight. Without a bound
# single facets move far outwards where counts are few.
_APART = 2.0


def whitened_channels(
    blocks: BlockMatrix, rank: int, generator: np.random.Generator
) -> tuple[LowRank, NDArray]:
    """Signal space of the data, the noise of counts made equal in all channels.

    Pixels are not scaled: abundances that add up to one still do so.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    rank : int
        Directions to keep.
    generator : numpy.random.Generator
        Draws the first directions.

    Returns
    -------
    low_rank : LowRank
        Compression of the scaled data.
    scale : (n_channels,) array
        Scale of every channel; one for data that are no counts.
    """
    n, m = blocks.shape
    basis, summary = power_pass(blocks, random_basis(m, min(rank, n, m), generator))
    if unit_of(summary):
        noise = find_noise(blocks)
        if noise.counts:
            scale = noise.column_scale
            scaled = blocks.scaled(np.ones(n), scale)
            start = noise.start_basis(basis.shape[1], generator)
            return signal_space(scaled, rank, generator, 2, start), scale
    return signal_space(blocks, rank, generator, 4, basis), np.ones(m)


@dataclass(frozen=True)
class Cloud:
    """The pixels on a plane, in ``k`` homogeneous coordinates of unit spread.

    Attributes
    ----------
    T : (n, k) float64 array
        Coordinates of the pixels; the last column is one.
    sigma : (n,) array
        Expected error of each pixel along any direction.
    origin : (k,) array
        Mean of the pixels in the signal space.
    axes : (k, k - 1) array
        Axes of the plane: a point ``t`` is ``origin + axes @ t[:-1]`` in the signal
        space.
    linear : bool
        Whether the errors are noise alone, and no errors of the linear model.
    """

    T: NDArray
    sigma: NDArray
    origin: NDArray
    axes: NDArray
    linear: bool

    def spectra(self, vertices: NDArray) -> NDArray:
        """Vertices (k, k) as points of the signal space."""
        return self.origin + vertices[:, :-1] @ self.axes.T


def flatness(Y: NDArray, noise_variance: float) -> float:
    """Distance of pixels from their best-fitting plane, over the noise.

    Parameters
    ----------
    Y : (n, k) array
        Pixels in the signal space.
    noise_variance : float
        Variance of the noise of every coordinate.

    Returns
    -------
    float
        Root mean square distance over the standard deviation of the noise; about one
        where abundances add up to one.
    """
    thinnest = np.linalg.eigvalsh(np.cov(Y.T, bias=True).reshape(Y.shape[1], -1))[0]
    rounding = (LEAST_NOISE**2) * np.square(Y).sum(axis=1).mean()
    return float(np.sqrt(max(thinnest, 0.0) / max(noise_variance, rounding)))


def make_cloud(low_rank: LowRank, k: int, normalisation: str) -> Cloud:
    """Put the pixels on a plane and estimate their errors there.

    The error is estimated from the ``k`` directions after the signal space, so it
    includes errors of the linear model; its mean square is modelled as a constant and
    a part that grows as the pixel gets darker. These directions are those in which
    there is most noise, up to the edge of Marchenko and Pastur, ``(1 + sqrt(m / n))^2``
    times its variance; only what exceeds the edge is an error of the model. The
    normalisation is that of `MinimumVolume` without "auto".
    """
    n = len(low_rank.scores)
    seen = np.linspace(0, n - 1, min(n, _PIXELS)).round().astype(int)
    scores = low_rank.scores[seen].astype(np.float64)
    Y = scores[:, :k]
    brightness = np.ones(len(Y))
    if normalisation != "none":
        direction = Y.mean(axis=0)
        if normalisation == "sum":
            direction = low_rank.basis[:, :k].sum(axis=0)
        brightness = Y @ direction / np.linalg.norm(direction)
        least = BRIGHT * np.sqrt(low_rank.noise_variance)
        bright = brightness > max(least, 1e-9 * np.abs(brightness).max())
        if np.count_nonzero(bright) < k:
            raise ValueError(
                f"Only {np.count_nonzero(bright)} pixels are brighter than their "
                f"noise, expected at least the {k} components. Bin the data, ask for "
                "fewer components, or use normalisation='none'."
            )
        scores, Y, brightness = scores[bright], Y[bright], brightness[bright]
    Z = Y / brightness[:, None]
    origin = Z.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(Z.T, bias=True).reshape(k, k))
    axes = axes[:, ::-1][:, : k - 1]
    T = (Z - origin) @ axes
    scale = np.sqrt(np.square(T).sum(axis=1).mean()) or 1.0
    error = np.zeros(len(Z))
    noise, model_error = _noise_beyond(low_rank, k)
    if scores.shape[1] > k:
        beyond = scores[:, k : 2 * k] / brightness[:, None]
        darkness = brightness**-2.0
        parts = np.column_stack([np.ones(len(Z)), darkness / darkness.mean()])
        weights, _ = nnls(parts, np.square(beyond).mean(axis=1))
        error = np.sqrt(parts @ weights * noise)
    sigma = np.maximum(error / scale, LEAST_NOISE)
    return Cloud(
        np.column_stack([T / scale, np.ones(len(T))]),
        sigma,
        origin,
        axes * scale,
        linear=not model_error,
    )


def _noise_beyond(low_rank: LowRank, k: int) -> tuple[float, bool]:
    """Errors of a pixel in any direction over those in ``k`` beyond the signal space.

    Returns
    -------
    share : float
        Ratio of the variances.
    model_error : bool
        Whether there are errors of the model.
    """
    n, m = len(low_rank.scores), len(low_rank.basis)
    noise = low_rank.noise_variance
    beyond = float(np.square(low_rank.singular_values[k : 2 * k]).sum()) / (n * k)
    excess = max(beyond - noise * (1 + np.sqrt(m / n)) ** 2, 0.0)
    return (noise + excess) / beyond if beyond > 0 else 1.0, excess > 0


def smallest_simplex(
    T: NDArray, Q: NDArray, width: NDArray, weight: NDArray
) -> NDArray:
    """Minimise ``-log |det Q| + mean of the weighted hinge`` over closed ``Q``.

    Parameters
    ----------
    T : (n, k) array
        Pixels.
    Q : (k, k) array
        Start of the minimisation. Its rows sum to the last unit vector, so that
        abundances ``T Q`` add up to one.
    width, weight : (k,) arrays
        Width of the rounded corner and weight of the hinge of each abundance.

    Returns
    -------
    Q : (k, k) array
        The minimiser.
    """
    n, k = T.shape
    last = np.zeros(k)
    last[-1] = 1.0
    slope = np.empty((k, k))

    def whole(x: NDArray) -> NDArray:
        part = x.reshape(k, k - 1)
        return np.column_stack([part, last - part.sum(axis=1)])

    def objective(x: NDArray) -> tuple[float, NDArray]:
        Q = whole(x)
        value = soft_hinge(T, Q, width, weight / n, slope)
        sign, log_det = np.linalg.slogdet(Q)
        if sign == 0:
            return np.inf, np.zeros_like(x)
        G = slope - np.linalg.inv(Q).T
        return value - log_det, (G[:, :-1] - G[:, -1:]).ravel()

    found = minimize(
        objective,
        Q[:, :-1].ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "ftol": 1e-9, "gtol": 1e-6, "maxcor": 20},
    )
    return whole(found.x)


def overshoot(
    T: NDArray, Q: NDArray, sigma: NDArray, linear: bool
) -> tuple[NDArray, NDArray]:
    """How far abundances are below zero, and how far noise is expected to put them.

    The noise of a pixel makes ``s h`` of an abundance, with the norm ``h`` of its
    column of ``Q``. A pixel of abundance ``a`` is expected below zero by
    ``s h phi(z) - a Phi(-z)`` with ``z = a / (s h)``; those below zero count as zero.
    So counted, the expectation is 1.4 times too small where a component is absent from
    all pixels near its facet, and 1.4 times too large where its abundances are evenly
    spread. If all errors are noise, the numbers of pixels below zero and between one
    and three standard deviations tell how many are absent and how many are spread. They
    are counted at a facet that is not yet the true one: the root of the correction that
    they give is applied.

    Parameters
    ----------
    T : (n, k) array
        Pixels.
    Q : (k, k) array
        From pixels to abundances.
    sigma : (n,) array
        Expected error of each pixel.
    linear : bool
        Whether the errors are noise alone.

    Returns
    -------
    observed, expected : (k,) arrays
        Sums over the pixels.
    """
    A = T @ Q
    s = sigma[:, None] * np.linalg.norm(Q[:-1], axis=0)
    z = A / s
    below, near = (z < 0).sum(axis=0), ((z > 1) & (z < 3)).sum(axis=0)
    z = np.maximum(z, 0.0)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    expected = (s * (density - z * ndtr(-z))).sum(axis=0)
    if linear:
        # Half of the absent pixels are below zero and .157 of them near; of the spread
        # ones it is .399 and 2 for one pixel in a standard deviation.
        absent = np.maximum((below - 0.1995 * near) / (0.5 - 0.1995 * 0.1573), 0.0)
        spread = np.maximum(near - 0.1573 * absent, 0.0) / 2
        true = 0.399 * absent + 0.25 * spread
        counted = 0.285 * absent + 0.347 * spread
        expected *= np.sqrt((1 + true) / (1 + counted))
    return np.maximum(-A, 0.0).sum(axis=0), expected


class Matching:
    """Weights of the hinge that bring the overshoot to what the noise explains."""

    def __init__(self, k: int, largest: float) -> None:
        self.weight = np.full(k, _FIRST_WEIGHT)
        self.common = self.weight
        self.largest = largest
        # Whether all facets still have one weight.
        self.pooled = True
        self._restart(k)

    def _restart(self, k: int) -> None:
        # Exponent of the next change, and the logarithm of the ratio at the last one.
        self.power = np.full(k, 0.7)
        self.before = np.zeros(k)

    def update(self, observed: NDArray, expected: NDArray) -> bool:
        """Change the weights; True once they are matched."""
        k = len(self.weight)
        if self.pooled:
            observed, expected = np.full((2, k), [[observed.sum()], [expected.sum()]])
        with np.errstate(divide="ignore"):
            excess = np.log(np.clip(observed / expected, 1e-3, 1e3))
        self.power = np.where(excess * self.before < 0, 0.6 * self.power, self.power)
        self.before = excess
        step = np.clip(self.power * excess, -1.4, 1.4)
        new = np.clip(self.weight * np.exp(step), 1.0, self.largest)
        if not self.pooled:
            new = np.clip(new, self.common / _APART, self.common * _APART)
        moved = np.abs(np.log(new / self.weight)).max()
        self.weight = new
        if moved > _MATCHED * 0.7 and np.abs(excess).max() > _MATCHED:
            return False
        if self.pooled:
            self.pooled, self.common = False, self.weight
            self._restart(k)
            return False
        return True


def uncertainty(S: NDArray, cloud: Cloud, vertices: NDArray) -> NDArray:
    """Degrees by which spectra turn when facets move by half the noise of a pixel.

    Parameters
    ----------
    S : (k, n_channels) array
        Spectra of the vertices on the plane.
    cloud : Cloud
        The pixels.
    vertices : (k, k) array
        Vertices in the coordinates of the cloud.

    Returns
    -------
    (k,) array
    """
    Q = np.linalg.inv(vertices)
    shift = 0.5 * np.median(cloud.sigma) * np.linalg.norm(Q[:-1], axis=0)
    squares = [
        sum(
            spectral_angle(own, own + part * (own - other)) ** 2
            for part, other in zip(shift, S, strict=True)
        )
        for own in S
    ]
    return np.sqrt(np.array(squares, dtype=float))
