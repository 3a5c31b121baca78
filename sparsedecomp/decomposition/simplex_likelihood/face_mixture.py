"""Likelihood of a simplex: each of its faces holds a share of the pixels, uniformly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sparsedecomp.decomposition.simplex_likelihood.faces import (
    face_geometry,
    faces_of_simplex,
)
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import PixelCloud
from sparsedecomp.decomposition.simplex_likelihood.shares import fit_shares
from sparsedecomp.kernels.face_density import face_log_densities, face_slopes

# Small faces are summed over a lattice of at most this spacing, in units of the noise,
# and at least so many cells along an edge, unless it takes more cells or points than
# that.
_SPACING, _LEAST_CELLS, _MOST_CELLS, _MOST_POINTS = 1.5, 4, 14, 600
# Steps between updates of the noise and shares, and updates: the study behind
# `SimplexML`. A round that gains less than half a nat is the last.
_STEPS, _ROUNDS, _GAIN = 25, 6, 0.5
# A trial step of the line search that puts vertices this many times the spread away
# makes edges singular to machine precision; it is refused with this objective, in nats
# a pixel, so that a shorter one is tried.
_FARTHEST, _UNLIKELY = 1e3, 1e6
# Smallest eigenvalue of the error covariance of a face over its largest.
_THINNEST = 1e-3


class Fit(NamedTuple):
    """A local maximum of the likelihood.

    Attributes
    ----------
    vertices : (k, k - 1) array
        Points of the cloud's plane.
    objective : float
        Logarithm of the likelihood less the penalty of negative spectra, in nats.
    log_likelihood : (n,) array
        Log likelihood of each pixel of the sample, without its weight.
    share : (n_faces,) array
        Share of the pixels on each face.
    """

    vertices: NDArray[np.float64]
    objective: float
    log_likelihood: NDArray[np.float64]
    share: NDArray[np.float64]


class FaceSums(NamedTuple):
    """Sums over the pixels, see `sparsedecomp.kernels.face_density.face_slopes`."""

    normal_bary: NDArray[np.float64]
    push_bary: NDArray[np.float64]
    normal_push: NDArray[np.float64]
    curvature: NDArray[np.float64]
    free: NDArray[np.float64]
    point_share: NDArray[np.float64]
    lattice_share: NDArray[np.float64]


class FaceMixture:
    """Mixture of uniform densities on the faces of a simplex, seen through the noise.

    Parameters
    ----------
    cloud : PixelCloud
        The pixels.
    """

    def __init__(self, cloud: PixelCloud) -> None:
        self.cloud = cloud
        D = cloud.points.shape[1]
        self.faces = faces_of_simplex(D + 1)
        self.n_pixels = float(cloud.weight.sum())
        self._sigma = float(np.sqrt(np.quantile(cloud.variance, 0.1)))
        flat = np.zeros((1, D))
        self._origin = cloud.spectra(flat)[0]
        self._slope = np.array(
            [cloud.spectra(row[None])[0] - self._origin for row in np.eye(D)]
        )
        # Variance of a channel of a spectrum of unit brightness that holds its part
        # of all counts.
        share = D + 1
        if cloud.counts:
            typical = np.square(cloud.column_scale)
            typical = typical / typical.sum()
            one_count = 1 / cloud.information
            self._variance = (typical + one_count) * share / cloud.information
        else:
            self._variance = np.square(cloud.column_scale) * share / cloud.information

    def whitening(
        self, vertices: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Whitening of the noise on each face and the logarithms of its determinant.

        The noise on a face is that of the mean of the spectra of its vertices.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Vertices of the simplex.

        Returns
        -------
        whiten : (n_faces, D, D) array
        log_whiten : (n_faces,) array
        """
        S = self.cloud.spectra(vertices)
        S = np.maximum(S, 0) if self.cloud.counts else S
        S = S / S.sum(axis=1, keepdims=True)
        single = np.array([[v in f for v in range(len(S))] for f in self.faces], float)
        mean = (single / single.sum(axis=1, keepdims=True)) @ S
        values, turn = np.linalg.eigh(self.cloud.covariance(mean))
        values = np.maximum(values, _THINNEST * values[:, -1:])
        whiten = (turn / np.sqrt(values)[:, None, :]).transpose(0, 2, 1)
        return np.ascontiguousarray(whiten), -0.5 * np.log(values).sum(axis=1)

    def lattice_cells(
        self, vertices: NDArray[np.float64], whiten: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Cells along the edges of each small face, zero for the other faces.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Vertices of the simplex.
        whiten : (n_faces, D, D) array
            From `whitening`.

        Returns
        -------
        (n_faces,) int array
        """
        cells = np.zeros(len(self.faces), int)
        for f, face in enumerate(self.faces):
            q = len(face)
            # The density of points and edges is exact already.
            if q < 3:
                continue
            Y = vertices[list(face)] @ whiten[f].T
            edge = np.sqrt(np.square(Y[:, None] - Y[None]).sum(axis=-1).max())
            count = max(math.ceil(edge / (_SPACING * self._sigma)), _LEAST_CELLS)
            if count <= _MOST_CELLS and math.comb(count + q - 2, q - 1) <= _MOST_POINTS:
                cells[f] = count
        return cells

    def score(self, vertices: NDArray[np.float64]) -> Fit:
        """Likelihood of a simplex, with noise and shares of its own.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Vertices of the simplex.

        Returns
        -------
        Fit
        """
        return self._score(vertices)[0]

    def densities_of_faces(
        self, vertices: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], tuple[NDArray, NDArray, NDArray]]:
        """Log density of every pixel on every face of a simplex.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Vertices of the simplex.

        Returns
        -------
        L : (n, n_faces) array
            Log densities, without the shares; the first k faces are the vertices, the
            last one is the whole simplex.
        noise : tuple of arrays
            Whitening of the faces, logarithms of its determinant and lattice cells.
        """
        whiten, log_whiten = self.whitening(vertices)
        cells = self.lattice_cells(vertices, whiten)
        every = np.arange(len(self.faces))
        geometry = face_geometry(
            self.faces, vertices, every, whiten, cells, self._sigma
        )
        cloud = self.cloud
        L = np.empty((len(cloud.points), len(every)))
        face_log_densities(
            L, cloud.points, cloud.variance, log_whiten, geometry.arrays()
        )
        return L, (whiten, log_whiten, cells)

    def _score(self, vertices):
        L, noise = self.densities_of_faces(vertices)
        share, log_likelihood = fit_shares(L, self.cloud.weight)
        objective = self.cloud.weight @ log_likelihood - self._penalty(vertices)[0]
        return Fit(vertices, float(objective), log_likelihood, share), *noise

    def noise_of_shares(self, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of the shares of a pixel, from its noise alone.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Vertices of the simplex.

        Returns
        -------
        (k,) array
            For a pixel of the median noise on the interior of the simplex.
        """
        whiten = self.whitening(vertices)[0][-1]
        corners = np.vstack([whiten @ vertices.T, np.ones(len(vertices))])
        per_noise = np.linalg.pinv(corners)[:, :-1]
        sigma = np.sqrt(np.median(self.cloud.variance))
        return sigma * np.linalg.norm(per_noise, axis=1)

    def evidence_of_pure_pixels(
        self, vertices: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How much each vertex is worth as a face of its own.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Vertices of the simplex.

        Returns
        -------
        (k,) array
            Log likelihood in nats that is lost if no pixel is pure in a component.
        """
        L = self.densities_of_faces(vertices)[0]
        weight = self.cloud.weight
        without = [
            fit_shares(np.delete(L, v, axis=1), weight)[1] for v in range(len(vertices))
        ]
        return weight @ fit_shares(L, weight)[1] - np.array(without) @ weight

    def maximise(self, vertices: NDArray[np.float64], rounds: int = _ROUNDS) -> Fit:
        """Climb to a local maximum of the likelihood.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Where to start.
        rounds : int, optional
            Most updates of the noise and of the shares.

        Returns
        -------
        Fit
        """
        return max(self.climb(vertices, rounds), key=lambda fit: fit.objective)

    def climb(
        self,
        vertices: NDArray[np.float64],
        rounds: int = _ROUNDS,
        watch: Callable[[NDArray[np.float64]], None] | None = None,
    ) -> Iterator[Fit]:
        """Climb to a local maximum of the likelihood, round by round.

        Parameters
        ----------
        vertices : (k, k - 1) array
            Where to start.
        rounds : int, optional
            Most updates of the noise and of the shares.
        watch : callable, optional
            Called with the vertices after every step; an exception ends the climb.

        Yields
        ------
        Fit
            First that of the start, then that after each update of the noise and of
            the shares. It is not always the best one so far.
        """
        last = -np.inf
        for _ in range(rounds):
            fit, whiten, log_whiten, cells = self._score(vertices)
            yield fit
            if fit.objective - last < _GAIN:
                return
            last = fit.objective
            vertices = self._ascend(
                vertices, fit.share, whiten, log_whiten, cells, watch
            )
        yield self.score(vertices)

    def _ascend(self, vertices, share, whiten, log_whiten, cells, watch=None):
        """Some steps of L-BFGS with the noise and the shares held fixed."""
        k, D = vertices.shape
        size = np.array([len(f) for f in self.faces])
        used = (share > 2 / self.n_pixels) | (size == 1) | (size == k)
        chosen = np.flatnonzero(used & (share > 0))
        # Likely faces first: the kernel skips those that cannot matter any more.
        chosen = chosen[np.argsort(-share[chosen], kind="stable")]
        log_share = np.log(share[chosen])
        scale = np.abs(vertices - vertices.mean(axis=0)).mean()
        n = self.n_pixels
        likeliest = np.zeros(len(self.cloud.points), np.int64)

        def negative(x: NDArray) -> tuple[float, NDArray]:
            if not np.abs(x).max() < _FARTHEST:
                return _UNLIKELY, np.zeros_like(x)
            V = x.reshape(k, D) * scale
            value, slope = self._value_and_slope(
                V, chosen, log_share, whiten, log_whiten[chosen], cells, likeliest
            )
            return -value / n, -slope.ravel() * (scale / n)

        def tell(x: NDArray) -> None:
            if watch is not None:
                watch(x.reshape(k, D) * scale)

        result = minimize(
            negative,
            (vertices / scale).ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=tell,
            options={"maxiter": _STEPS, "maxcor": 20, "ftol": 1e-9},
        )
        return result.x.reshape(k, D) * scale

    def _value_and_slope(
        self, V, chosen, log_share, whiten, log_whiten, cells, likeliest=None
    ):
        """The likelihood less the penalty, and its gradient by the vertices."""
        k, D = V.shape
        cloud = self.cloud
        geometry = face_geometry(self.faces, V, chosen, whiten, cells, self._sigma)
        n, pixels = len(chosen), len(cloud.points)
        sums = FaceSums(
            normal_bary=np.empty((n, D, k)),
            push_bary=np.empty((n, k, k)),
            normal_push=np.empty((n, D, k)),
            curvature=np.empty((n, k)),
            free=np.empty(n),
            point_share=np.empty((n, D, k)),
            lattice_share=np.empty(len(geometry.grid)),
        )
        log_likelihood = np.empty(pixels)
        face_slopes(
            log_likelihood,
            np.zeros(pixels, np.int64) if likeliest is None else likeliest,
            *sums,
            cloud.points,
            cloud.variance,
            cloud.weight,
            log_share,
            log_whiten,
            geometry.arrays(),
        )
        penalty, penalty_slope = self._penalty(V)
        slope = self._slopes(V, geometry, sums)
        value = cloud.weight @ log_likelihood
        return float(value - penalty), slope - penalty_slope

    def _slopes(self, V, geometry, sums):
        """Gradient of the likelihood by the vertices."""
        D = V.shape[1]
        slope = np.zeros_like(V)
        for group in geometry.groups:
            rows, N, B, H1 = group.rows, group.normal, group.inverse, group.gram_inverse
            q = group.face.shape[1]
            d = q - 1
            back = N.transpose(0, 2, 1)
            G = back @ sums.normal_bary[rows, : D - d, :q]
            if d:
                # Columns of `MB` are the derivatives of the coordinates, of `DH` the
                # rows of the edge coordinates.
                MB = B.transpose(0, 2, 1)
                G -= MB @ sums.push_bary[rows, :q, :q]
                bend = sums.curvature[rows, :q] / np.square(geometry.bary_sd[rows, :q])
                DH = np.concatenate([-H1.sum(axis=1, keepdims=True), H1], axis=1)
                edge = back @ (sums.normal_push[rows, : D - d, :q] @ DH)
                edge -= sums.free[rows, None, None] * MB[:, :, 1:]
                edge += (MB * bend[:, None, :]) @ DH
                G[:, :, 1:] += edge
                G[:, :, 0] -= edge.sum(axis=2)
            for i in np.flatnonzero(
                geometry.grid_stop[rows] > geometry.grid_start[rows]
            ):
                row = rows[i]
                first, last = geometry.grid_start[row], geometry.grid_stop[row]
                A = geometry.grid_share[first:last, :q]
                inner = (A * sums.lattice_share[first:last, None]).T @ A
                G[i] = sums.point_share[row, :, :q] - group.corners[i].T @ inner
            unwhitened = geometry.whiten[rows].transpose(0, 2, 1) @ G
            np.add.at(slope, group.face, unwhitened.transpose(0, 2, 1))
        return slope

    def _penalty(self, vertices):
        """Half the squared negative parts of the spectra over their variance."""
        S = np.minimum(self._origin + vertices @ self._slope, 0)
        over = S / self._variance
        return 0.5 * float((over * S).sum()), over @ self._slope.T
