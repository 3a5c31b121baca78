"""Faces of a simplex: their maps to barycentric coordinates, and lattices over them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, fields
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Simplices of more faces than this have only the whole, its facets, and the smallest
# faces as far as there are no more of them: time grows with their number.
_MOST_FACES = 600
# A face of three or more vertices one of which is closer than this many standard
# deviations of the noise to the opposite facet is left out, unless it has a lattice:
# the errors of its coordinates are so correlated that the product of probabilities
# grows without bound as it collapses. Its own facets describe the same pixels.
_THINNEST = 1.0


class FaceGroup(NamedTuple):
    """Whitened faces of as many vertices.

    Attributes
    ----------
    rows : (n,) int array
        Rows of the faces in the arrays of `FaceGeometry`.
    face : (n, q) int array
        Vertices of each face.
    corners : (n, q, D) array
        Their whitened places.
    inverse : (n, q, D) array
        Maps from displacements to barycentric coordinates.
    gram_inverse : (n, q - 1, q - 1) array
        Inverse Gram matrices of the edges.
    normal : (n, D - q + 1, D) array
        Orthonormal rows perpendicular to the faces.
    """

    rows: NDArray[np.intp]
    face: NDArray[np.intp]
    corners: NDArray[np.float64]
    inverse: NDArray[np.float64]
    gram_inverse: NDArray[np.float64]
    normal: NDArray[np.float64]


@dataclass(frozen=True)
class FaceGeometry:
    """Faces by size, and arrays for `sparsedecomp.kernels.face_density`."""

    groups: list[FaceGroup]

    size: NDArray[np.int64]
    bary_map: NDArray[np.float64]
    bary_sd: NDArray[np.float64]
    normal_map: NDArray[np.float64]
    log_constant: NDArray[np.float64]
    log_cap: NDArray[np.float64]
    grid_start: NDArray[np.int64]
    grid_stop: NDArray[np.int64]
    grid: NDArray[np.float64]
    grid_share: NDArray[np.float64]
    whiten: NDArray[np.float64]
    centre: NDArray[np.float64]
    radius: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray, ...]:
        """The arrays in the order of the kernels' arguments."""
        names = [field.name for field in fields(self) if field.name != "groups"]
        return tuple(getattr(self, name) for name in names)


def faces_of_simplex(k: int) -> list[tuple[int, ...]]:
    """Vertices of the faces of a simplex of ``k`` vertices, smallest faces first."""
    sizes = {1, k - 1, k} - {0}
    for q in range(2, k - 1):
        if sum(math.comb(k, each) for each in (*sizes, q)) > _MOST_FACES:
            break
        sizes.add(q)
    return [f for q in sorted(sizes) for f in itertools.combinations(range(k), q)]


@cache
def lattice(n_cells: int, q: int) -> NDArray[np.float64]:
    """Barycentric centres of ``n_cells`` cells along each edge of a simplex.

    Parameters
    ----------
    n_cells : int
        Cells along an edge.
    q : int
        Number of vertices.

    Returns
    -------
    (n_points, q) array
    """
    steps = n_cells - 1
    bars = itertools.combinations(range(steps + q - 1), q - 1)
    parts = [np.diff((-1, *bar, steps + q - 1)) - 1 for bar in bars]
    return (np.array(parts, float) + 1 / q) / n_cells


def face_geometry(
    faces: list[tuple[int, ...]],
    vertices: NDArray[np.float64],
    chosen: NDArray[np.intp],
    whiten: NDArray[np.float64],
    cells: NDArray[np.int64],
    sigma: float,
) -> FaceGeometry:
    """Describe some of the faces to the kernels.

    Parameters
    ----------
    faces : list of tuple of int
        Vertices of every face.
    vertices : (k, k - 1) array
        Vertices of the simplex.
    chosen : int array
        Numbers of the faces.
    whiten, cells : arrays
        From `whitening` and `lattice_cells`, of all faces.
    sigma : float
        Standard deviation of the noise of the brightest pixels, which decides whether a
        face is too thin to have a density of its own.

    Returns
    -------
    FaceGeometry
    """
    k, D = vertices.shape
    n = len(chosen)
    size = np.array([len(faces[f]) for f in chosen])
    bary_map, bary_sd = np.zeros((n, k, D + 1)), np.ones((n, k))
    normal_map = np.zeros((n, D, D + 1))
    log_constant, log_cap = np.zeros(n), np.zeros(n)
    start, stop = np.zeros(n, int), np.zeros(n, int)
    centre, radius = np.zeros((n, D)), np.zeros(n)
    groups: list[FaceGroup] = []
    grids, shares, used = [np.zeros((0, D))], [np.zeros((0, k))], 0
    W = whiten[chosen]
    for q in np.unique(size):
        rows = np.flatnonzero(size == q)
        face = np.array([faces[chosen[i]] for i in rows])
        Wq, d = W[rows], q - 1
        Y = vertices[face] @ Wq.transpose(0, 2, 1)
        M, first = Y[:, 1:] - Y[:, :1], Y[:, 0]
        H = M @ M.transpose(0, 2, 1)
        # Edges may nearly be dependent.
        inverse = np.linalg.inv(H * (1 + 1e-10 * np.eye(d)))
        part = inverse @ M
        B = np.concatenate([-part.sum(axis=1, keepdims=True), part], axis=1)
        bary = B @ Wq
        bary_map[rows, :q, :D] = bary
        bary_map[rows, :q, D] = -np.einsum("fqa,fa->fq", B, first)
        bary_map[rows, 0, D] += 1
        bary_sd[rows, :q] = np.sqrt(np.square(B).sum(axis=2)) if d else 1.0
        N = _perpendicular(M)
        groups.append(FaceGroup(rows, face, Y, B, inverse, N))
        normal_map[rows, : D - d, :D] = N @ Wq
        normal_map[rows, : D - d, D] = -np.einsum("fab,fb->fa", N, first)
        half = 0.5 * np.linalg.slogdet(H)[1] if d else np.zeros(len(rows))
        log_2pi = 0.5 * math.log(2 * math.pi)
        log_constant[rows] = math.lgamma(q) - (D - d) * log_2pi - half
        log_cap[rows] = -d * log_2pi + half - math.lgamma(q)
        if q > 2:
            # Squares of one over the distances of the vertices from their facets.
            over = np.diagonal(inverse, axis1=1, axis2=2).max(axis=1)
            thin = np.maximum(over, inverse.sum(axis=(1, 2))) * sigma**2 > _THINNEST**-2
            log_constant[rows[thin & (cells[chosen[rows]] == 0)]] = -np.inf
        for i, corners in zip(rows, Y, strict=True):
            if not cells[chosen[i]]:
                continue
            share = lattice(int(cells[chosen[i]]), int(q))
            points = share @ corners
            start[i], used = used, used + len(share)
            stop[i] = used
            centre[i] = corners.mean(axis=0)
            away = np.square(points - centre[i]).sum(axis=1).max()
            radius[i] = math.sqrt(away) + 1e-9
            grids.append(points)
            shares.append(np.pad(share, [(0, 0), (0, k - q)]))
    return FaceGeometry(
        groups=groups,
        size=size,
        bary_map=bary_map,
        bary_sd=bary_sd,
        normal_map=normal_map,
        log_constant=log_constant,
        log_cap=log_cap,
        grid_start=start,
        grid_stop=stop,
        grid=np.concatenate(grids),
        grid_share=np.concatenate(shares),
        whiten=np.ascontiguousarray(W),
        centre=centre,
        radius=radius,
    )


def _perpendicular(M: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal rows (n, D - q + 1, D) perpendicular to edges."""
    n, d, D = M.shape
    if d == 0:
        return np.broadcast_to(np.eye(D), (n, D, D))
    Q = np.linalg.qr(M.transpose(0, 2, 1), mode="complete")[0]
    return Q[:, :, d:].transpose(0, 2, 1)
