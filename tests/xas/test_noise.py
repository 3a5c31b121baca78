"""Noise estimates recover noise of known size, on top of structure."""

import numpy as np
import pytest

from sparsedecomp.xas import background_matrices, chi_noise, mu_noise, photon_energy

K = np.arange(0, 16, 0.05)


@pytest.mark.parametrize("sigma", [1e-4, 1e-2])
def test_noise_of_mu_is_found_on_top_of_an_edge(rng, sigma):
    energy = np.concatenate([np.arange(8800, 8960, 5.0), np.arange(8960, 9600, 0.7)])
    edge = np.arctan((energy - 8980) / 2) + 0.02 * np.sin(energy / 9)
    mu = edge + rng.normal(0, sigma, (300, len(energy)))
    found = mu_noise(energy, mu, limits=(9010, 9600))
    assert found.shape == (300,)
    assert np.median(found) == pytest.approx(sigma, rel=0.1)


def test_noise_of_mu_ignores_cubics_and_glitches(rng):
    energy = np.sort(rng.uniform(0, 100, 400))
    assert mu_noise(energy, energy**3 - 4 * energy) < 1e-8
    noisy = rng.normal(size=400)
    glitched = noisy.copy()
    glitched[50] = 1e4
    assert mu_noise(energy, glitched) == pytest.approx(mu_noise(energy, noisy), rel=0.1)


@pytest.mark.parametrize("kweight", [0, 1, 3])
def test_noise_of_chi_is_found_beside_shells(rng, kweight):
    shells = 0.3 * np.sin(5 * K) * np.exp(-0.02 * K**2)
    chi = shells + rng.normal(0, 2e-3, (400, len(K)))
    found = chi_noise(K, chi, kweight=kweight)
    assert found.mean() == pytest.approx(2e-3, rel=0.05)
    assert found.std() < 0.25 * found.mean()


def test_noise_of_chi_scales_with_the_data(rng):
    chi = rng.normal(size=(2, 3, len(K)))
    np.testing.assert_allclose(chi_noise(K, 7 * chi), 7 * chi_noise(K, chi))


def test_reduction_passes_on_the_noise_of_densely_measured_mu(rng):
    """Points as dense in k as the grid of chi: their noise is that of chi."""
    energy = np.concatenate(
        [np.arange(8780.0, 8975, 5), photon_energy(np.arange(0, 16.05, 0.05), 8980.0)]
    )
    background = background_matrices(energy, 8980.0)
    mu = (energy >= 8980) + rng.normal(0, 1e-3, (200, len(energy)))
    noise = chi_noise(background.k, background.chi(mu, 1.0), kmax=15)
    assert noise.mean() == pytest.approx(1e-3, rel=0.1)


def test_ranges_that_hold_nothing_are_refused():
    with pytest.raises(ValueError, match="Only 2 points lie between 10.5 and 12 eV"):
        mu_noise(np.arange(20.0), np.arange(20.0), limits=(12, 10.5))
    with pytest.raises(ValueError, match=r"resolve R up to 31\.4 angstrom"):
        chi_noise(K, np.ones_like(K), rmax=40)
    with pytest.raises(ValueError, match="leaves the data"):
        chi_noise(K, np.ones_like(K), kmax=20)
    with pytest.raises(ValueError, match="chi has shape"):
        chi_noise(K, np.ones(7))
