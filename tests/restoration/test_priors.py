"""Spatial priors: exact where an answer is known, and better than the noise."""

import numpy as np
import pytest

from sparsedecomp.kernels.total_variation import variation
from sparsedecomp.restoration.methods import METHODS
from sparsedecomp.restoration.priors import (
    contrast_total_variation,
    dictionary,
    gaussian,
    none,
    nonlocal_means,
    total_variation,
    wavelets,
)


@pytest.fixture(scope="module")
def phases():
    """Two maps of a disc and a stripe, ten units of the noise high, and noisy ones."""
    y, x = np.mgrid[:40, :36]
    disc = (y - 18) ** 2 + (x - 20) ** 2 < 120
    maps = np.stack([5.0 * disc, 4.0 * (x > 9)], axis=2)
    noise = np.random.default_rng(1).normal(size=maps.shape)
    return maps, (maps + noise).astype(np.float32)


@pytest.mark.parametrize(
    ("prior", "parameters", "most"),
    [
        (gaussian, {"sigma": 1.2}, 0.6),
        (total_variation, {"weight": 1.8}, 0.35),
        (contrast_total_variation, {"weight": 5.0}, 0.3),
        (nonlocal_means, {"bandwidth": 0.9}, 0.4),
        (dictionary, {"gain": 1.15, "size": 6}, 0.45),
        (wavelets, {"weight": 1.8}, 0.45),
    ],
)
def test_noise_falls_and_the_maps_stay(phases, prior, parameters, most):
    clean, noisy = phases
    given = noisy.copy()
    restored = prior(noisy, **parameters)
    assert restored.shape == clean.shape
    assert np.std(restored - clean) < most
    np.testing.assert_array_equal(noisy, given)


def test_total_variation_has_the_smallest_objective(phases, rng):
    noisy = phases[1]
    weight = 1.5
    x = total_variation(noisy, weight, max_iter=2000, tol=1e-6)

    def objective(X):
        return 0.5 * np.square(X - noisy, dtype=float).sum() + weight * variation(X)

    best = objective(x)
    for size in (1e-3, 1e-2, 0.1):
        step = size * rng.normal(size=x.shape).astype(np.float32)
        assert objective(x + step) > best
    # The mean of an image is not changed by total variation.
    assert x.mean() == pytest.approx(noisy.mean(), abs=1e-3)
    assert objective(total_variation(noisy, weight)) < best * (1 + 3e-3)


def test_bregman_steps_keep_the_contrast_of_a_small_disc():
    y, x = np.mgrid[:30, :30]
    disc = ((y - 15) ** 2 + (x - 15) ** 2 < 16)[..., None].astype(np.float32) * 10
    once, twice = total_variation(disc, 4.0), contrast_total_variation(disc, 4.0)
    assert once[15, 15, 0] < 9 and twice[15, 15, 0] > 9.7


@pytest.mark.parametrize("prior", [total_variation, nonlocal_means, gaussian])
def test_rotated_factors_give_rotated_maps(phases, prior):
    noisy = phases[1]
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]], np.float32)
    turned = prior(noisy @ turn, 1.2)
    np.testing.assert_allclose(turned, prior(noisy, 1.2) @ turn, atol=2e-3)


def test_a_wavelet_threshold_of_zero_changes_nothing(phases):
    noisy = phases[1]
    np.testing.assert_allclose(wavelets(noisy, 0.0), noisy, atol=1e-4)
    np.testing.assert_array_equal(none(noisy), noisy)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "auto"])
def test_every_method_restores_a_line_of_one_row(name):
    method = METHODS[name]
    x = np.arange(90)
    clean = 6 * np.exp(-0.5 * ((x - 40) / 8.0) ** 2)[None, :, None]
    noisy = (clean + np.random.default_rng(0).normal(size=clean.shape)).astype("f4")
    first = {key: values[0] for key, values in method.start.items()}
    restored = method.load()(noisy, **{**method.parameters, **first})
    assert restored.shape == clean.shape
    if name != "pca":
        assert np.std(restored - clean) < 0.8 * np.std(noisy - clean)
