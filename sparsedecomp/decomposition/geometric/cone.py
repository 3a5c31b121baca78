"""The cone of all spectra of the signal space that are non-negative up to their noise.

A spectrum of a ``K``-dimensional signal space is ``s = V c``. The spectra without
negative channels form a cone; those of one total intensity form a slice of the cone, a
polytope. Its corners are found by linear programmes of few variables and many
constraints, for which the dual simplex method is exact and fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import HalfspaceIntersection
from scipy.special import ndtri

from sparsedecomp.kernels.polytope import dual_simplex

# Bounds whose loadings are below this part of the largest are rounding errors: about
# the square root of the precision of float64.
_ROUNDING = 1e-8
# Noise of the loadings below this part of the largest loading counts as none.
_SILENT = 1e-7
# How far outside of a facet a corner may be, relative to its coordinates; some orders
# above the precision of float64.
_TOLERANCE = 1e-11
# Boxes around the slice from which the dual simplex method starts, in units of the
# spread of the pixels. A larger box is tried if a corner lies on the one before.
_BOXES = (1e3, 1e6, 1e9)
# Upper bound on the exchanges of facets per dimension of a programme, a safeguard;
# about ten are usual.
_EXCHANGES = 1000


@dataclass(frozen=True)
class Bounds:
    """Sums over channels that must not be negative, and their variances.

    Attributes
    ----------
    values : (n, K) array
        ``values @ c`` is the intensity of the spectrum ``c`` in a window of channels.
    moments : (n, K, K) array
        ``c @ moments @ c`` is the variance of this intensity by the noise of the data.
    total : (K,) array
        ``total @ c`` is the intensity in all channels together.
    """

    values: NDArray
    moments: NDArray
    total: NDArray

    @classmethod
    def of_windows(cls, V: NDArray, moments: NDArray) -> Bounds:
        """Bounds of single channels and of windows of 2, 4, 8, ... channels.

        The sum over a peak is known more precisely than its channels and must not be
        negative either. Without noise the windows add nothing to the channels.

        Parameters
        ----------
        V : (n_channels, K) array
            Basis of the signal space.
        moments : (n_channels, K, K) array
            Moments of single channels, whose noise is independent.

        Returns
        -------
        Bounds
        """
        n = len(V)
        sums, variances = _running(V), _running(moments)
        parts, variance_parts, width = [V], [moments], 2
        loudest = np.sqrt(np.trace(moments, axis1=1, axis2=2).max())
        silent = loudest <= _SILENT * np.linalg.norm(V, axis=1).max()
        while width <= n // 4 and not silent:
            start = np.arange(0, n - width + 1, width // 2)
            parts.append(sums[start + width] - sums[start])
            variance_parts.append(variances[start + width] - variances[start])
            width *= 2
        values, variance = np.concatenate(parts), np.concatenate(variance_parts)
        size = np.linalg.norm(values, axis=1)
        known = size > _ROUNDING * size.max()
        return cls(values[known], variance[known], V.sum(axis=0))

    @property
    def default_margin(self) -> float:
        """Standard deviations that noise exceeds in any bound with 1 % probability."""
        return float(-ndtri(0.01 / len(self.values)))

    def deviation(self, c: NDArray) -> NDArray:
        """Standard deviation of every bound at the spectrum ``c`` (K,)."""
        return np.sqrt(np.maximum((self.moments @ c) @ c, 0.0))

    def relaxed(
        self, corner: NDArray, margin: float, centre: NDArray, normal: NDArray
    ) -> NDArray:
        """Normals of the cone near a corner when the bounds have a margin.

        The deviation is a convex function of the spectrum. It is linearised: exact at
        the corner and at the centre, elsewhere by its tangent at the corner.

        Parameters
        ----------
        corner, centre : (K,) arrays
            Spectra with a total intensity of one.
        margin : float
            Number of standard deviations by which a bound may be negative.
        normal : (K,) array
            Direction along which the corner is searched for.

        Returns
        -------
        (n, K) array
            ``normals @ c`` must not be negative.
        """
        deviation = self.deviation(corner)
        weight = np.divide(1.0, deviation, where=deviation > 0, out=0 * deviation)
        tangent = (self.moments @ corner) * weight[:, None]
        lift = np.maximum(self.deviation(centre) - tangent @ centre, 0.0)
        # One at the centre and zero at the corner.
        way = normal @ (corner - centre)
        fall = self.total * (1 + normal @ centre / way) - normal / way
        return self.values + margin * (tangent + np.outer(lift, fall))

    def widened(self, corners: NDArray, margin: float) -> NDArray:
        """Normals (n, K) for many corners at once, with their largest deviation."""
        largest = np.max([self.deviation(c) for c in corners], axis=0)
        return self.values + margin * np.outer(largest, self.total)


def _running(values: NDArray) -> NDArray:
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


@dataclass(frozen=True)
class Slice:
    """Coordinates of the spectra with a total intensity of one.

    Attributes
    ----------
    centre : (K,) array
        Mean of the pixels.
    axes : (K, K - 1) array
        A point ``u`` is the spectrum ``centre + axes @ u``; pixels have unit spread.
    """

    centre: NDArray
    axes: NDArray

    @classmethod
    def through(cls, points: NDArray) -> Slice:
        """The slice on which the pixels ``points`` (n_points, K) lie."""
        centre = points.mean(axis=0)
        k = len(centre)
        spread, axes = np.linalg.eigh(np.cov(points.T, bias=True).reshape(k, k))
        # The direction of the smallest variance is perpendicular to the slice.
        return cls(centre, axes[:, 1:] * np.sqrt(spread[1:]))


class Cone:
    """The polytope that non-negative bounds cut out of a slice.

    Parameters
    ----------
    where : Slice
        The slice. Its centre is taken to be inside: a bound that it violates is moved
        to it.
    normals : (n, K) array
        Spectra with ``normals @ c >= 0`` are inside.
    """

    def __init__(self, where: Slice, normals: NDArray) -> None:
        self.where = where
        slopes = normals @ where.axes
        length = np.linalg.norm(slopes, axis=1)
        # A bound that is constant on the slice does not cut it.
        cuts = length > _ROUNDING * length.max(initial=0.0)
        self.slopes = slopes[cuts] / length[cuts, None]
        self.offsets = np.maximum(normals[cuts] @ where.centre, 0.0) / length[cuts]

    def extreme(self, direction: NDArray) -> NDArray | None:
        """Spectrum (K,) on the slice farthest along a direction, by a linear programme.

        None where the slice has no end in this direction.
        """
        u = self._corner(self.where.axes.T @ direction)
        return None if u is None else self.where.centre + self.where.axes @ u

    def _corner(self, f: NDArray) -> NDArray | None:
        active, most = np.empty(len(f), np.int64), _EXCHANGES * len(f)
        for box in _BOXES:
            dual_simplex(self.slopes, self.offsets, f, box, _TOLERANCE, most, active)
            if np.all(active >= 0):
                return -np.linalg.solve(self.slopes[active], self.offsets[active])
        return None

    def rays(self) -> NDArray:
        """All corners of the slice, by Quickhull.

        The number of corners grows exponentially with that of the components; about
        six are feasible.

        Returns
        -------
        (n_rays, K) array
            One spectrum in every row.
        """
        if len(self.where.centre) == 2:
            ends = [self.extreme(s * self.where.axes[:, 0]) for s in (-1, 1)]
            return np.array(ends)
        halves = np.column_stack([-self.slopes, -self.offsets])
        corners = HalfspaceIntersection(halves, self._interior()).intersections
        return self.where.centre + corners @ self.where.axes.T

    def sample(
        self, n_samples: int, random_state: int | np.random.Generator | None = None
    ) -> NDArray:
        """Spectra spread evenly over the slice, by the hit-and-run sampler.

        Parameters
        ----------
        n_samples : int
            Number of spectra.
        random_state : int or Generator, optional
            Seed of the sampler.

        Returns
        -------
        (n_samples, K) array
            One spectrum in every row.
        """
        generator = np.random.default_rng(random_state)
        u = self._interior()
        samples = np.empty((n_samples, len(u)))
        for i in range(n_samples):
            # Some steps between two samples reduce their correlation.
            for _ in range(2 * len(u)):
                step = generator.standard_normal(len(u))
                speed, room = self.slopes @ step, self.slopes @ u + self.offsets
                ahead, behind = speed < 0, speed > 0
                after = np.min(-room[ahead] / speed[ahead])
                before = np.max(-room[behind] / speed[behind])
                u = u + generator.uniform(before, after) * step
            samples[i] = u
        return self.where.centre + samples @ self.where.axes.T

    def _interior(self) -> NDArray:
        """A point away from all facets: the mean of corners in many directions."""
        d = self.where.axes.shape[1]
        ways = np.vstack([np.eye(d), -np.eye(d), np.ones((1, d))])
        corners = [self._corner(f) for f in ways]
        return np.mean([u for u in corners if u is not None], axis=0)
