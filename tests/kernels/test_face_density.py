"""Density of a simplex's faces: plain formulas, integration, and its derivatives."""

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from sparsedecomp.decomposition.simplex_likelihood.face_mixture import (
    FaceMixture,
    fit_shares,
)
from sparsedecomp.decomposition.simplex_likelihood.faces import face_geometry
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import PixelCloud
from sparsedecomp.kernels import face_density
from sparsedecomp.kernels.face_density import (
    face_log_densities,
    face_slopes,
    log_edge_probability,
    log_normal_probability,
    tabulated_log_probability,
)
from tests.naive import face_density as naive


def cloud_of(points, variance):
    """A cloud whose noise is the identity in the plane of unit sum, but for scale."""
    n, D = points.shape
    k = D + 1
    brightness = np.ones(k)
    plane = np.linalg.qr(np.column_stack([brightness, np.eye(k)]))[0][:, 1:k]
    return PixelCloud(
        points=points,
        variance=variance,
        weight=np.linspace(1, 2, n),
        rows=np.arange(n),
        basis=np.eye(k),
        column_scale=np.ones(k),
        brightness=brightness,
        projection=plane,
        lift=plane.T,
        counts=False,
        information=float((1 / variance).sum()),
    )


def problem(rng, k, edge, n=12, sigma=0.01):
    """Pixels in and around a simplex whose edges are ``edge`` times the noise."""
    D = k - 1
    vertices = edge * sigma * (np.eye(k, D) - 0.2 + 0.1 * rng.random((k, D)))
    shares = rng.dirichlet(np.full(k, 0.5), n)
    variance = sigma**2 * rng.uniform(1, 2, n)
    points = shares @ vertices + 2 * sigma * rng.standard_normal((n, D))
    return FaceMixture(cloud_of(points, variance)), vertices


def parts(mixture, vertices):
    """Whitening, cells and geometry of all the faces."""
    whiten, log_whiten = mixture.whitening(vertices)
    cells = mixture.lattice_cells(vertices, whiten)
    chosen, sigma = np.arange(len(mixture.faces)), mixture._sigma
    geometry = face_geometry(mixture.faces, vertices, chosen, whiten, cells, sigma)
    return log_whiten, cells, geometry, whiten


def log_densities(run, mixture, vertices, dtype=np.float64):
    log_whiten, cells, geometry, whiten = parts(mixture, vertices)
    cloud = mixture.cloud
    L = np.empty((len(cloud.points), len(cells)))
    points, variance = cloud.points.astype(dtype), cloud.variance.astype(dtype)
    run(face_log_densities, L, points, variance, log_whiten, geometry.arrays())
    return L, cells, whiten


@pytest.mark.parametrize("z", [-40.0, -20.5, -3.0, 0.0, 0.7, 9.0])
def test_normal_probability_agrees_with_scipy(run, z):
    found = run(log_normal_probability, z)
    np.testing.assert_allclose(found, log_ndtr(z), rtol=1e-8)


def test_table_of_probabilities_agrees_with_scipy(run):
    for z in [-40.0, -24.0, -23.99, *np.linspace(-9, 7.999, 101)]:
        found = run(tabulated_log_probability, z)
        np.testing.assert_allclose(found, log_ndtr(z), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("z", "other"), [(0.5, 0.25), (3.0, 2.0), (-1.0, 1.5), (4.0, -2.0), (-2.0, 50.0)]
)
def test_edge_probability_is_that_of_an_interval(run, z, other):
    found = run(log_edge_probability, z, other)
    np.testing.assert_allclose(found, np.log(ndtr(z) - ndtr(-other)), rtol=1e-9)


@pytest.mark.parametrize("edge", [2, 30, 500])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_density_agrees_with_the_plain_formula(run, rng, dtype, monkeypatch, k, edge):
    mixture, vertices = problem(rng, k, edge)
    L, cells, whiten = log_densities(run, mixture, vertices, dtype)
    cloud = mixture.cloud
    for f, face in enumerate(mixture.faces):
        C = np.linalg.inv(whiten[f].T @ whiten[f])
        corners = vertices[list(face)]
        for i in np.flatnonzero(np.isfinite(L[:, f])):
            x, covariance = cloud.points[i], cloud.variance[i] * C
            if cells[f]:
                expected = naive.integrated(x, covariance, corners, cells[f])
            else:
                expected = naive.face_log_density(x, covariance, corners)
            tolerance = 2e-3 if dtype == np.float32 else 1e-7
            np.testing.assert_allclose(L[i, f], expected, atol=tolerance, rtol=1e-5)


# Largest and mean error of the log density: the lattice of small faces leaves a tenth
# of a nat at pixels far outside; the product of the probabilities of the facets, which
# takes them for independent, up to one nat beside a vertex of a tetrahedron.
@pytest.mark.parametrize(
    ("edge", "most", "mean"), [(2, 0.15, 0.06), (8, 0.15, 0.06), (200, 0.8, 0.3)]
)
@pytest.mark.parametrize("k", [2, 3, 4])
def test_density_agrees_with_numerical_integration(run, rng, k, edge, most, mean):
    # The cells of the integration are smaller than the noise and a half.
    edge = min(edge, {2: 200, 3: 100, 4: 36}[k])
    n_cells = {2: 2000, 3: 100, 4: 28}[k]
    mixture, vertices = problem(rng, k, edge)
    L, _, whiten = log_densities(run, mixture, vertices)
    cloud = mixture.cloud
    C = np.linalg.inv(whiten[-1].T @ whiten[-1])
    centres = np.array(naive.lattice(n_cells, k)) @ vertices
    errors = []
    for i in np.flatnonzero(np.isfinite(L[:, -1])):
        covariance = cloud.variance[i] * C
        x = cloud.points[i] - centres
        inverse = np.linalg.inv(covariance)
        logs = -0.5 * np.sum(x @ inverse * x, axis=1)
        expected = np.logaddexp.reduce(logs) - np.log(len(centres))
        expected -= 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
        errors.append(abs(L[i, -1] - expected))
    assert np.max(errors) < (1e-3 if k == 2 else most)
    assert np.mean(errors) < mean


def test_faces_that_cannot_matter_are_skipped(run, rng):
    mixture, vertices = problem(rng, 3, 500, n=30)
    L, _, whiten = log_densities(run, mixture, vertices)
    cloud = mixture.cloud
    rows, faces = np.nonzero(np.isneginf(L))
    assert len(rows) > 20
    for i, f in zip(rows, faces, strict=True):
        covariance = cloud.variance[i] * np.linalg.inv(whiten[f].T @ whiten[f])
        corners = vertices[list(mixture.faces[f])]
        density = naive.face_log_density(cloud.points[i], covariance, corners)
        assert density < L[i].max() - face_density._NEGLIGIBLE + 1


def test_faces_too_large_to_matter_are_skipped(run, rng):
    _, vertices = problem(rng, 3, 1e8, sigma=1e-8)
    mixture = FaceMixture(cloud_of(vertices, np.full(3, 1e-16)))
    L, _, whiten = log_densities(run, mixture, vertices)
    assert np.isneginf(L[:, -1]).all()
    covariance = 1e-16 * np.linalg.inv(whiten[-1].T @ whiten[-1])
    whole = [naive.face_log_density(x, covariance, vertices) for x in vertices]
    assert (whole < L.max(axis=1) - face_density._NEGLIGIBLE).all()


def test_shares_are_found_by_expectation_maximisation(rng):
    density = rng.random((50, 4))
    share, each = fit_shares(np.log(density), np.ones(50), steps=500)
    np.testing.assert_allclose(share.sum(), 1)
    np.testing.assert_allclose(each, np.log(density @ share))
    other = share + 1e-3 * np.array([1, -1, 0, 0])
    assert np.log(density @ share).sum() >= np.log(density @ other).sum() - 1e-6


@pytest.mark.parametrize("edge", [3, 12, 30, 500])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_slopes_are_those_of_the_density(run, rng, k, edge):
    mixture, vertices = problem(rng, k, edge)
    log_whiten, cells, geometry, whiten = parts(mixture, vertices)
    n_faces = len(cells)
    chosen, share = np.arange(n_faces), np.full(n_faces, -np.log(n_faces))

    def forward(V):
        return mixture._value_and_slope(V, chosen, share, whiten, log_whiten, cells)

    with pytest.MonkeyPatch.context() as patch:
        module = "sparsedecomp.decomposition.simplex_likelihood.face_mixture"
        patch.setattr(
            f"{module}.face_slopes", lambda *arguments: run(face_slopes, *arguments)
        )
        _, slope = forward(vertices)
    step = 1e-6
    for a, b in np.ndindex(*vertices.shape):
        change = np.zeros_like(vertices)
        change[a, b] = step
        up, down = forward(vertices + change)[0], forward(vertices - change)[0]
        scale = max(np.abs(slope).max(), 1.0)
        np.testing.assert_allclose(
            slope[a, b], (up - down) / (2 * step), atol=2e-4 * scale
        )


@pytest.mark.parametrize("apart", [0.0, 0.5, 2.0])
def test_a_face_that_collapses_gains_nothing(run, rng, apart):
    # Two of three vertices come together, at the far end of a long face.
    mixture, vertices = problem(rng, 3, 100)
    sigma = mixture._sigma
    vertices[2] = vertices[1] + [0.0, apart * sigma + 1e-9]
    L, cells, _ = log_densities(run, mixture, vertices)
    assert not cells[-1]
    edges = [f for f, face in enumerate(mixture.faces) if len(face) == 2]
    if apart < 1:
        assert np.all(L[:, -1] == -np.inf)
    else:
        # The mean over the face is at most twice the mean over its longest edge.
        edge = L[:, edges].max(axis=1)
        near = edge > edge.max() - 20
        assert np.all(L[near, -1] > -np.inf)
        assert np.all(L[near, -1] <= np.log(2.5) + edge[near])


@pytest.mark.parametrize("edge", [1, 6])
@pytest.mark.parametrize("k", [3, 4])
def test_small_faces_without_a_lattice_are_capped(run, rng, k, edge):
    # As faces with too many vertices for a lattice are.
    mixture, vertices = problem(rng, k, edge)
    whiten, log_whiten = mixture.whitening(vertices)
    chosen, none = np.arange(len(mixture.faces)), np.zeros(len(mixture.faces), int)
    geometry = face_geometry(mixture.faces, vertices, chosen, whiten, none, 0.0)
    cloud = mixture.cloud
    L = np.empty((len(cloud.points), len(chosen)))
    scales = cloud.variance, log_whiten
    run(face_log_densities, L, cloud.points, *scales, geometry.arrays())
    for i, f in zip(*np.nonzero(np.isfinite(L)), strict=True):
        covariance = cloud.variance[i] * np.linalg.inv(whiten[f].T @ whiten[f])
        corners = vertices[list(mixture.faces[f])]
        expected = naive.face_log_density(cloud.points[i], covariance, corners)
        np.testing.assert_allclose(L[i, f], expected, atol=1e-7, rtol=1e-5)
    share = np.full(len(chosen), -np.log(len(chosen)))
    with pytest.MonkeyPatch.context() as patch:
        module = "sparsedecomp.decomposition.simplex_likelihood.face_mixture"
        patch.setattr(
            f"{module}.face_slopes", lambda *arguments: run(face_slopes, *arguments)
        )
        arguments = chosen, share, whiten, log_whiten, none
        _, slope = mixture._value_and_slope(vertices, *arguments)
        step = 1e-7
        for a, b in np.ndindex(*vertices.shape):
            change = np.zeros_like(vertices)
            change[a, b] = step
            up = mixture._value_and_slope(vertices + change, *arguments)[0]
            down = mixture._value_and_slope(vertices - change, *arguments)[0]
            scale = max(np.abs(slope).max(), 1.0)
            assert abs(slope[a, b] - (up - down) / (2 * step)) < 2e-3 * scale


def test_faces_in_the_plane_of_a_pixel_or_far_away_are_skipped(run, rng):
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1e-3]]) * 0.01
    for size in (500, 12):
        vertices = size * flat
        points = vertices[[0, 0, 1]] + 0.005 * rng.standard_normal((3, 3))
        points[0] -= [0.1, 0.1, 0]
        cloud = cloud_of(points, np.full(3, 1e-4))
        L, _, _ = log_densities(run, FaceMixture(cloud), vertices)
        assert np.isneginf(L).sum() > 5
        assert np.isfinite(L[:, :4].max(axis=1)).all()
