"""The cone of non-negative spectra: corners, rays, samples, noise."""

import numpy as np
import pytest
from scipy.optimize import linprog

from sparsedecomp.decomposition.geometric.cone import Bounds, Cone, Slice
from sparsedecomp.decomposition.geometric.corners import (
    SWEEPS,
    CornerSearch,
    CornerState,
    farthest,
    start_corners,
)
from sparsedecomp.decomposition.iterate import iterate
from sparsedecomp.metrics import match_components


def scene(k, noise=0.0, n_channels=120, n=1500, seed=0):
    """Pixels of sources with a channel each, none pure, as the cone sees them."""
    rng = np.random.default_rng(seed)
    S = rng.random((k, n_channels))
    S[:, :k] = 0.5 * np.eye(k)
    W = rng.dirichlet(np.ones(k), 4 * n)
    X = W[W.max(axis=1) < 0.8][:n] @ S
    X += noise * rng.normal(size=X.shape)
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    V = Vt[:k].T
    Y = X @ V
    points = Y / (Y @ V.sum(axis=0))[:, None]
    moments = np.tile(noise**2 * np.diag(s[:k] ** -2.0), (n_channels, 1, 1))
    return S, V, points, Bounds.of_windows(V, moments)


def grown(where, bounds, corners, margin):
    search = CornerSearch(where, bounds, corners, margin)
    return iterate(search, CornerState(corners, np.inf), SWEEPS).state


@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_corners_are_the_sources_without_noise(k):
    S, V, points, bounds = scene(k)
    where = Slice.through(points)
    corners = start_corners(Cone(where, bounds.values), np.random.default_rng(0))
    corners, moved = grown(where, bounds, corners, 4.0)
    assert moved < 1e-6
    np.testing.assert_allclose(corners @ bounds.total, 1.0)
    assert match_components(S, corners @ V.T)[2].max() < 1e-6


@pytest.mark.parametrize("k", [2, 3, 4])
def test_rays_hold_every_extreme(rng, k):
    _, _, points, bounds = scene(k, 0.01)
    cone = Cone(Slice.through(points), bounds.widened(points[:9], 4.0))
    rays = cone.rays()
    assert len(rays) >= k
    for _ in range(10):
        f = rng.normal(size=k)
        best = linprog(
            -f,
            -bounds.widened(points[:9], 4.0),
            np.zeros(len(bounds.values)),
            bounds.total[None],
            [1.0],
            bounds=(None, None),
        )
        found = cone.extreme(f)
        np.testing.assert_allclose(f @ found, -best.fun, rtol=1e-6)
        np.testing.assert_allclose((rays @ f).max(), f @ found, rtol=1e-6)
        assert abs(f @ farthest(cone, f)) >= abs(f @ found) - 1e-12


def test_samples_are_inside_and_spread():
    _, _, points, bounds = scene(3)
    cone = Cone(Slice.through(points), bounds.values)
    samples = cone.sample(500, 0)
    assert (bounds.values @ samples.T).min() > -1e-12
    np.testing.assert_allclose(samples @ bounds.total, 1.0)
    np.testing.assert_array_equal(samples, cone.sample(500, 0))
    # The mean of a triangle is the mean of its corners.
    rays = cone.rays()
    spread = np.linalg.norm(rays - rays.mean(axis=0), axis=1).max()
    assert np.linalg.norm(samples.mean(0) - rays.mean(0)) < 0.1 * spread


def test_windows_hold_sums_of_channels_and_of_their_variances():
    rng = np.random.default_rng(0)
    V, moments = rng.random((8, 2)), np.tile(np.eye(2), (8, 1, 1))
    bounds = Bounds.of_windows(V, moments)
    assert len(bounds.values) == 8 + 7
    np.testing.assert_allclose(bounds.values[8], V[:2].sum(axis=0))
    np.testing.assert_allclose(bounds.values[-1], V[6:].sum(axis=0))
    np.testing.assert_allclose(
        bounds.deviation(np.array([3.0, 4.0]))[[0, 8]], [5, 50**0.5]
    )
    np.testing.assert_allclose(bounds.total, V.sum(axis=0))


def test_relaxed_bounds_are_exact_at_corner_and_centre():
    _, _, points, bounds = scene(3, 0.05)
    corner, centre = points[0], points.mean(axis=0)
    relaxed = bounds.relaxed(corner, 4.0, centre, corner - centre)
    for c in (corner, centre):
        expected = bounds.values @ c + 4.0 * bounds.deviation(c)
        np.testing.assert_allclose(relaxed @ c, expected, atol=1e-12)


def test_margin_covers_the_noise_of_all_bounds():
    _, _, _, bounds = scene(3)
    assert 3.5 < bounds.default_margin < 5
    assert (
        bounds.default_margin
        < Bounds.of_windows(np.ones((5000, 2)), np.zeros((5000, 2, 2))).default_margin
    )


def test_noise_moves_corners_by_about_itself():
    angles = []
    for noise in (1e-3, 1e-2):
        S, V, points, bounds = scene(3, noise)
        where = Slice.through(points)
        cone = Cone(where, bounds.widened(points[:9], bounds.default_margin))
        corners = start_corners(cone, np.random.default_rng(0))
        corners, _ = grown(where, bounds, corners, bounds.default_margin)
        angles.append(match_components(S, corners @ V.T)[2].max())
    assert angles[0] < 0.1 and angles[1] < 1


def test_silent_channels_bound_nothing():
    S, V, points, bounds = scene(3)
    dead = np.vstack([V, np.zeros((30, 3)), 1e-12 * np.ones((1, 3))])
    more = Bounds.of_windows(dead, np.zeros((len(dead), 3, 3)))
    where, f = Slice.through(points), np.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(
        Cone(where, more.values).extreme(f), Cone(where, bounds.values).extreme(f)
    )


def test_open_slice_has_no_extreme():
    _, _, points, bounds = scene(3)
    cone = Cone(Slice.through(points), bounds.values[:1])
    assert cone.extreme(np.array([1.0, 2.0, 3.0])) is None
    assert farthest(cone, np.array([1.0, 2.0, 3.0])) is None
