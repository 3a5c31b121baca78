"""Factors of a stack of maps: how many there are, however the channels are noisy."""

import numpy as np
import pytest

from sparsedecomp.superresolution import factors_of

SHAPE, N = (4, 20, 24), 150


def mixtures(noise, n=3, seed=0):
    """Mixtures of some spectra, with a noise for every channel."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(2.0, size=(*SHAPE, n))
    spectra = np.sin(np.outer(np.arange(1, n + 1), np.linspace(0, 3, N)))
    clean = maps @ spectra
    return clean, clean + noise * rng.normal(size=clean.shape)


@pytest.mark.parametrize("noise", [1.0, np.linspace(0.3, 2, N)], ids=["even", "uneven"])
def test_noise_is_not_taken_for_factors(noise):
    clean, data = mixtures(noise)
    found = factors_of(data)
    assert found.maps.shape == (*SHAPE, 3) and found.passes == 5
    error = (found.maps @ found.spectra - clean) / noise
    # A part of 3 in 150 of the noise lies in the space of the spectra.
    assert np.sqrt(np.mean(error**2)) < 0.2


def test_the_noise_of_the_maps_is_the_same():
    noise = np.linspace(0.3, 2, N)
    clean, data = mixtures(noise)
    found = factors_of(data)
    left = found.maps - clean @ np.linalg.pinv(found.spectra)
    spread = left.std(axis=(0, 1, 2))
    assert spread.max() < 1.1 * spread.min()


def test_channels_without_noise_change_nothing():
    clean, _ = mixtures(0.0)
    found = factors_of(clean, n_factors=3)
    assert found.passes <= 5
    np.testing.assert_allclose(found.maps @ found.spectra, clean, atol=1e-4)
