"""The largest simplex whose vertices are pixels, by VCA and by N-FINDR."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks import LowRank, MatrixLike, as_blocks, compress

# Directions kept beyond the components, since the last directions of a range finder
# are inaccurate. More of them cost memory and time in proportion.
OVERSAMPLING = 10
# Upper bound on the sweeps of N-FINDR, a safeguard: a few usually suffice.
_SWEEPS = 50
# Pixels are divided by their brightness only if it is this many times its noise. With a
# smaller value the noise of dark pixels makes them vertices; a larger one loses pixels.
BRIGHT = 5.0


def simplex_volume(vertices: ArrayLike) -> float:
    """Volume of the simplex of ``k`` points, in its own ``k - 1`` dimensions.

    Parameters
    ----------
    vertices : (k, d) array
        Points with at least ``k - 1`` coordinates.

    Returns
    -------
    float
        Volume in the units of the coordinates to the power ``k - 1``; 1 for a single
        point.

    Raises
    ------
    ValueError
        For more points than ``d + 1``, which span no simplex.

    Examples
    --------
    >>> from sparsedecomp.decomposition import simplex_volume
    >>> round(simplex_volume([[0, 0, 5], [2, 0, 5], [0, 3, 5]]), 12)
    3.0
    """
    vertices = np.atleast_2d(np.asarray(vertices, float))
    k, d = vertices.shape
    if k > d + 1:
        raise ValueError(
            f"{k} points with {d} coordinates were given, expected at most {d + 1}: "
            "more span no simplex."
        )
    edges = np.linalg.svd(vertices[1:] - vertices[0], compute_uv=False)
    return float(edges.prod() / math.factorial(k - 1))


def nfindr(
    data: MatrixLike,
    n_components: int,
    *,
    start: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = None,
) -> NDArray:
    """Pixels that span the largest simplex, by exchanging one after another [1]_.

    Each vertex in turn is replaced by the pixel that makes the volume largest, which
    is linear in one vertex, until no exchange enlarges it. This is a local maximum: the
    result depends on the start, by default the pixels that `VCA` finds.

    What it can decide: the spectra, where every component has a pure pixel and the
    outermost pixels do not vary by noise and thickness. What it cannot: where no pixel
    is pure, the vertices are mixtures, and nothing in the result says so.

    Parameters
    ----------
    data : array, SciPy sparse matrix, dask array or BlockMatrix
        Data of shape (n_pixels, n_channels).
    n_components : int
        Number of vertices.
    start : (n_components,) int array, optional
        Rows of the data to start from.
    random_state : int or Generator, optional
        Seed of the start and of the compression.

    Returns
    -------
    (n_components,) int array
        Rows of the data that are the vertices.

    Raises
    ------
    ValueError
        For fewer independent pixels than components.

    References
    ----------
    .. [1] M. E. Winter, Proc. SPIE 3753 (1999) 266. https://doi.org/10.1117/12.366289

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import nfindr
    >>> shares = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    >>> shares[[7, 20, 33]] = np.eye(3)
    >>> spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    >>> sorted(nfindr(shares @ spectra, 3, random_state=0).tolist())
    [7, 20, 33]
    """
    generator = np.random.default_rng(random_state)
    blocks = as_blocks(data)
    low = compress(blocks, n_components + OVERSAMPLING, random_state=generator)
    view = signal_coordinates(low, n_components)
    if start is None:
        start = best_vertices(view.points, n_components, 20, generator)
    return grow(view.points, np.asarray(start))


def grow(points: NDArray, chosen: NDArray) -> NDArray:
    """Exchange vertices until the volume of the simplex no longer grows.

    Parameters
    ----------
    points : (n_pixels, k) array
        Homogeneous coordinates, in which the determinant of ``k`` points is the volume.
    chosen : (k,) int array
        Rows to start from.

    Returns
    -------
    (k,) int array
        Rows that are the vertices.
    """
    chosen = chosen.copy()
    k = len(chosen)
    for _ in range(_SWEEPS):
        moved = False
        for j in range(k):
            # The determinant as a function of its j-th row.
            others = np.delete(points[chosen], j, axis=0)
            normal = np.linalg.svd(others)[2][-1] if k > 1 else np.ones(1)
            height = np.abs(points @ normal)
            farthest = int(np.argmax(height))
            if height[farthest] > height[chosen[j]] * (1 + 1e-9):
                chosen[j] = farthest
                moved = True
        if not moved:
            break
    return chosen


@dataclass(frozen=True)
class SignalCoordinates:
    """The pixels in the signal space, as VCA projects them.

    Attributes
    ----------
    points : (n_pixels, k) array
        Homogeneous coordinates; zero for pixels that are too dark to be vertices.
    spectra : (n_pixels, rank) array
        Pixels without the noise outside of the signal space, in the compressed
        coordinates.
    snr : float
        Signal-to-noise ratio, in decibels.
    projective : bool
        Whether brightness was divided out.
    """

    points: np.ndarray
    spectra: np.ndarray
    snr: float
    projective: bool


def signal_coordinates(low_rank: LowRank, n_components: int) -> SignalCoordinates:
    """Choose the projection by the signal-to-noise ratio, after Nascimento and Dias.

    Raises ValueError if the data have fewer dimensions than components.
    """
    p = n_components
    Y = low_rank.scores.astype(np.float64)
    n, n_channels = len(Y), len(low_rank.basis)
    require_dimensions(low_rank, p)
    mean = Y.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(Y.T, bias=True).reshape(len(mean), -1))
    spread, axes = spread[::-1], axes[:, ::-1]

    # The signal-to-noise ratio of the paper: power of the data, and in p directions.
    power = low_rank.summary.sum_of_squares / n
    held = spread[:p].sum() + mean @ mean
    noise = power - held
    snr = np.inf
    if noise > 1e-12 * power:
        ratio = (held - p / n_channels * power) / noise
        snr = 10 * np.log10(ratio) if ratio > 0 else -np.inf

    if snr > 15 + 10 * np.log10(p) or p == 1:
        Z = Y[:, :p]
        direction = mean[:p] / np.linalg.norm(mean[:p])
        brightness = Z @ direction
        least = BRIGHT * np.sqrt(p * low_rank.noise_variance)
        seen = brightness > max(least, 1e-9 * np.abs(brightness).max())
        points = np.where(
            seen[:, None], Z / np.where(seen, brightness, 1.0)[:, None], 0.0
        )
        spectra = np.zeros_like(Y)
        spectra[:, :p] = Z
        return SignalCoordinates(points, spectra, snr, True)
    T = (Y - mean) @ axes[:, : p - 1]
    height = np.sqrt(np.square(T).sum(axis=1).max())
    points = np.column_stack([T, np.full(n, height)])
    return SignalCoordinates(points, T @ axes[:, : p - 1].T + mean, snr, False)


def dimensions_of(low_rank: LowRank) -> int:
    """Number of dimensions that the pixels span up to rounding."""
    values = low_rank.singular_values
    precision = np.finfo(low_rank.scores.dtype).eps
    least = 4 * precision * np.sqrt(len(values)) * values[0]
    return int(np.count_nonzero(values > least))


def require_dimensions(low_rank: LowRank, n_components: int) -> None:
    """Raise ValueError where the data have fewer dimensions than components."""
    dimensions = dimensions_of(low_rank)
    if dimensions == 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    if dimensions < n_components:
        raise ValueError(
            f"{n_components} components were asked for, but the pixels span "
            f"{dimensions} dimensions: they are mixtures of at most {dimensions} "
            "spectra. Ask for fewer components."
        )


def vertices(
    points: NDArray, n_components: int, generator: np.random.Generator
) -> NDArray:
    """Rows of the vertices that one run of VCA finds.

    Each is the pixel farthest along a random direction orthogonal to those before.
    """
    p = n_components
    A = np.zeros((p, p))
    A[-1, 0] = 1.0
    chosen = np.zeros(p, int)
    for i in range(p):
        w = generator.standard_normal(p)
        f = w - A @ (np.linalg.pinv(A) @ w)
        if i == 0 and p == 1:
            f = np.ones(1)
        chosen[i] = np.argmax(np.abs(points @ f))
        A[:, i] = points[chosen[i]]
    return chosen


def best_vertices(
    points: NDArray, n_components: int, n_init: int, generator: np.random.Generator
) -> NDArray:
    """Rows of the vertices that span the largest volume in several runs of VCA."""
    largest = -1.0
    for _ in range(n_init):
        chosen = vertices(points, n_components, generator)
        volume = abs(np.linalg.det(points[chosen]))
        if volume > largest:
            best, largest = chosen, volume
    return best
