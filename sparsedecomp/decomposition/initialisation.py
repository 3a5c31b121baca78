"""Spectra from which the iterative factorisations start.

All of them are taken from the compressed data: extreme pixels, corners of the cone of
non-negative spectra, singular vectors, random pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import LowRank
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.abundances import constrained_rows
from sparsedecomp.decomposition.geometric.corners import corners_of_cone
from sparsedecomp.decomposition.geometric.simplex import (
    best_vertices,
    dimensions_of,
    grow,
    require_dimensions,
    signal_coordinates,
    vertices,
)
from sparsedecomp.metrics import match_components

INITIALISATIONS = ("auto", "spa", "vca", "nfindr", "nndsvd", "random")
# Runs of VCA of which the largest simplex is taken. More runs find a larger one on
# noisy data, at a cost proportional to their number.
_VCA_RUNS = 20
# Pixels averaged for a vertex. More of them average more noise but mix in pixels that
# are less pure.
_NEIGHBOURS = 8
# Pixels darker than this part of the median are no vertices for "spa".
_DARK = 0.3
# Number of different simplices of pixels that `start_candidates` returns at most.
_SIMPLICES = 4
# With more components the search for corners of the cone takes longer than a fit.
_FEW = 8


def start_kinds(init: str, n_init: int) -> list[str]:
    """Kind of every start: "auto" takes extreme pixels first, then random ones."""
    if init != "auto":
        return [init] * n_init
    return ["spa"] + ["random"] * (n_init - 1)


def initial_spectra(
    low_rank: LowRank, n_components: int, init: str, generator: np.random.Generator
) -> NDArray:
    """Non-negative spectra of unit norm to start from.

    Parameters
    ----------
    low_rank : LowRank
        Compressed data.
    n_components : int
        Number of spectra. Where the data have fewer dimensions, the mean spectrum
        stands for the others.
    init : {"spa", "vca", "nfindr", "nndsvd", "random"}
        "spa": the vertices of the cloud of pixels by successive projection [1]_, each
        averaged over its neighbours; "vca": the best of 20 runs of vertex component
        analysis [2]_; "nfindr": these, exchanged until the volume no longer grows
        [3]_; "nndsvd": the positive parts of the singular vectors [4]_; "random": the
        denoised spectra of random pixels.
    generator : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    (n_components, n_channels) float64 array

    References
    ----------
    .. [1] N. Gillis and S. A. Vavasis, IEEE Trans. Pattern Anal. Mach. Intell. 36
       (2014) 698. https://doi.org/10.1109/TPAMI.2013.226
    .. [2] J. M. P. Nascimento and J. M. B. Dias, IEEE Trans. Geosci. Remote Sens. 43
       (2005) 898. https://doi.org/10.1109/TGRS.2005.844293
    .. [3] M. E. Winter, Proc. SPIE 3753 (1999) 266.
       https://doi.org/10.1117/12.366289
    .. [4] C. Boutsidis and E. Gallopoulos, Pattern Recognit. 41 (2008) 1350.
       https://doi.org/10.1016/j.patcog.2007.09.010
    """
    low, k = low_rank, n_components
    S = np.zeros((k, len(low.basis)))
    if init == "nndsvd":
        found = _nndsvd(low, k)
    elif init == "random":
        n = len(low.scores)
        chosen = generator.choice(n, k, replace=n < k)
        found = low.scores[chosen].astype(float) @ low.basis.T
    elif init == "spa":
        found = _successive_projection(low, k)
    else:
        found = _largest_simplex(low, k, init == "nfindr", generator)
    S[: len(found)] = np.maximum(found, 0.0)
    # A component of zeros would stay so: give it the mean spectrum.
    norm = np.linalg.norm(S, axis=1, keepdims=True)
    mean = np.maximum(low.scores.mean(axis=0, dtype=float) @ low.basis.T, 0.0)
    mean = mean if mean.any() else np.ones_like(mean)
    S = np.where(norm > 1e-12 * norm.max(), S, mean)
    return S / np.linalg.norm(S, axis=1, keepdims=True)


def start_candidates(
    low_rank: LowRank,
    n_components: int,
    init: str,
    generator: np.random.Generator,
    *,
    cone: bool,
) -> list[NDArray]:
    """Sets of spectra to start from, of which the one that fits best is to be taken.

    Parameters
    ----------
    low_rank : LowRank
        Compressed data.
    n_components : int
        Number of spectra in every set.
    init : {"auto", "spa", "vca", "nfindr", "nndsvd", "random"}
        "auto": corners of the cone of non-negative spectra (see `SSSVCA`) if pixels do
        not come near to all of them and no background seems to be shared; else the
        largest simplices of pixels, found by N-FINDR from several runs of VCA, each
        vertex averaged over its neighbours. "vca": purest pixels in the scale of the
        data. The others: as for `initial_spectra`.
    generator : numpy.random.Generator
        Source of random numbers.
    cone : bool
        Whether corners of the cone, whose scale is free, may be taken.

    Returns
    -------
    list of (n_components, n_channels) float64 arrays
    """
    k = n_components
    if init not in ("auto", "vca"):
        return [initial_spectra(low_rank, k, init, generator)]
    with one_blas_thread():
        if init == "auto" and cone and k <= _FEW:
            corners = corners_of_cone(low_rank, k, generator)
            if corners is not None:
                return [corners]
        require_dimensions(low_rank, k)
        if init == "vca":
            return [_largest_simplex(low_rank, k, False, generator)]
        return _large_simplices(low_rank, k, generator)


def with_known(
    candidates: NDArray, k: int, low_rank: LowRank, known: NDArray, maps: NDArray
) -> NDArray:
    """Spectra to start from: known ones, those of known maps, then the others.

    Parameters
    ----------
    candidates : (k, n_channels) array
        Spectra for all components, or for those without a known spectrum.
    k : int
        Number of components.
    low_rank : LowRank
        Compressed data.
    known : (q, n_channels) array
        Known spectra, which replace the candidates most similar to them.
    maps : (n_pixels, p) array
        Known maps. Each starts with the candidate whose map is most similar to it.

    Returns
    -------
    (k, n_channels) array
    """
    if len(known) and len(candidates) == k:
        like_known = match_components(known, candidates)[1]
        candidates = np.delete(candidates, like_known, axis=0)
    if maps.shape[1]:
        F = low_rank.scores.astype(float) @ (low_rank.basis.T @ candidates.T)
        W = constrained_rows(F, candidates @ candidates.T, "nonnegative")
        like_maps = match_components(maps.T, W.T)[1]
        others = np.delete(candidates, like_maps, axis=0)
        candidates = np.vstack([candidates[like_maps], others])
    return np.vstack([known, candidates])


def _successive_projection(low: LowRank, k: int) -> NDArray:
    """Up to ``k`` vertices, each the farthest pixel after those before are removed."""
    Z = low.scores[:, : max(k, 2)].astype(float)
    # Compositions are compared: brightness is divided out, dark pixels are left out.
    brightness = np.abs(Z[:, 0])
    bright = brightness > _DARK * np.median(brightness)
    Z[~bright] = 0.0
    Z[bright] /= brightness[bright, None]
    least = 1e-20 * np.einsum("ij,ij->i", Z, Z).max()
    residual = Z.copy()
    pixels: list[int] = []
    for _ in range(k):
        length = np.einsum("ij,ij->i", residual, residual)
        farthest = int(np.argmax(length))
        if length[farthest] <= least:
            break
        pixels.append(farthest)
        direction = residual[farthest] / np.sqrt(length[farthest])
        along = residual @ direction
        for column, part in zip(residual.T, direction, strict=True):
            column -= along * part
    return _averaged(Z, low.scores, pixels) @ low.basis.T


def _largest_simplex(
    low: LowRank, k: int, exchange: bool, generator: np.random.Generator
) -> NDArray:
    """Spectra of the vertices that VCA finds, as many as there are dimensions."""
    k = min(k, dimensions_of(low))
    if not k:
        return np.zeros((0, len(low.basis)))
    view = signal_coordinates(low, k)
    chosen = best_vertices(view.points, k, _VCA_RUNS, generator)
    if exchange:
        chosen = grow(view.points, chosen)
    return view.spectra[chosen] @ low.basis.T


def _large_simplices(
    low: LowRank, k: int, generator: np.random.Generator
) -> list[NDArray]:
    """Spectra of different simplices that no exchange of one pixel makes larger."""
    view = signal_coordinates(low, k)
    volumes: dict[tuple[int, ...], float] = {}
    for _ in range(_VCA_RUNS):
        pixels = grow(view.points, vertices(view.points, k, generator))
        volume = abs(np.linalg.det(view.points[pixels]))
        volumes[tuple(sorted(pixels))] = volume
    largest = sorted(volumes, key=volumes.__getitem__, reverse=True)[:_SIMPLICES]
    return [
        _averaged(view.points, view.spectra, pixels) @ low.basis.T for pixels in largest
    ]


def _averaged(
    points: NDArray, spectra: NDArray, pixels: list[int] | tuple[int, ...]
) -> NDArray:
    """Mean spectrum of the pixels nearest to each vertex; dark ones are zero points."""
    seen = np.flatnonzero(points.any(axis=1))
    count = min(_NEIGHBOURS, len(seen))
    seen_points = points[seen]
    squares = np.einsum("ij,ij->i", seen_points, seen_points)
    means = np.zeros((len(pixels), spectra.shape[1]))
    for mean, vertex in zip(means, pixels, strict=True):
        # The squared distance up to a constant.
        distance = squares - 2 * (seen_points @ points[vertex])
        near = seen[np.argpartition(distance, count - 1)[:count]]
        mean[:] = spectra[near].mean(axis=0, dtype=float)
    return means


def _nndsvd(low: LowRank, k: int) -> NDArray:
    """Larger of the positive and the negative part of every singular vector."""
    V, U = low.basis[:, :k], low.scores[:, :k]
    positive, negative = (
        np.linalg.norm(np.maximum(sign * U, 0), axis=0)
        * np.linalg.norm(np.maximum(sign * V, 0), axis=0)
        for sign in (1, -1)
    )
    return np.where(positive >= negative, V, -V).T
