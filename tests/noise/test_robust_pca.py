"""Robust principal components: bad pixels are found and do not count."""

import numpy as np
import pytest

from sparsedecomp.blocks import compress
from sparsedecomp.noise.robust_pca import (
    outlyingness,
    robust_pca,
    univariate_mcd,
)


def scene(n=1500, n_channels=80, noise=0.02, bad=0, seed=0):
    """Mixtures of three spectra; the last ``bad`` pixels have a spike somewhere."""
    rng = np.random.default_rng(seed)
    centres = np.array([[15], [40], [65]])
    spectra = np.exp(-0.5 * ((np.arange(n_channels) - centres) / 6) ** 2) + 0.1
    X = rng.dirichlet([1, 1, 1], n) @ spectra
    X += noise * rng.normal(size=X.shape)
    X[n - bad :, rng.integers(n_channels, size=bad)] += 3 * (bad > 0)
    spoilt = np.arange(n) >= n - bad
    return X, spoilt


@pytest.mark.parametrize("coverage", [0.75, 0.98, 1.0])
def test_clean_mixtures_have_their_number_of_spectra(coverage):
    X, _ = scene()
    found = robust_pca(compress(X, 15, random_state=0), coverage=coverage)
    assert found.n_components == 3
    assert found.outliers.mean() < 0.01
    np.testing.assert_allclose(found.noise_variance, 0.02**2, rtol=0.1)
    # Squared distances of regular pixels are those of chi squared.
    assert abs(np.median(found.orthogonal_distance**2) / (77 * 0.02**2) - 1) < 0.1
    assert found.edge > found.noise_variance


def test_spoilt_pixels_are_flagged_and_do_not_count():
    X, spoilt = scene(bad=60)
    low = compress(X, 15, random_state=0)
    found = robust_pca(low, random_state=0)
    assert found.n_components == 3
    assert found.outliers[spoilt].all() and found.outliers[~spoilt].mean() < 0.01
    assert robust_pca(low, coverage=1.0).n_components > 3
    assert found.orthogonal_distance[spoilt].min() > found.orthogonal_cutoff


def test_a_rare_phase_needs_coverage():
    X, _ = scene()
    rare = np.exp(-0.5 * ((np.arange(80) - 52) / 3) ** 2)
    X[:90] += 2 * rare
    low = compress(X, 15, random_state=0)
    assert robust_pca(low, random_state=0).n_components == 3
    assert robust_pca(low, coverage=0.98, random_state=0).n_components == 4


def test_bright_pixels_are_far_within_the_axes():
    X, _ = scene()
    X[7] = 5 * X[7]
    found = robust_pca(compress(X, 15, random_state=0), random_state=0)
    assert np.argmax(found.score_distance) == 7
    assert found.score_distance[7] > found.score_cutoff


def test_number_can_be_given_and_units_do_not_matter():
    X, _ = scene(bad=20)
    low, large = (compress(u * X, 15, random_state=0) for u in (1, 1e6))
    one, million = (robust_pca(each, random_state=0) for each in (low, large))
    assert one.n_components == million.n_components == 3
    np.testing.assert_array_equal(one.outliers, million.outliers)
    np.testing.assert_allclose(one.score_distance, million.score_distance, rtol=1e-5)
    assert robust_pca(low, 2).n_components == 2


def test_noise_alone_has_no_component_and_constant_pixels_one(rng):
    noise = compress(rng.normal(size=(500, 40)), 10, random_state=0)
    assert robust_pca(noise).n_components == 0
    constant = compress(np.ones((50, 8)), 4, random_state=0)
    found = robust_pca(constant)
    assert found.n_components == 1 and not found.outliers.any()


def test_densest_part_of_a_column(rng):
    x = rng.normal(3, 2, (4000, 2))
    x[:40] = 100
    location, scale = univariate_mcd(x, 0.75)
    np.testing.assert_allclose(location, 3, atol=0.15)
    np.testing.assert_allclose(scale, 2, rtol=0.1)
    location, scale = univariate_mcd(x[40:], 1.0)
    np.testing.assert_allclose(location, x[40:].mean(axis=0))
    np.testing.assert_allclose(scale, x[40:].std(axis=0))


def test_outlyingness_does_not_depend_on_scale_or_place(rng):
    Y = rng.normal(size=(3000, 4))
    Y[5] += 30
    one = outlyingness(Y, 0.75, np.random.default_rng(0))
    assert np.argmax(one) == 5
    other = outlyingness(10 * Y + 7, 0.75, np.random.default_rng(0))
    np.testing.assert_allclose(other, one, rtol=1e-6)
    assert not outlyingness(np.ones((9, 2)), 0.75, np.random.default_rng(0)).any()
