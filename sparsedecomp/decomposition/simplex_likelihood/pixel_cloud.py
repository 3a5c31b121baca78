"""Pixels as points of the plane of unit brightness, with the covariance of their noise.

Notation: ``x`` is a pixel, ``c`` the scale of the channels, ``V`` the leading ``k``
right singular vectors of the whitened data and ``y = (x / c) V``. With ``s = V' c``
the brightness of a pixel is ``N = y s``, and its point is ``t = Q' y / N``, where the
columns of ``Q`` are perpendicular to ``s``. Mixtures of ``k`` spectra lie in the
simplex of their ``k`` points, whatever the thickness or the dose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.noise import NoiseModel, find_noise, signal_space

# Pixels with less than this part of the median brightness are vacuum: divided by their
# brightness they would lie anywhere. From the study behind `SimplexML`.
_DARKEST = 0.02
# Directions in which the outermost pixels are always kept, and how many in each.
_DIRECTIONS, _OUTERMOST = 200, 3


@dataclass(frozen=True)
class WhitenedData:
    """Data whose noise is homoscedastic, in their signal space.

    Attributes
    ----------
    low_rank : LowRank
        Low-rank form of the whitened data, of at least ``n_components`` directions.
    noise : NoiseModel
        Noise model of the data as they were given.
    noise_variance : float
        Variance of the noise of a whitened entry.
    unit_variance : float
        What it would be for Poisson noise; one for data that are no counts.
    """

    low_rank: LowRank
    noise: NoiseModel
    noise_variance: float
    unit_variance: float

    def rough_maps(self, spectra: NDArray) -> NDArray[np.float64]:
        """Abundances by least squares in the signal space, negative ones set to zero.

        Parameters
        ----------
        spectra : (k, n_channels) array
            Spectra in the units of the data.

        Returns
        -------
        (n_pixels, k) array
            Abundances of all pixels, without a pass over the data.
        """
        seen = (spectra / self.noise.column_scale) @ self.low_rank.basis
        pixels = self.low_rank.scores * self.noise.row_scale[:, None]
        return np.maximum(pixels @ np.linalg.pinv(seen), 0)


def whitened_signal_space(
    blocks: BlockMatrix,
    n_components: int,
    rank: int,
    noise: str,
    generator: np.random.Generator,
) -> WhitenedData:
    """Whiten the data by their noise model and find the signal space.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    n_components : int
        Dimensions of the signal, which the noise variance leaves out.
    rank : int
        Directions to keep, at least ``n_components``.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model; "auto" takes "poisson" for whole numbers and their multiples.
    generator : numpy.random.Generator
        Draws the start of the range finder.

    Returns
    -------
    WhitenedData
        After six passes for counts, and more for other data.
    """
    model = find_noise(blocks, noise, clipping=False)
    low = signal_space(model.whiten(blocks), rank, generator)
    n = np.count_nonzero(model.summary.row_sums)
    m = np.count_nonzero(low.summary.column_squares)
    explained = np.square(low.singular_values[:n_components]).sum()
    left = low.summary.sum_of_squares - explained
    freedom = max((n - n_components) * (m - n_components), 1)
    variance, unit = max(float(left), 0.0) / freedom, 1.0
    if model.counts:
        # The noise of counts is known; what exceeds it is left by the linear model.
        unit = float(model.variance * np.prod(blocks.shape) / (n * m))
        variance = max(variance, unit)
    else:
        precision = np.finfo(low.scores.dtype).eps
        energy = low.summary.sum_of_squares / low.scores.shape[0] / max(m, 1)
        variance = max(variance, (4 * precision) ** 2 * energy)
    return WhitenedData(low, model, float(variance), unit)


@dataclass(frozen=True)
class PixelCloud:
    """A sample of the pixels as points with known errors.

    Attributes
    ----------
    points : (n, k - 1) float64 array
        Coordinates, in units of the noise of a pixel of mean spectrum and unit
        ``variance``.
    variance : (n,) float64 array
        Factor of the error covariance of each pixel.
    weight : (n,) float64 array
        Number of pixels that each stands for.
    rows : (n,) int array
        Rows of the data.
    basis : (n_channels, k) array
        Orthonormal basis ``V`` of the signal space.
    column_scale : (n_channels,) array
        Scale ``c`` of the channels.
    brightness : (k,) array
        The functional ``s = V' c``.
    projection : (k, k - 1) array
        ``Q`` times the transformation to noise units.
    lift : (k - 1, k) array
        Its inverse on the plane.
    counts : bool
        Whether the noise is that of counts.
    information : float
        Counts of the pixels together, or for other noise the sum of the squared
        brightness over the noise variance.
    """

    points: NDArray[np.float64]
    variance: NDArray[np.float64]
    weight: NDArray[np.float64]
    rows: NDArray[np.intp]
    basis: NDArray[np.float64]
    column_scale: NDArray[np.float64]
    brightness: NDArray[np.float64]
    projection: NDArray[np.float64]
    lift: NDArray[np.float64]
    counts: bool
    information: float

    def spectra(self, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Spectra of unit brightness that project to points (k, k - 1)."""
        origin = self.brightness / (self.brightness @ self.brightness)
        return ((origin + vertices @ self.lift) @ self.basis.T) * self.column_scale

    def vertices(self, spectra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (k, k - 1) to which spectra project."""
        y = (spectra / self.column_scale) @ self.basis
        return (y / (y @ self.brightness)[:, None]) @ self.projection

    def covariance(self, spectra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Error covariances of pixels of given spectra (j, n_channels), (j, D, D)."""
        return _covariance(
            spectra,
            self.basis,
            self.column_scale,
            self.brightness,
            self.projection,
            self.counts,
        )

    def thinned(self, n_pixels: int) -> PixelCloud:
        """A sample of the pixels, the outermost ones among them, that stands for all.

        Parameters
        ----------
        n_pixels : int
            Most pixels in the sample.

        Returns
        -------
        PixelCloud
        """
        chosen, weight = _sample(self.points, n_pixels, np.random.default_rng(0))
        return replace(
            self,
            points=self.points[chosen],
            variance=self.variance[chosen],
            weight=self.weight[chosen] * weight,
            rows=self.rows[chosen],
        )


def _covariance(spectra, V, c, s, Q, counts):
    """Covariance of the points of pixels of unit brightness, by linearisation."""
    B = V / c[:, None]
    if not counts:
        y = spectra @ B
        t = (y / (y @ s)[:, None]) @ Q
        return (Q.T @ Q)[None] + (s @ s) * t[:, :, None] * t[:, None, :]
    shares = np.maximum(spectra, 0)
    shares = shares / shares.sum(axis=1, keepdims=True)
    y = shares @ B
    t = (y / (y @ s)[:, None]) @ Q
    one, across = B @ s, B @ Q
    second = np.einsum("jc,ca,cb->jab", shares, across, across, optimize=True)
    mixed = (shares * one) @ across
    cross = mixed[:, :, None] * t[:, None, :]
    return (
        second
        - cross
        - cross.transpose(0, 2, 1)
        + (shares @ one**2)[:, None, None] * t[:, :, None] * t[:, None, :]
    )


def pixel_cloud(
    data: WhitenedData,
    n_components: int,
    n_pixels: int,
    generator: np.random.Generator,
    darkest: float = _DARKEST,
) -> PixelCloud:
    """Project a sample of the pixels to the plane of unit brightness.

    The outermost pixels in many directions are always in the sample, so that a rare
    phase is not lost; the others are drawn at random and stand for all of them.

    Parameters
    ----------
    data : WhitenedData
        The data in their signal space.
    n_components : int
        Number of components ``k``, at least two.
    n_pixels : int
        Most pixels in the sample.
    generator : numpy.random.Generator
        Draws the sample.
    darkest : float, optional
        Part of the median brightness below which pixels are left out.

    Returns
    -------
    PixelCloud
    """
    k = n_components
    V, c = data.low_rank.basis[:, :k], data.noise.column_scale
    s = V.T @ c
    y = data.low_rank.scores[:, :k] * data.noise.row_scale[:, None]
    brightness = y @ s
    lit = np.median(brightness[brightness > 0]) if np.any(brightness > 0) else 0.0
    seen = np.flatnonzero(brightness > max(darkest * lit, 1e-300))
    if len(seen) < k:
        raise ValueError(
            f"{len(seen)} pixels are bright enough to be placed, expected at least "
            f"the {k} components. Bin the data or ask for fewer components."
        )
    y, brightness = y[seen].astype(np.float64), brightness[seen].astype(np.float64)
    Q = np.linalg.qr(np.column_stack([s, np.eye(k)]))[0][:, 1:k]
    points = (y / brightness[:, None]) @ Q
    chosen, weight = _sample(points, n_pixels, generator)
    mean = ((y.mean(axis=0) @ V.T) * c)[None]
    noise = _covariance(mean, V, c, s, Q, data.noise.counts)[0]
    unit = np.linalg.cholesky(noise + 1e-12 * np.trace(noise) * np.eye(k - 1))
    projection = Q @ np.linalg.inv(unit).T
    # A pixel of counts has the relative variance one over their number.
    power = data.noise.gain / brightness
    if not data.noise.counts:
        power = np.square(data.noise.row_scale[seen] / brightness)
    variance = data.noise_variance / data.unit_variance * power
    return PixelCloud(
        points=(y[chosen] / brightness[chosen, None]) @ projection,
        variance=variance[chosen],
        weight=weight,
        rows=seen[chosen],
        basis=V,
        column_scale=c,
        brightness=s,
        projection=projection,
        lift=unit.T @ Q.T,
        counts=data.noise.counts,
        information=float((1 / variance).sum()),
    )


def _sample(points, n_pixels, generator):
    """Rows of a sample and the number of pixels that each of them stands for."""
    n, D = points.shape
    if n <= n_pixels:
        return np.arange(n), np.ones(n)
    directions = generator.standard_normal((D, min(_DIRECTIONS, n_pixels // 8)))
    spread = np.linalg.cholesky(np.cov(points.T).reshape(D, D))
    height = points @ np.linalg.solve(spread.T, directions)
    outer = np.argpartition(height, n - _OUTERMOST, axis=0)[n - _OUTERMOST :]
    outer = np.unique(outer)
    others = np.setdiff1d(np.arange(n), outer)
    drawn = generator.choice(others, n_pixels - len(outer), replace=False)
    chosen = np.concatenate([outer, drawn])
    weight = np.ones(len(chosen))
    weight[len(outer) :] = len(others) / len(drawn)
    order = np.argsort(chosen)
    return chosen[order], weight[order]
