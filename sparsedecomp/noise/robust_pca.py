"""Principal components that outlying pixels do not pull, and how far each pixel is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv, ndtri

from sparsedecomp.blocks import LowRank
from sparsedecomp.noise.binned_spectrum import effective_pixels
from sparsedecomp.noise.edge import above_noise

_DIRECTIONS = 250
# Pixels from which location and scale along a direction are taken.
_PIXELS = 1000
_CONCENTRATIONS = 50
# One pixel in a thousand is flagged without cause.
_REGULAR = 0.999


@dataclass(frozen=True)
class RobustPCA:
    """What `robust_pca` finds.

    Attributes
    ----------
    n_components : int
        Dimensions above the noise that regular pixels span, seen from zero and not
        from their mean: the number of spectra in their mixtures. It may be 0.
    centre : (rank,) array
    axes : (rank, k) array
        Principal axes about the centre, ``k`` of them.
    variances : (rank,) array
        Robust variances along all axes, falling.
    noise_variance : float
    edge : float
        The most variance that noise alone puts along an axis.
    score_distance : (n_pixels,) array
        Mahalanobis distance from the centre within the axes.
    orthogonal_distance : (n_pixels,) array
        Euclidean distance from the axes, in the units of the (weighted) data.
    score_cutoff, orthogonal_cutoff : float
        Distances that one regular pixel in a thousand exceeds.
    outliers : (n_pixels,) bool array
        Pixels beyond the orthogonal cutoff: spectra that the others do not explain.
    """

    n_components: int
    centre: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    noise_variance: float
    edge: float
    score_distance: np.ndarray
    orthogonal_distance: np.ndarray
    score_cutoff: float
    orthogonal_cutoff: float
    outliers: np.ndarray


def robust_pca(
    low_rank: LowRank,
    n_components: int | None = None,
    *,
    coverage: float = 0.75,
    random_state: int | np.random.Generator | None = None,
) -> RobustPCA:
    """ROBPCA [1]_ of a compressed matrix.

    The outlyingness of a pixel is its largest distance from the centre along many
    directions, in robust standard deviations (Stahel and Donoho, their eq. 1). The
    covariance of the least outlying part of the pixels gives the axes; those above the
    noise are kept, and all pixels close to them give the axes anew. Within the axes,
    centre and covariance are those of the minimum covariance determinant, by
    concentration from the least outlying pixels.

    What it can decide: what most pixels have in common, whatever a minority is like.
    What it cannot: tell a rare phase from bad pixels. A phase in less than
    ``1 - coverage`` of the pixels is taken for outliers and not counted.

    Parameters
    ----------
    low_rank : LowRank
        Low-rank form of whitened data, with some directions beyond the components.
    n_components : int, optional
        Number of components, the mean spectrum included. Default: by the noise.
    coverage : float, default 0.75
        Part of the pixels, from a half to one, that is trusted.
    random_state : int or Generator, optional
        Seed of the directions.

    Returns
    -------
    RobustPCA

    References
    ----------
    .. [1] M. Hubert, P. J. Rousseeuw and K. Vanden Branden, Technometrics 47 (2005)
       64. https://doi.org/10.1198/004017004000000563
    """
    generator = np.random.default_rng(random_state)
    Y = low_rank.scores.astype(np.float64)
    n, rank = Y.shape
    m = len(low_rank.basis)
    squares = np.square(Y).sum(axis=1)
    outside = np.maximum(low_rank.summary.row_squares - squares, 0.0)
    kept = min(n, max(round(coverage * n), (n + rank + 1) // 2))
    order = np.argsort(outlyingness(Y, kept / n, generator), kind="stable")
    chosen = order[:kept]
    for _ in range(2):
        count, noise, edge = _count(Y[chosen], outside[chosen], m)
        count = count if n_components is None else n_components
        centre, axes, variances = _principal(Y[chosen])
        axes = axes[:, : min(count, np.count_nonzero(variances > edge))]
        distance, cutoff = _from_axes(Y, outside, centre, axes, coverage)
        # All pixels near the axes make them anew.
        chosen = np.flatnonzero(distance <= cutoff)
    score, score_cutoff = _within_axes((Y - centre) @ axes, order[:kept])
    return RobustPCA(
        n_components=count,
        centre=centre,
        axes=axes,
        variances=variances,
        noise_variance=noise,
        edge=edge,
        score_distance=score,
        orthogonal_distance=distance,
        score_cutoff=score_cutoff,
        orthogonal_cutoff=cutoff,
        outliers=distance > cutoff,
    )


def _count(Y, outside, n_channels):
    """Dimensions of pixels above the noise, its variance, and the edge per pixel."""
    squares = np.maximum(np.linalg.eigvalsh(Y.T @ Y)[::-1], 0.0)
    n = len(Y)
    if (free := n_channels - Y.shape[1]) > 0:
        # By chance alone the squares of equal variances spread by 2 / free.
        equal = effective_pixels(outside) * (1 + 2 / free)
        n = max(min(n, round(equal)), 1)
    count, noise, edges = above_noise(squares, outside.sum(), n, n_channels)
    return count, noise * n / len(Y), float(edges[min(count, len(edges) - 1)] / len(Y))


def outlyingness(
    Y: NDArray, coverage: float, generator: np.random.Generator
) -> NDArray:
    """Largest robust distance of every row along directions through two rows.

    The axes are directions too: a pixel that has a weak one to itself is far along it,
    while hardly any pair of pixels shows it.

    Parameters
    ----------
    Y : (n, rank) array
    coverage : float
    generator : numpy.random.Generator

    Returns
    -------
    (n,) array
    """
    n = len(Y)
    pairs = generator.integers(n, size=(_DIRECTIONS, 2))
    directions = np.vstack([Y[pairs[:, 0]] - Y[pairs[:, 1]], np.eye(Y.shape[1])])
    length = np.linalg.norm(directions, axis=1)
    real = length > 1e-12 * min(np.abs(Y).max(initial=0.0), 1.0)
    largest = np.zeros(n)
    if not real.any():
        return largest
    directions = directions[real] / length[real, None]
    some = Y
    if n > _PIXELS:
        some = Y[generator.choice(n, _PIXELS, replace=False)]
    location, scale = univariate_mcd(some @ directions.T, coverage)
    wide = scale > 0
    turn = (directions[wide] / scale[wide, None]).T
    middle = location[wide] / scale[wide]
    for start in range(0, n, _PIXELS):
        tile = slice(start, start + _PIXELS)
        largest[tile] = np.abs(Y[tile] @ turn - middle).max(axis=1, initial=0.0)
    return largest


def univariate_mcd(x: NDArray, coverage: float) -> tuple[NDArray, NDArray]:
    """Mean and deviation of the densest part of each column, consistent for Gauss.

    Parameters
    ----------
    x : (n, p) array
    coverage : float
        The part, from a half to one.

    Returns
    -------
    location, scale : (p,) arrays
    """
    n = len(x)
    h = min(n, max(round(coverage * n), n // 2 + 1))
    x = np.sort(x, axis=0)
    middle = x[n // 2]
    x = x - middle
    zero = np.zeros((1, x.shape[1]))
    sums = np.vstack([zero, np.cumsum(x, axis=0)])
    squares = np.vstack([zero, np.cumsum(x * x, axis=0)])
    mean = (sums[h:] - sums[:-h]) / h
    variance = (squares[h:] - squares[:-h]) / h - mean * mean
    best = np.argmin(variance, axis=0)
    column = np.arange(x.shape[1])
    spread = np.maximum(variance[best, column], 0.0) * _consistency(h / n, 1)
    return middle + mean[best, column], np.sqrt(spread)


def _consistency(part, dimensions):
    """What the covariance of the central part of a Gaussian is to be multiplied by."""
    if part >= 1:
        return 1.0
    quantile = gammaincinv(dimensions / 2, part)
    return part / gammainc(dimensions / 2 + 1, quantile)


def _principal(Y):
    centre = Y.mean(axis=0)
    covariance = np.cov(Y.T, bias=True).reshape(Y.shape[1], -1)
    variances, axes = np.linalg.eigh(covariance)
    return centre, axes[:, ::-1], np.maximum(variances[::-1], 0.0)


def _from_axes(Y, outside, centre, axes, coverage):
    """Distance of every row from the axes, and where it becomes too large."""
    Z = Y - centre
    Z = Z - (Z @ axes) @ axes.T
    distance = np.sqrt(np.square(Z).sum(axis=1) + outside)
    # Their power 2/3 is nearly Gaussian (Wilson and Hilferty).
    location, scale = univariate_mcd(distance[:, None] ** (2 / 3), coverage)
    cutoff = (location[0] + ndtri(_REGULAR) * scale[0]) ** 1.5
    # Equal distances are regular whatever rounding makes of them.
    return distance, float(max(cutoff, 1e-6 * np.sqrt(np.square(Y).sum(1).max())))


def _within_axes(T, chosen):
    """Robust Mahalanobis distances by concentration, and their cutoff."""
    n, k = T.shape
    if k == 0:
        return np.zeros(n), 0.0
    h = len(chosen)
    for _ in range(_CONCENTRATIONS):
        distance = _mahalanobis(T, T[chosen])
        closest = np.argpartition(distance, h - 1)[:h]
        if set(closest) == set(chosen):
            break
        chosen = closest
    distance = distance / np.sqrt(_consistency(h / n, k))
    return distance, float(np.sqrt(2 * gammaincinv(k / 2, _REGULAR)))


def _mahalanobis(T, part):
    centre = part.mean(axis=0)
    inverse = np.linalg.pinv(np.cov(part.T, bias=True).reshape(T.shape[1], -1))
    Z = T - centre
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", Z, inverse, Z), 0.0))
