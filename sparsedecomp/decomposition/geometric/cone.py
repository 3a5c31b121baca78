"""The cone of all spectra that the data allow: non-negative, within their noise.

A spectrum of a ``K``-dimensional signal space is ``s = V c``. That no channel is
negative cuts a cone out of the space; the spectra of one total intensity are a slice of
it, a polytope. Its corners are found by linear programmes of few variables and many
constraints, for which the dual simplex method is exact and fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import HalfspaceIntersection
from scipy.special import ndtri

from sparsedecomp.decomposition.iterate import IterativeMethod
from sparsedecomp.kernels.polytope import dual_simplex

# A bound whose loadings are below this part of the largest holds rounding errors.
_ROUNDING = 1e-8
# Noise of loadings below this part of the largest of them is none.
_SILENT = 1e-7
# How far outside of a facet a corner may be, relative to its coordinates.
_TOLERANCE = 1e-11
# Boxes around the slice to start from, in the spread of the pixels.
_BOXES = (1e3, 1e6, 1e9)
# Exchanges of facets for each dimension of a programme; some ten are usual.
_EXCHANGES = 1000
SWEEPS = 50
# Corners stand still once they move by less than this part of themselves.
SETTLED = 1e-7


@dataclass(frozen=True)
class Bounds:
    """Sums over channels that must not be negative, and how well they are known.

    Attributes
    ----------
    values : (n, K) array
        ``values @ c`` is the intensity of the spectrum ``c`` in a window of channels.
    moments : (n, K, K) array
        ``c @ moments @ c`` is the variance of that from the noise of the data.
    total : (K,) array
        Gives the intensity in all channels together.
    """

    values: np.ndarray
    moments: np.ndarray
    total: np.ndarray

    @classmethod
    def of_windows(cls, V, moments):
        """Bounds of single channels and of windows of 2, 4, 8, ... of them.

        The sum over a peak is known better than its channels, and must not be negative
        either. Where there is no noise, the windows say nothing that channels do not.

        Parameters
        ----------
        V : (n_channels, K) array
        moments : (n_channels, K, K) array
            Of single channels, whose noise is independent.

        Returns
        -------
        Bounds
        """
        n = len(V)
        sums, variances = _running(V), _running(moments)
        values, variance, width = [V], [moments], 2
        loudest = np.sqrt(np.trace(moments, axis1=1, axis2=2).max())
        silent = loudest <= _SILENT * np.linalg.norm(V, axis=1).max()
        while width <= n // 4 and not silent:
            start = np.arange(0, n - width + 1, width // 2)
            values.append(sums[start + width] - sums[start])
            variance.append(variances[start + width] - variances[start])
            width *= 2
        values, variance = np.concatenate(values), np.concatenate(variance)
        size = np.linalg.norm(values, axis=1)
        known = size > _ROUNDING * size.max()
        return cls(values[known], variance[known], V.sum(axis=0))

    @property
    def default_margin(self):
        """Standard deviations that noise exceeds anywhere once in a hundred times."""
        return float(-ndtri(0.01 / len(self.values)))

    def deviation(self, c):
        """Standard deviation of every bound at the spectrum ``c`` (K,)."""
        return np.sqrt(np.maximum((self.moments @ c) @ c, 0.0))

    def relaxed(self, corner, margin, centre, normal):
        """What must not be negative near a spectrum whose bounds have a margin.

        The deviation is convex in the spectrum. It is taken as linear: as it is at the
        corner and at the centre, and elsewhere as its tangent at the corner has it.

        Parameters
        ----------
        corner, centre : (K,) arrays
            Of a total intensity of one.
        margin : float
            In standard deviations.
        normal : (K,) array
            Direction along which the corner is looked for.

        Returns
        -------
        (n, K) array
        """
        deviation = self.deviation(corner)
        weight = np.divide(1.0, deviation, where=deviation > 0, out=0 * deviation)
        tangent = (self.moments @ corner) * weight[:, None]
        lift = np.maximum(self.deviation(centre) - tangent @ centre, 0.0)
        # One at the centre and zero at the corner.
        way = normal @ (corner - centre)
        fall = self.total * (1 + normal @ centre / way) - normal / way
        return self.values + margin * (tangent + np.outer(lift, fall))

    def widened(self, corners, margin):
        """The same for many corners at once, the largest deviation everywhere.

        Returns
        -------
        (n, K) array
        """
        largest = np.max([self.deviation(c) for c in corners], axis=0)
        return self.values + margin * np.outer(largest, self.total)


def _running(values):
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


@dataclass(frozen=True)
class Slice:
    """Coordinates on the spectra of a total intensity of one.

    Attributes
    ----------
    centre : (K,) array
        The mean of the pixels.
    axes : (K, K - 1) array
        A point ``u`` is the spectrum ``centre + axes @ u``; pixels have unit spread.
    """

    centre: np.ndarray
    axes: np.ndarray

    @classmethod
    def through(cls, points):
        """The slice on which the pixels ``points`` (n_points, K) lie."""
        centre = points.mean(axis=0)
        k = len(centre)
        spread, axes = np.linalg.eigh(np.cov(points.T, bias=True).reshape(k, k))
        # The thinnest direction is across the slice.
        return cls(centre, axes[:, 1:] * np.sqrt(spread[1:]))


class Cone:
    """The polytope that non-negative bounds cut out of a slice.

    Parameters
    ----------
    where : Slice
        Its centre is taken to be inside: a bound that it violates is moved there.
    normals : (n, K) array
        Spectra with ``normals @ c >= 0`` are inside.
    """

    def __init__(self, where, normals):
        self.where = where
        slopes = normals @ where.axes
        length = np.linalg.norm(slopes, axis=1)
        # A bound that is the same all over the slice cuts nothing from it.
        cuts = length > _ROUNDING * length.max(initial=0.0)
        self.slopes = slopes[cuts] / length[cuts, None]
        self.offsets = np.maximum(normals[cuts] @ where.centre, 0.0) / length[cuts]

    def extreme(self, direction):
        """Spectrum on the slice farthest along a direction, by a linear programme.

        Parameters
        ----------
        direction : (K,) array

        Returns
        -------
        (K,) array or None
            None where no bound ends the slice.
        """
        u = self._corner(self.where.axes.T @ direction)
        return None if u is None else self.where.centre + self.where.axes @ u

    def _corner(self, f):
        active, most = np.empty(len(f), np.int64), _EXCHANGES * len(f)
        for box in _BOXES:
            dual_simplex(self.slopes, self.offsets, f, box, _TOLERANCE, most, active)
            if np.all(active >= 0):
                return -np.linalg.solve(self.slopes[active], self.offsets[active])
        return None

    def rays(self):
        """All corners of the slice, by Quickhull; for up to six components or so.

        Returns
        -------
        (n_rays, K) array
        """
        if len(self.where.centre) == 2:
            ends = [self.extreme(s * self.where.axes[:, 0]) for s in (-1, 1)]
            return np.array(ends)
        halves = np.column_stack([-self.slopes, -self.offsets])
        corners = HalfspaceIntersection(halves, self._interior()).intersections
        return self.where.centre + corners @ self.where.axes.T

    def sample(self, n_samples, random_state=None):
        """Spectra spread evenly over the slice, by hit and run; for pictures.

        Parameters
        ----------
        n_samples : int
        random_state : int or Generator, optional

        Returns
        -------
        (n_samples, K) array
        """
        generator = np.random.default_rng(random_state)
        u = self._interior()
        samples = np.empty((n_samples, len(u)))
        for i in range(n_samples):
            # A few steps between two samples that are kept.
            for _ in range(2 * len(u)):
                step = generator.standard_normal(len(u))
                speed, room = self.slopes @ step, self.slopes @ u + self.offsets
                ahead, behind = speed < 0, speed > 0
                after = np.min(-room[ahead] / speed[ahead])
                before = np.max(-room[behind] / speed[behind])
                u = u + generator.uniform(before, after) * step
            samples[i] = u
        return self.where.centre + samples @ self.where.axes.T

    def _interior(self):
        """A point away from all facets: the mean of corners in many directions."""
        d = self.where.axes.shape[1]
        ways = np.vstack([np.eye(d), -np.eye(d), np.ones((1, d))])
        corners = [self._corner(f) for f in ways]
        return np.mean([u for u in corners if u is not None], axis=0)


def start_corners(cone, generator):
    """Corners of the slice by vertex component analysis: each free of those found.

    Parameters
    ----------
    cone : Cone
    generator : numpy.random.Generator

    Returns
    -------
    (K, K) array
        One spectrum in every row.
    """
    k = len(cone.where.centre)
    found = np.empty((0, k))
    while len(found) < k:
        f = generator.standard_normal(k)
        span = np.linalg.qr(found.T)[0]
        f -= span @ (span.T @ f)
        found = np.vstack([found, farthest(cone, f)])
    return found


def farthest(cone, normal):
    """Spectrum on the slice with the largest ``|normal @ c|``."""
    ends = [cone.extreme(normal), cone.extreme(-normal)]
    if any(end is None for end in ends):
        return None
    return max(ends, key=lambda c: abs(normal @ c))


class CornerState(NamedTuple):
    """Corners of the cone between two exchanges.

    Attributes
    ----------
    corners : (k, k) array
        One spectrum in every row, in coordinates of the signal space.
    moved : float
        Largest relative step of a corner in the last exchange.
    """

    corners: NDArray
    moved: float

    @property
    def n_components(self) -> int:
        """Number of corners."""
        return len(self.corners)


class CornerSearch(IterativeMethod[CornerState]):
    """Exchange of corners until the simplex stands still: N-FINDR on the cone.

    The determinant is linear in each corner, so each takes two linear programmes. Every
    corner has the margin of its own noise; where this leaves the slice unbounded the
    corner stays.

    Parameters
    ----------
    where : Slice
        Plane of spectra of one total intensity.
    bounds : Bounds
        Sums over channels that must not be negative.
    corners : (k, k) array
        Corners to start from.
    margin : float
        Number of standard deviations by which a bound may be negative.
    """

    monotone = False

    def __init__(
        self, where: Slice, bounds: Bounds, corners: NDArray, margin: float
    ) -> None:
        self.where = where
        self.bounds = bounds
        self.margin = margin
        self._first = abs(np.linalg.det(corners))

    def step(self, state: CornerState) -> tuple[CornerState, float]:
        """Exchange all corners once; the objective is the volume over the first one."""
        corners = state.corners.copy()
        for j in range(len(corners)):
            normal = np.linalg.svd(np.delete(corners, j, axis=0))[2][-1]
            relaxed = self.bounds.relaxed(
                corners[j], self.margin, self.where.centre, normal
            )
            exchanged = farthest(Cone(self.where, relaxed), normal)
            corners[j] = corners[j] if exchanged is None else exchanged
        step = np.linalg.norm(corners - state.corners, axis=1)
        moved = float((step / np.linalg.norm(corners, axis=1)).max())
        volume = float(abs(np.linalg.det(corners)) / self._first)
        return CornerState(corners, moved), volume

    def is_small(
        self, old: CornerState, new: CornerState, decrease: float, objective: float
    ) -> bool:
        """Whether no corner has moved by more than rounding."""
        return new.moved < SETTLED
