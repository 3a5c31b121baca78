"""Spectra to start from: vertices, singular vectors, random pixels."""

import numpy as np
import pytest

from sparsedecomp.blocks import compress
from sparsedecomp.decomposition import NMFSO
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.metrics import match_components


@pytest.fixture
def pure(rng):
    """Spectra of five sources and pixels of any brightness; ten are pure of each."""
    spectra = rng.random((5, 60)) ** 3
    maps = np.vstack([rng.dirichlet(np.ones(5), 300), np.repeat(np.eye(5), 10, axis=0)])
    maps *= rng.uniform(0.8, 1.25, (len(maps), 1))
    return maps @ spectra, spectra


def start(X, k, init, seed=0):
    return initial_spectra(
        compress(X, min(k + 10, *X.shape), random_state=0),
        k,
        init,
        np.random.default_rng(seed),
    )


@pytest.mark.parametrize("init", ["spa", "vca", "nfindr"])
def test_pure_pixels_are_found_exactly(pure, init):
    X, spectra = pure
    _, _, angles = match_components(spectra, start(X, 5, init))
    assert np.all(angles < 1e-5)


def test_factorisation_stays_at_pure_pixels(pure):
    X, spectra = pure
    model = NMFSO(5, init="spa", n_init=1, orthogonality=0, noise="uniform").fit(X)
    assert np.all(match_components(spectra, model.components_)[2] < 0.1)
    assert model.relative_residual_ < 1e-3


def test_dark_pixels_are_no_vertices(pure):
    X, spectra = pure
    # Nearly empty pixels have any composition: all that they hold is in one channel.
    dark = 0.02 * X.max() * np.eye(60)
    found = start(np.vstack([X, dark]), 5, "spa")
    assert np.all(match_components(spectra, found)[2] < 2)


def test_neighbours_average_the_noise(pure, rng):
    X, spectra = pure
    noisy = np.maximum(X + rng.normal(0, 0.05, X.shape), 0)
    _, found, angles = match_components(spectra, start(noisy, 5, "spa"))
    single = np.array([noisy[300 + 10 * i] for i in range(5)])
    assert angles.mean() < 0.6 * match_components(spectra, single)[2].mean()


@pytest.mark.parametrize("init", ["spa", "vca", "nfindr", "nndsvd", "random"])
@pytest.mark.parametrize("k", [1, 5, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_spectra_are_non_negative_of_unit_norm(pure, init, k, dtype):
    # Nine are more than there are: the others are something nevertheless.
    S = start(pure[0].astype(dtype), k, init)
    assert S.shape == (k, 60) and S.dtype == np.float64
    assert np.all(S >= 0)
    np.testing.assert_allclose(np.linalg.norm(S, axis=1), 1)


def test_random_start_takes_denoised_pixels(pure):
    X, _ = pure
    first, again, other = (start(X, 4, "random", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    pixels = X / np.linalg.norm(X, axis=1, keepdims=True)
    chosen = [np.argmax(pixels @ s) for s in first]
    np.testing.assert_allclose(first, pixels[chosen], atol=1e-6)
    assert len(set(chosen)) == 4


def test_random_start_takes_pixels_twice_where_there_are_few(rng):
    X = rng.random((3, 30))
    assert start(X, 3, "random").shape == (3, 30)
    assert start(X, 5, "random").shape == (5, 30)


def test_first_singular_vector_is_the_first_start(pure):
    X, _ = pure
    leading = np.abs(np.linalg.svd(X, full_matrices=False)[2][0])
    np.testing.assert_allclose(start(X, 5, "nndsvd")[0], leading, atol=1e-8)


@pytest.mark.parametrize("init", ["auto", "spa", "vca", "nfindr", "nndsvd", "random"])
def test_every_start_leads_to_a_good_fit(noisy, init):
    model = NMFSO(3, init=init, random_state=0).fit(noisy)
    assert np.sqrt(model.residual_norm_**2 / noisy.size) == pytest.approx(0.01, rel=0.1)
