"""Corners of the cone of non-negative spectra, by VCA and N-FINDR on the cone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import LowRank
from sparsedecomp.decomposition.geometric.cone import Bounds, Cone, Slice
from sparsedecomp.decomposition.geometric.simplex import BRIGHT, best_vertices, grow
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    iterate,
)
from sparsedecomp.metrics import match_components

# Upper bound on the sweeps over all corners, a safeguard.
SWEEPS = 50
# The corners have converged once they move by less than this part of themselves.
SETTLED = 1e-7
# Runs of VCA of which the largest simplex of pixels is the inner body.
_VCA_RUNS = 20
# A component counts as present everywhere if 99 of 100 pixels contain more of it than
# this. The limits were set on simulated EELS, EDX and peaks, see `SSSVCA`.
_EVERYWHERE = 0.05
# No pixel comes near to a spectrum if 99 of 100 pixels contain less of it than this.
_NOWHERE = 1 / 3
# Pixels count as pure if one in a hundred contains more than this of each component.
# With a larger value the corners of the cone are the start of more fits.
_PURE = 0.8


def start_corners(cone: Cone, generator: np.random.Generator) -> NDArray:
    """Corners (K, K) of the slice by vertex component analysis, one in every row.

    Each is the corner farthest along a random direction orthogonal to those before.
    """
    k = len(cone.where.centre)
    found = np.empty((0, k))
    while len(found) < k:
        f = generator.standard_normal(k)
        span = np.linalg.qr(found.T)[0]
        f -= span @ (span.T @ f)
        found = np.vstack([found, farthest(cone, f)])
    return found


def farthest(cone: Cone, normal: NDArray) -> NDArray | None:
    """Spectrum on the slice with the largest ``|normal @ c|``, None without end."""
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
    """Exchange of corners until the simplex no longer changes: N-FINDR on the cone.

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


@dataclass(frozen=True)
class SpectraBodies:
    """Spectra between which the data leave the answer open.

    Attributes
    ----------
    outer, inner : (k, n_channels) arrays
        Corners of the cone, and the purest pixels matched to them; of unit norm.
    band : (k,) array
        Angles in degrees between both.
    cone : Cone or None
        The cone at the largest noise of its corners; None for one component.
    n_everywhere : int
        Number of components that nearly every pixel contains.
    purest : float
        Largest part of a pixel, of the component for which this is smallest.
    """

    outer: NDArray
    inner: NDArray
    band: NDArray
    cone: Cone | None = None
    n_everywhere: int = 0
    purest: float = 1.0

    @property
    def shared_background(self) -> bool:
        """Whether the spectra seem to share a background."""
        return 2 * self.n_everywhere >= len(self.outer) or self.purest < _NOWHERE


def find_corners(
    points: NDArray,
    V: NDArray,
    bounds: Bounds,
    margin: float,
    n_init: int,
    generator: np.random.Generator,
    phases: Phases[CornerState],
) -> SpectraBodies:
    """Search for the corners of the cone.

    Parameters
    ----------
    points : (n, k) array
        Pixels on the slice, see `points_on_slice`.
    V : (n_channels, k) array
        Basis of the signal space.
    bounds : Bounds
        Sums over channels that must not be negative.
    margin : float
        Number of standard deviations by which a bound may be negative.
    n_init : int
        Number of starts, of which the largest is taken.
    generator : numpy.random.Generator
        Source of random numbers.
    phases : Phases
        Runs the search and keeps its outcome.

    Returns
    -------
    SpectraBodies
    """
    k = V.shape[1]
    if k == 1:
        state = CornerState(np.ones((1, 1)), 0.0)
        phases.outcome = Outcome(state, [1.0], converged=True)
        spectrum = _unit_spectra(points[:1], V)
        return SpectraBodies(spectrum, spectrum, np.zeros(1))
    pixels = points[grow(points, best_vertices(points, k, _VCA_RUNS, generator))]
    where = Slice.through(points)
    cone = Cone(where, bounds.widened(pixels, margin))
    starts = [start_corners(cone, generator) for _ in range(n_init)]
    start = max(starts, key=lambda C: abs(np.linalg.det(C)))
    search = CornerSearch(where, bounds, start, margin)
    outcome = phases.run(
        "corners",
        lambda _: iterate(search, CornerState(start, np.inf), SWEEPS, phases.monitor),
    )
    outcome.converged = outcome.state.moved < SETTLED
    corners = outcome.state.corners
    low, high = np.quantile(points @ np.linalg.inv(corners), [0.01, 0.99], axis=0)
    outer, inner = _unit_spectra(corners, V), _unit_spectra(pixels, V)
    _, nearest, band = match_components(outer, inner)
    return SpectraBodies(
        outer=outer,
        inner=inner[nearest],
        band=band,
        cone=Cone(where, bounds.widened(corners, margin)),
        n_everywhere=int(np.count_nonzero(low > _EVERYWHERE)),
        purest=float(high.min()),
    )


def corners_of_cone(
    low: LowRank, n_components: int, generator: np.random.Generator
) -> NDArray | None:
    """Spectra at the corners of the cone, where pixels are not as good an estimate.

    The noise of the compressed matrix is assumed to be uniform.

    Parameters
    ----------
    low : LowRank
        Compressed data.
    n_components : int
        Number of spectra.
    generator : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    (n_components, n_channels) array or None
        None where the spectra seem to share a background, so that the corners would be
        far from them, where pixels come near to every corner, and where the pixels are
        not mixtures of non-negative spectra.
    """
    V = low.basis[:, :n_components].astype(float)
    try:
        points = points_on_slice(low, V)
        moments = uniform_moments(low, np.ones(len(V)), n_components)
        bounds = Bounds.of_windows(V, moments)
        phases: Phases = Phases()
        body = find_corners(
            points, V, bounds, bounds.default_margin, 3, generator, phases
        )
        phases.outcome.pass_on_interrupt()
    except ValueError:  # no bright pixels, or a cone without end
        return None
    return None if body.shared_background or body.purest > _PURE else body.outer


def points_on_slice(low: LowRank, V: NDArray) -> NDArray:
    """Pixels that are bright enough, divided by their total intensity."""
    k = V.shape[1]
    Y = low.scores[:, :k].astype(np.float64)
    total = V.sum(axis=0)
    intensity = Y @ total
    least = BRIGHT * np.sqrt(low.noise_variance) * np.linalg.norm(total)
    bright = intensity > max(least, 1e-9 * np.abs(intensity).max())
    points = Y[bright] / intensity[bright, None]
    if len(points) < k or np.linalg.matrix_rank(points) < k:
        raise ValueError(
            f"The {len(points)} pixels whose total intensity is above its noise are no "
            f"mixtures of {k} spectra. Bin the data, ask for fewer components, or "
            "subtract less of the background."
        )
    return points


def uniform_moments(low: LowRank, column_scale: NDArray, k: int) -> NDArray:
    """Moments (n_channels, k, k) of `Bounds` for data with uniform noise."""
    size = low.noise_variance * np.square(column_scale)
    return size[:, None, None] * np.diag(1 / np.square(low.singular_values[:k]))


def _unit_spectra(coefficients: NDArray, V: NDArray) -> NDArray:
    """Spectra of unit norm, with channels that noise makes negative set to zero."""
    S = np.maximum(coefficients @ V.T, 0.0)
    return S / np.linalg.norm(S, axis=1, keepdims=True)
